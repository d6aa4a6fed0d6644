import { LRUCache } from 'lru-cache';
import type { Answer, FormattedError, Stream, StreamEvent } from './engine/index.ts';

// What identical subscriptions share: one upstream stream, each of its events executed and written once, and a memory of
// the latest, so that whoever reads on its own can join where it stands.

/** One item for one client: the response as JSON, and where the stream stands after it. */
export interface LiveItem {
  json: string;
  cursor: string | undefined;
  /** The item can't be shared, since it is about whoever asks: its event, to be answered for each. */
  personal?: StreamEvent;
}

/** A stream that was refused after it had begun, or when it was opened again; its errors are for the client. */
export class LiveFailure extends Error {
  constructor(readonly errors: readonly FormattedError[]) {
    super(errors[0]?.message ?? 'The stream could not be opened again.');
  }
}

/** Whoever follows lost the group, since more came than it read. */
export class Lagging extends LiveFailure {
  constructor() {
    const message = 'More events came than were read, so the stream ends here: subscribe anew.';
    super([{ message, extensions: { code: 'SLOW_CONSUMER' } }]);
  }
}

/** Items a follower may lag behind before it has to read on its own. */
const longestQueue = 1_024;
/** Items of the past at which others can join. */
const remembered = 1_000;
/** How long the answer to an event is kept for streams that replay it. */
const memoMs = 5_000;

export class Group {
  /** The upstream ended as it should, and so do the streams of all that follow. */
  completed = false;
  private readonly opened: Promise<Stream | Answer>;
  private readonly over: () => void;
  private readonly followers = new Set<Follower>();
  private readonly recent: LiveItem[] = [];
  /** Cursor -> its place in `recent`, counted from the group's first item. */
  private readonly places = new Map<string, number>();
  private readonly meetings = new Map<string, Set<() => void>>();
  private readonly answers = new LRUCache<string, Promise<Answer>>({ max: remembered, ttl: memoMs });
  private forgotten = 0;
  private holders = 0;
  private ended = false;
  private failure: unknown;

  /** @param over  called once, when the group takes nobody any more. */
  constructor(open: () => Promise<Stream | Answer>, over: () => void) {
    this.over = over;
    this.opened = open();
    void this.read();
  }

  /** The answer that refused the upstream stream; undefined when it is open. */
  async refusal(): Promise<Answer | undefined> {
    const opened = await this.opened;
    return 'events' in opened ? undefined : opened;
  }

  /** Keeps the group open until the returned function is called; the last one closes it. */
  hold(): () => void {
    this.holders++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.holders--;
      if (this.holders === 0) this.end();
    };
  }

  /**
   * The answer to an event, the same for all who got the same event, whichever stream brought it. Events without a cursor
   * may look alike and be two; what failed once may succeed for the next.
   */
  async answer(event: StreamEvent, stream: Stream): Promise<Answer> {
    if (event.cursor === undefined) return stream.answer(event);
    const key = JSON.stringify([event.data, event.errors]);
    let answering = this.answers.get(key);
    if (answering === undefined) {
      answering = stream.answer(event);
      this.answers.set(key, answering);
    }
    const answer = await answering;
    if (answer.errors.length > 0) this.answers.delete(key);
    return answer;
  }

  /** Whether following from this cursor misses nothing. */
  knows(cursor: string): boolean {
    return !this.ended && this.places.has(cursor);
  }

  /** Resolves when the group knows the cursor; `forget` it when nobody waits any more. */
  meets(cursor: string): { promise: Promise<undefined>; forget(): void } {
    if (this.knows(cursor)) return { promise: Promise.resolve(undefined), forget() {} };
    const waiting = this.meetings.get(cursor) ?? new Set();
    this.meetings.set(cursor, waiting);
    let resolve = () => {};
    const promise = new Promise<undefined>((met) => {
      resolve = () => met(undefined);
    });
    waiting.add(resolve);
    return {
      promise,
      forget: () => {
        waiting.delete(resolve);
        if (waiting.size === 0 && this.meetings.get(cursor) === waiting) this.meetings.delete(cursor);
      },
    };
  }

  /**
   * The items after a cursor that the group knows, or all from now on.
   * Ends when the upstream completed; throws when it broke off, and `Lagging` when the follower lags too far.
   */
  async *follow(cursor: string | undefined, signal: AbortSignal): AsyncGenerator<LiveItem, void> {
    const place = cursor === undefined ? undefined : this.places.get(cursor);
    const follower = new Follower(place === undefined ? [] : this.recent.slice(place - this.forgotten + 1));
    const leave = () => follower.end();
    signal.addEventListener('abort', leave, { once: true });
    this.followers.add(follower);
    if (this.ended || signal.aborted) leave();
    try {
      yield* follower.items();
      if (this.failure !== undefined && !signal.aborted) throw this.failure;
    } finally {
      signal.removeEventListener('abort', leave);
      this.followers.delete(follower);
    }
  }

  private async read(): Promise<void> {
    try {
      const stream = await this.opened;
      if ('events' in stream) {
        let opening = true;
        for await (const event of stream.events) {
          const answer = await this.answer(event, stream);
          const isPersonal = needsUser(answer);
          if (!answer.hasData && !isPersonal) throw new LiveFailure(answer.errors);
          const { json } = answer;
          const item: LiveItem = { json, cursor: event.cursor, ...(isPersonal ? { personal: event } : {}) };
          this.remember(item);
          // A resumable stream opens with how things stand, up to the word that it is live; each follower had its own.
          if (opening && event.cursor !== undefined) {
            opening = !event.live;
            continue;
          }
          for (const follower of this.followers) follower.push(item);
        }
        this.completed = !this.ended;
      }
    } catch (error) {
      this.failure = error;
    }
    this.end();
  }

  private remember(item: LiveItem): void {
    const { cursor } = item;
    if (cursor === undefined) return;
    this.places.set(cursor, this.forgotten + this.recent.length);
    this.recent.push(item);
    if (this.recent.length > remembered) {
      const oldest = this.recent.shift()?.cursor;
      if (oldest !== undefined && this.places.get(oldest) === this.forgotten) this.places.delete(oldest);
      this.forgotten++;
    }
    for (const met of this.meetings.get(cursor) ?? []) met();
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.over();
    for (const follower of this.followers) follower.end();
    void this.opened.then(
      (stream) => ('events' in stream ? stream.cancel() : undefined),
      () => {},
    );
  }
}

/** One client's place in a group: a short queue that it empties at its own pace. */
class Follower {
  private readonly queue: LiveItem[];
  private ended = false;
  private lagging = false;
  private wake = () => {};

  constructor(missed: LiveItem[]) {
    this.queue = missed;
  }

  push(item: LiveItem): void {
    if (this.queue.length >= longestQueue) {
      this.lagging = true;
      this.end();
    }
    if (this.ended) return;
    this.queue.push(item);
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *items(): AsyncGenerator<LiveItem, void> {
    while (true) {
      const item = this.queue.shift();
      if (item !== undefined) yield item;
      else if (this.lagging) throw new Lagging();
      else if (this.ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}

/** Whether something is about one person, and who asked for it is a class of people. */
export function needsUser({ errors = [] }: Pick<StreamEvent, 'errors'>): boolean {
  return errors.some(({ extensions }) => extensions?.code === 'NEEDS_USER');
}
