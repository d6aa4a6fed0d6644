import type { DocumentNode } from 'graphql';
import { type Asked, askedIn, keyOf, operationIn } from '../asked.ts';
import type { Requirement, Segment, Types } from '../entity.ts';
import type { Required } from './required.ts';
import type { Entities, Group } from './separate.ts';

// Who asks for the fields of an interface object. Of what several implementers are asked for the planner makes one fetch
// with the type condition and the required fields of only one of them; here each gets its own again.

export interface AskersSource {
  /** What was planned, without named fragments. */
  operation: DocumentNode;
  types: Types;
  required: Required;
}

/**
 * Groups the fields that a fetch has of an interface object by who asks for them and what they require, apart from those of
 * other entities; none are left where it brings only what is known.
 */
export function groupsOfAskers(
  subgraph: string,
  entities: Entities,
  fields: readonly Asked[],
  source: AskersSource,
): Group[] {
  const { paths, requires, inputRewrites } = entities;
  const planned = { paths, fields, requires, inputRewrites };
  const { isOf, isInterfaceObject } = source.types;
  const on = fields.find(({ of }) => of !== undefined && isInterfaceObject(subgraph, of))?.of;
  if (on === undefined) return [planned];
  const others = fields.filter(({ of }) => of !== on);
  if (others.length > 0) {
    const own = { ...entities, requires: requires.filter((one) => isOf(one.on, on)) };
    const ownFields = fields.filter(({ of }) => of === on);
    // A type of the interface may be an entity of the subgraph by itself too: then it keeps its own name.
    const apart = {
      ...entities,
      requires: requires.filter((one) => others.some(({ of }) => of === undefined || isOf(one.on, of))),
      inputRewrites: inputRewrites.filter(({ set }) => set !== on),
    };
    return [
      ...groupsOfAskers(subgraph, own, ownFields, source),
      ...groupsOfAskers(subgraph, apart, others, source),
    ];
  }

  const { uses, keys } = source.required;
  const useOf = (name: string) => uses.get(`${on}.${name}`)?.requires ?? [];
  const needed = new Set(fields.flatMap(({ node }) => useOf(node.name.value).map(nameOf)));
  const key = requires
    .flatMap((one) => one.inner ?? [])
    .filter((one) => keys.get(on)?.has(nameOf(one)) || !needed.has(nameOf(one)));
  const known = new Set(key.map(nameOf));
  const asked = paths.flatMap((path) => askedAt(source.operation, path));
  const groups = new Map<string, { types: string[]; fields: Asked[]; inner: Requirement[] }>();
  for (const field of fields) {
    const { value: name } = field.node.name;
    const askers = asked.filter(
      // Under one key fields of different types may be different ones.
      ({ node }) =>
        (keyOf(node) === keyOf(field.node) && node.name.value === name) ||
        needs(node.name.value, name, useOf),
    );
    // Its type's name is the interface's, which nobody needs.
    if (name === '__typename' || (askers.length === 0 && known.has(keyOf(field.node)))) continue;
    // What nobody asks for leads on to something else, of whatever type.
    const types = askers.length > 0 ? [...new Set(askers.map(({ of }) => of ?? on))].sort() : [on];
    const group = groups.get(`${types}`) ?? { types, fields: [], inner: [...key] };
    groups.set(`${types}`, group);
    group.fields.push(field);
    group.inner.push(...useOf(name));
  }
  return [...groups.values()].map(({ types, inner, fields }) => ({
    paths,
    fields,
    requires: (types.includes(on) ? [on] : types).map((type) => ({ on: type, inner: distinct(inner) })),
    inputRewrites: [...inputRewrites, { path: [{ types: [on] }, { key: '__typename' }], set: on }],
  }));
}

/** Whether a field, or what it requires, requires another. */
function needs(field: string, name: string, useOf: (name: string) => readonly Requirement[]): boolean {
  return useOf(field).some((one) => nameOf(one) === name || needs(nameOf(one), name, useOf));
}

function nameOf(one: Requirement): string {
  return one.on ?? one.name;
}

function distinct(requires: readonly Requirement[]): Requirement[] {
  return requires.filter(
    (one, index) => requires.findIndex((other) => nameOf(other) === nameOf(one)) === index,
  );
}

function askedAt(document: DocumentNode, path: readonly Segment[]): Asked[] {
  let asked = askedIn(operationIn(document).selectionSet);
  for (const segment of path) {
    if (segment === 'items' || segment.field === undefined) continue;
    asked = asked.flatMap(({ node }) => (keyOf(node) === segment.field ? askedIn(node.selectionSet) : []));
  }
  return asked;
}
