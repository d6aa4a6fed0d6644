// How long to wait before trying again, and what ends the wait early.

export interface Retrying {
  /** How long the first pause may be, in milliseconds. Default 1,000. */
  firstMs?: number;
  /** How long any pause may be, in milliseconds. Default 30,000. */
  longestMs?: number;
  /** How often in a row to try again before the stream ends with the failure. Default: for ever. */
  attempts?: number;
}

/** The pauses of one stream, each up to twice as long as the one before. */
export class Pauses {
  private readonly firstMs: number;
  private readonly longestMs: number;
  private readonly attempts: number;
  private failures = 0;

  constructor({ firstMs = 1_000, longestMs = 30_000, attempts = Number.POSITIVE_INFINITY }: Retrying) {
    this.firstMs = firstMs;
    this.longestMs = longestMs;
    this.attempts = attempts;
  }

  /**
   * The next pause in milliseconds; undefined when it was tried often enough. It is anything between nothing and its
   * longest ("full jitter"), so that all who lost a server at once don't come back at once.
   * @param retryAfterMs  what the server asked for; that long, and as much jitter as the first pause has.
   */
  next({ retryAfterMs }: { retryAfterMs: number | undefined }): number | undefined {
    if (this.failures >= this.attempts) return undefined;
    const most = Math.min(this.longestMs, this.firstMs * 2 ** this.failures);
    this.failures++;
    return retryAfterMs === undefined ? Math.random() * most : retryAfterMs + Math.random() * this.firstMs;
  }

  /** It works again. */
  reset(): void {
    this.failures = 0;
  }
}

/** Those who wait for a connection, and are woken all when there may be one. */
export class Sleepers {
  private readonly asleep = new Set<() => void>();

  /** Resolves after a while, when `signal` aborts, or when woken unless `soundly`. */
  sleep(ms: number, signal: AbortSignal, soundly: boolean): Promise<void> {
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer);
        this.asleep.delete(awake);
        signal.removeEventListener('abort', awake);
        resolve();
      };
      const timer = setTimeout(awake, ms);
      if (!soundly) this.asleep.add(awake);
      signal.addEventListener('abort', awake);
      if (signal.aborted) awake();
    });
  }

  wake(): void {
    for (const awake of [...this.asleep]) awake();
  }
}
