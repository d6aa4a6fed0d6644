import type { Context } from './context.ts';
import { Refusal } from './errors.ts';
import { eventsAfter, extentOf, type LogEvent, type StreamId } from './log.ts';

// A log as a subscription: what was missed since a cursor, then what happens now, in order and once, and a word in
// the stream whenever that isn't possible. What is yielded here the GraphQL side dresses as StreamItems.

export type StreamStep =
  | { step: 'ready'; cursor: string; retainedFrom: string }
  | { step: 'resumed'; cursor: string; replayed: number }
  | { step: 'gap'; cursor: string; from: string; reason: 'RETENTION_EXCEEDED' | 'SLOW_CONSUMER' }
  | { step: 'event'; cursor: string; event: LogEvent };

export interface StreamOptions {
  /** The cursor to resume after; absent: from now on. */
  after?: string | null;
  /** Which events this subscriber's arguments and permissions let through. */
  includes(event: LogEvent): boolean;
  /** Events waiting for a slow consumer at most; beyond it they are dropped and a gap says so. */
  buffer?: number;
}

const replayPage = 500;

/**
 * Opens a stream. It is open, and misses nothing more, when the promise resolves.
 * @throws BAD_CURSOR  `after` wasn't issued by this stream.
 */
export async function openStream(
  { sql, tail, cursors }: Context,
  id: StreamId,
  { after, includes, buffer = 1_000 }: StreamOptions,
): Promise<AsyncGenerator<StreamStep, void>> {
  const resumeAt = after == null ? undefined : cursors.open(id, after);
  const { first, last } = await extentOf(sql, id);
  if (resumeAt !== undefined && resumeAt > last) {
    throw new Refusal('BAD_CURSOR', 'The cursor lies beyond the end of this stream: start without `after`.');
  }
  const seal = (number: number) => cursors.seal(id, number);
  const lost = resumeAt !== undefined && last > resumeAt && first > resumeAt + 1;
  const replaying = resumeAt !== undefined && !lost;

  // Live events queue from here on, while what came before them is read from the log.
  let queue: LogEvent[] = [];
  let dropped = false;
  let ended = false;
  let wake = () => {};
  const unfollow = tail.follow(id, last, (events) => {
    for (const event of events) {
      if (includes(event)) queue.push(event);
    }
    if (queue.length > buffer) {
      queue = queue.slice(-1);
      dropped = true;
    }
    wake();
  });

  async function* steps(): AsyncGenerator<StreamStep, void> {
    let delivered = resumeAt ?? last;
    if (replaying) {
      let replayed = 0;
      for (let from = resumeAt; from < last; ) {
        const page = (await eventsAfter(sql, id, from, replayPage)).filter(({ number }) => number <= last);
        const newest = page.at(-1);
        if (newest === undefined) break;
        from = newest.number;
        for (const event of page) {
          if (!includes(event)) continue;
          replayed++;
          yield { step: 'event', cursor: seal(event.number), event };
        }
      }
      yield { step: 'resumed', cursor: seal(last), replayed };
    } else if (lost) {
      yield { step: 'gap', cursor: seal(last), from: seal(resumeAt), reason: 'RETENTION_EXCEEDED' };
    } else {
      yield { step: 'ready', cursor: seal(last), retainedFrom: seal(first - 1) };
    }
    delivered = last;
    while (!ended) {
      const event = queue.shift();
      if (event === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (queue.length > 0 || ended) resolve();
        });
        continue;
      }
      if (dropped) {
        // What was kept is the newest event; the gap ends just before it.
        dropped = false;
        yield { step: 'gap', cursor: seal(event.number - 1), from: seal(delivered), reason: 'SLOW_CONSUMER' };
      }
      delivered = event.number;
      yield { step: 'event', cursor: seal(event.number), event };
    }
  }

  const generator = steps();
  const close = () => {
    ended = true;
    unfollow();
    wake();
  };
  // `return()` of a generator that waits isn't heard before its wait is over: end the wait first.
  return Object.assign(generator, {
    return: async () => {
      close();
      return { done: true as const, value: undefined };
    },
    throw: async (error: unknown) => {
      close();
      throw error;
    },
  });
}
