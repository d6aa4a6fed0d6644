import { pino } from 'pino';
import { connect } from '../../subgraphs/db.ts';
import { messaging } from '../../subgraphs/messaging/index.ts';
import { createSubgraphServer } from '../../subgraphs/serve.ts';
import { openStore } from '../../subgraphs/store.ts';

// The messaging subgraph alone, without a gateway: graphql-ws, where graphql-js executes each event for each socket and
// reads what it lacks from PostgreSQL.

const [databaseUrl = '', communityId, dataFolder = ''] = process.argv.slice(2);
const { resources } = await openStore(connect(databaseUrl), { dataFolder }, console.error);
const log = pino({ level: 'warn' });
const server = await createSubgraphServer({
  subgraph: messaging,
  resources,
  log,
  keys: undefined,
  communityId,
});
const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ ready: `ws://127.0.0.1:${port}/graphql` });
