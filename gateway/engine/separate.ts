import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type NameNode,
  type OperationDefinitionNode,
  parseType,
  print,
  type SelectionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
} from 'graphql';
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
  const [operation, ...fragments] = fetch.document.definitions as [
    OperationDefinitionNode,
    ...FragmentDefinitionNode[],
  ];
  const selections: SelectionNode[] = [];
  const entities = fetch.entities.flatMap((one) => {
    const all = namesIn(one.requires, required);
    const field = operation.selectionSet.selections.find(
      (node): node is FieldNode => node.kind === Kind.FIELD && (node.alias ?? node.name).value === one.key,
    );
    const groups = groupsOf(fieldsOf(field?.selectionSet, undefined, fragments), required);
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
  const definitions = [{ ...operation, variableDefinitions, selectionSet }, ...fragments];
  return { document: { kind: Kind.DOCUMENT, definitions }, entities };
}

/** A field of entities of one type. */
interface EntityField {
  readonly on: string;
  readonly node: FieldNode;
}

function fieldsOf(
  set: SelectionSetNode | undefined,
  on: string | undefined,
  fragments: readonly FragmentDefinitionNode[],
): EntityField[] {
  return (set?.selections ?? []).flatMap((node) => {
    if (node.kind === Kind.FIELD) return on === undefined ? [] : [{ on, node }];
    const fragment =
      node.kind === Kind.INLINE_FRAGMENT
        ? node
        : fragments.find(({ name }) => name.value === node.name.value);
    return fieldsOf(fragment?.selectionSet, fragment?.typeCondition?.name.value ?? on, fragments);
  });
}

/** Groups of fields within which nothing is required with different arguments; as few as come easily. */
function groupsOf(
  fields: readonly EntityField[],
  required: Required,
): { names: string[]; fields: EntityField[] }[] {
  const groups: { names: string[]; fields: EntityField[] }[] = [];
  for (const field of fields) {
    const names = required.uses.get(`${field.on}.${field.node.name.value}`) ?? [];
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

function entitiesField(key: string, variable: string, fields: readonly EntityField[]): FieldNode {
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
      selections: fields.map(({ on, node }) => ({
        kind: Kind.INLINE_FRAGMENT,
        typeCondition: { kind: Kind.NAMED_TYPE, name: nameNode(on) },
        selectionSet: { kind: Kind.SELECTION_SET, selections: [node] },
      })),
    },
  };
}

function nameNode(value: string): NameNode {
  return { kind: Kind.NAME, value };
}
