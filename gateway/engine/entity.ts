import { merge } from './merge.ts';
import type { Place } from './path.ts';

// Entities in the merged data: finding them by a plan's path, writing the representation a subgraph knows them by, and
// the rewrites of names that a plan asks for. Everything is compiled once per plan.

export type Data = Record<string, unknown>;

/** Type name, condition -> whether an object of that type meets the condition. */
export type TypeTest = (typename: unknown, condition: string) => boolean;

/** What a step knows of the types. */
export interface Types {
  readonly isOf: TypeTest;
  readonly isAbstract: (name: unknown) => boolean;
  /** Whether a subgraph knows an interface as an object. */
  readonly isInterfaceObject: (subgraph: string, name: string) => boolean;
}

export type Segment =
  | { readonly field: string; readonly types?: undefined }
  | { readonly types: readonly string[]; readonly field?: undefined }
  | 'items';

export type Visitor = (entity: Data, place: Place | undefined) => void;

/**
 * Visits all objects that stand at a path, in order.
 * @param located  whether the visitor wants to know the places: they cost an object for each step, and only errors need them.
 */
export type Walk = (data: Data, visit: Visitor, located: boolean) => void;

/** Compiles a path to a walk. */
export function walkTo(path: readonly Segment[], isOf: TypeTest): Walk {
  return (data, visit, located) => {
    const walk = (value: unknown, at: number, place: Place | undefined): void => {
      if (typeof value !== 'object' || value === null) return;
      if (Array.isArray(value)) {
        const next = path[at] === 'items' ? at + 1 : at;
        for (let index = 0; index < value.length; index += 1) {
          walk(value[index], next, located ? { up: place, key: index } : undefined);
        }
        return;
      }
      const segment = path[at];
      if (segment === undefined) {
        visit(value as Data, place);
      } else if (segment === 'items') {
        // The list is missing a level: an object where items were expected stands for itself.
        walk(value, at + 1, place);
      } else if (segment.field !== undefined) {
        const { field } = segment;
        walk((value as Data)[field], at + 1, located ? { up: place, key: field } : undefined);
      } else {
        const typename = (value as Data).__typename;
        // Nobody asks the type of what can have one only.
        if (typename === undefined || segment.types.some((type) => isOf(typename, type)))
          walk(value, at + 1, place);
      }
    };
    walk(data, 0, undefined);
  };
}

/** The part of a path before its first list: where an error belongs that no entity can be named for. */
export function prefixOf(path: readonly Segment[]): string[] {
  const prefix: string[] = [];
  for (const segment of path) {
    if (segment === 'items') break;
    if (segment.field !== undefined) prefix.push(segment.field);
  }
  return prefix;
}

export type Requirement =
  | {
      readonly name: string;
      readonly as: string;
      readonly inner: readonly Requirement[] | undefined;
      readonly on?: undefined;
    }
  | { readonly on: string; readonly inner: readonly Requirement[] };

/** How a fetch writes the representations of entities. */
export interface Representation {
  /**
   * @returns undefined for an entity that lacks a required field: either nobody asked for what would be computed from it,
   *          or an error says already why it is missing.
   */
  write(entity: Data): Data | undefined;
  /** What two of the representations share exactly if they are equal. */
  identity(representation: Data): string | number;
}

/** Compiles a fetch's `requires`. */
export function representation(
  requires: readonly Requirement[],
  { isOf, isAbstract }: Types,
): Representation {
  const key = onlyKeyIn(requires);
  if (key && !isAbstract(key.type)) return singleKeyed(key.type, key.name, key.as);
  return { write: writerOf(requires, isOf), identity: identityOf };
}

/** The type and its key, if that is all that is required: most often it is. */
function onlyKeyIn(requires: readonly Requirement[]): { type: string; name: string; as: string } | undefined {
  const [only] = requires;
  if (only?.on === undefined || requires.length > 1 || only.inner.length !== 2) return undefined;
  const typename = only.inner.find((one) => one.on === undefined && one.name === '__typename');
  const key = only.inner.find((one) => one !== typename);
  if (!typename || key?.on !== undefined || !key || key.inner) return undefined;
  return { type: only.on, name: key.name, as: key.as };
}

