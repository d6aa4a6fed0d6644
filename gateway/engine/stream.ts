import type { Data } from './entity.ts';
import { type Result, SubgraphFailure } from './subgraph.ts';
import type { Resume } from './variant.ts';

// A subgraph's stream -> events, each with where the stream can be resumed.

/** One item of a subscription's stream. */
export interface StreamEvent {
  /** Where the stream can be resumed; undefined unless the field is `@resumable`. */
  readonly cursor: string | undefined;
  /** The item says that the stream is live from here on: what was missed, if anything, has been sent. */
  readonly live: boolean;
  /** The event's root as the subgraph sent it; `answer` doesn't change it. Undefined: the subgraph refuses the stream. */
  readonly data: Data | null | undefined;
  readonly errors: Result['errors'];
  /** What the subgraph says beside it, for whoever hands the event on. */
  readonly extensions: Result['extensions'];
}

export function isStream(opened: AsyncIterable<Result> | Result): opened is AsyncIterable<Result> {
  return Symbol.asyncIterator in opened;
}

/**
 * Reads a subgraph's stream. Aborting ends it at once, even while the subgraph is silent.
 * @param brokeOff  told when the subgraph breaks it off.
 */
export function eventsOf(
  results: AsyncIterator<Result>,
  rootKey: string | undefined,
  resume: Resume | undefined,
  signal: AbortSignal,
  brokeOff: (failure: SubgraphFailure) => void,
): AsyncIterableIterator<StreamEvent> {
  const end: IteratorResult<StreamEvent, undefined> = { done: true, value: undefined };
  let wake: ((result: typeof end) => void) | undefined;
  const stop = () => {
    wake?.(end);
    // A generator that waits for its next event returns only after it; nobody should wait for that.
    results.return?.()?.catch(() => {});
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const read = async (): Promise<IteratorResult<StreamEvent>> => {
    const { value, done } = await results.next();
    if (done) return end;
    const { data, errors, extensions } = value;
    const item = (rootKey === undefined ? undefined : data?.[rootKey]) as Data | null | undefined;
    const cursor = resume && item?.[resume.cursorKey];
    const live = resume?.live === undefined || resume.live.includes(String(item?.[resume.typeKey]));
    return {
      done: false,
      value: { cursor: cursor == null ? undefined : String(cursor), live, data, errors, extensions },
    };
  };
  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return resolve(end);
        wake = resolve;
        read().then(resolve, (error) => {
          // Once for the log, whoever and how many then hear of it.
          if (error instanceof SubgraphFailure) brokeOff(error);
          reject(error);
        });
      }),
    async return() {
      signal.removeEventListener('abort', stop);
      stop();
      return end;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
