import { pino } from 'pino';
import { inject } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import { openPast } from '../../gateway/past.ts';
import { connect } from '../../subgraphs/db.ts';
import { issueKey, type NewApiKey } from '../../subgraphs/identity/api-key.ts';
import { type Demo, loadDemo } from '../../subgraphs/index.ts';
import type { Scope } from '../../subgraphs/scopes.ts';
import type { Headers } from './client.ts';
import { freshDatabase, type TestDatabase } from './database.ts';
import type { Handle } from './processes.ts';

// Laurel's own graph in the test's process, over a demo of its own, for tests that make keys or look at the database.

export interface TestLaurel {
  handle: Handle;
  gateway: Gateway;
  database: TestDatabase;
  demo: Demo;
  /** The headers of a new integration key with these scopes. */
  keyWith(scopes: readonly Scope[], more?: Partial<NewApiKey>): Promise<Headers>;
  /** Another gateway over the same database. */
  another(): Promise<{ endpoint: string; close(): Promise<void> }>;
  close(): Promise<void>;
}

/** Starts it on a port of its own; whoever starts it closes it. */
export async function testLaurel(): Promise<TestLaurel> {
  const { database, demo } = await demoDatabase();
  const config = { origins: [], trustProxy: false };
  const log = pino({ level: 'silent' });
  const started = async () => {
    const gateway = oneProcessGateway(database.resources, config, log, undefined, { past: openPast(log) });
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    return { gateway, endpoint: `http://127.0.0.1:${port}/graphql` };
  };
  const { gateway, endpoint } = await started();
  return {
    handle: { endpoint, demo: { ...demo, endpoint } },
    gateway,
    database,
    demo,
    async keyWith(scopes, more = {}) {
      const key: NewApiKey = { kind: 'INTEGRATION', name: 'Test', scopes, ...more };
      return { authorization: `Bearer ${await issueKey(database.sql, demo.communityId, key)}` };
    },
    async another() {
      const other = await started();
      return { endpoint: other.endpoint, close: () => other.gateway.close() };
    },
    async close() {
      await gateway.close();
      await database.close();
    },
  };
}

const demoTemplate = 'laurel_demo';

/** A database of its own that holds the demo, which is loaded once a run: by the first who asks, while others wait. */
export async function demoDatabase(): Promise<{ database: TestDatabase; demo: Demo }> {
  const server = connect(inject('serverUrl'), { max: 1 });
  try {
    await server`select pg_advisory_lock(1)`;
    const [loaded] = await server<{ demo: string }[]>`
      select shobj_description(oid, 'pg_database') as demo from pg_database where datname = ${demoTemplate}`;
    const demo = loaded === undefined ? await loadTemplate() : (JSON.parse(loaded.demo) as Demo);
    return { database: await freshDatabase(demoTemplate), demo };
  } finally {
    // What it locked ends with it.
    await server.end();
  }

  async function loadTemplate(): Promise<Demo> {
    const first = await freshDatabase();
    const demo = await loadDemo(first.resources);
    await first.close();
    const name = new URL(first.url).pathname.slice(1);
    await server.unsafe(`comment on database ${name} is '${JSON.stringify(demo).replaceAll("'", "''")}'`);
    await server.unsafe(`alter database ${name} rename to ${demoTemplate}`);
    return demo;
  }
}
