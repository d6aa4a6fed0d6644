import type { Caller } from './access.ts';
import { deprecatedUse } from './deprecated.ts';
import type { Engine, Operation, Values } from './engine/index.ts';

// How often keys ask for what will go, so that a partner sees what of it concerns them. An operation is one use of each
// thing that it names, opening a stream likewise. Counted in memory and told to identity once a minute, all keys in one
// call, so numbers are a minute late, and of a process that is killed the last minute is lost.

/** Uses of one thing by one key since they were told last. */
export interface CountedUse {
  communityId: string;
  keyId: string;
  coordinate: string;
  calls: number;
  /** When the last of them was, milliseconds since 1970. */
  at: number;
}

export interface Uses {
  /** Counts an operation that was run; does nothing for one that names nothing deprecated. */
  note(caller: Caller, operation: Operation, variables: Values | null | undefined): void;
  /** Tells what is not told yet. */
  close(): Promise<void>;
}

export interface UsesOptions {
  tell(uses: readonly CountedUse[]): Promise<void>;
  /** Told when it could not; what was counted is told the next time. */
  onFault(error: unknown): void;
}

const tellEveryMs = 60_000;
/** What is counted at a time; more than that, while identity doesn't answer, is not. */
const mostCounted = 20_000;

export function createUses({ tell, onFault }: UsesOptions): Uses {
  let counted = new Map<string, CountedUse>();
  let telling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const count = (use: CountedUse) => {
    const name = `${use.communityId} ${use.keyId} ${use.coordinate}`;
    const known = counted.get(name);
    if (known !== undefined) {
      known.calls += use.calls;
      known.at = Math.max(known.at, use.at);
    } else if (counted.size < mostCounted) counted.set(name, use);
    timer ??= setTimeout(() => void tellNow(), tellEveryMs).unref();
  };

  const tellNow = (): Promise<void> => {
    telling ??= tellAll().finally(() => {
      telling = undefined;
    });
    return telling;
  };

  const tellAll = async () => {
    clearTimeout(timer);
    timer = undefined;
    const told = [...counted.values()];
    counted = new Map();
    if (told.length === 0) return;
    try {
      await tell(told);
    } catch (error) {
      for (const use of told) count(use);
      onFault(error);
    }
  };

  return {
    note({ principal: { communityId, keyId } }, operation, variables) {
      const use = deprecatedUse(operation);
      if (use === undefined || communityId === undefined || keyId === undefined) return;
      const at = Date.now();
      const inVariables = use.inVariables?.(variables ?? {}) ?? [];
      for (const coordinate of new Set([...use.named, ...inVariables]))
        count({ communityId, keyId, coordinate, calls: 1, at });
    },
    async close() {
      await telling;
      await tellNow();
      clearTimeout(timer);
    },
  };
}

const noteText = 'mutation note($uses: JSON!) { _noteDeprecatedUses(uses: $uses) }';

/** Tells Laurel's identity subgraph. @param caller  the gateway. */
export async function tellUses(
  { subgraphs }: Pick<Engine<Caller>, 'subgraphs'>,
  caller: Caller,
  uses: readonly CountedUse[],
): Promise<void> {
  const call = { kind: 'mutation', text: noteText, variables: { uses }, caller, signal: undefined } as const;
  const result = await subgraphs.get('identity')?.execute(call);
  const [error] = result?.errors ?? [];
  if (error !== undefined) throw new Error(`Identity could not note uses: ${error.message}`);
}

const usesText = 'query uses { _deprecatedUses }';

/** What a key used of what will go. */
export interface KnownUse {
  coordinate: string;
  /** ISO-8601. */
  lastUsedAt: string;
  callsLast30Days: number;
}

/** What identity knows of the uses of the caller's own key. */
export async function usesOf(
  { subgraphs }: Pick<Engine<Caller>, 'subgraphs'>,
  caller: Caller,
): Promise<readonly KnownUse[]> {
  const call = { kind: 'query', text: usesText, variables: undefined, caller, signal: undefined } as const;
  const result = await subgraphs.get('identity')?.execute(call);
  const [error] = result?.errors ?? [];
  if (error !== undefined) throw new Error(`Identity could not tell uses: ${error.message}`);
  return (result?.data?._deprecatedUses ?? []) as KnownUse[];
}
