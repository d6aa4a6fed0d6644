import { setImmediate as turn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Answer, Signal, Stream, StreamEvent } from './engine/index.ts';
import type { Follower } from './live-follower.ts';
import { LiveFailure, type LiveItem, needsUser } from './live-item.ts';
import { Replay } from './live-replay.ts';

// What identical subscriptions share: one upstream stream, each of its events executed and written once, and a memory of
// the latest, so that whoever reads on its own can join where it stands.

/** Items of the past at which others can join; fewer when they are long. */
const remembered = 1_000;
/** Cursors whose replays others can join. */
const mostReplays = 100;
/** Followers that get an item before others than them have their turn in this process. */
const toldAtOnce = 500;
/** How long the answer to an event is kept for streams that replay it. */
const memoMs = 5_000;

/** What groups may remember together, and do, in characters. */
export interface Memory {
  /** Of one, while all together remember no more than they should. */
  each: number;
  all: number;
  /** Of one, when they do. */
  least: number;
  held: number;
}

export const memoryOfProcess: Memory = { each: 2_000_000, all: 128_000_000, least: 50_000, held: 0 };

export class Group {
  /** The upstream ended as it should, and so do the streams of all that follow. */
  completed = false;
  private readonly opened: Promise<Stream | Answer>;
  private readonly over: () => void;
  private readonly shared: Memory;
  private readonly followers = new Set<Follower>();
  private readonly recent: LiveItem[] = [];
  /** Cursor -> its place in `recent`, counted from the group's first item. */
  private readonly places = new Map<string, number>();
  private readonly meetings = new Map<string, Set<() => void>>();
  /** By the cursor that they begin after. */
  private readonly replays = new LRUCache<string, Replay>({ max: mostReplays });
  private readonly answers = new LRUCache<string, Promise<Answer>>({
    ...{ max: remembered, ttl: memoMs, ttlAutopurge: true },
  });
  private forgotten = 0;
  private memory = 0;
  private holders = 0;
  private ended = false;
  private failure: unknown;

  /** @param over  called once, when the group takes nobody any more. */
  constructor(open: () => Promise<Stream | Answer>, over: () => void, shared: Memory) {
    this.over = over;
    this.shared = shared;
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

  /** Calls `met`, at once or later, when the group knows the cursor; returns how to forget that. */
  meets(cursor: string, met: () => void): () => void {
    if (this.knows(cursor)) {
      met();
      return () => {};
    }
    const waiting = this.meetings.get(cursor) ?? new Set();
    this.meetings.set(cursor, waiting);
    waiting.add(met);
    return () => {
      waiting.delete(met);
      if (waiting.size === 0 && this.meetings.get(cursor) === waiting) this.meetings.delete(cursor);
    };
  }

  /**
   * What came after a cursor: the replay that others of the class began a moment ago, or else one of this stream, which
   * was opened after the same.
   * @param after  undefined: the stream begins now, for one client.
   */
  replay(own: Stream, after: string | undefined): Replay {
    const known = after === undefined ? undefined : this.replays.get(after);
    if (known?.isJoinable) {
      void own.cancel();
      return known;
    }
    const replay = new Replay(own, after !== undefined, (event, stream) => this.answer(event, stream));
    if (after !== undefined) this.replays.set(after, replay);
    return replay;
  }

  /**
   * Hands a follower the items after a cursor that the group knows, or all from now on.
   * Resolves when the upstream completed or the signal aborts; throws when it broke off, and what the follower throws.
   */
  async follow(follower: Follower, cursor: string | undefined, signal: Signal): Promise<void> {
    const place = cursor === undefined ? undefined : this.places.get(cursor);
    const leave = () => follower.leave();
    signal.addEventListener('abort', leave);
    if (place !== undefined)
      for (const item of this.recent.slice(place - this.forgotten + 1)) follower.push(item);
    this.followers.add(follower);
    if (signal.aborted) leave();
    else if (this.ended) follower.end();
    try {
      await follower.done;
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
          await this.tell(item);
        }
        this.completed = !this.ended;
      }
    } catch (error) {
      this.failure = error;
    }
    this.end();
  }

  private async tell(item: LiveItem): Promise<void> {
    // Whoever joins from here on knows the item.
    const followers = [...this.followers];
    for (let n = 0; n < followers.length; n += toldAtOnce) {
      if (n > 0) await turn();
      for (const follower of followers.slice(n, n + toldAtOnce)) follower.push(item);
    }
  }

  private remember(item: LiveItem): void {
    const { cursor } = item;
    if (cursor === undefined || this.ended) return;
    this.places.set(cursor, this.forgotten + this.recent.length);
    this.recent.push(item);
    this.memory += item.json.length;
    this.shared.held += item.json.length;
    while (this.remembersTooMuch()) this.forgetOldest();
    for (const met of this.meetings.get(cursor) ?? []) met();
  }

  private remembersTooMuch(): boolean {
    const { held, all, least, each } = this.shared;
    const most = held > all ? least : each;
    return this.recent.length > remembered || (this.memory > most && this.recent.length > 1);
  }

  private forgetOldest(): void {
    const oldest = this.recent.shift();
    if (oldest === undefined) return;
    this.memory -= oldest.json.length;
    this.shared.held -= oldest.json.length;
    const { cursor } = oldest;
    if (cursor !== undefined && this.places.get(cursor) === this.forgotten) this.places.delete(cursor);
    this.forgotten++;
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.shared.held -= this.memory;
    this.memory = 0;
    this.recent.length = 0;
    this.places.clear();
    this.over();
    for (const follower of this.followers) follower.end();
    void this.opened.then(
      (stream) => ('events' in stream ? stream.cancel() : undefined),
      () => {},
    );
  }
}
