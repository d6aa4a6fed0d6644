import type { Sql } from './db.ts';
import { eventsAfter, type LogEvent, type StreamId } from './log.ts';
import { type LogPages, openLogPages } from './log-pages.ts';

// The log as it grows: a notification wakes a process, and a poll once a second stands behind it.

const channel = 'laurel_log';
const notifyEveryMs = 10;
const pollEveryMs = 1_000;

/** What a process needs to follow the log: one listener, however many follow. `close()` ends it. */
export interface LogTail {
  /** Tells every process that something was appended; call after commit. Losing it costs a second, no event. */
  wake(): void;
  /** Calls `onGrowth` with new events, in order and without a hole, starting after `position`. Returns how to stop. */
  follow(id: StreamId, position: number, onGrowth: (events: LogEvent[]) => void): () => void;
  /** Calls `onWake` when anything may have been appended, and once a second in any case. Returns how to stop. */
  onWake(onWake: () => void): () => void;
  /** What is past, for those who have missed it. */
  readonly pages: LogPages;
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
    pages: openLogPages(sql),
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
  let furthest = Number.POSITIVE_INFINITY;
  for (const position of followers.values()) furthest = Math.min(furthest, position);
  return furthest;
}
