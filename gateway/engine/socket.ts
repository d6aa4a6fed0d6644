import { type Client, createClient, type SubscribePayload } from 'graphql-ws';
import { WebSocket } from 'ws';
import { type Result, resultFrom, SubgraphFailure, streamResult } from './subgraph.ts';

// The streams of one subgraph, all over one graphql-transport-ws socket that is opened for the first and closed soon after
// the last. A stream ends only on the subgraph's `complete`; whatever else ends it is an error of the stream.

/** Milliseconds between pings, and how long the pong may take. */
const pingEveryMs = 15_000;
const pongWithinMs = 10_000;
/** Items of a stream that wait to be read at most. */
const longestQueue = 2_048;
/** Failures of a connection that say nothing about what the server would take. */
const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]);

/** A server that is there and opens no graphql-transport-ws connection. */
export class NoSocket extends SubgraphFailure {}

export class SubgraphSocket {
  private readonly name: string;
  private readonly client: Client;
  /** What fails each open stream. */
  private readonly open = new Set<(error: unknown) => void>();
  /** Told when the connection is acknowledged. */
  private readonly waiting = new Set<() => void>();
  private acknowledged = false;
  /** What went wrong with the connection before it closed. */
  private problem: unknown;

  /** @param timeoutMs  how long the subgraph may take to open the connection. */
  constructor(name: string, url: string, timeoutMs: number) {
    this.name = name;
    let pong: NodeJS.Timeout | undefined;
    this.client = createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl: class extends WebSocket {
        constructor(address: string, protocol: string) {
          super(address, protocol, { handshakeTimeout: timeoutMs });
        }
      },
      connectionAckWaitTimeout: timeoutMs,
      lazy: true,
      lazyCloseTimeout: 5_000,
      keepAlive: pingEveryMs,
      // Whoever reads the stream resumes it by its cursor; a silent retry would lose what happened in between.
      retryAttempts: 0,
      on: {
        ping: (received) => {
          if (!received) pong = setTimeout(() => this.client.terminate(), pongWithinMs);
        },
        pong: (received) => {
          if (received) clearTimeout(pong);
        },
        connecting: () => {
          this.problem = undefined;
        },
        error: (event) => {
          this.problem = event;
        },
        connected: () => {
          this.acknowledged = true;
          for (const go of this.waiting) go();
        },
        closed: (event) => {
          clearTimeout(pong);
          // After a normal closure (1000) graphql-ws subscribes again, retries or not.
          for (const fail of [...this.open]) fail(event);
          this.acknowledged = false;
        },
      },
    });
  }

  /**
   * Opens a stream, over the connection that there is or a new one.
   * @throws NoSocket         the server takes no such connection.
   * @throws SubgraphFailure  the server could not be reached.
   */
  async subscribe(
    payload: SubscribePayload,
    signal: AbortSignal | undefined,
  ): Promise<AsyncIterableIterator<Result>> {
    let opened = () => {};
    const opening = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const end = (failure?: SubgraphFailure) => {
      received.end(failure);
      opened();
      this.waiting.delete(opened);
      this.open.delete(fail);
      signal?.removeEventListener('abort', stop);
      unsubscribe();
    };
    const fail = (error: unknown) => end(this.failureOf(error));
    const stop = () => {
      received.clear();
      end();
    };
    const received = new Received(stop);
    let isFirst = true;
    this.open.add(fail);
    signal?.addEventListener('abort', stop, { once: true });
    const unsubscribe = this.client.subscribe(payload, {
      next(result) {
        // Whoever reads too slowly resumes where it was; nothing is kept for it without end.
        if (received.length >= longestQueue) fail(new Error('The stream was read too slowly.'));
        else received.push(streamResult(result, isFirst));
        isFirst = false;
      },
      error(error) {
        if (!Array.isArray(error)) return fail(error);
        received.push(resultFrom({ errors: error }) ?? {});
        end();
      },
      complete: () => end(),
    });
    if (signal?.aborted) stop();
    else if (this.acknowledged) opened();
    else this.waiting.add(opened);
    await opening;
    if (received.failure) throw received.failure;
    return received;
  }

  async dispose(): Promise<void> {
    for (const fail of [...this.open]) fail(new Error('The engine is shutting down.'));
    await this.client.dispose();
  }

  private failureOf(error: unknown): SubgraphFailure {
    const { name, problem } = this;
    if (this.acknowledged) {
      return new SubgraphFailure('SUBGRAPH_UNAVAILABLE', `Subgraph "${name}" broke off its stream.`, error);
    }
    const cause = (problem as ErrorEvent | undefined)?.error ?? error;
    return unreachable.has((cause as { code?: string }).code ?? '')
      ? new SubgraphFailure('SUBGRAPH_UNAVAILABLE', `Subgraph "${name}" is unavailable.`, cause)
      : new NoSocket('SUBGRAPH_UNAVAILABLE', `Subgraph "${name}" opens no WebSocket.`, cause);
  }
}

/** The items of one stream that wait to be read, and how it ended. */
class Received implements AsyncIterableIterator<Result> {
  failure: SubgraphFailure | undefined;
  private readonly stop: () => void;
  private readonly items: Result[] = [];
  private ended = false;
  private wake = () => {};

  /** @param stop  ends the stream, since nobody reads on. */
  constructor(stop: () => void) {
    this.stop = stop;
  }

  get length(): number {
    return this.items.length;
  }

  push(item: Result): void {
    if (this.ended) return;
    this.items.push(item);
    this.wake();
  }

  end(failure: SubgraphFailure | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = failure;
    this.wake();
  }

  clear(): void {
    this.items.length = 0;
  }

  async next(): Promise<IteratorResult<Result>> {
    for (;;) {
      const value = this.items.shift();
      if (value) return { done: false, value };
      if (this.failure) throw this.failure;
      if (this.ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<Result>> {
    this.stop();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