/** Entities of one concrete type and one key. Generated, since objects with constant keys are far cheaper to make. */
function singleKeyed(type: string, name: string, as: string): Representation {
  const generate = new Function(
    'identityOf',
    `return {
  write(e) {
    if (e.__typename !== ${JSON.stringify(type)}) return undefined;
    const v = e[${JSON.stringify(name)}];
    return v === undefined || v === null ? undefined : { __typename: ${JSON.stringify(type)}, ${JSON.stringify(as)}: v };
  },
  identity(r) {
    const v = r[${JSON.stringify(as)}];
    return typeof v === 'number' || (typeof v === 'string' && v[0] !== '{') ? v : identityOf(r);
  },
};`,
  );
  return generate(identityOf) as Representation;
}

function writerOf(requires: readonly Requirement[], isOf: TypeTest): Representation['write'] {
  const write = (from: Data, to: Data, list: readonly Requirement[]): boolean => {
    for (const requirement of list) {
      if (requirement.on !== undefined) {
        if (isOf(from.__typename, requirement.on) && !write(from, to, requirement.inner)) return false;
        continue;
      }
      const value = from[requirement.name];
      if (value === undefined) return false;
      const written = requirement.inner ? copy(value, requirement.inner) : value;
      if (written === missing) return false;
      // Two requirements may describe parts of one object.
      if (to[requirement.as] === undefined) to[requirement.as] = written;
      else merge(to, { [requirement.as]: written }, () => false, false);
    }
    return true;
  };
  const copy = (value: unknown, list: readonly Requirement[]): unknown => {
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const item of value) {
        const written = copy(item, list);
        if (written === missing) return missing;
        items.push(written);
      }
      return items;
    }
    if (typeof value !== 'object' || value === null) return value;
    const to: Data = {};
    return write(value as Data, to, list) ? to : missing;
  };
  return (entity) => {
    const to: Data = {};
    if (!write(entity, to, requires)) return undefined;
    // Without a single key there is nothing to know it by.
    for (const name in to) if (name !== '__typename' && to[name] !== null) return to;
    return undefined;
  };
}

const missing = Symbol('missing');

function identityOf(value: unknown): string {
  if (typeof value === 'string') return `${value.length}"${value}`;
  if (typeof value !== 'object' || value === null) return `${typeof value === 'bigint' ? 'n' : ''}${value};`;
  let identity = Array.isArray(value) ? '[' : '{';
  for (const name in value) identity += `${name}:${identityOf((value as Data)[name])}`;
  return `${identity}}`;
}

export type RewriteSegment =
  | { readonly key: string }
  | { readonly types: readonly string[]; readonly key?: undefined };

export type Rewrite =
  | { readonly path: readonly RewriteSegment[]; readonly set: string; readonly rename?: undefined }
  | { readonly path: readonly RewriteSegment[]; readonly rename: string; readonly set?: undefined };

/** Applies a rewrite to a value and to every item of the lists on its way. The value is changed in place. */
export function rewrite(value: unknown, change: Rewrite, isOf: TypeTest, at = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) rewrite(item, change, isOf, at);
    return;
  }
  const object = value as Data;
  const segment = change.path[at];
  if (segment === undefined) return;
  if (segment.key === undefined) {
    const { __typename } = object;
    if (__typename !== undefined && !segment.types.some((type) => isOf(__typename, type))) return;
    rewrite(object, change, isOf, at + 1);
  } else if (at < change.path.length - 1) {
    rewrite(object[segment.key], change, isOf, at + 1);
  } else if (change.set !== undefined) {
    object[segment.key] = change.set;
  } else if (segment.key in object) {
    object[change.rename] = object[segment.key];
    delete object[segment.key];
  }
}
