import { randomInt } from 'node:crypto';
import { pino } from 'pino';
import { inject } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import { laurelSupergraph } from '../../gateway/schema.ts';
import { connect, type Sql } from '../../subgraphs/db.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { principalSigner } from '../../subgraphs/principal.ts';
import { createSubgraphServer, type SubgraphServer } from '../../subgraphs/serve.ts';
import { openStore, type Store } from '../../subgraphs/store.ts';
import { emptyDatabase, templateName } from './database.ts';
import { dataFolder } from './processes.ts';

// Laurel in many parts on one database, each behind a port of its own, any of which may go and come back at any moment.

const log = pino({ level: 'silent' });
const host = '127.0.0.1';

/** A server that can be taken away and put back at the same port. */
interface Part {
  port: number;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface Unsteady {
  store: Store;
  /** The graph as each gateway serves it. */
  endpoints: readonly string[];
  gateways: readonly Part[];
  subgraph(name: string): Part;
  /** The database drops every connection, and takes none for a while. */
  loseDatabase(ms: number): Promise<void>;
  close(): Promise<void>;
}

async function part<Server extends { listen: SubgraphServer['listen'] }>(
  make: () => Promise<{ server: Server; close(): Promise<void> }>,
): Promise<Part> {
  let running = await make();
  const { port } = await running.server.listen({ host, port: 0 });
  return {
    port,
    async restart() {
      await running.close();
      running = await make();
      await running.server.listen({ host, port });
    },
    stop: () => running.close(),
  };
}

/** Starts four subgraphs and so many gateways on a database of their own; whoever starts them closes them. */
export async function unsteadyLaurel(gatewayCount: number): Promise<Unsteady> {
  const url = await emptyDatabase(templateName);
  const sql = connect(url);
  const folder = await dataFolder();
  const store = await openStore(sql, { dataFolder: folder.path }, () => {});
  const keys = store.secrets.of('principal');

  const parts = new Map<string, Part>();
  for (const subgraph of subgraphs) {
    const started = await part(async () => {
      const own = connect(url);
      const { resources, close } = await openStore(own, { dataFolder: folder.path }, () => {});
      const server = await createSubgraphServer({ subgraph, resources, log, keys });
      return {
        server,
        async close() {
          await server.close();
          await close();
          await own.end({ timeout: 1 });
        },
      };
    });
    parts.set(subgraph.name, started);
  }
  const urls = [...parts].map(([name, { port }]) => [name, `http://${host}:${port}/graphql`]);
  const supergraph = laurelSupergraph(Object.fromEntries(urls));
  const gateways = await Promise.all(
    Array.from({ length: gatewayCount }, () =>
      part(async () => {
        const config = {
          origins: [],
          trustProxy: false,
          budgets: { known: undefined, anonymous: undefined },
        };
        const server: Gateway = createGateway({
          supergraph,
          auth: 'laurel',
          sign: principalSigner(keys),
          config,
          log,
        });
        return { server, close: () => server.close() };
      }),
    ),
  );

  return {
    store,
    gateways,
    endpoints: gateways.map(({ port }) => `http://${host}:${port}/graphql`),
    subgraph: (name) => parts.get(name) as Part,
    loseDatabase: (ms) => loseDatabase(new URL(url).pathname.slice(1), ms),
    async close() {
      await Promise.all(gateways.map((one) => one.stop()));
      await Promise.all([...parts.values()].map((one) => one.stop()));
      await store.close();
      await sql.end({ timeout: 1 });
      await folder.remove();
    },
  };
}

async function loseDatabase(name: string, ms: number): Promise<void> {
  const server: Sql = connect(inject('serverUrl'), { max: 1 });
  try {
    await server.unsafe(`alter database ${name} allow_connections false`);
    await server`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    await server`select pg_sleep(${ms / 1_000})`;
  } finally {
    await server.unsafe(`alter database ${name} allow_connections true`);
    await server.end();
  }
}

/** One of some things, at random. */
export function any<Thing>(things: readonly Thing[]): Thing {
  return things[randomInt(things.length)] as Thing;
}
