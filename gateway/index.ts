import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DocumentNode, GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';
import { keepDoing } from '../subgraphs/chore.ts';
import { contextFor, type Resources } from '../subgraphs/context.ts';
import { startEmbedded } from '../subgraphs/embedded.ts';
import { serveFiles } from '../subgraphs/file-server.ts';
import { type Demo, hasDemo, isEmpty, loadDemo, subgraphs } from '../subgraphs/index.ts';
import { keepPruned } from '../subgraphs/log.ts';
import { keepReading } from '../subgraphs/log-reader.ts';
import { scopeGuard } from '../subgraphs/scope-guard.ts';
import { migrated, openStore, reach } from '../subgraphs/store.ts';
import { subscribe } from '../subgraphs/subscribe.ts';
import type { Caller } from './access.ts';
import { openApollo } from './apollo.ts';
import type { Config } from './config.ts';
import { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { local } from './local.ts';
import { openPast } from './past.ts';
import { documentsOf } from './persisted.ts';
import { type Closing, endpointOf, listening, mustBeFree, openMetrics, openTracing } from './process.ts';
import { laurelSupergraph } from './schema.ts';
import { welcome } from './welcome.ts';

// One process that serves everything: the database, four subgraphs whose calls are function calls, and the gateway.

/** `laurel start`. */
export async function start(config: Config, log: Logger, closing: Closing): Promise<void> {
  await mustBeFree(config);
  const documents = await documentsOf(config);
  const apollo = await openApollo(config, log);
  const metrics = await openMetrics(config, closing);
  const tracing = await openTracing(config, log, closing);
  const embedded = config.databaseUrl === undefined;
  const databaseUrl = config.databaseUrl ?? (await startDatabase(config, closing));
  const sql = await reach(databaseUrl);
  closing.add(() => sql.end({ timeout: 5 }));
  await migrated(sql);
  const { resources, close } = await openStore(sql, config, (error) =>
    log.error({ err: error }, 'the log could not be read'),
  );
  closing.add(close);

  const readers = keepReading(
    sql,
    resources.tail,
    subgraphs.flatMap((one) => one.readers(resources)),
    (error) => log.error({ err: error }, 'background reader failed'),
  );
  closing.add(() => readers.stop());
  const chores = keepDoing(
    resources,
    subgraphs.flatMap((one) => one.chores),
    (error) => log.error({ err: error }, 'a chore failed'),
  );
  closing.add(() => chores.stop());
  const prunes = subgraphs.flatMap((one) => one.prunes(resources));
  const stopPruning = keepPruned(sql, prunes, (error) =>
    log.error({ err: error }, 'what is old could not be pruned'),
  );
  closing.add(async () => stopPruning());

  const demo = embedded ? await demoFor(resources, config.dataFolder) : undefined;
  const gateway = oneProcessGateway(resources, config, log, undefined, {
    documents,
    apollo,
    metrics,
    tracing,
    past: openPast(log, join(config.dataFolder, 'supergraphs')),
  });
  closing.add(() => gateway.close());
  const port = await listening(gateway, config);
  const endpoint = endpointOf(config.host, port);
  resources.files.servedAt(new URL(endpoint).origin);
  if (demo !== undefined) await writeDemo(config.dataFolder, endpoint, demo);
  process.stdout.write(welcome(endpoint, demo, join(config.dataFolder, 'demo.json')));
}

/** The gateway over the four subgraphs in this process. */
export function oneProcessGateway(
  resources: Resources,
  config: GatewayOptions['config'],
  log: Logger,
  onCall?: (subgraph: string, text: string) => void,
  more: Pick<GatewayOptions, 'bounds' | 'documents' | 'apollo' | 'metrics' | 'tracing' | 'past'> = {},
): Gateway {
  const inProcess = new Map(
    subgraphs.map(({ name, schema }) => [
      name,
      local(
        {
          name,
          schema,
          contextOf: ({ principal }) => contextFor(resources, principal),
          check: guardOf(schema),
          subscribe,
        },
        log,
      ),
    ]),
  );
  return createGateway({
    supergraph: laurelSupergraph(),
    reach: (name) => inProcess.get(name),
    auth: 'laurel',
    config,
    log,
    routes(app) {
      for (const { files } of subgraphs) if (files !== undefined) serveFiles(app, files, resources, log);
    },
    unready: () => databaseProblem(resources),
    ...(onCall === undefined ? {} : { onCall }),
    ...more,
  });
}

/** The gateway lets through only what a caller sees; the subgraph looks once more, as it does in a process of its own. */
function guardOf(schema: GraphQLSchema): (document: DocumentNode, caller: Caller) => void {
  const guard = scopeGuard(schema);
  return (document, { principal }) => guard(document, principal);
}

/** Starts the embedded PostgreSQL; the process ends when it does. */
export async function startDatabase({ dataFolder }: Config, closing: Closing): Promise<string> {
  const database = await startEmbedded({ dataFolder, log: (line) => console.error(line) });
  closing.add(() => database.stop());
  void database.ended.then((why) => {
    console.error(why);
    process.exit(1);
  });
  return database.url;
}

/** The demo that `demo.json` tells of; undefined when there is none to read. */
export async function readDemo(dataFolder: string): Promise<Demo | undefined> {
  try {
    return JSON.parse(await readFile(join(dataFolder, 'demo.json'), 'utf8')) as Demo;
  } catch {
    return undefined;
  }
}

/** Writes `demo.json` for scripts, readable by this user alone. */
export async function writeDemo(dataFolder: string, endpoint: string, demo: Demo): Promise<void> {
  const file = join(dataFolder, 'demo.json');
  await mkdir(dataFolder, { recursive: true });
  await writeFile(file, `${JSON.stringify({ ...demo, endpoint }, null, 2)}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
}

/**
 * The demo of an embedded store: loaded when the store is empty, else as `demo.json` tells. Lost secrets can't be found
 * again, so without that file the demo gets new ones. A store that others filled has no demo.
 */
async function demoFor(resources: Resources, dataFolder: string): Promise<Demo | undefined> {
  if (await isEmpty(resources.sql)) return loadDemo(resources);
  if (!(await hasDemo(resources.sql))) return undefined;
  return (await readDemo(dataFolder)) ?? loadDemo(resources);
}

async function databaseProblem({ sql }: Resources): Promise<string | undefined> {
  try {
    await sql`select 1`;
    return undefined;
  } catch {
    return 'The database does not answer.';
  }
}
