import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSchema, parse } from 'graphql';
import { type Caller, laurelAccess } from '../../gateway/access.ts';
import { inProcess } from '../../gateway/engine/index.ts';
import { schemaFiles } from '../../gateway/schema.ts';
import { viewsOf } from '../../gateway/view.ts';
import { contextFor } from '../../subgraphs/context.ts';
import { connect, migrate } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import { newId } from '../../subgraphs/id.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { credentialChanges } from '../../subgraphs/identity/authentication.ts';
import { identity } from '../../subgraphs/identity/index.ts';
import { principalSigner } from '../../subgraphs/principal.ts';
import { scopeGuard } from '../../subgraphs/scope-guard.ts';
import { openStore } from '../../subgraphs/store.ts';

// `node dist/bench/test/bench/access.js`: what it costs to know who is calling, in microseconds of this process a request.

const rounds = 7;

/** Microseconds of CPU, and of waiting, that one run costs; the median of several rounds. */
async function costOf(runs: number, work: (n: number) => unknown): Promise<string> {
  const measured: { cpu: number; time: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const [cpu, from] = [process.cpuUsage(), performance.now()];
    for (let n = 0; n < runs; n++) {
      await work(n);
      // Timers have their turn, as they do between requests.
      if (n % 500 === 499) await new Promise(setImmediate);
    }
    const { user, system } = process.cpuUsage(cpu);
    measured.push({ cpu: (user + system) / runs, time: ((performance.now() - from) * 1_000) / runs });
  }
  const median = (name: 'cpu' | 'time') =>
    measured
      .map((one) => one[name])
      .sort((a, b) => a - b)
      [rounds >> 1]?.toFixed(2);
  return `${median('cpu')} µs of CPU, ${median('time')} µs`;
}

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
const embedded = await startEmbedded({ dataFolder: folder, log: () => {} });
try {
  const sql = connect(embedded.url);
  await migrate(sql);
  const { resources, close } = await openStore(sql, { dataFolder: '.' }, console.error);
  const files = schemaFiles();
  const supergraph = files['supergraph.graphql'] ?? '';
  const access = (signs: boolean) =>
    laurelAccess({
      identity: inProcess<Caller>({
        name: 'identity',
        schema: identity.schema,
        contextOf: ({ principal }) => contextFor(resources, principal),
      }),
      viewOf: viewsOf(buildSchema(files['api.graphql'] ?? ''), supergraph),
      ...(signs ? { sign: principalSigner(() => [{ id: 'a', secret: Buffer.alloc(32, 1) }]) } : {}),
    });
  const community = newId('Community');
  const keys: string[] = [];
  for (let n = 0; n < 1_000; n++)
    keys.push(await issueKey(sql, community, { kind: 'INTEGRATION', name: `${n}`, scopes: ['users:read'] }));
  const headers = keys.map((key) => ({ authorization: `Bearer ${key}` }));
  const one = (n: number) => headers[n % 1_000] ?? {};

  const [alone, signing] = [access(false), access(true)];
  for (const known of [alone, signing]) for (const each of headers) await known.callerOf(each, '127.0.0.1');
  console.log('known key, one process:   ', await costOf(50_000, (n) => alone.callerOf(one(n), '127.0.0.1')));
  console.log(
    'known key, many processes:',
    await costOf(50_000, (n) => signing.callerOf(one(n), '127.0.0.1')),
  );
  let fresh = access(false);
  console.log(
    'unknown key:              ',
    await costOf(1_000, (n) => {
      if (n === 0) fresh = access(false);
      return fresh.callerOf(one(n), '127.0.0.1');
    }),
  );
  console.log('what changed:             ', await costOf(1_000, () => credentialChanges(sql, 0)));
  const guard = scopeGuard(identity.schema);
  const document = parse('query ($id: ID!) { user(by: { id: $id }) { id displayName email avatarUrl } }');
  const principal = { kind: 'integration', scopes: ['users:read'] } as const;
  console.log('scopes in a subgraph:     ', await costOf(200_000, () => guard(document, principal)));
  await close();
  await sql.end();
} finally {
  await embedded.stop();
  await rm(folder, { recursive: true, force: true });
}
