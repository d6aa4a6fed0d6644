import type { Context } from './context.ts';
import { Refusal } from './errors.ts';
import { extentOf, type LogEvent, type StreamId } from './log.ts';

// A log as a subscription: what was missed since a cursor, then what happens now, in order and once, and a word in
// the stream whenever that isn't possible. What is yielded here the GraphQL side dresses as StreamItems. `readStream`
// gives the same, by pages, to whoever asks instead of listening.

/** @typeParam State  what a snapshot holds. */
export type StreamStep<State = unknown> =
  | { step: 'snapshot'; cursor: string; state: State }
  | { step: 'ready'; cursor: string; retainedFrom: string }
  | { step: 'resumed'; cursor: string; replayed: number }
  | { step: 'gap'; cursor: string; from: string; reason: 'RETENTION_EXCEEDED' | 'SLOW_CONSUMER' }
  | { step: 'ending'; cursor: string; reason: 'PERMISSION_REVOKED' }
  | { step: 'event'; cursor: string; event: LogEvent };

/** Which events are for somebody. */
export interface StreamFilter {
  /** Which events the arguments let through. */
  includes(event: LogEvent): boolean;
  /**
   * Which of those may be seen now; asked again before events are told. Undefined: none ever again, so the stream ends.
   * Without it, all.
   */
  permitted?(): Promise<((event: LogEvent) => boolean) | undefined>;
}

export interface StreamOptions<State = unknown> extends StreamFilter {
  /** The cursor to resume after; absent: from now on. */
  after?: string | null;
  /**
   * Reads, in one statement, the number of the stream's last event and the state that the events up to it have made: it
   * comes first, unless the stream is resumed.
   */
  snapshot?(): Promise<{ at: number; state: State }>;
  /** Live events that wait for a slow consumer at most; beyond it, it reads them from the log at its own pace. */
  buffer?: number;
}

/** A page of a stream. */
export interface StreamPage {
  /** Events, oldest first; before them the gap where some are not kept any more. */
  steps: Extract<StreamStep, { step: 'event' | 'gap' }>[];
  /** Where to go on, by page or live. */
  position: string;
  hasNextPage: boolean;
  retainedFrom: string;
}

/** How long permission counts, for a consumer that takes its events slowly. */
const permittedMs = 1_000;
/** Events that are looked at for one page at most; when few are for the asker, the page is short. */
const longestLook = 5_000;

/**
 * Opens a stream. It is open, and misses nothing more, when the promise resolves.
 * @throws BAD_CURSOR  `after` wasn't issued by this stream.
 */
