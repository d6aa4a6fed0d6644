import { LRUCache } from 'lru-cache';

// What doesn't change under its key, kept in memory for as long as it fits.

export interface Remembered<Value> {
  /** The value of a key; who asks while it is read waits for the same reading. @throws what `read` throws */
  get(key: string, read: () => Promise<Value>): Value | Promise<Value>;
  set(key: string, value: Value): void;
}

/** @param mostSize  of all values together; the ones not asked for longest go first. */
export function remembered<Value extends object>(
  mostSize: number,
  sizeOf: (value: Value) => number,
): Remembered<Value> {
  const values = new LRUCache<string, Value>({ maxSize: mostSize, sizeCalculation: sizeOf });
  const reading = new Map<string, Promise<Value>>();
  return {
    get(key, read) {
      return values.get(key) ?? once(reading, key, read);
    },
    set: (key, value) => {
      values.set(key, value);
    },
  };
}

/** What is under way by a key is not begun again. */
export function once<T>(underWay: Map<string, Promise<T>>, key: string, begin: () => Promise<T>): Promise<T> {
  const known = underWay.get(key);
  if (known !== undefined) return known;
  const begun = begin().finally(() => underWay.delete(key));
  underWay.set(key, begun);
  return begun;
}
