import { type Dispatcher, Pool } from 'undici';
import { SubgraphEvents } from './events.ts';
import { NoSocket, SubgraphSocket } from './socket.ts';
import { type Call, type Result, resultFrom, type Subgraph, SubgraphFailure } from './subgraph.ts';

// A subgraph behind a URL: queries and mutations by POST over kept-alive connections, subscriptions over one
// graphql-transport-ws socket that all of them share, or by server-sent events where the subgraph takes no socket.

export interface OverHttpOptions<Caller> {
  name: string;
  /** Where it answers queries; subscriptions at the same place with `ws:` or `wss:`, or by server-sent events. */
  url: string;
  headersOf?(caller: Caller): Record<string, string>;
  /** Sent in a subscription's `extensions`: the socket is shared, so a caller can't stand in its headers. */
  streamExtensionsOf?(caller: Caller): Record<string, unknown>;
  /** Told of the HTTP status of each answer. */
  onStatus?(caller: Caller, status: number): void;
  /** From sending to the last byte. Default 30,000. */
  timeoutMs?: number;
  /** Connections kept to the subgraph. Default 64. */
  connections?: number;
}

export function overHttp<Caller>(options: OverHttpOptions<Caller>): Subgraph<Caller> {
  const {
    name,
    url,
    headersOf,
    streamExtensionsOf,
    onStatus,
    timeoutMs = 30_000,
    connections = 64,
  } = options;
  const { origin, pathname, search } = new URL(url);
  const pool = new Pool(origin, { connections, keepAliveTimeout: 30_000 });
  let socket: SubgraphSocket | undefined;
  let events: SubgraphEvents | undefined;
  /** The last stream was opened by server-sent events. */
  let byEvents = false;

  const post = (call: Call<Caller>): Promise<Result> =>
    new Promise((resolve, reject) => {
      const answer = new Answering((error, status, body) => {
        clearTimeout(timer);
        call.signal?.removeEventListener('abort', abort);
        if (error) return reject(error);
        onStatus?.(call.caller, status);
        try {
          resolve(resultOf(name, status, body));
        } catch (failure) {
          reject(failure);
        }
      });
      const abort = () => answer.abort(new Error('The request was aborted.'));
      const timer = setTimeout(() => {
        answer.abort(new SubgraphFailure('SUBGRAPH_TIMEOUT', `Subgraph "${name}" did not answer in time.`));
      }, timeoutMs);
      if (call.signal?.aborted) return abort();
      call.signal?.addEventListener('abort', abort, { once: true });
      pool.dispatch(
        {
          path: pathname + search,
          method: 'POST',
          headers: {
            ...headersOf?.(call.caller),
            'content-type': 'application/json',
            accept: 'application/graphql-response+json, application/json;q=0.9',
          },
          body: JSON.stringify({ query: call.text, variables: call.variables }),
        },
        answer,
      );
    });

  return {
    async execute(call) {
      try {
        return await post(call);
      } catch (error) {
        // A query that never arrived may be asked once more; a mutation may have arrived.
        if (call.kind !== 'query' || !isConnectionFailure(error) || call.signal?.aborted) {
          throw asFailure(name, error);
        }
      }
      try {
        return await post(call);
      } catch (error) {
        throw asFailure(name, error);
      }
    },
    async subscribe(call) {
      const { text: query, variables, caller, signal } = call;
      if (!byEvents) {
        socket ??= new SubgraphSocket(name, url, timeoutMs);
        try {
          return await socket.subscribe(
            { query, variables, extensions: streamExtensionsOf?.(caller) },
            signal,
          );
        } catch (error) {
          if (!(error instanceof NoSocket)) throw error;
        }
      }
      // Unless it works, the socket has the next try.
      byEvents = false;
      events ??= new SubgraphEvents(name, url, timeoutMs);
      const opened = await events.subscribe({ query, variables }, headersOf?.(caller), signal);
      byEvents = true;
      return opened;
    },
    async dispose() {
      await Promise.all([socket?.dispose(), events?.dispose(), pool.destroy()]);
    },
  };
}

/** Collects one response. A gateway waits for little else, so it goes without streams and abort signals of its own. */
class Answering implements Dispatcher.DispatchHandler {
  private readonly settle: (error: Error | undefined, status: number, body: string) => void;
  private controller: Dispatcher.DispatchController | undefined;
  private aborted: Error | undefined;
  private settled = false;
  private status = 0;
  private chunks: Buffer[] = [];

  /** @param settle  called once: with what went wrong, or with a status and a body. */
  constructor(settle: (error: Error | undefined, status: number, body: string) => void) {
    this.settle = settle;
  }

  /** Gives up, whether the request was sent already or waits for a connection. */
  abort(reason: Error): void {
    if (this.settled) return;
    this.aborted = reason;
    this.end(reason);
    this.controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.aborted) controller.abort(this.aborted);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.status = status;
    this.chunks = [];
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    const [first] = this.chunks;
    const whole = first && this.chunks.length === 1 ? first : Buffer.concat(this.chunks);
    const hasMark = whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf;
    this.end(undefined, whole.toString('utf8', hasMark ? 3 : 0));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.end(error);
  }

  private end(error: Error | undefined, body = ''): void {
    if (this.settled) return;
    this.settled = true;
    this.settle(error, this.status, body);
  }
}

function resultOf(name: string, status: number, body: string): Result {
  let result: Result | undefined;
  try {
    result = resultFrom(JSON.parse(body));
  } catch (error) {
    throw unavailable(name, error);
  }
  // A server that failed in part may have sent the rest.
  if (result && (status < 500 || result.data)) return result;
  throw unavailable(name, new Error(`Status ${status}: ${body.slice(0, 500)}`));
}

function unavailable(name: string, cause: unknown): SubgraphFailure {
  return new SubgraphFailure('SUBGRAPH_UNAVAILABLE', `Subgraph "${name}" is unavailable.`, cause);
}

function asFailure(name: string, error: unknown): SubgraphFailure {
  return error instanceof SubgraphFailure ? error : unavailable(name, error);
}

const connectionFailures = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function isConnectionFailure(error: unknown): boolean {
  return error instanceof Error && 'code' in error && connectionFailures.has(String(error.code));
}
