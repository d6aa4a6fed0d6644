import {
  type DocumentNode,
  type FieldNode,
  Kind,
  type NameNode,
  parseType,
  print,
  type SelectionNode,
  type VariableDefinitionNode,
} from 'graphql';
import { type Asked, askedIn, fragmentsIn, keyOf, operationIn } from './asked.ts';
import type { Requirement, Rewrite, Segment } from './entity.ts';
import type { Required } from './required.ts';

// A representation has room for each field once. Where a fetch computes from one field with different arguments, it asks for
// its entities several times in the one call, each time with representations of their own.

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

/** Splits those `_entities` fields of a fetch that require one field with different arguments. */
export function separated(fetch: EntityFetch, required: Required): EntityFetch {
  if (!fetch.entities.some(({ requires }) => isAmbiguous(namesIn(requires, required), required)))
    return fetch;
  const operation = operationIn(fetch.document);
  const selections: SelectionNode[] = [];
  const entities = fetch.entities.flatMap((one) => {
    const all = namesIn(one.requires, required);
    const groups = groupsOf(entityFields(fetch.document, one.key), required);
    return groups.map(({ names, fields }, index): Entities => {
      const suffix = index === 0 ? '' : `_${index}`;
      const key = one.key + suffix;
      const variable = one.variable + suffix;
      selections.push(entitiesField(key, variable, fields));
      const dropped = all.filter((name) => !names.includes(name));
      const requires = one.requires.flatMap((requirement) => without(requirement, dropped));
      return { ...one, key, variable, requires };
    });
  });
  const others = operation.variableDefinitions?.filter(({ type }) => print(type) !== '[_Any!]!') ?? [];
  const declared = new Set(entities.map(({ variable }) => variable));
  const variableDefinitions = [...[...declared].map(representationsDefinition), ...others];
  const selectionSet = { kind: Kind.SELECTION_SET as const, selections };
  const definitions = [{ ...operation, variableDefinitions, selectionSet }, ...fragmentsIn(fetch.document)];
  return { document: { kind: Kind.DOCUMENT, definitions }, entities };
}

/** The fields of one `_entities` field. */
export function entityFields(document: DocumentNode, key: string): Asked[] {
  const entities = operationIn(document).selectionSet.selections.find(
    (node): node is FieldNode => node.kind === Kind.FIELD && keyOf(node) === key,
  );
  return askedIn(entities?.selectionSet, fragmentsIn(document));
}

/** Groups of fields within which nothing is required with different arguments; as few as come easily. */
function groupsOf(fields: readonly Asked[], required: Required): { names: string[]; fields: Asked[] }[] {
  const groups: { names: string[]; fields: Asked[] }[] = [];
  for (const field of fields) {
    const names = required.uses.get(`${field.of}.${field.node.name.value}`) ?? [];
    const group = groups.find((one) => !isAmbiguous([...one.names, ...names], required));
    if (group) {
      group.names.push(...names);
      group.fields.push(field);
    } else groups.push({ names: [...names], fields: [field] });
  }
  return groups;
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