export async function openStream<State>(
  context: Context,
  id: StreamId,
  options: StreamOptions<State>,
): Promise<AsyncGenerator<StreamStep<State>, void>> {
  const { tail, cursors } = context;
  const { includes, buffer = 1_000 } = options;
  const { resumeAt, isForgotten, first, last: end } = await standing(context, id, options.after);
  const seal = (number: number) => cursors.seal(id, number);
  const lost = isForgotten || (resumeAt !== undefined && end > resumeAt && first > resumeAt + 1);
  const resumes = resumeAt !== undefined && !lost;
  const snapshot = resumes ? undefined : await options.snapshot?.();
  const last = snapshot?.at ?? end;

  // Either live events queue, or they are left in the log and read from there until the end is reached.
  let queue: LogEvent[] = [];
  let newest = last;
  let readingLog = resumes;
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

  async function* steps(): AsyncGenerator<StreamStep<State>, void> {
    let delivered = resumes ? resumeAt : last;
    let replayed: number | undefined = resumes ? 0 : undefined;
    const permission = permissionOf(options);
    if (snapshot !== undefined) yield { step: 'snapshot', cursor: seal(last), state: snapshot.state };
    if (lost)
      yield { step: 'gap', cursor: seal(last), from: options.after ?? '', reason: 'RETENTION_EXCEEDED' };
    else if (!resumes) yield { step: 'ready', cursor: seal(last), retainedFrom: seal(first - 1) };

    while (!ended) {
      if (readingLog) {
        const page = delivered < newest ? await tail.pages.after(id, delivered, newest) : [];
        const beyond = page[0]?.number ?? newest + 1;
        if (beyond > delivered + 1) {
          // Pruned while it was read: the only way to lose events here is to be slower than the retention.
          yield { step: 'gap', cursor: seal(beyond - 1), from: seal(delivered), reason: 'SLOW_CONSUMER' };
          delivered = beyond - 1;
        }
        for (const event of page) {
          if (ended) return;
          const before = delivered;
          delivered = event.number;
          if (!includes(event)) continue;
          const may = await permission.for(event, newest);
          if (may === undefined)
            return yield { step: 'ending', cursor: seal(before), reason: 'PERMISSION_REVOKED' };
          if (!may) continue;
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
        const may = await permission.for(event, newest);
        if (may === undefined)
          return yield { step: 'ending', cursor: seal(delivered), reason: 'PERMISSION_REVOKED' };
        delivered = event.number;
        if (may) yield { step: 'event', cursor: seal(event.number), event };
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

/**
 * The events after a cursor, or from the oldest kept one on, as a page.
 * @param first  events at most.
 * @returns undefined when nothing of the stream may be seen.
 * @throws BAD_CURSOR  `after` wasn't issued by this stream.
 * @cost one range of the primary key for each 500 events that are looked at, 5,000 at most; pages are shared.
 */
export async function readStream(
  context: Context,
  id: StreamId,
  { after, first, includes, permitted }: StreamFilter & { after?: string | null; first: number },
): Promise<StreamPage | undefined> {
  const { tail, cursors } = context;
  const seal = (number: number) => cursors.seal(id, number);
  const may = permitted === undefined ? () => true : await permitted();
  if (may === undefined) return undefined;
  const { resumeAt, isForgotten, first: kept, last } = await standing(context, id, after);
  const steps: StreamPage['steps'] = [];
  let position = Math.max(resumeAt ?? 0, kept - 1);
  if (isForgotten || (resumeAt !== undefined && position > resumeAt)) {
    steps.push({ step: 'gap', cursor: seal(position), from: after ?? '', reason: 'RETENTION_EXCEEDED' });
  }
  const gaps = steps.length;
  const lookTo = Math.min(last, position + longestLook);
  while (position < lookTo && steps.length < first + gaps) {
    const events = await tail.pages.after(id, position, last);
    for (const event of events) {
      if (steps.length === first + gaps || event.number > last) break;
      position = event.number;
      if (includes(event) && may(event)) steps.push({ step: 'event', cursor: seal(event.number), event });
    }
    if (events.length === 0) position = last;
  }
  return { steps, position: seal(position), hasNextPage: position < last, retainedFrom: seal(kept - 1) };
}

/** Where a cursor stands, and what is kept of its stream. @throws BAD_CURSOR */
async function standing({ sql, tail, cursors }: Context, id: StreamId, after: string | null | undefined) {
  const opened = after == null ? undefined : cursors.open(id, after);
  const resumeAt = opened ?? undefined;
  let extent = await tail.pages.extent(id);
  // Somebody else asked for it a moment ago, maybe before the event of this cursor.
  if (resumeAt !== undefined && resumeAt > extent.last) extent = await extentOf(sql, id);
  if (resumeAt !== undefined && resumeAt > extent.last) {
    throw new Refusal('BAD_CURSOR', 'The cursor lies beyond the end of this stream: start without `after`.');
  }
  // Sealed by a secret of long ago.
  return { resumeAt, isForgotten: opened === null, ...extent };
}

/** Asks for permission before an event that came since it was last asked for, and when that is long ago. */
function permissionOf({ permitted }: StreamFilter) {
  let may: ((event: LogEvent) => boolean) | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let upTo = 0;
  return {
    /** Undefined: nothing may be seen any more. */
    async for(event: LogEvent, newest: number): Promise<boolean | undefined> {
      if (permitted === undefined) return true;
      const now = performance.now();
      if (event.number > upTo || now - askedAt > permittedMs) {
        [askedAt, upTo] = [now, newest];
        may = await permitted();
      }
      return may?.(event);
    },
  };
}
