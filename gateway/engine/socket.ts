import { type Client, createClient, type SubscribePayload } from 'graphql-ws';
import { WebSocket } from 'ws';
import { type Result, resultFrom, type Signal, SubgraphFailure } from './subgraph.ts';

// The streams of one subgraph, all over one graphql-transport-ws socket that is opened for the first and closed soon after
// the last. A stream ends only on the subgraph's `complete`; whatever else ends it is an error of the stream.

/** Milliseconds between pings, and how long the pong may take. */
const pingEveryMs = 15_000;
const pongWithinMs = 10_000;
/** Items of a stream that wait to be read at most. */
const longestQueue = 2_048;

export class SubgraphSocket {
  private readonly name: string;
  private readonly client: Client;
  /** What fails each open stream. */
  private readonly open = new Set<(error: unknown) => void>();

  constructor(name: string, url: string) {
    this.name = name;
    let pong: NodeJS.Timeout | undefined;
    this.client = createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
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
        closed: (event) => {
          clearTimeout(pong);
          // After a normal closure (1000) graphql-ws subscribes again, retries or not.
          for (const fail of [...this.open]) fail(event);
        },
      },
    });
  }

  /** Opens a stream. The subgraph's `error` message is its last item. */
  subscribe(payload: SubscribePayload, signal: Signal | undefined): AsyncIterableIterator<Result> {
    const items: Result[] = [];
    let failure: SubgraphFailure | undefined;
    let ended = false;
    let wake: (() => void) | undefined;

    const end = () => {
      ended = true;
      this.open.delete(fail);
      signal?.removeEventListener('abort', stop);
      wake?.();
    };
    const fail = (error: unknown) => {
      if (ended) return;
      failure = new SubgraphFailure(
        'SUBGRAPH_UNAVAILABLE',
        `Subgraph "${this.name}" broke off its stream.`,
        error,
      );
      end();
      unsubscribe();
    };
    const stop = () => {
      items.length = 0;
      end();
      unsubscribe();
    };
    this.open.add(fail);
    signal?.addEventListener('abort', stop, { once: true });
    const unsubscribe = this.client.subscribe(payload, {
      next(result) {
        if (ended) return;
        // Whoever reads too slowly resumes where it was; nothing is kept for it without end.
        if (items.length >= longestQueue) return fail(new Error('The stream was read too slowly.'));
        items.push(resultFrom(result) ?? { data: null });
        wake?.();
      },
      error(error) {
        if (!Array.isArray(error)) return fail(error);
        items.push(resultFrom({ errors: error }) ?? {});
        end();
      },
      complete: end,
    });
    if (signal?.aborted) stop();

    return {
      async next() {
        for (;;) {
          const value = items.shift();
          if (value) return { done: false, value };
          if (failure) throw failure;
          if (ended) return { done: true, value: undefined };
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
      async return() {
        stop();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async dispose(): Promise<void> {
    for (const fail of [...this.open]) fail(new Error('The engine is shutting down.'));
    await this.client.dispose();
  }
}
