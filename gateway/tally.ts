import type { Caller } from './access.ts';
import { networkOf } from './address.ts';
import { BadRequest } from './request.ts';

// How much of one kind a caller may hold at the same time: by person, by key, or by address for those without either.

export interface Tally {
  /**
   * Takes one for a caller; returns how to give it back, which counts once.
   * @throws BadRequest  429, when the caller holds as many as it may.
   */
  take(caller: Caller, address: string): () => void;
}

export interface TallySizes {
  /** Of a person, by whatever credentials, and of an integration's key. */
  known: number;
  /** A system key stands for all people of its community. */
  system: number;
  /** Of an address that shows no credential. */
  anonymous: number;
}

/**
 * @param what  the plural of what is counted, as clients call it.
 * @param code  what the refusal is called.
 */
export function createTally(what: string, code: string, sizes: TallySizes): Tally {
  const held = new Map<string, number>();
  return {
    take({ principal, seesPart }, address) {
      // Where everybody sees everything nobody is known.
      if (!seesPart) return () => {};
      const { kind, communityId = '', userId, keyId } = principal;
      const holder = userId ?? keyId;
      const most = kind === 'anonymous' ? sizes.anonymous : kind === 'system' ? sizes.system : sizes.known;
      const key = holder === undefined ? networkOf(address) : `${communityId} ${holder}`;
      const before = held.get(key) ?? 0;
      if (before >= most) {
        const whose = holder === undefined ? 'address without a credential' : userId ? 'person' : 'key';
        throw new BadRequest(
          429,
          `One ${whose} has at most ${most} ${what} at a time: close some first.`,
          {},
          code,
        );
      }
      held.set(key, before + 1);
      let holds = true;
      return () => {
        if (!holds) return;
        holds = false;
        const left = (held.get(key) ?? 1) - 1;
        if (left === 0) held.delete(key);
        else held.set(key, left);
      };
    },
  };
}
