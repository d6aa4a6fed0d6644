import type { Answer, Stream, StreamEvent } from './engine/index.ts';
import { Follower } from './live-follower.ts';
import { type LiveItem, needsUser } from './live-item.ts';

// What was missed, read by one upstream stream for all who missed the same. After an outage everybody comes back at the
// same time with the same cursor. Whoever comes has opened a stream of its own, so it may see what it is told; it drops it
// when it finds this.

/** An item of the past, or of the time until the group is met. */
export interface Replayed extends LiveItem {
  answer: Answer;
  /** What was missed has been sent. */
  live: boolean;
}

/** How long others may join: what they are told was permitted that long ago at most. */
const joinableMs = 2_000;
/** What is kept for those who join, in characters. */
const longestKept = 4_000_000;
/** Items that wait for the one who reads fastest before no more are read. */
const readAhead = 64;

export class Replay {
  private readonly stream: Stream;
  private readonly followers = new Set<Follower<Replayed>>();
  /** All of it, while others may join. */
  private kept: Replayed[] | undefined;
  private keptLength = 0;
  private isOver = false;
  private failure: unknown;
  private wake = () => {};

  /**
   * @param stream  the replay's own from now on.
   * @param isShared  whether others may join.
   * @param answer  works out an event.
   */
  constructor(
    stream: Stream,
    isShared: boolean,
    answer: (event: StreamEvent, stream: Stream) => Promise<Answer>,
  ) {
    this.stream = stream;
    stream.outlive();
    if (isShared) {
      this.kept = [];
      setTimeout(() => this.keepNothing(), joinableMs).unref();
    }
    void this.read(answer);
  }

  /** Whether one who comes now can be told all of it. */
  get isJoinable(): boolean {
    return this.kept !== undefined && !this.isOver;
  }

  /** A client that is told all of it from the first item on, until it leaves. */
  follow(take: (item: Replayed) => Promise<void> | undefined): Follower<Replayed> {
    return new Follower(take, () => this.wake());
  }

  /** Begins to tell a follower; resolves when there is no more, throws why the upstream broke off. */
  async tell(follower: Follower<Replayed>): Promise<void> {
    this.followers.add(follower);
    for (const item of this.kept ?? []) follower.push(item);
    if (this.isOver) follower.end();
    this.wake();
    try {
      await follower.done;
      if (this.failure !== undefined && !follower.hasLeft) throw this.failure;
    } finally {
      this.followers.delete(follower);
      this.wake();
      if (this.followers.size === 0 && this.kept === undefined) this.close();
    }
  }

  private async read(answer: (event: StreamEvent, stream: Stream) => Promise<Answer>): Promise<void> {
    try {
      for await (const event of this.stream.events) {
        const answered = await answer(event, this.stream);
        if (this.isOver) return;
        const item: Replayed = {
          ...{ json: answered.json, cursor: event.cursor, live: event.live, answer: answered },
          ...(needsUser(answered) ? { personal: event } : {}),
        };
        this.keep(item);
        for (const follower of [...this.followers]) follower.push(item);
        while (!this.isOver && this.isAhead()) {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        }
      }
    } catch (error) {
      this.failure = error;
    }
    this.close();
  }

  private isAhead(): boolean {
    for (const { behind } of this.followers) if (behind < readAhead) return false;
    return true;
  }

  private keep(item: Replayed): void {
    if (this.kept === undefined) return;
    this.kept.push(item);
    this.keptLength += item.json.length;
    if (this.keptLength > longestKept) this.keepNothing();
  }

  private keepNothing(): void {
    this.kept = undefined;
    if (this.followers.size === 0) this.close();
  }

  private close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.kept = undefined;
    this.wake();
    for (const follower of this.followers) follower.end();
    void this.stream.cancel();
  }
}
