import {
  type GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type TypeNode,
  type VariableDefinitionNode,
} from 'graphql';
import type { Values } from './operation.ts';

// A request's variables, coerced. Most are plain values of built-in scalars, which need no more than a look; graphql-js
// does the rest: defaults, inputs, lists, and every error.

type Coerced =
  | { coerced: Values; errors?: undefined }
  | { coerced?: undefined; errors: readonly GraphQLError[] };

/** Compiles how the variables of one operation are coerced, defaults filled in. */
export function coercion(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
): (variables: Values) => Coerced {
  const plain = definitions.map(({ variable, type }) => ({ name: variable.name.value, fits: fitOf(type) }));
  return (variables) => {
    const coerced: Values = {};
    for (const { name, fits } of plain) {
      const value = variables[name];
      if (!fits?.(value)) return getVariableValues(schema, definitions, variables, { maxErrors: 20 });
      coerced[name] = value;
    }
    return { coerced };
  };
}

/** Whether a value is one of the type as it stands; undefined for types that take more than a look. */
function fitOf(type: TypeNode): ((value: unknown) => boolean) | undefined {
  const named = type.kind === Kind.NON_NULL_TYPE ? type.type : type;
  return named.kind === Kind.NAMED_TYPE ? fits.get(named.name.value) : undefined;
}

const fits = new Map<string, (value: unknown) => boolean>([
  ['String', (value) => typeof value === 'string'],
  ['ID', (value) => typeof value === 'string'],
  ['Boolean', (value) => typeof value === 'boolean'],
  ['Int', (value) => typeof value === 'number' && (value | 0) === value],
  ['Float', (value) => typeof value === 'number' && Number.isFinite(value)],
]);
