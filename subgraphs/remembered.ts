import { LRUCache } from 'lru-cache';

// What seldom changes, kept in memory for as long as it fits.

export interface Remembered<Value> {
  /** The latest value that was set. */
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  /**
   * Reads; who reads the same by the same connection or pool meanwhile waits for that reading. A transaction waits for none
   * of the pool's, which may wait for its connection.
   * @param what  one of all that are read by it.
   * @throws what `read` throws
   */
  read(by: object, what: string, read: () => Promise<Value>): Promise<Value>;
}

/** @param mostSize  of all values together; the ones not asked for longest go first. One that is larger isn't kept. */
export function remembered<Value extends object>(
  mostSize: number,
  sizeOf: (value: Value) => number,
): Remembered<Value> {
  const values = new LRUCache<string, Value>({ maxSize: mostSize, sizeCalculation: sizeOf });
  const reading = new WeakMap<object, Map<string, Promise<Value>>>();
  return {
    get: (key) => values.get(key),
    set: (key, value) => {
      values.set(key, value);
    },
    read(by, what, read) {
      const own = reading.get(by) ?? new Map<string, Promise<Value>>();
      reading.set(by, own);
      return once(own, what, read);
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
