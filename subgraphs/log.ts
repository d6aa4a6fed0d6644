import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Sql } from './db.ts';
import { transaction } from './db.ts';
import { Refusal } from './errors.ts';
import type { SigningKeys } from './principal.ts';

// The log of what happened, one numbered stream per community and kind. Writers append in their own transaction
// with `log.append(...)` in SQL; here is how it is read: by page, as it grows, and by background readers.

export type StreamName = 'members' | 'xp' | 'messages';

export interface LogEvent {
  number: number;
  kind: string;
  userId: string | null;
  channelId: string | null;
  payload: Record<string, unknown>;
  occurredAt: Date;
}

export interface StreamId {
  communityId: string;
  stream: StreamName;
}

const channel = 'laurel_log';
const notifyEveryMs = 10;
const pollEveryMs = 1_000;
const readEveryMs = 50;
const pruneEveryMs = 60 * 60 * 1_000;

/** How long events are kept for those who resume: 7 days, in seconds. */
export const retentionSeconds = 7 * 24 * 60 * 60;

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
  const rows = await sql<(Omit<LogEvent, 'number'> & { number: bigint })[]>`
    -- eventsAfter
    select number, kind, user_id as "userId", channel_id as "channelId", payload, occurred_at as "occurredAt"
    from log.event
    where community_id = ${communityId} and stream = ${stream} and number > ${after}
    order by number
    limit ${first}`;
  return rows.map((row) => ({ ...row, number: Number(row.number) }));
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

/** What a process needs to follow the log: one listener, however many follow. `close()` ends it. */
export interface LogTail {
  /** Tells every process that something was appended; call after commit. Losing it costs a second, no event. */
  wake(): void;
  /** Calls `onGrowth` with new events, in order and without a hole, starting after `position`. Returns how to stop. */
  follow(id: StreamId, position: number, onGrowth: (events: LogEvent[]) => void): () => void;
  /** Calls `onWake` when anything may have been appended, and once a second in any case. Returns how to stop. */
  onWake(onWake: () => void): () => void;
  close(): Promise<void>;
}

interface Followed {
  id: StreamId;
  /** Each follower and the number of the last event it was given. */
  followers: Map<(events: LogEvent[]) => void, number>;
}

/** Starts following: listens for notifications and polls once a second behind them. */
export async function openTail(sql: Sql, onFault: (error: unknown) => void): Promise<LogTail> {
  const followed = new Map<string, Followed>();
  const wakers = new Set<() => void>();
  let closed = false;
  let reading: Promise<void> | undefined;
  let again = false;
  let notifyTimer: NodeJS.Timeout | undefined;

  // One read at a time; a wake during a read means one more read, since the read may have begun before the commit.
  const wakeHere = () => {
    for (const waker of wakers) waker();
    if (closed || followed.size === 0) return;
    if (reading !== undefined) {
      again = true;
      return;
    }
    reading = readGrowth(sql, followed)
      .catch(onFault)
      .finally(() => {
        reading = undefined;
        if (again) {
          again = false;
          wakeHere();
        }
      });
  };

  const listener = await sql.listen(channel, wakeHere, wakeHere);
  const poll = setInterval(wakeHere, pollEveryMs);
  poll.unref();

  return {
    wake() {
      wakeHere();
      if (notifyTimer !== undefined || closed) return;
      notifyTimer = setTimeout(() => {
        notifyTimer = undefined;
        sql.notify(channel, '').catch(onFault);
      }, notifyEveryMs);
      notifyTimer.unref();
    },
    follow(id, position, onGrowth) {
      const key = `${id.communityId} ${id.stream}`;
      const entry = followed.get(key) ?? { id, followers: new Map() };
      followed.set(key, entry);
      entry.followers.set(onGrowth, position);
      wakeHere();
      return () => {
        entry.followers.delete(onGrowth);
        if (entry.followers.size === 0 && followed.get(key) === entry) followed.delete(key);
      };
    },
    onWake(onWake) {
      wakers.add(onWake);
      return () => wakers.delete(onWake);
    },
    async close() {
      closed = true;
      clearInterval(poll);
      clearTimeout(notifyTimer);
      await listener.unlisten().catch(() => {});
      await reading;
    },
  };
}

async function readGrowth(sql: Sql, followed: Map<string, Followed>): Promise<void> {
  const entries = [...followed.values()];
  const heads = await sql<{ key: string; last: bigint }[]>`
    -- readGrowth
    select community_id || ' ' || name as key, last
    from log.stream
    where (community_id, name) in (
      select * from unnest(${entries.map((e) => e.id.communityId)}::text[], ${entries.map((e) => e.id.stream)}::text[])
    )`;
  for (const { key, last } of heads) {
    const entry = followed.get(key);
    if (entry === undefined) continue;
    // Read on from the one furthest behind; those ahead are given only what is new to them.
    for (let from = furthestBehind(entry); from < Number(last); from = furthestBehind(entry)) {
      const events = await eventsAfter(sql, entry.id, from, 1_000);
      const newest = events.at(-1);
      if (newest === undefined) break;
      for (const [onGrowth, position] of entry.followers) {
        // One that joined further behind during this read waits for the next.
        if (position < from || position >= newest.number) continue;
        entry.followers.set(onGrowth, newest.number);
        onGrowth(position === from ? events : events.filter(({ number }) => number > position));
      }
    }
  }
}

function furthestBehind({ followers }: Followed): number {
  return Math.min(...followers.values());
}

