// Where cursors outlast the program, and how rarely they are written there.

/**
 * Keeps cursors by a stream's key. `localStorage`, `sessionStorage` and React Native's `AsyncStorage` are stores as they
 * are. What one throws is told to `on.fault` and costs the cursor, never the stream.
 */
export interface CursorStore {
  getItem(key: string): string | null | undefined | Promise<string | null | undefined>;
  setItem(key: string, cursor: string): unknown;
  removeItem(key: string): unknown;
}

/** A store that lasts as long as the program: a stream that is left and opened again goes on where it was. */
export function memoryStore(): CursorStore {
  const cursors = new Map<string, string>();
  return {
    getItem: (key) => cursors.get(key),
    setItem: (key, cursor) => cursors.set(key, cursor),
    removeItem: (key) => cursors.delete(key),
  };
}

/** Writes the cursor of one stream: at most once in a while, and one write at a time. */
export class Keeper {
  private readonly store: CursorStore | undefined;
  private readonly key: string;
  private readonly everyMs: number;
  private readonly onFault: (error: unknown) => void;
  private latest: string | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writing: Promise<void> = Promise.resolve();
  private busy = 0;

  constructor(
    store: CursorStore | undefined,
    key: string,
    everyMs: number,
    onFault: (error: unknown) => void,
  ) {
    this.store = store;
    this.key = key;
    this.everyMs = everyMs;
    this.onFault = onFault;
  }

  /** The cursor that an earlier stream of this key left. */
  async stored(): Promise<string | undefined> {
    try {
      return (await this.store?.getItem(this.key)) ?? undefined;
    } catch (error) {
      this.onFault(error);
      return undefined;
    }
  }

  /** Resolves at once, unless every cursor is to be written (`everyMs` is 0). */
  async keep(cursor: string): Promise<void> {
    if (this.store === undefined) return;
    this.latest = cursor;
    if (this.everyMs === 0) return this.flush();
    this.timer ??= setTimeout(() => void this.flush(), this.everyMs);
  }

  /** Writes what isn't written yet. A store that works at once has it when this returns. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { store, key, latest } = this;
    if (store === undefined || latest === undefined) return this.writing;
    this.latest = undefined;
    return this.write(() => store.setItem(key, latest));
  }

  /** Forgets a cursor that is worth nothing. */
  forget(): Promise<void> {
    this.latest = undefined;
    return this.write(() => this.store?.removeItem(this.key));
  }

  private write(work: () => unknown): Promise<void> {
    const attempt = async (before?: Promise<void>) => {
      try {
        await before;
        await work();
      } catch (error) {
        this.onFault(error);
      }
    };
    // A page that is being hidden runs nothing later, so the first write doesn't wait for a turn.
    this.busy++;
    this.writing = attempt(this.busy > 1 ? this.writing : undefined).then(() => {
      this.busy--;
    });
    return this.writing;
  }
}
