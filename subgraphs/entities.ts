import type { GraphQLFieldResolver, GraphQLSchema } from 'graphql';

// `_entities`: how other subgraphs' references become this one's objects. @apollo/subgraph brings a resolver too; it makes
// promises of its own for every entity, which costs more than most of the fields that are then read.

/** A reference as another subgraph sends it: the type's name and a key. */
interface Reference {
  readonly __typename: string;
}

/** Finds an entity by its key; by the GraphQL name of its type. */
export type References<Context> = Readonly<Record<string, (reference: never, context: Context) => unknown>>;

/**
 * Lets a federated schema resolve `_entities` by `references`. A type without one is its reference: its fields know what
 * to do with a key. What fails costs its own entity alone.
 */
export function resolveEntities<Context>(schema: GraphQLSchema, references: References<Context>): void {
  const field = schema.getQueryType()?.getFields()._entities;
  // Without an entity there is no such field.
  if (field === undefined) return;
  const finders = new Map(Object.entries(references));
  const resolve: GraphQLFieldResolver<unknown, Context, { representations: readonly Reference[] }> = (
    _source,
    { representations },
    context,
  ) => representations.map((reference) => entityOf(reference, finders, context));
  field.resolve = resolve;
}

function entityOf<Context>(
  reference: Reference,
  finders: ReadonlyMap<string, References<Context>[string]>,
  context: Context,
): unknown {
  try {
    const { __typename: typename } = reference;
    const find = finders.get(typename);
    if (find === undefined) return reference;
    const found = find(reference as never, context);
    return isPromise(found)
      ? found.then((entity) => typed(entity, typename), failed)
      : typed(found, typename);
  } catch (error) {
    return failed(error);
  }
}

/** An item of a list that is an error stands for itself alone, to any executor. */
function failed(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The union `_Entity` asks an object for its type's name. */
function typed(entity: unknown, typename: string): unknown {
  if (typeof entity !== 'object' || entity === null || entity instanceof Error) return entity;
  const { __typename: known } = entity as Partial<Reference>;
  if (known === typename) return entity;
  return Object.isExtensible(entity) && known === undefined
    ? Object.assign(entity, { __typename: typename })
    : { ...entity, __typename: typename };
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | undefined)?.then === 'function';
}
