import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Answer, Result, Subgraph } from './engine/index.ts';

// What Prometheus is told. Labels have few values, all of them ours or the supergraph's: what clients write is in none.

export type Kind = 'query' | 'mutation' | 'subscription' | 'unknown';

/** How an operation ended: `partial` has data and errors, `refused` no data, `failed` is a fault of ours. */
export type Outcome = 'ok' | 'partial' | 'refused' | 'timeout' | 'aborted' | 'failed';

/** What is read of a supergraph that is served when somebody asks. */
export interface Source {
  /** Operations and plans taken from the cache, and those that had to be made. */
  readonly operations: { readonly hits: number; readonly misses: number };
  readonly plans: { readonly hits: number; readonly misses: number };
  /** Streams of subgraphs that are open now and shared by clients. */
  streams(): number;
}

/** What is read of the front. */
export interface Front {
  /** Subscriptions of clients that are open now. */
  streams(): number;
  sockets(): number;
  /** Bytes. */
  unread(): number;
}

export interface Metrics {
  /** An operation ended, with this answer or without one; a subscription is counted when it opens. */
  operation(kind: Kind, end: Answer | Outcome, milliseconds?: number): void;
  /** The subgraph, its calls counted. */
  measured<Caller>(name: string, subgraph: Subgraph<Caller>): Subgraph<Caller>;
  /** Reads from a source until the returned function is called. */
  watch(source: Source): () => void;
  watchFront(front: Front): void;
  /** All of it in Prometheus's text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

const operationSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const sources = new Map<Source, Seen>();
  let front: Front = { streams: () => 0, sockets: () => 0, unread: () => 0 };

  const operations = new Counter({
    name: 'laurel_operations_total',
    help: 'Operations of clients, by kind and outcome; subscriptions when they open.',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  const durations = new Histogram({
    name: 'laurel_operation_duration_seconds',
    help: 'How long queries and mutations took, from reading the request to the answer.',
    labelNames: ['kind'],
    buckets: operationSeconds,
    registers,
  });
  const calls = new Counter({
    name: 'laurel_subgraph_calls_total',
    help: 'Calls to subgraphs, by outcome: ok, errors, timeout, unavailable, aborted.',
    labelNames: ['subgraph', 'kind', 'outcome'],
    registers,
  });
  const callDurations = new Histogram({
    name: 'laurel_subgraph_call_duration_seconds',
    help: 'How long subgraphs took to answer queries and mutations.',
    labelNames: ['subgraph'],
    buckets: operationSeconds,
    registers,
  });
  const operationCache = new Counter({
    name: 'laurel_operation_cache_total',
    help: 'Operations taken from the cache (hit), and those parsed and validated (miss).',
    labelNames: ['result'],
    registers,
    collect: () => catchUp(),
  });
  const planCache = new Counter({
    name: 'laurel_plan_cache_total',
    help: 'Plans taken from the cache (hit), and those made (miss).',
    labelNames: ['result'],
    registers,
    collect: () => catchUp(),
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('laurel_streams', 'Subscriptions of clients that are open.', () => front.streams());
  gauge('laurel_upstream_streams', 'Streams of subgraphs that are open and shared by clients.', () =>
    [...sources.keys()].reduce((total, source) => total + source.streams(), 0),
  );
  gauge('laurel_sockets', 'WebSockets that are open.', () => front.sockets());
  gauge('laurel_socket_unread_bytes', 'What WebSockets were sent and their clients did not read yet.', () =>
    front.unread(),
  );

  // Caches count from zero with every supergraph; here they go on.
  const catchUp = () => {
    for (const [source, seen] of sources) {
      for (const [counter, name] of [
        [operationCache, 'operations'],
        [planCache, 'plans'],
      ] as const) {
        const { hits, misses } = source[name];
        counter.inc({ result: 'hit' }, hits - seen[name].hits);
        counter.inc({ result: 'miss' }, misses - seen[name].misses);
        seen[name] = { hits, misses };
      }
    }
  };

  const called = (subgraph: string, kind: string, outcome: string, started: number) => {
    calls.inc({ subgraph, kind, outcome });
    if (kind !== 'subscription') callDurations.observe({ subgraph }, (performance.now() - started) / 1_000);
  };

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    operation(kind, end, milliseconds) {
      operations.inc({ kind, outcome: typeof end === 'string' ? end : outcomeOf(end) });
      if (milliseconds !== undefined) durations.observe({ kind }, milliseconds / 1_000);
    },
    measured: (name, subgraph) => ({
      execute(call) {
        const started = performance.now();
        const answered = (result: Result): Result => {
          called(name, call.kind, result.errors === undefined ? 'ok' : 'errors', started);
          return result;
        };
        const failed = (error: unknown): never => {
          called(name, call.kind, call.signal?.aborted ? 'aborted' : failureOf(error), started);
          throw error;
        };
        let result: Promise<Result> | Result;
        try {
          result = subgraph.execute(call);
        } catch (error) {
          return failed(error);
        }
        return result instanceof Promise ? result.then(answered, failed) : answered(result);
      },
      async subscribe(call) {
        const started = performance.now();
        try {
          const opened = await subgraph.subscribe(call);
          called(name, call.kind, Symbol.asyncIterator in opened ? 'ok' : 'errors', started);
          return opened;
        } catch (error) {
          called(name, call.kind, failureOf(error), started);
          throw error;
        }
      },
      dispose: async () => subgraph.dispose?.(),
    }),
    watch(source) {
      sources.set(source, { operations: { hits: 0, misses: 0 }, plans: { hits: 0, misses: 0 } });
      return () => {
        catchUp();
        sources.delete(source);
      };
    },
    watchFront(watched) {
      front = watched;
    },
  };
}

/** A server for nothing but `GET /metrics`. */
export function createMetricsServer(metrics: Metrics) {
  const server = createServer(async ({ url, method }, response) => {
    if (url?.split('?', 1)[0] !== '/metrics' || (method !== 'GET' && method !== 'HEAD')) {
      response.writeHead(404).end();
      return;
    }
    const text = await metrics.text();
    response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
  });
  return {
    async listen({ host, port }: { host: string; port: number }): Promise<{ port: number }> {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, resolve);
      });
      return { port: (server.address() as AddressInfo).port };
    },
    async close(): Promise<void> {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
}

/** The counts of a source that are counted already. */
type Seen = { -readonly [Name in 'operations' | 'plans']: Source[Name] };

function failureOf(error: unknown): 'timeout' | 'unavailable' {
  return (error as { code?: unknown } | undefined)?.code === 'SUBGRAPH_TIMEOUT' ? 'timeout' : 'unavailable';
}

function outcomeOf({ hasData, errors }: Answer): Outcome {
  if (errors[0]?.extensions?.code === 'REQUEST_ABORTED') return 'aborted';
  if (!hasData) return 'refused';
  return errors.length === 0 ? 'ok' : 'partial';
}
