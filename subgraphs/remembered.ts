import { LRUCache } from 'lru-cache';

// What doesn't change under its key, kept in memory for as long as it fits.

export interface Remembered<Value> {
  /**
   * The value of a key; who asks by the same connection or pool while it is read waits for that reading. A transaction
   * waits for none of the pool's, which may wait for its connection.
   * @throws what `read` throws
   */
  get(key: string, by: object, read: () => Promise<Value>): Value | Promise<Value>;
  set(key: string, value: Value): void;
}

/** @param mostSize  of all values together; the ones not asked for longest go first. */
export function remembered<Value extends object>(
  mostSize: number,
  sizeOf: (value: Value) => number,
): Remembered<Value> {
  const values = new LRUCache<string, Value>({ maxSize: mostSize, sizeCalculation: sizeOf });
  const reading = new WeakMap<object, Map<string, Promise<Value>>>();
  return {
    get(key, by, read) {
      const known = values.get(key);
      if (known !== undefined) return known;
      const own = reading.get(by) ?? new Map<string, Promise<Value>>();
      reading.set(by, own);
      return once(own, key, read);
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
