import { LRUCache } from 'lru-cache';
import type { Principal } from '../subgraphs/principal.ts';
import type { Caller } from './access.ts';
import { networkOf } from './address.ts';
import { Bucket, type BudgetSize, type Owner, type Spending } from './bucket.ts';
import { Charge, Throttled } from './charge.ts';
import type { Engine, Operation, Values } from './engine/index.ts';
import { BadRequest } from './request.ts';

// What callers may spend: a bucket each, filled by what their operations cost before they run, that leaks at a steady
// rate. An operation that doesn't fit is refused before anything is asked for it.
//
// Each process takes from its own copy of a bucket at once, and settles with the others once a second, all its callers in
// one call. So several processes together let through more than the budget for a second at most: n of them up to n times
// what a bucket holds, when all are asked at once by a caller whom they had not heard of. What was spent too much is a
// debt that leaks away before more is let through, so over time the rate is exact. Callers without a credential are
// counted by each process alone: strangers must not make it write to a database.

/**
 * Shopify gives its largest customers 2,000 points a second and a bucket of twenty times that, its smallest 100.
 * Source: https://shopify.dev/docs/api/usage/limits
 */
export const defaultBudgets = {
  /** Of a person, by whatever credentials, and of an integration's key. */
  known: { points: 40_000, restored: 2_000 },
  /** Of an address that shows no credential. */
  anonymous: { points: 2_000, restored: 100 },
} as const satisfies Record<string, BudgetSize>;

/** A community's system key stands for all its people, so it has that many budgets. */
const budgetsOfSystem = 10;

export interface BudgetOptions {
  /** Undefined: without bounds. */
  known: BudgetSize | undefined;
  anonymous: BudgetSize | undefined;
  /** Tells the other processes, and what each caller has spent in all of them; without it this one is alone. */
  settle?: (spendings: readonly Spending[]) => Promise<readonly number[]>;
  /** Told when it could not; what was spent is told the next time. */
  onFault?: (error: unknown) => void;
  /** Milliseconds; only differences count. */
  clock?: () => number;
}

export interface Budgets {
  /**
   * Takes what an operation costs; for opening a subscription, what one event costs.
   * @param address  counts for callers without a credential.
   * @returns the caller with what was charged; as it is if it has no bounds, or the variables are wrong: the engine will say so.
   * @throws Throttled when it doesn't fit now, BadRequest when it never will.
   */
  charged(caller: Caller, operation: Operation, variables: Values | null, address: string): Caller;
  /** Settles what is not settled yet. */
  close(): Promise<void>;
}

const settleEveryMs = 1_000;
/** Callers remembered; who is forgotten starts with a full budget. */
const mostCallers = 50_000;

export function createBudgets(options: BudgetOptions): Budgets {
  const { known, anonymous, settle, onFault, clock = () => performance.now() } = options;
  const unsettled = new Map<Bucket, Owner>();
  /** The names of principals' buckets: a string that was looked up before is found sooner than one that is new. */
  const names = new WeakMap<Principal, string>();
  const buckets = new LRUCache<string, Bucket>({
    max: mostCallers,
    dispose: (bucket) => unsettled.delete(bucket),
  });
  let settling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const sizeFor = ({ kind }: Principal): BudgetSize | undefined => {
    if (kind === 'anonymous') return anonymous;
    if (kind !== 'system' || known === undefined) return known;
    return { points: known.points * budgetsOfSystem, restored: known.restored * budgetsOfSystem };
  };

  const bucketFor = (principal: Principal, address: string): Bucket | undefined => {
    const { communityId = '', userId, keyId } = principal;
    const holder = userId ?? keyId;
    let key = holder === undefined ? networkOf(address) : names.get(principal);
    if (key === undefined) {
      key = `${communityId} ${holder}`;
      names.set(principal, key);
    }
    let bucket = buckets.get(key);
    if (bucket === undefined) {
      const size = sizeFor(principal);
      if (size === undefined) return undefined;
      bucket = new Bucket(size, holder === undefined ? undefined : { communityId, holder }, clock());
      buckets.set(key, bucket);
    }
    return bucket;
  };

  /** @throws Throttled when it doesn't fit */
  const take = (bucket: Bucket, cost: number, now: number): void => {
    if (!bucket.take(cost, now))
      throw new Throttled(new Charge(cost, bucket, now, () => {}), bucket.secondsUntil(cost, now));
    if (settle === undefined || bucket.owner === undefined || cost === 0) return;
    unsettled.set(bucket, bucket.owner);
    timer ??= setTimeout(() => void settleNow(), settleEveryMs).unref();
  };

  const settleNow = (): Promise<void> => {
    clearTimeout(timer);
    settling ??= settleAll().finally(() => {
      settling = undefined;
      timer = unsettled.size === 0 ? undefined : setTimeout(() => void settleNow(), settleEveryMs).unref();
    });
    return settling;
  };

  const settleAll = async (): Promise<void> => {
    const taken = [...unsettled].map(([bucket, owner]) => ({
      bucket,
      owner,
      spending: { ...owner, points: bucket.handOver(), restored: bucket.size.restored },
    }));
    unsettled.clear();
    if (taken.length === 0 || settle === undefined) return;
    try {
      const spent = await settle(taken.map(({ spending }) => spending));
      for (const [n, { bucket }] of taken.entries()) bucket.settled(spent[n] ?? 0, clock());
    } catch (error) {
      for (const { bucket, owner, spending } of taken) {
        bucket.unsettled += spending.points;
        unsettled.set(bucket, owner);
      }
      onFault?.(error);
    }
  };

  return {
    charged(caller, operation, variables, address) {
      const bucket = bucketFor(caller.principal, address);
      const cost = bucket && operation.cost(variables);
      if (bucket === undefined || cost === undefined) return caller;
      if (cost > bucket.size.points) throw tooDear(cost, bucket.size);
      const now = clock();
      take(bucket, cost, now);
      const charge = new Charge(cost, bucket, now, () => take(bucket, cost, clock()));
      // What is added after a spread costs a hidden class for each object, and whoever reads it a search.
      return { charge, ...caller };
    },
    async close() {
      await settling;
      await settleNow();
      clearTimeout(timer);
    },
  };
}

const settleText = `mutation settle($communities: [String!]!, $holders: [String!]!, $points: [Float!]!, $restored: [Float!]!) {
  _settleBudgets(communities: $communities, holders: $holders, points: $points, restored: $restored)
}`;

/** Settles by Laurel's identity subgraph. @param caller  the gateway. */
export async function settleBudgets(
  { subgraphs }: Pick<Engine<Caller>, 'subgraphs'>,
  caller: Caller,
  spendings: readonly Spending[],
): Promise<readonly number[]> {
  const result = await subgraphs.get('identity')?.execute({
    kind: 'mutation',
    text: settleText,
    variables: {
      communities: spendings.map(({ communityId }) => communityId),
      holders: spendings.map(({ holder }) => holder),
      points: spendings.map(({ points }) => points),
      restored: spendings.map(({ restored }) => restored),
    },
    caller,
    signal: undefined,
  });
  const [error] = result?.errors ?? [];
  if (error !== undefined) throw new Error(`Identity could not settle budgets: ${error.message}`);
  return result?.data?._settleBudgets as number[];
}

function tooDear(cost: number, { points }: BudgetSize): BadRequest {
  const message = `The operation costs ${cost} points, more than the ${points} of the whole budget: ask for less at a time.`;
  return new BadRequest(400, message, {}, 'COST_LIMIT_EXCEEDED');
}
