import {
  buildASTSchema,
  type DocumentNode,
  defaultFieldResolver,
  execute,
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLOutputType,
  type GraphQLSchema,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  parse,
  printSchema,
  type TypeNode,
  visit,
} from 'graphql';
import type { FormattedError } from '../../gateway/engine/index.ts';

// What graphql-js answers over one whole schema, as the measure for a federation over the same data.
//
// Data has to be equal to the byte. Errors have to be equal as a set of (path, code), with the one freedom that the
// specification gives: where a null spreads upwards out of several fields, an executor may stop after the first of them, so
// of the errors below that null at least one has to be told, and none but those. To know all errors that there can be,
// graphql-js runs the operation a second time over the same schema with every field nullable.

export interface Reference {
  /** The text of "data". */
  readonly data: string;
  /** How reported errors differ from what they may be; empty when they don't. */
  differences(reported: readonly FormattedError[]): string[];
}

export type Refer = (document: DocumentNode, variables: Record<string, unknown>) => Promise<Reference>;

/**
 * @param reset  called before each run, since mutations change the world.
 */
export function reference(schema: GraphQLSchema, root: unknown, reset: () => void): Refer {
  const nullable = nullableSchema(schema);
  return async (document, variableValues) => {
    reset();
    const { data } = await execute({ schema, document, rootValue: root, variableValues });
    reset();
    const { errors = [] } = await execute({
      schema: nullable,
      document,
      rootValue: root,
      variableValues,
      fieldResolver: strictly(schema),
    });
    const possible = new Map<string, string>();
    for (const error of errors) possible.set(labelOf(error), whereNull(data, error.path ?? []));
    return {
      data: JSON.stringify(data),
      differences: (reported) => {
        const told = reported.map(labelOf);
        const places = new Set(told.map((label) => possible.get(label)));
        return [
          ...told.filter((label, at) => told.indexOf(label) < at).map((label) => `twice: ${label}`),
          ...told.filter((label) => !possible.has(label)).map((label) => `stray: ${label}`),
          ...[...possible].filter(([, at]) => !places.has(at)).map(([label]) => `missing: ${label}`),
        ];
      },
    };
  };
}

/** Where the null of an error at `path` ends up in the data. */
function whereNull(data: unknown, path: readonly (string | number)[]): string {
  let value = data;
  let length = 0;
  while (typeof value === 'object' && value !== null && length < path.length) {
    value = (value as Record<string | number, unknown>)[path[length]!];
    length += 1;
  }
  return path.slice(0, length).join('.');
}

function labelOf({
  message,
  path,
  extensions,
}: Pick<FormattedError, 'message' | 'path' | 'extensions'> | GraphQLError): string {
  const isUncoded = extensions?.code === undefined || extensions.code === 'SUBGRAPH_ERROR';
  // A subgraph that finds the null itself has no code for it.
  const isNull = isUncoded && message.startsWith('Cannot return null for non-nullable field');
  const code = isNull ? 'NULL_FOR_NON_NULL' : isUncoded ? 'SUBGRAPH_ERROR' : extensions?.code;
  return `${path?.join('.')} ${code}`;
}

function nullableSchema(schema: GraphQLSchema): GraphQLSchema {
  return buildASTSchema(
    visit(parse(printSchema(schema)), {
      FieldDefinition: (field) => ({ ...field, type: nullableType(field.type) }),
    }),
  );
}

function nullableType(type: TypeNode): TypeNode {
  if (type.kind === Kind.NON_NULL_TYPE) return nullableType(type.type);
  return type.kind === Kind.LIST_TYPE ? { ...type, type: nullableType(type.type) } : type;
}

/** Resolves fields as ever, but makes each null that `schema` forbids an error of its own. */
function strictly(schema: GraphQLSchema): GraphQLFieldResolver<unknown, unknown> {
  return async (source, args, context, info) => {
    const type = schema.getType(info.parentType.name);
    const field = isObjectType(type) ? type.getFields()[info.fieldName] : undefined;
    return checked(await defaultFieldResolver(source, args, context, info), field!.type);
  };
}

function checked(value: unknown, type: GraphQLOutputType): unknown {
  if (isNonNullType(type)) {
    if (value === null || value === undefined) {
      return new GraphQLError('There is no value.', { extensions: { code: 'NULL_FOR_NON_NULL' } });
    }
    return checked(value, type.ofType);
  }
  if (isListType(type) && Array.isArray(value)) return value.map((item) => checked(item, type.ofType));
  return value;
}
