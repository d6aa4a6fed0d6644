import { type DocumentNode, type FieldNode, Kind, type SelectionSetNode } from 'graphql';
import { type Asked, keyOf, operationIn } from '../asked.ts';
import type { Requirement, Segment } from '../entity.ts';
import type { Required } from './required.ts';
import type { Entities } from './separate.ts';

// Where fields of entities are asked. Of entities that stand at one path, but inside objects of different types, the planner
// asks all for everything: for `{ top { maker { rank } ... on Book { maker { xp } } } }` the xp of films' makers too. What
// fails there would be told though nobody asked, and what is required for it wasn't fetched.

/** A part of a fetch: some of its fields, and the places where they are asked. */
export interface Placed {
  readonly entities: Entities;
  readonly fields: readonly Asked[];
}

/** Splits the fields that a fetch brings by the places where they are asked. */
export function byPlace(
  entities: Entities,
  fields: readonly Asked[],
  operation: DocumentNode,
  required: Required,
): Placed[] {
  const routes = entities.paths.flatMap((path) => routesAlong(path, operation));
  if (routes.length < 2) return [{ entities, fields }];
  const isNeeded = neededIn(required);
  const parts = new Map<string, { fields: Asked[]; routes: Route[] }>();
  for (const field of fields) {
    const { name } = field.node;
    const asking = routes.filter(({ keys }) => keys.has(keyOf(field.node)));
    // What leads on to something else is needed wherever that is.
    const taken = asking.length === 0 || isNeeded(name.value) ? routes : asking;
    const place = taken.map(({ path }) => JSON.stringify(path)).join();
    const part = parts.get(place) ?? { fields: [], routes: taken };
    parts.set(place, part);
    part.fields.push(field);
  }
  if (parts.size < 2) return [{ entities, fields }];
  return [...parts.values()].map((part) => ({
    fields: part.fields,
    entities: {
      ...entities,
      paths: part.routes.map(({ path }) => path),
      requires: requiredFor(part.fields, fields, entities.requires, required),
    },
  }));
}

/** A path with the type conditions that an operation has along it, and the response keys that it asks at its end. */
interface Route {
  readonly path: readonly Segment[];
  readonly keys: ReadonlySet<string>;
}

/** A route on the way: the selection sets that stand at its end. */
interface Opened {
  readonly path: readonly Segment[];
  readonly sets: SelectionSetNode[];
}

function routesAlong(path: readonly Segment[], operation: DocumentNode): Route[] {
  let routes: Opened[] = [{ path: [], sets: [operationIn(operation).selectionSet] }];
  for (const segment of path) {
    if (segment === 'items' || segment.field === undefined) {
      routes = routes.map((route) => ({ ...route, path: [...route.path, segment] }));
      continue;
    }
    const next = new Map<string, Opened>();
    for (const route of routes) {
      for (const { node, conditions } of route.sets.flatMap((set) => conditionalIn(set))) {
        if (keyOf(node) !== segment.field || !node.selectionSet) continue;
        const to = [...route.path, ...conditions.map((type) => ({ types: [type] })), segment];
        const known: Opened = next.get(JSON.stringify(to)) ?? { path: to, sets: [] };
        next.set(JSON.stringify(to), known);
        known.sets.push(node.selectionSet);
      }
    }
    routes = [...next.values()];
  }
  return routes.map((route) => ({
    path: route.path,
    keys: new Set(route.sets.flatMap((set) => conditionalIn(set)).map(({ node }) => keyOf(node))),
  }));
}

/** The fields of a selection set with all type conditions that they stand under. */
function conditionalIn(
  set: SelectionSetNode,
  conditions: readonly string[] = [],
): { node: FieldNode; conditions: readonly string[] }[] {
  return set.selections.flatMap((node) => {
    if (node.kind === Kind.FIELD) return [{ node, conditions }];
    // What is planned has no named fragments.
    if (node.kind === Kind.FRAGMENT_SPREAD) return [];
    const type = node.typeCondition?.name.value;
    return conditionalIn(node.selectionSet, type === undefined ? conditions : [...conditions, type]);
  });
}

/** Whether a field may be fetched for the sake of others: as a key, or because something requires it. */
function neededIn({ keys, uses }: Required): (name: string) => boolean {
  const names = new Set(['__typename', ...[...keys.values()].flatMap((fields) => [...fields])]);
  for (const { requires } of uses.values()) for (const one of requires) names.add(nameOf(one));
  return (name) => names.has(name);
}

/** What a part of a fetch requires: all but what only its other fields do. */
function requiredFor(
  part: readonly Asked[],
  fields: readonly Asked[],
  requires: readonly Requirement[],
  { uses, keys }: Required,
): Requirement[] {
  const usedBy = (some: readonly Asked[]) =>
    some.flatMap(({ of, node }) => uses.get(`${of}.${node.name.value}`)?.requires ?? []);
  const own = usedBy(part);
  const used = new Set(usedBy(fields).map(nameOf));
  return requires.map((one) => {
    if (one.on === undefined) return one;
    const type = one.on;
    const kept = one.inner.filter((inner) => !used.has(nameOf(inner)) || keys.get(type)?.has(nameOf(inner)));
    return { ...one, inner: [...kept, ...own] };
  });
}

function nameOf(one: Requirement): string {
  return one.on ?? one.name;
}
