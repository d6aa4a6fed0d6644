import type { DocumentNode } from 'graphql';
import { type Asked, askedIn, keyOf, operationIn } from './asked.ts';
import type { Requirement, Segment } from './entity.ts';
import type { Types } from './execute.ts';
import type { Required } from './required.ts';

// Which types an operation asks for something at one place. Where a subgraph knows an interface as an object, the planner
// makes one fetch of what several implementers are asked for, and keeps the type condition of only one of them.

/** A fetch of entities at one place. */
export interface AskedFetch {
  readonly path: readonly Segment[];
  readonly requires: readonly Requirement[];
  readonly fields: readonly Asked[];
}

/**
 * What a fetch of an interface object's fields requires, for all implementers that are asked for one of them.
 * @param operation  what was planned, without named fragments.
 */
export function ofAllAskers(
  { path, requires, fields }: AskedFetch,
  operation: DocumentNode,
  { isOf, isAbstract }: Types,
  required: Required,
): readonly Requirement[] {
  const on = fields[0]?.of;
  if (on === undefined || !isAbstract(on) || fields.some(({ of }) => of !== on)) return requires;
  return requires.flatMap((one) => {
    if (one.on === undefined || one.on === on || !isOf(one.on, on)) return [one];
    const known = new Set(one.inner.map((inner) => inner.on ?? inner.as));
    const askers = new Set([one.on]);
    const asked = askedAt(operation, path);
    for (const { node } of fields) {
      if (known.has(node.name.value)) continue;
      const of = asked.filter((one) => keyOf(one.node) === keyOf(node)).map((one) => one.of ?? on);
      // What nobody asked for is required for something else, of whatever type.
      for (const type of of.length > 0 ? of : [on]) askers.add(type);
    }
    for (const { node, of } of asked) {
      const name = node.name.value;
      if (of && (required.uses.has(`${of}.${name}`) || required.uses.has(`${on}.${name}`))) askers.add(of);
    }
    return askers.has(on) ? [{ ...one, on }] : [...askers].map((type) => ({ ...one, on: type }));
  });
}

function askedAt(document: DocumentNode, path: readonly Segment[]): Asked[] {
  let asked = askedIn(operationIn(document).selectionSet);
  for (const segment of path) {
    if (segment === 'items' || segment.field === undefined) continue;
    asked = asked.flatMap(({ node }) => (keyOf(node) === segment.field ? askedIn(node.selectionSet) : []));
  }
  return asked;
}
