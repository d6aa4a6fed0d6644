import { Pool } from 'undici';
import { SubgraphSocket } from './socket.ts';
import { type Call, type Result, resultFrom, type Subgraph, SubgraphFailure } from './subgraph.ts';

// A subgraph behind a URL: queries and mutations by POST over kept-alive connections, subscriptions over one
// graphql-transport-ws socket that all of them share.

export interface OverHttpOptions<Caller> {
  name: string;
  /** Where it answers queries; subscriptions at the same place with `ws:` or `wss:`. */
  url: string;
  headersOf?(caller: Caller): Record<string, string>;
  /** Sent in a subscription's `extensions`: the socket is shared, so a caller can't stand in its headers. */
  streamExtensionsOf?(caller: Caller): Record<string, unknown>;
  /** From sending to the last byte. Default 30,000. */
  timeoutMs?: number;
  /** Connections kept to the subgraph. Default 64. */
  connections?: number;
}

export function overHttp<Caller>(options: OverHttpOptions<Caller>): Subgraph<Caller> {
  const { name, url, headersOf, streamExtensionsOf, timeoutMs = 30_000, connections = 64 } = options;
  const { origin, pathname, search } = new URL(url);
  const pool = new Pool(origin, { connections, keepAliveTimeout: 30_000 });
  let socket: SubgraphSocket | undefined;

  const post = async (call: Call<Caller>): Promise<Result> => {
    const controller = new AbortController();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      controller.abort();
    }, timeoutMs);
    const abort = () => controller.abort();
    call.signal?.addEventListener('abort', abort, { once: true });
    try {
      const response = await pool.request({
        path: pathname + search,
        method: 'POST',
        headers: {
          ...headersOf?.(call.caller),
          'content-type': 'application/json',
          accept: 'application/graphql-response+json, application/json;q=0.9',
        },
        body: JSON.stringify({ query: call.text, variables: call.variables }),
        signal: controller.signal,
      });
      return resultOf(name, response.statusCode, await response.body.text());
    } catch (error) {
      if (timedOut) {
        throw new SubgraphFailure('SUBGRAPH_TIMEOUT', `Subgraph "${name}" did not answer in time.`, error);
      }
      throw error;
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', abort);
    }
  };

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
      socket ??= new SubgraphSocket(name, url);
      const { text: query, variables, caller, signal } = call;
      return socket.subscribe({ query, variables, extensions: streamExtensionsOf?.(caller) }, signal);
    },
    async dispose() {
      await Promise.all([socket?.dispose(), pool.destroy()]);
    },
  };
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
