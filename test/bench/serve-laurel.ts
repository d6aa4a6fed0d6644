import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import type { Caller } from '../../gateway/access.ts';
import { createApollo } from '../../gateway/apollo.ts';
import { inProcess, type Subgraph } from '../../gateway/engine/index.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { resolveEntities } from '../../subgraphs/entities.ts';
import type { Principal } from '../../subgraphs/principal.ts';
import { subgraphSchema } from '../kit/federation.ts';
import { subgraphs } from './graph.ts';

// Laurel as it is served: `laurel gateway --auth none`; with the subgraphs behind their URLs, or in this process; on the
// plain front, or on Apollo Server's; open to everybody, or with keys, and with a budget for each.

const [supergraphFile = '', form, front, auth = 'open'] = process.argv.slice(2);
const log = pino({ level: 'warn' });
const budget = auth === 'budgets' ? { points: 1e9, restored: 1e9 } : undefined;
const gateway = createGateway({
  supergraph: await readFile(supergraphFile, 'utf8'),
  auth: auth === 'open' ? 'none' : 'laurel',
  config: { origins: [], trustProxy: false, budgets: { known: budget, anonymous: budget } },
  log,
  ...(front === 'apollo' && { apollo: await createApollo([], log) }),
  ...(form === 'in-process' && {
    reach: (name: string) => {
      const { resolvers = {} } = subgraphs[name]!;
      const schema = subgraphSchema(subgraphs[name]!);
      const references = Object.entries(resolvers).flatMap(([type, { __resolveReference: find }]) =>
        find ? [[type, find]] : [],
      );
      resolveEntities(schema, Object.fromEntries(references));
      const subgraph = inProcess<Caller>({ name, schema, contextOf: () => ({}) });
      return name === 'identity' && auth !== 'open' ? authenticating(subgraph) : subgraph;
    },
  }),
});
/** What Laurel's own identity answers to the gateway: whose a key is, and what was spent. */
function authenticating(subgraph: Subgraph<Caller>): Subgraph<Caller> {
  const scopes = ['users:read', 'stats:read', 'messages:read'];
  const principal: Principal = { kind: 'integration', communityId: 'com_a', keyId: 'key_a', scopes };
  return {
    ...subgraph,
    execute(call) {
      if (call.caller.principal.kind !== 'gateway') return subgraph.execute(call);
      if (call.text.includes('_authenticate')) return { data: { _authenticate: principal } };
      if (call.text.includes('_credentialChanges'))
        return { data: { _credentialChanges: { last: 0, ids: [] } } };
      if (call.text.includes('_settleBudgets')) return { data: { _settleBudgets: [0] } };
      return subgraph.execute(call);
    },
  };
}

const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ ready: `http://127.0.0.1:${port}/graphql` });
