import { createHash } from 'node:crypto';
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';

// What a caller may rely on: the schema that it sees, printed, and named by its hash.

export interface Contract {
  /** The schema in SDL; sorted, so that the same schema is the same text. */
  sdl: string;
  /** Of the SDL, in hexadecimal. */
  sha256: string;
}

const contracts = new WeakMap<GraphQLSchema, Contract>();

/** The contract of a view. Printed once for each schema. */
export function contractOf(schema: GraphQLSchema): Contract {
  let contract = contracts.get(schema);
  if (contract === undefined) {
    const sdl = `${printSchema(lexicographicSortSchema(schema))}\n`;
    contract = { sdl, sha256: createHash('sha256').update(sdl).digest('hex') };
    contracts.set(schema, contract);
  }
  return contract;
}
