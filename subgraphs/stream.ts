import type { Context } from './context.ts';
import { Refusal } from './errors.ts';
import { eventsAfter, extentOf, type LogEvent, type StreamId } from './log.ts';

// A log as a subscription: what was missed since a cursor, then what happens now, in order and once, and a word in
// the stream whenever that isn't possible. What is yielded here the GraphQL side dresses as StreamItems.

export type StreamStep =
  | { step: 'ready'; cursor: string; retainedFrom: string }
  | { step: 'resumed'; cursor: string; replayed: number }
  | { step: 'gap'; cursor: string; from: string; reason: 'RETENTION_EXCEEDED' | 'SLOW_CONSUMER' }
  | { step: 'ending'; cursor: string; reason: 'PERMISSION_REVOKED' }
  | { step: 'event'; cursor: string; event: LogEvent };

export interface StreamOptions {
  /** The cursor to resume after; absent: from now on. */
  after?: string | null;
  /** Which events this subscriber's arguments and permissions let through. */
  includes(event: LogEvent): boolean;
  /** Live events that wait for a slow consumer at most; beyond it, it reads them from the log at its own pace. */
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
  const opened = after == null ? undefined : cursors.open(id, after);
  // Sealed by a secret of long ago.
  const isForgotten = opened === null;
  const resumeAt = opened ?? undefined;
  const { first, last } = await extentOf(sql, id);
  if (resumeAt !== undefined && resumeAt > last) {
    throw new Refusal('BAD_CURSOR', 'The cursor lies beyond the end of this stream: start without `after`.');
  }
  const seal = (number: number) => cursors.seal(id, number);
  const lost = isForgotten || (resumeAt !== undefined && last > resumeAt && first > resumeAt + 1);

  // Either live events queue, or they are left in the log and read from there until the end is reached.
  let queue: LogEvent[] = [];
  let newest = last;
  let readingLog = resumeAt !== undefined && !lost;
  let ended = false;
  let wake = () => {};
  const unfollow = tail.follow(id, last, (events) => {
    newest = events.at(-1)?.number ?? newest;
    if (!readingLog) queue.push(...events.filter(includes));
    if (queue.length > buffer) {
      queue = [];
      readingLog = true;
    }
    wake();
  });

  async function* steps(): AsyncGenerator<StreamStep, void> {
    let delivered = readingLog ? (resumeAt ?? last) : last;
    let replayed: number | undefined = readingLog ? 0 : undefined;
    if (lost) yield { step: 'gap', cursor: seal(last), from: after ?? '', reason: 'RETENTION_EXCEEDED' };
    else if (!readingLog) yield { step: 'ready', cursor: seal(last), retainedFrom: seal(first - 1) };

    while (!ended) {
      if (readingLog) {
        const page = await eventsAfter(sql, id, delivered, replayPage);
        const beyond = page[0]?.number ?? newest + 1;
        if (beyond > delivered + 1) {
          // Pruned while it was read: the only way to lose events here is to be slower than the retention.
          yield { step: 'gap', cursor: seal(beyond - 1), from: seal(delivered), reason: 'SLOW_CONSUMER' };
          delivered = beyond - 1;
        }
        for (const event of page) {
          if (ended) return;
          delivered = event.number;
          if (!includes(event)) continue;
          if (replayed !== undefined) replayed++;
          yield { step: 'event', cursor: seal(event.number), event };
        }
        // From here on nothing is awaited, so no event falls between the log and the queue.
        if (delivered < newest) continue;
        readingLog = false;
        if (replayed !== undefined) yield { step: 'resumed', cursor: seal(delivered), replayed };
        replayed = undefined;
        continue;
      }
      const event = queue.shift();
      // The log may have told it before the tail did.
      if (event !== undefined && event.number <= delivered) continue;
      if (event !== undefined) {
        delivered = event.number;
        yield { step: 'event', cursor: seal(event.number), event };
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (queue.length > 0 || readingLog || ended) resolve();
      });
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
