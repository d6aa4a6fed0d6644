import { createHash } from 'node:crypto';
import {
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';

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

/** Something that will go. */
export interface Deprecation {
  /** `User.nick`, `Query.users(order:)`, `Plan.FREE`. */
  coordinate: string;
  reason: string;
  /** The last day that it is there; null where the reason doesn't say. */
  removalDate: string | null;
}

/** All that is deprecated in a schema, by coordinate. */
export function deprecationsIn(schema: GraphQLSchema): Deprecation[] {
  const deprecations: Deprecation[] = [];
  const note = (coordinate: string, { deprecationReason: reason }: { deprecationReason?: string | null }) => {
    if (reason == null) return;
    const removalDate = /\bRemoved after (\d{4}-\d{2}-\d{2})\.$/.exec(reason)?.[1] ?? null;
    deprecations.push({ coordinate, reason, removalDate });
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if (isEnumType(type)) for (const value of type.getValues()) note(`${type.name}.${value.name}`, value);
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const coordinate = `${type.name}.${field.name}`;
      note(coordinate, field);
      if ('args' in field) for (const arg of field.args) note(`${coordinate}(${arg.name}:)`, arg);
    }
  }
  return deprecations.sort((a, b) => (a.coordinate < b.coordinate ? -1 : 1));
}
