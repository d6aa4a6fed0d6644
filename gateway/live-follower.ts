import { LiveFailure, type LiveItem, Personal, type Take } from './live-item.ts';

// One client among those that are told the same: it has what it takes at once, and a short queue when it doesn't.

/** More came than was taken: who followed lost its place. */
export class Lagging extends LiveFailure {
  constructor() {
    const message = 'More events came than were read, so the stream ends here: subscribe anew.';
    super([{ message, extensions: { code: 'SLOW_CONSUMER' } }]);
  }
}

/** Items that may wait for a client before it has to read on its own. */
const longestQueue = 1_024;

export class Follower<Item extends LiveItem = LiveItem> {
  // What each item needs comes first: of thousands of clients little is in the processor's cache.
  private readonly take: (item: Item) => ReturnType<Take>;
  private isOver = false;
  private isWaiting = false;
  /** That of the latest item that was handed on; undefined when none had any. */
  cursor: string | undefined = undefined;
  /** Resolves when there is no more for it; throws `Lagging`, `Personal`, and what `take` throws. */
  readonly done: Promise<void>;
  /** What `take` threw. */
  refusal: unknown = undefined;
  private readonly onRoom: () => void;
  private queue: Item[] = [];
  /** It took no more, by itself. */
  hasLeft = false;
  private isLagging = false;
  private resolve = () => {};
  private reject: (error: unknown) => void = () => {};

  /** @param onRoom  called when nothing waits any more. */
  constructor(take: (item: Item) => ReturnType<Take>, onRoom = () => {}) {
    this.take = take;
    this.onRoom = onRoom;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Items that wait. */
  get behind(): number {
    return this.queue.length;
  }

  push(item: Item): void {
    if (this.isOver) return;
    if (!this.isWaiting) this.hand(item);
    else if (this.queue.length < longestQueue) this.queue.push(item);
    else {
      // What waits it reads again with the rest, so nothing is kept for it.
      this.queue = [];
      this.isLagging = true;
      this.end();
    }
  }

  /** No more comes; what waits is still handed on. */
  end(): void {
    this.isOver = true;
    this.goOn();
  }

  /** It takes no more. */
  leave(): void {
    this.hasLeft = true;
    this.isOver = true;
    this.queue = [];
    this.resolve();
  }

  private goOn(): void {
    while (!this.isWaiting) {
      const item = this.queue.shift();
      if (item === undefined) break;
      this.hand(item);
    }
    if (this.isWaiting) return;
    if (this.isLagging) this.reject(new Lagging());
    else if (this.isOver) this.resolve();
    else this.onRoom();
  }

  private hand(item: Item): void {
    if (item.personal !== undefined) {
      this.fail(new Personal(item.personal));
      return;
    }
    this.cursor = item.cursor ?? this.cursor;
    try {
      const taken = this.take(item);
      if (taken !== undefined) this.wait(taken);
    } catch (error) {
      this.refuse(error);
    }
  }

  private wait(taken: Promise<void>): void {
    this.isWaiting = true;
    taken.then(
      () => {
        this.isWaiting = false;
        this.goOn();
      },
      (error) => this.refuse(error),
    );
  }

  private refuse(error: unknown): void {
    this.refusal = error;
    this.fail(error);
  }

  private fail(error: unknown): void {
    this.isOver = true;
    this.queue = [];
    this.reject(error);
  }
}
