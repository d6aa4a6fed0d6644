import type { Sql } from '../db.ts';
import { credentialsAt } from '../log.ts';

// What is true for moments only and stands in no log: who writes, who is around. It travels over PostgreSQL's NOTIFY, one
// listener a process, so that every process tells it; what is missed is missed.

export interface Signal {
  communityId: string;
  kind: 'typing' | 'presence';
  userId: string;
  /** Of `typing`. */
  channelId?: string;
  /** Of `presence`. */
  status?: string;
  /** When it was told, milliseconds since 1970. */
  at: number;
  /** What a gateway has to know before it tells it; see subscribe.ts. */
  credentialsAt: number;
}

const channel = 'laurel_signal';
/** Signals that wait for a slow reader at most; beyond it the oldest are dropped. */
const mostWaiting = 100;

interface Listener {
  followers: Set<(signal: Signal) => void>;
  listening: Promise<unknown>;
}

const listeners = new WeakMap<Sql, Listener>();

/** Tells every process. */
export async function tellSignal(sql: Sql, signal: Omit<Signal, 'credentialsAt'>): Promise<void> {
  await sql`
    -- tellSignal
    select pg_notify(${channel}, (
      ${sql.json({ ...signal })}::jsonb || jsonb_build_object('credentialsAt', ${credentialsAt(sql, signal.communityId)})
    )::text)`;
}

/**
 * The signals from now on that `isWanted` lets through, until `return()`.
 * @returns  when none that is told after it can be missed.
 */
export async function followSignals(
  sql: Sql,
  isWanted: (signal: Signal) => boolean,
): Promise<AsyncIterableIterator<Signal>> {
  const { followers, listening } = listenerOf(sql);
  const waiting: Signal[] = [];
  let ended = false;
  let wake = () => {};
  const follow = (signal: Signal) => {
    if (!isWanted(signal)) return;
    waiting.push(signal);
    if (waiting.length > mostWaiting) waiting.shift();
    wake();
  };
  followers.add(follow);
  await listening;
  // Not a generator: its `return()` would wait for the next signal before it ended.
  const signals: AsyncIterableIterator<Signal> = {
    async next() {
      while (!ended) {
        const value = waiting.shift();
        if (value !== undefined) return { done: false, value };
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return { done: true, value: undefined };
    },
    async return() {
      ended = true;
      followers.delete(follow);
      wake();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => signals,
  };
  return signals;
}

/** One listener a pool, opened by the first who follows; it ends with the pool. */
function listenerOf(sql: Sql): Listener {
  const known = listeners.get(sql);
  if (known !== undefined) return known;
  const followers: Listener['followers'] = new Set();
  const listening = sql.listen(channel, (text) => {
    const signal = JSON.parse(text) as Signal;
    for (const follower of followers) follower(signal);
  });
  const listener = { followers, listening };
  listeners.set(sql, listener);
  // Whoever comes next tries again.
  listening.catch(() => listeners.delete(sql));
  return listener;
}
