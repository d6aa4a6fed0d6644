import type { Sql } from './db.ts';

// The log of what happened, one numbered stream per community and kind. Writers append in their own transaction
// with `log.append(...)` in SQL; here is how it is read: by page, and as it grows.

export type StreamName = 'members' | 'access' | 'xp' | 'badges' | 'messages' | 'credentials';

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
const pruneFirstMs = 60 * 1_000;
const pruneEveryMs = 60 * 60 * 1_000;
const pruneBatch = 5_000;

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
