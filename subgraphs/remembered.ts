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
      const known = values.get(key) ?? reading.get(key);
      if (known !== undefined) return known;
      const value = read().finally(() => reading.delete(key));
      reading.set(key, value);
      return value;
    },
    set: (key, value) => {
      values.set(key, value);
    },
  };
}
