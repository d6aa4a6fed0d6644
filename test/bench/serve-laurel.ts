import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { createApollo } from '../../gateway/apollo.ts';
import { inProcess } from '../../gateway/engine/index.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { resolveEntities } from '../../subgraphs/entities.ts';
import { subgraphSchema } from '../kit/federation.ts';
import { subgraphs } from './graph.ts';

// Laurel as it is served: `laurel gateway --auth none`; with the subgraphs behind their URLs, or in this process; on the
// plain front, or on Apollo Server's.

const [supergraphFile = '', form, front] = process.argv.slice(2);
const log = pino({ level: 'warn' });
const gateway = createGateway({
  supergraph: await readFile(supergraphFile, 'utf8'),
  auth: 'none',
  config: { origins: [], trustProxy: false },
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
      return inProcess({ name, schema, contextOf: () => ({}) });
    },
  }),
});
const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ ready: `http://127.0.0.1:${port}/graphql` });
