import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { graphql } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import { compose, subgraphSchema, type TestSubgraph } from './federation.ts';

// A supergraph that isn't ours, as `laurel gateway --supergraph` serves it: each subgraph is an HTTP server of its own that
// validates what it is sent, the gateway reaches it by its URL in the supergraph, and is asked by HTTP itself.

export interface ForeignSubgraph extends Omit<TestSubgraph, 'reach'> {
  /** Composed, but nothing answers at its URL. */
  down?: boolean;
}

/** What a client reads; of an error only its code and path, in the order of the paths. */
export interface ForeignAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely.
  data?: any;
  errors?: { code: unknown; path?: (string | number)[] }[];
}

export interface ForeignGraph {
  ask(query: string, variables?: Record<string, unknown>): Promise<ForeignAnswer>;
  /** The subgraphs that the last question reached, in the order of the calls. */
  calls: string[];
}

/** Serves a supergraph of these subgraphs while the tests around it run. */
export function foreign(
  subgraphs: Record<string, ForeignSubgraph>,
  { labels = [], percentage }: { labels?: readonly string[]; percentage?: () => number } = {},
): ForeignGraph {
  const servers: Server[] = [];
  let gateway: Gateway;
  let endpoint: string;

  const graph: ForeignGraph = {
    calls: [],
    async ask(query, variables) {
      graph.calls = [];
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = (await response.json()) as { data?: unknown; errors?: ErrorAsSent[] };
      const told = errors?.map(({ extensions, path }) => ({ code: extensions?.code, ...(path && { path }) }));
      told?.sort((one, other) => `${one.path}`.localeCompare(`${other.path}`));
      return { ...(data !== undefined && { data }), ...(told && { errors: told }) };
    },
  };

  beforeAll(async () => {
    const reachable: Record<string, { sdl: string; url: string }> = {};
    for (const [name, subgraph] of Object.entries(subgraphs)) {
      const server = serverOf(subgraph, () => graph.calls.push(name));
      servers.push(server);
      const url = await listening(server);
      if (subgraph.down) await closed(server);
      reachable[name] = { sdl: subgraph.sdl, url };
    }
    gateway = createGateway({
      supergraph: compose(reachable),
      auth: 'none',
      config: { origins: [], trustProxy: false, overrides: labels },
      ...(percentage && { percentage }),
      log: pino({ level: 'silent' }),
    });
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    endpoint = `http://127.0.0.1:${port}/graphql`;
  });
  afterAll(async () => {
    await gateway?.close();
    await Promise.all(servers.map(closed));
  });
  return graph;
}

interface ErrorAsSent {
  path?: (string | number)[];
  extensions?: { code?: unknown };
}

function serverOf(subgraph: ForeignSubgraph, called: () => void): Server {
  const schema = subgraphSchema(subgraph);
  return createServer(async (request, response) => {
    called();
    const { query: source, variables: variableValues } = (await json(request)) as {
      query: string;
      variables?: Record<string, unknown>;
    };
    const result = await graphql({ schema, source, variableValues });
    response.setHeader('content-type', 'application/json').end(JSON.stringify(result));
  });
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
}
