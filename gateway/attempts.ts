import { LRUCache } from 'lru-cache';
import { networkOf } from './address.ts';

// Guessing is slow: of the credentials that an address comes with, 60 may be wrong at once, and one more each second.
// Then those that never worked here aren't looked at, for a minute at most. One that did goes on working, also from that
// address.

export interface Attempts {
  /** Notes that a credential was wrong. */
  failed(address: string): void;
  /** Seconds until an unknown credential is looked at; 0: now. */
  waitSeconds(address: string): number;
}

/** How many may be wrong at once; one each second after that. */
export const mostFailures = 60;
/** One whose turn has come. */
const oneEveryMs = 1_000;

/** @param clock  milliseconds; only differences count. */
export function createAttempts(clock: () => number = () => performance.now()): Attempts {
  // When each network will have nothing on its account; as many are kept as memory is meant for.
  const clearAt = new LRUCache<string, number>({ max: 10_000 });
  return {
    failed(address) {
      const network = networkOf(address);
      const now = clock();
      const owed = Math.max((clearAt.get(network) ?? now) - now, 0) + oneEveryMs;
      clearAt.set(network, now + Math.min(owed, (2 * mostFailures - 1) * oneEveryMs));
    },
    waitSeconds(address) {
      const owed = (clearAt.get(networkOf(address)) ?? 0) - clock();
      return Math.max(0, Math.ceil(owed / oneEveryMs) - mostFailures + 1);
    },
  };
}
