import type { Data } from './entity.ts';

// Merging what subgraphs answer: objects by key, lists by index. What one subgraph knows isn't undone by another's null.

/**
 * Merges `source` into `target` in place.
 * @param isAbstract  whether a type name is an interface's: it never replaces a concrete one.
 * @param shared      whether `source` goes to other places too, and so must be copied.
 */
export function merge(
  target: Data,
  source: Data,
  isAbstract: (name: unknown) => boolean,
  shared: boolean,
): void {
  for (const key in source) {
    const value = source[key];
    const before = target[key];
    if (before === undefined || before === null) {
      target[key] = shared ? copied(value) : value;
    } else if (value === null || value === undefined) {
      // Known already.
    } else if (typeof before === 'object' && typeof value === 'object') {
      mergeObjects(before, value, isAbstract, shared);
    } else if (key !== '__typename' || !isAbstract(value)) {
      target[key] = shared ? copied(value) : value;
    }
  }
}

function mergeObjects(
  target: object,
  source: object,
  isAbstract: (name: unknown) => boolean,
  shared: boolean,
): void {
  if (target === source) return;
  if (!Array.isArray(target) || !Array.isArray(source)) {
    merge(target as Data, source as Data, isAbstract, shared);
    return;
  }
  for (let index = 0; index < source.length; index += 1) {
    const value = source[index];
    const before = target[index];
    if (before === undefined || before === null) target[index] = shared ? copied(value) : value;
    else if (typeof before === 'object' && typeof value === 'object' && value !== null) {
      mergeObjects(before, value, isAbstract, shared);
    }
  }
}

/** A copy of the objects and lists of a result; the values of leaf fields, if they are objects of a class, stay shared. */
export function copied<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copied) as T;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return value;
  const copy: Data = {};
  for (const key in value) copy[key] = copied((value as Data)[key]);
  return copy as T;
}