/** A background reader: handles each event of a stream of every community once, in order. */
export interface LogReader {
  /** Stands in `log.reader`; a reader by a new name starts from the beginning. */
  name: string;
  stream: StreamName;
  /** Its writes commit together with the position, so that an event has its effect once. */
  handle(sql: Sql, communityId: string, events: LogEvent[]): Promise<void>;
}

/**
 * Brings a reader up to the end of its streams. Of many processes one works on a community at a time; the others
 * skip it.
 */
export async function catchUp(sql: Sql, reader: LogReader): Promise<void> {
  await sql`
    -- catchUp: a row for each stream that has none yet
    insert into log.reader (community_id, stream, name)
    select community_id, name, ${reader.name} from log.stream s
    where name = ${reader.stream} and not exists (
      select from log.reader r
      where r.community_id = s.community_id and r.stream = s.name and r.name = ${reader.name}
    )
    on conflict do nothing`;
  while (await handleSome(sql, reader));
}

async function handleSome(sql: Sql, reader: LogReader): Promise<boolean> {
  return transaction(sql, async (tx) => {
    const [behind] = await tx<{ communityId: string; position: bigint; last: bigint }[]>`
      -- handleSome
      select r.community_id as "communityId", r.position, s.last
      from log.reader r join log.stream s on s.community_id = r.community_id and s.name = r.stream
      where r.name = ${reader.name} and r.stream = ${reader.stream} and r.position < s.last
      limit 1
      for update of r skip locked`;
    if (behind === undefined) return false;
    const { communityId } = behind;
    const events = await eventsAfter(
      tx,
      { communityId, stream: reader.stream },
      Number(behind.position),
      1_000,
    );
    if (events.length > 0) await reader.handle(tx, communityId, events);
    // Nothing left to read: what the reader missed was pruned.
    const reached = events.at(-1)?.number ?? behind.last;
    await tx`
      -- handleSome: the position
      update log.reader set position = ${reached}
      where community_id = ${communityId} and stream = ${reader.stream} and name = ${reader.name}`;
    return true;
  });
}

/** Keeps readers caught up until `stop()` is called; what they throw goes to `onFault` and is tried again. */
export function keepReading(
  sql: Sql,
  tail: LogTail,
  readers: readonly LogReader[],
  onFault: (error: unknown) => void,
): { stop(): Promise<void> } {
  let working: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  // Every write of this process wakes; one look at the log is enough for all that come close together.
  const work = () => {
    if (readers.length === 0 || timer !== undefined) return;
    timer = setTimeout(async () => {
      await working;
      timer = undefined;
      working = (async () => {
        for (const reader of readers) await catchUp(sql, reader);
      })().catch(onFault);
    }, readEveryMs);
    timer.unref();
  };
  const stop = tail.onWake(work);
  work();
  return {
    async stop() {
      stop();
      clearTimeout(timer);
      await working;
    },
  };
}

/** Forgets, once an hour, events older than the retention. Returns how to stop. */
export function keepPruned(sql: Sql, onFault: (error: unknown) => void): () => void {
  const timer = setInterval(() => void pruneLog(sql).catch(onFault), pruneEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Forgets events older than the retention. @returns how many. */
export async function pruneLog(sql: Sql, olderThanSeconds = retentionSeconds): Promise<number> {
  const { count } = await sql`
    -- pruneLog
    delete from log.event where occurred_at < now() - make_interval(secs => ${olderThanSeconds})`;
  return count;
}

/** Opaque positions in a stream for clients: sealed, so that they neither tell how much happens nor can be forged. */
export interface CursorSeal {
  seal(id: StreamId, number: number): string;
  /** @throws BAD_CURSOR for text that this stream of this community didn't issue. */
  open(id: StreamId, cursor: string): number;
}

/**
 * One AES block holds eight bytes that name the stream and eight of the number. The same event has the same cursor
 * everywhere, which lets a client drop what it has seen and lets streams be joined at a cursor.
 */
export function cursorSeal(secret: Uint8Array): CursorSeal {
  const mark = ({ communityId, stream }: StreamId) =>
    createHash('sha256').update(`${communityId} ${stream}`).digest().subarray(0, 8);
  return {
    seal(id, number) {
      const block = Buffer.alloc(16);
      mark(id).copy(block);
      block.writeBigUInt64BE(BigInt(number), 8);
      const cipher = createCipheriv('aes-256-ecb', secret, null).setAutoPadding(false);
      return Buffer.concat([cipher.update(block), cipher.final()]).toString('base64url');
    },
    open(id, cursor) {
      const refusal = new Refusal(
        'BAD_CURSOR',
        'The cursor was not issued by this stream: start without `after`.',
      );
      const sealed = Buffer.from(cursor, 'base64url');
      if (sealed.length !== 16) throw refusal;
      const decipher = createDecipheriv('aes-256-ecb', secret, null).setAutoPadding(false);
      const block = Buffer.concat([decipher.update(sealed), decipher.final()]);
      if (!block.subarray(0, 8).equals(mark(id))) throw refusal;
      return Number(block.readBigUInt64BE(8));
    },
  };
}

/** The secrets of one purpose, newest first; the first process that asks makes the first one. */
export async function secretsFor(sql: Sql, purpose: 'principal' | 'cursor'): Promise<SigningKeys> {
  const read = () => sql<{ id: string; secret: Buffer }[]>`
    -- secretsFor
    select id, value as secret from log.secret where purpose = ${purpose} order by created_at desc, id`;
  const stored = await read();
  if (stored.length > 0) return stored;
  // The fixed id lets one of several first processes win; all then read the winner's.
  await sql`
    -- secretsFor: the first
    insert into log.secret (purpose, id, value) values (${purpose}, 'first', ${randomBytes(32)})
    on conflict do nothing`;
  return read();
}
