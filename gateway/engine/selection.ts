import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isUnionType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import type { WireNames } from './wire.ts';

// Selections as the planner gets them: conditions decided, wire names, each field once, and of fragments only those that
// some object can meet. A planner follows every fragment it sees: it would fetch for types that can't be there, and it
// loses its way where one field is selected in several places.

/** What selections are read with. */
export interface SelectionSource {
  schema: GraphQLSchema;
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  wireNames: WireNames;
  /** Fields that nobody is asked for. */
  forbidden: ReadonlySet<FieldNode>;
  /** Every abstract type's name -> the names of all types that are one, those that `schema` hides included. */
  subtypes: ReadonlyMap<string, ReadonlySet<string>>;
  /** The values of the variables that decide an @skip or @include. */
  conditions: Readonly<Record<string, unknown>>;
}

/** One field for all nodes of one response key. */
export function mergedField(
  source: SelectionSource,
  parent: GraphQLCompositeType,
  nodes: readonly FieldNode[],
): FieldNode {
  const [node] = nodes as [FieldNode];
  const name = source.wireNames.of(node);
  const type = isUnionType(parent) ? undefined : getNamedType(parent.getFields()[node.name.value]?.type);
  const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
  return {
    kind: Kind.FIELD,
    name: node.name,
    alias: name === node.name.value ? undefined : { kind: Kind.NAME, value: name },
    arguments: node.arguments,
    directives: node.directives?.filter(({ name }) => !isCondition(name.value)),
    selectionSet: isCompositeType(type) && sets.length > 0 ? mergedSet(source, type, sets) : undefined,
  };
}

/** Whether a directive's name is that of a condition. */
export function isCondition(name: string): boolean {
  return name === 'skip' || name === 'include';
}

const typename: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

function mergedSet(
  source: SelectionSource,
  type: GraphQLCompositeType,
  sets: readonly SelectionSetNode[],
): SelectionSetNode {
  // The fields of the type itself and of each type condition below it.
  const fields = new Map<GraphQLCompositeType, Map<string, FieldNode[]>>([[type, new Map()]]);
  for (const set of sets) collect(source, type, type, set, fields);
  const selections: SelectionNode[] = [];
  for (const [condition, byKey] of fields) {
    const merged = [...byKey.values()].map((nodes) => mergedField(source, condition, nodes));
    if (condition === type) {
      selections.push(...merged);
      // Fragments may fit no object, of which has to be known all the same that it is there, and what it is.
      const isAsked = merged.length === 0 || fields.size > 1 || mayBeHidden(source, type);
      if (isAsked && !byKey.has('__typename')) selections.push(typename);
    } else {
      selections.push({
        kind: Kind.INLINE_FRAGMENT,
        typeCondition: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: condition.name } },
        selectionSet: { kind: Kind.SELECTION_SET, selections: merged },
      });
    }
  }
  return { kind: Kind.SELECTION_SET, selections };
}

/** Whether an object of the type may be one that the client must not see. */
function mayBeHidden({ schema, subtypes }: SelectionSource, { name }: GraphQLCompositeType): boolean {
  for (const subtype of subtypes.get(name) ?? []) if (!schema.getType(subtype)) return true;
  return false;
}

/**
 * Collects the fields of a selection set.
 * @param type       what the objects are declared to be.
 * @param condition  what they are known to be besides, by the fragment that `set` belongs to.
 */
function collect(
  source: SelectionSource,
  type: GraphQLCompositeType,
  condition: GraphQLCompositeType,
  set: SelectionSetNode,
  fields: Map<GraphQLCompositeType, Map<string, FieldNode[]>>,
): void {
  const { schema, fragments, wireNames, forbidden } = source;
  for (const node of set.selections) {
    if (!isIncluded(node, source.conditions)) continue;
    if (node.kind === Kind.FIELD) {
      if (forbidden.has(node)) continue;
      const byKey = fields.get(condition) ?? new Map<string, FieldNode[]>();
      fields.set(condition, byKey);
      const key = wireNames.of(node);
      const nodes = byKey.get(key);
      if (nodes) nodes.push(node);
      else byKey.set(key, [node]);
      continue;
    }
    const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments[node.name.value]!;
    const inner = fragment.typeCondition && schema.getType(fragment.typeCondition.name.value);
    for (const narrowed of isCompositeType(inner) ? meeting(schema, type, condition, inner) : [condition]) {
      collect(source, type, narrowed, fragment.selectionSet, fields);
    }
  }
}

/** One or several types that say together what `condition` and `inner` say of objects that are a `type`. */
function meeting(
  schema: GraphQLSchema,
  type: GraphQLCompositeType,
  condition: GraphQLCompositeType,
  inner: GraphQLCompositeType,
): readonly GraphQLCompositeType[] {
  const isWithin = (one: GraphQLCompositeType, other: GraphQLCompositeType): boolean =>
    one === other || (isAbstractType(other) && !isUnionType(one) && schema.isSubType(other, one));
  if (isWithin(condition, inner)) return [condition];
  const possible = [inner, condition, type].map((one) =>
    isAbstractType(one) ? schema.getPossibleTypes(one) : [one],
  );
  const [all, known, declared] = possible as [
    (typeof possible)[0],
    (typeof possible)[0],
    (typeof possible)[0],
  ];
  const candidates = all.filter((one) => declared.includes(one));
  const met = candidates.filter((one) => known.includes(one));
  return met.length > 0 && met.length === candidates.length ? [inner] : met;
}

function isIncluded(node: SelectionNode, conditions: Readonly<Record<string, unknown>>): boolean {
  for (const { name, arguments: given } of node.directives ?? []) {
    if (!isCondition(name.value)) continue;
    const value = given?.[0]?.value;
    const met =
      value?.kind === Kind.VARIABLE
        ? conditions[value.name.value] === true
        : value?.kind === Kind.BOOLEAN && value.value;
    if (met !== (name.value === 'include')) return false;
  }
  return true;
}
