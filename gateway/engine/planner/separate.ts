import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type NameNode,
  parseType,
  print,
  type SelectionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import { type Asked, askedIn, fragmentsIn, keyOf, operationIn } from '../asked.ts';
import type { Requirement, Rewrite, Segment } from '../entity.ts';
import type { Required } from './required.ts';

// A fetch whose fields can't share representations asks for its entities several times in the one call: a representation has
// room for each field once, so what is computed from one field with different arguments comes from different ones.

/** One `_entities` field of a fetch, as planned. */
export interface Entities {
  readonly key: string;
  readonly variable: string;
  readonly paths: readonly (readonly Segment[])[];
  readonly requires: readonly Requirement[];
  readonly inputRewrites: readonly Rewrite[];
  readonly outputRewrites: readonly Rewrite[];
}

export interface EntityFetch {
  readonly document: DocumentNode;
  readonly entities: readonly Entities[];
}

/** Fields of entities that share representations. */
export interface Group {
  readonly paths: Entities['paths'];
  readonly fields: readonly Asked[];
  readonly requires: readonly Requirement[];
  readonly inputRewrites: readonly Rewrite[];
}

/**
 * Splits the `_entities` fields of a fetch.
 * @param groupsOf  the groups of one of them; none for one that brings nothing.
 */
export function separated(
  fetch: EntityFetch,
  groupsOf: (entities: Entities, fields: readonly Asked[]) => readonly Group[],
): EntityFetch {
  const operation = operationIn(fetch.document);
  const selections: SelectionNode[] = [];
  const entities = fetch.entities.flatMap((one) =>
    groupsOf(one, entityFields(fetch.document, one.key)).map(({ fields, ...group }, index): Entities => {
      const suffix = index === 0 ? '' : `_${index}`;
      const key = one.key + suffix;
      const variable = one.variable + suffix;
      selections.push(entitiesField(key, variable, fields));
      return { ...one, ...group, key, variable };
    }),
  );
  // Most often there is nothing to split, and the planner's own text is the shorter one.
  const isWhole = `${entities.map(({ key }) => key)}` === `${fetch.entities.map(({ key }) => key)}`;
  if (isWhole) return { document: fetch.document, entities };
  const others = operation.variableDefinitions?.filter(({ type }) => print(type) !== '[_Any!]!') ?? [];
  const declared = new Set(entities.map(({ variable }) => variable));
  const variableDefinitions = [...[...declared].map(representationsDefinition), ...others];
  const selectionSet = { kind: Kind.SELECTION_SET as const, selections };
  const fragments = fragmentsOf(selectionSet, fragmentsIn(fetch.document));
  const definitions = [{ ...operation, variableDefinitions, selectionSet }, ...fragments];
  return { document: { kind: Kind.DOCUMENT, definitions }, entities };
}

/** Those fragments that are used. */
function fragmentsOf(
  set: SelectionSetNode,
  fragments: readonly FragmentDefinitionNode[],
): FragmentDefinitionNode[] {
  const names = new Set<string>();
  const use = (node: SelectionSetNode): void => {
    visit(node, {
      FragmentSpread({ name }) {
        if (names.has(name.value)) return;
        names.add(name.value);
        for (const fragment of fragments) if (fragment.name.value === name.value) use(fragment.selectionSet);
      },
    });
  };
  use(set);
  return fragments.filter(({ name }) => names.has(name.value));
}

/** The fields of one `_entities` field. */
export function entityFields(document: DocumentNode, key: string): Asked[] {
  const entities = operationIn(document).selectionSet.selections.find(
    (node): node is FieldNode => node.kind === Kind.FIELD && keyOf(node) === key,
  );
  return askedIn(entities?.selectionSet, fragmentsIn(document));
}

/** Splits a group in which one field is required with different arguments; into as few as come easily. */
export function unambiguous(group: Group, required: Required): Group[] {
  const all = namesIn(group.requires, required);
  if (!isAmbiguous(all, required)) return [group];
  const parts: { names: string[]; fields: Asked[] }[] = [];
  for (const field of group.fields) {
    const names = required.uses.get(`${field.of}.${field.node.name.value}`)?.names ?? [];
    const part = parts.find((one) => !isAmbiguous([...one.names, ...names], required));
    if (part) {
      part.names.push(...names);
      part.fields.push(field);
    } else parts.push({ names: [...names], fields: [field] });
  }
  return parts.map(({ names, fields }) => {
    const dropped = all.filter((name) => !names.includes(name));
    return { ...group, fields, requires: group.requires.flatMap((one) => without(one, dropped)) };
  });
}

/** Whether several of the names stand for one field. */
function isAmbiguous(names: readonly string[], { fields }: Required): boolean {
  const distinct = new Set(names);
  return new Set([...distinct].map((name) => fields.get(name)?.coordinate)).size < distinct.size;
}

function namesIn(requires: readonly Requirement[], required: Required): string[] {
  return requires.flatMap((one) => {
    const inner = namesIn(one.inner ?? [], required);
    return one.on === undefined && required.fields.has(one.name) ? [one.name, ...inner] : inner;
  });
}

function without(one: Requirement, names: readonly string[]): Requirement[] {
  if (one.on === undefined && names.includes(one.name)) return [];
  const inner = one.inner?.flatMap((each) => without(each, names));
  // What is left of nothing but required fields is no requirement.
  if (one.inner && inner?.length === 0) return [];
  return [{ ...one, inner } as Requirement];
}

function representationsDefinition(variable: string): VariableDefinitionNode {
  return {
    kind: Kind.VARIABLE_DEFINITION,
    variable: { kind: Kind.VARIABLE, name: nameNode(variable) },
    type: parseType('[_Any!]!'),
  };
}

function entitiesField(key: string, variable: string, fields: readonly Asked[]): FieldNode {
  return {
    kind: Kind.FIELD,
    name: nameNode('_entities'),
    alias: key === '_entities' ? undefined : nameNode(key),
    arguments: [
      {
        kind: Kind.ARGUMENT,
        name: nameNode('representations'),
        value: { kind: Kind.VARIABLE, name: nameNode(variable) },
      },
    ],
    selectionSet: {
      kind: Kind.SELECTION_SET,
      selections: fields.map(({ of = '', node }) => ({
        kind: Kind.INLINE_FRAGMENT,
        typeCondition: { kind: Kind.NAMED_TYPE, name: nameNode(of) },
        selectionSet: { kind: Kind.SELECTION_SET, selections: [node] },
      })),
    },
  };
}

function nameNode(value: string): NameNode {
  return { kind: Kind.NAME, value };
}
