import Fastify from 'fastify';
import mercurius from 'mercurius';
import { subgraphSchema } from '../kit/federation.ts';
import { subgraphs } from './graph.ts';

// The four subgraphs behind URLs, in one process.

const urls: Record<string, string> = {};
for (const [name, subgraph] of Object.entries(subgraphs)) {
  const app = Fastify({ bodyLimit: 8_388_608 });
  await app.register(mercurius, { schema: subgraphSchema(subgraph), jit: 1, graphiql: false });
  urls[name] = `${await app.listen({ host: '127.0.0.1', port: 0 })}/graphql`;
}
process.send?.({ ready: urls });
