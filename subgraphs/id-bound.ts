import {
  type GraphQLField,
  GraphQLID,
  type GraphQLInputType,
  type GraphQLSchema,
  getNullableType,
  isInputObjectType,
  isListType,
} from 'graphql';
import { Refusal } from './errors.ts';
import { longestId } from './id.ts';

// Every id that a client sends is bounded here, wherever it stands in the arguments of a field; no input repeats it.

/** Where in a value an id stands that is too long; undefined when none is. */
type Find = (value: unknown) => readonly string[] | undefined;

export const idBound = `An id has at most ${longestId} characters.`;

/** Where in a field's arguments an id is longer than any is: `['input', 'channelId']`; undefined when none is. */
export function pathToLongId(
  field: GraphQLField<unknown, unknown>,
  args: Record<string, unknown>,
): readonly string[] | undefined {
  let find = known.get(field);
  if (find === undefined) {
    find = inside(field.args.map(({ name, type }) => [name, findIn(type)]));
    known.set(field, find);
  }
  return find(args);
}

/** Bounds the ids of subscriptions too, whose arguments type-graphql checks for each event instead of before all. */
export function boundSubscriptions(schema: GraphQLSchema): void {
  for (const field of Object.values(schema.getSubscriptionType()?.getFields() ?? {})) {
    const { subscribe } = field;
    field.subscribe = (root, args, context, info) => {
      const path = pathToLongId(field, args);
      if (path !== undefined) throw new Refusal('BAD_ARGUMENT', `${path.join('.')}: ${idBound}`);
      return subscribe?.(root, args, context, info);
    };
  }
}

const known = new WeakMap<GraphQLField<unknown, unknown>, Find>();
const nowhere: Find = () => undefined;

/** Looks where ids can be and nowhere else: most arguments have none. */
function findIn(type: GraphQLInputType, within: readonly GraphQLInputType[] = []): Find {
  const inner = getNullableType(type);
  if (inner === GraphQLID)
    return (value) => (typeof value === 'string' && value.length > longestId ? [] : undefined);
  if (isListType(inner)) {
    const find = findIn(inner.ofType, within);
    return find === nowhere ? nowhere : (value) => (Array.isArray(value) ? inItems(value, find) : undefined);
  }
  if (!isInputObjectType(inner)) return nowhere;
  // An input within itself is as deep as what is sent, which the limits of documents and bodies bound.
  if (within.includes(inner)) return (value) => findIn(inner)(value);
  return inside(
    Object.values(inner.getFields()).map(({ name, type }) => [name, findIn(type, [...within, inner])]),
  );
}

function inside(parts: [string, Find][]): Find {
  const holding = parts.filter(([, find]) => find !== nowhere);
  if (holding.length === 0) return nowhere;
  return (value) => {
    if (typeof value !== 'object' || value === null) return undefined;
    for (const [name, find] of holding) {
      const path = find((value as Record<string, unknown>)[name]);
      if (path !== undefined) return [name, ...path];
    }
    return undefined;
  };
}

function inItems(items: readonly unknown[], find: Find): readonly string[] | undefined {
  for (const [at, item] of items.entries()) {
    const path = find(item);
    if (path !== undefined) return [String(at), ...path];
  }
  return undefined;
}
