import { composeServices } from '@theguild/federation-composition';
import Fastify from 'fastify';
import { buildSchema, isObjectType, parse } from 'graphql';
import mercurius from 'mercurius';
import { linked } from '../kit/federation.ts';
import { subgraphs } from './graph.ts';

// The ceiling: the same types and resolvers as one schema, without any federation.

const { publicSdl, errors } = composeServices(
  Object.entries(subgraphs).map(([name, { sdl }]) => ({ name, typeDefs: parse(linked(sdl)) })),
);
if (publicSdl === undefined) throw new Error(errors?.join('\n'));
const schema = buildSchema(publicSdl);
for (const { resolvers = {} } of Object.values(subgraphs)) {
  for (const [typeName, fields] of Object.entries(resolvers)) {
    const type = schema.getType(typeName);
    if (!isObjectType(type)) throw new Error(`The merged schema has no type ${typeName}.`);
    for (const [name, resolve] of Object.entries(fields)) {
      if (!name.startsWith('__')) type.getFields()[name]!.resolve = resolve as never;
    }
  }
}
const app = Fastify({ bodyLimit: 1_048_576 });
await app.register(mercurius, { schema, jit: 1, graphiql: false });
process.send?.({ ready: `${await app.listen({ host: '127.0.0.1', port: 0 })}/graphql` });
