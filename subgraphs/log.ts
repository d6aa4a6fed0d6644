import type { Sql } from './db.ts';

// The log of what happened, one numbered stream per community and kind. Writers append in their own transaction
// with `log.append(...)` in SQL; here is how it is read by page, in log-tail.ts as it grows.

export type StreamName = 'members' | 'access' | 'xp' | 'levels' | 'badges' | 'messages' | 'credentials';

export interface LogEvent {
  number: number;
  kind: string;
  userId: string | null;
  channelId: string | null;
  payload: Record<string, unknown>;
  occurredAt: Date;
  /** Up to where the stream `credentials` was about this community when the event was read; see `credentialsAt`. */
  credentialsAt: number;
}

export interface StreamId {
  communityId: string;
  stream: StreamName;
}

const pruneFirstMs = 60 * 1_000;
const pruneEveryMs = 60 * 60 * 1_000;
const pruneBatch = 5_000;

/** How long events are kept for those who resume: 7 days, in seconds. */
export const retentionSeconds = 7 * 24 * 60 * 60;

/**
 * SQL: the number of the last event of the stream `credentials` that is about a community. Read in one statement with what
 * is told to clients, it says what a gateway has to know first: a statement that sees an event sees all that was committed
 * before that event, so whoever lost a right before it is named up to this number.
 */
export function credentialsAt(sql: Sql, communityId: string) {
  return sql`(
    select coalesce(max(c.number), 0) from log.credentials_of c where c.community_id in (${communityId}, '')
  )`;
}

/** `credentialsAt` by itself, for what is read by several statements of one moment. @cost one query by primary key */
export async function credentialsNow(sql: Sql, communityId: string): Promise<number> {
  const [row] = await sql<{ number: bigint }[]>`
    -- credentialsNow
    select ${credentialsAt(sql, communityId)} as number`;
  return Number(row?.number ?? 0n);
}

/**
 * Events of a stream after a number, oldest first.
 * @param first  1-1000 rows.
 * @cost one range of the primary key.
 */
export async function eventsAfter(
  sql: Sql,
  { communityId, stream }: StreamId,
  after: number,
  first: number,
): Promise<LogEvent[]> {
  const rows = await sql<
    (Omit<LogEvent, 'number' | 'credentialsAt'> & { number: bigint; credentialsAt: bigint })[]
  >`
    -- eventsAfter
    select number, kind, user_id as "userId", channel_id as "channelId", payload, occurred_at as "occurredAt",
      ${credentialsAt(sql, communityId)} as "credentialsAt"
    from log.event
    where community_id = ${communityId} and stream = ${stream} and number > ${after}
    order by number
    limit ${first}`;
  return rows.map((row) => ({
    ...row,
    number: Number(row.number),
    credentialsAt: Number(row.credentialsAt),
  }));
}

/** The numbers of a stream's first kept and last event; `first` is the next one's when none is kept. */
export async function extentOf(
  sql: Sql,
  { communityId, stream }: StreamId,
): Promise<{ first: number; last: number }> {
  const [row] = await sql<{ first: bigint | null; last: bigint }[]>`
    -- extentOf
    select last, (
      select min(number) from log.event where community_id = ${communityId} and stream = ${stream}
    ) as first
    from log.stream
    where community_id = ${communityId} and name = ${stream}`;
  const last = Number(row?.last ?? 0n);
  return { first: row?.first == null ? last + 1 : Number(row.first), last };
}

/** Forgets what is older than its retention. */
export type Prune = (sql: Sql) => Promise<unknown>;

/** Forgets, once an hour, events older than the retention, and what else has one. Returns how to stop. */
export function keepPruned(
  sql: Sql,
  others: readonly Prune[],
  onFault: (error: unknown) => void,
): () => void {
  const prune = () => {
    for (const one of [pruneLog, ...others]) void one(sql).catch(onFault);
  };
  const first = setTimeout(prune, pruneFirstMs);
  const timer = setInterval(prune, pruneEveryMs);
  first.unref();
  timer.unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}

/** Forgets events older than the retention, in batches; one process at a time does. @returns how many. */
export async function pruneLog(sql: Sql, olderThanSeconds = retentionSeconds): Promise<number> {
  for (let forgotten = 0; ; ) {
    const { count } = await sql`
      -- pruneLog
      delete from log.event where ctid = any(array(
        select ctid from log.event
        where occurred_at < now() - make_interval(secs => ${olderThanSeconds})
        limit ${pruneBatch}
        for update skip locked
      ))`;
    forgotten += count;
    if (count < pruneBatch) return forgotten;
  }
}
