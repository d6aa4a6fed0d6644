import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { inject } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import { laurelSupergraph } from '../../gateway/schema.ts';
import { connect, type Sql } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import { subgraphs as ours } from '../../subgraphs/index.ts';
import { principalSigner } from '../../subgraphs/principal.ts';
import { createSubgraphServer, type SubgraphServer } from '../../subgraphs/serve.ts';
import { migrated, openStore, type Store } from '../../subgraphs/store.ts';
import { emptyDatabase, templateName } from './database.ts';
import { startPostgres, stopPostgres } from './postgres-outage.ts';
import { dataFolder, laurel, stopAll } from './processes.ts';

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
  /** What may break, by its name; each resolves when it is whole again. */
  breaks: Readonly<Record<string, () => Promise<void>>>;
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
  for (const subgraph of ours) {
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
    endpoints: gateways.map(({ port }) => `http://${host}:${port}/graphql`),
    breaks: {
      gateway: () => any(gateways).restart(),
      gamification: () => (parts.get('gamification') as Part).restart(),
      messaging: () => (parts.get('messaging') as Part).restart(),
      identity: () => (parts.get('identity') as Part).restart(),
      database: () => loseDatabase(new URL(url).pathname.slice(1), randomInt(100, 700)),
    },
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

/** How long a PostgreSQL that was stopped stays away at most, in milliseconds. */
const longestOutageMs = 3_000;

/**
 * Laurel as its operator runs it, every process of which may be killed and PostgreSQL stopped: two that serve everything,
 * or two gateways over a process for each subgraph.
 */
export async function unsteadyProcesses(form: 'one process' | 'many processes'): Promise<Unsteady> {
  const folder = await dataFolder();
  const server = await startEmbedded({ dataFolder: folder.path, log: () => {} });
  const sql = connect(server.url);
  await migrated(sql);
  const store = await openStore(sql, { dataFolder: folder.path }, () => {});
  const variables = { DATABASE_URL: server.url, LAUREL_DATA: folder.path, LAUREL_BUDGET: 'off' };
  const run = (words: readonly string[]) => killable(words, variables);

  const subgraphs: Killable[] = [];
  const gateways: Killable[] = [];
  if (form === 'one process') gateways.push(await run(['start']), await run(['start']));
  else {
    const urls: string[] = [];
    for (const name of ['identity', 'community', 'gamification', 'messaging']) {
      const subgraph = await run(['subgraph', name]);
      subgraphs.push(subgraph);
      urls.push('--url', `${name}=${subgraph.endpoint}`);
    }
    const supergraph = join(folder.path, 'supergraph.graphql');
    await laurel(['compose', ...urls, '--out', supergraph], variables).ended;
    const words = ['gateway', '--supergraph', supergraph];
    gateways.push(await run(words), await run(words));
  }
  return {
    store,
    endpoints: gateways.map(({ endpoint }) => endpoint),
    breaks: {
      'gateway killed': () => any(gateways).restart('SIGKILL'),
      'gateway stopped': () => any(gateways).restart('SIGTERM'),
      ...(subgraphs.length > 0 && {
        'subgraph killed': () => any(subgraphs).restart('SIGKILL'),
        'subgraph stopped': () => any(subgraphs).restart('SIGTERM'),
      }),
      async 'database stopped'() {
        await stopPostgres(folder.path);
        await pause(randomInt(longestOutageMs));
        await startPostgres(folder.path);
      },
    },
    async close() {
      await stopAll();
      await store.close();
      await sql.end({ timeout: 1 });
      await stopPostgres(folder.path);
      await server.stop();
      await folder.remove();
    },
  };
}

/** A process of Laurel that comes back at the same port. */
interface Killable {
  endpoint: string;
  restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

async function killable(words: readonly string[], variables: Record<string, string>): Promise<Killable> {
  const ready = / ready at (\S+)$/m;
  let running = laurel(words, { ...variables, PORT: '0' });
  const [, endpoint = ''] = await running.says(ready);
  const { port } = new URL(endpoint);
  return {
    endpoint,
    async restart(signal) {
      running.kill(signal);
      const { code } = await running.ended;
      if (signal === 'SIGTERM' && code !== 0)
        throw new Error(`laurel ${words.join(' ')} ended with ${code}.`);
      running = laurel(words, { ...variables, PORT: port });
      await running.says(ready);
    },
  };
}

/** One of some things, at random. */
export function any<Thing>(things: readonly Thing[]): Thing {
  return things[randomInt(things.length)] as Thing;
}
