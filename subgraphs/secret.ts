import { randomBytes } from 'node:crypto';
import { type Sql, transaction } from './db.ts';
import type { SigningKey, SigningKeys } from './principal.ts';

// Secrets that all processes on one database share, and how they are replaced while everybody works: a new one is known
// everywhere before anybody signs with it, what those of before signed is believed until their overlap is over, and then
// they are deleted.

/**
 * What a secret is for: `principal` signs principals, `session` signs access tokens, `cursor` seals stream cursors,
 * `file` signs links to files. */
export type SecretPurpose = 'principal' | 'session' | 'cursor' | 'file';

/** How long secrets of before are believed unless said otherwise, in seconds: longer than anything lives that they signed. */
export const usualOverlapSeconds: Record<SecretPurpose, number> = {
  principal: 5 * 60,
  session: 30 * 60,
  cursor: 8 * 24 * 60 * 60,
  file: 30 * 60,
};

/** A secret without its value. */
export interface StoredSecret {
  purpose: SecretPurpose;
  id: string;
  createdAt: Date;
  /** From when it signs, unless a newer one does. */
  signsAt: Date;
  /** Until when what it signed is believed; null: it wasn't replaced. */
  endsAt: Date | null;
  /** It signs now. */
  signs: boolean;
}

/** The secrets of a process, kept up to date. */
export interface Secrets {
  of(purpose: SecretPurpose): SigningKeys;
  /** Looks for new ones now, not in a second. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** How often each process looks for new secrets. */
const lookEveryMs = 1_000;
/** How long a new secret is known before it signs. */
export const leadSeconds = 5;

/** A secret as a process knows it; moments are those of `performance.now()`. */
interface Known extends SigningKey {
  signsAt: number;
  endsAt: number;
}

/**
 * Opens the secrets of all purposes, making the first ones, and looks for new ones once a second.
 * @param onFault  told when they can't be read any more; those that are known go on to work.
 */
export async function openSecrets(sql: Sql, onFault: (error: unknown) => void): Promise<Secrets> {
  const rings: Record<SecretPurpose, Ring> = {
    principal: new Ring(),
    session: new Ring(),
    cursor: new Ring(),
    file: new Ring(),
  };
  let looking: Promise<void> | undefined;
  let isFaulty = false;

  const refresh = async () => {
    const askedAt = performance.now();
    const rows = await sql<StoredValue[]>`
      -- refreshSecrets
      select purpose, id, value as secret,
        extract(epoch from signs_at - clock_timestamp())::float8 * 1000 as "signsInMs",
        extract(epoch from ends_at - clock_timestamp())::float8 * 1000 as "endsInMs"
      from log.secret
      order by signs_at desc, id`;
    for (const [purpose, ring] of Object.entries(rings)) {
      ring.learn(rows.filter((row) => row.purpose === purpose).map((row) => knownFrom(row, askedAt)));
    }
    if (rows.some(({ endsInMs }) => endsInMs !== null && endsInMs <= 0)) await deleteEnded(sql);
  };
  const look = () => {
    looking ??= refresh()
      .then(() => {
        isFaulty = false;
      })
      .catch((error: unknown) => {
        // Once for each outage.
        if (!isFaulty) onFault(error);
        isFaulty = true;
      })
      .finally(() => {
        looking = undefined;
      });
  };

  await makeFirst(sql);
  await refresh();
  const timer = setInterval(look, lookEveryMs);
  timer.unref();
  return {
    of: (purpose) => () => rings[purpose].keys(),
    refresh,
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}

/**
 * Makes a new secret, which signs in five seconds; those of before are believed until then and as long as the overlap.
 * @param overlapSeconds  0: only until the new one signs.
 */
export async function rotateSecret(
  sql: Sql,
  purpose: SecretPurpose,
  overlapSeconds: number,
): Promise<StoredSecret[]> {
  await makeFirst(sql);
  await transaction(sql, async (tx) => {
    // One rotation at a time.
    await tx`lock table log.secret in share row exclusive mode`;
    const id = randomBytes(6).toString('hex');
    await tx`
      -- rotateSecret
      insert into log.secret (purpose, id, value, signs_at)
      values (${purpose}, ${id}, ${randomBytes(32)}, clock_timestamp() + make_interval(secs => ${leadSeconds}))`;
    await tx`
      -- rotateSecret: those of before
      update log.secret s
      set ends_at = least(s.ends_at, newest.signs_at + make_interval(secs => ${overlapSeconds}))
      from log.secret newest
      where newest.purpose = ${purpose} and newest.id = ${id} and s.purpose = ${purpose} and s.id <> ${id}`;
  });
  return (await storedSecrets(sql)).filter((one) => one.purpose === purpose);
}

/** The secrets there are, newest first for each purpose, without their values. */
export async function storedSecrets(sql: Sql): Promise<StoredSecret[]> {
  await deleteEnded(sql);
  return sql<StoredSecret[]>`
    -- storedSecrets
    select purpose, id, created_at as "createdAt", signs_at as "signsAt", ends_at as "endsAt",
      signs_at = max(signs_at) filter (where signs_at <= now()) over (partition by purpose) as signs
    from log.secret
    order by purpose, signs_at desc, id`;
}

interface StoredValue {
  purpose: SecretPurpose;
  id: string;
  secret: Buffer;
  signsInMs: number;
  endsInMs: number | null;
}

function knownFrom({ id, secret, signsInMs, endsInMs }: StoredValue, askedAt: number): Known {
  return {
    id,
    secret,
    signsAt: askedAt + signsInMs,
    endsAt: endsInMs === null ? Number.POSITIVE_INFINITY : askedAt + endsInMs,
  };
}

/** The secrets of one purpose, by the moment. */
class Ring {
  private known: readonly Known[] = [];
  private current: readonly SigningKey[] = [];
  private changesAt = Number.NEGATIVE_INFINITY;

  /** @param known  newest first. */
  learn(known: readonly Known[]): void {
    this.known = known;
    this.changesAt = Number.NEGATIVE_INFINITY;
  }

  keys(): readonly SigningKey[] {
    const now = performance.now();
    if (now < this.changesAt) return this.current;
    const believed = this.known.filter(({ endsAt }) => endsAt > now);
    const signing = believed.find(({ signsAt }) => signsAt <= now);
    const others = believed.filter((one) => one !== signing);
    this.current = signing === undefined ? others : [signing, ...others];
    const moments = believed.flatMap(({ signsAt, endsAt }) => [signsAt, endsAt]);
    this.changesAt = Math.min(...moments.filter((moment) => moment > now));
    return this.current;
  }
}

/** Makes the first secret of each purpose that has none. */
async function makeFirst(sql: Sql): Promise<void> {
  const purposes = Object.keys(usualOverlapSeconds);
  const values = purposes.map(() => randomBytes(32).toString('hex'));
  // The fixed id lets one of several first processes win.
  await sql`
    -- makeFirst
    insert into log.secret (purpose, id, value)
    select purpose, 'first', decode(value, 'hex')
    from unnest(${purposes}::text[], ${values}::text[]) as wanted(purpose, value)
    where not exists (select from log.secret s where s.purpose = wanted.purpose)
    on conflict do nothing`;
}

async function deleteEnded(sql: Sql): Promise<void> {
  await sql`
    -- deleteEnded
    delete from log.secret where ends_at <= clock_timestamp()`;
}
