import type { Sql } from '../db.ts';

// What callers have spent of their budgets, for all gateways together. A gateway counts by itself and settles now and
// then; what a budget holds and who is refused, it decides.

/** What one caller spent since it was settled last. */
export interface Spending {
  communityId: string;
  /** The person's id, else the key's. */
  holder: string;
  points: number;
  /** Points that the budget gets back a second. */
  restored: number;
}

/**
 * Adds what was spent to what all gateways know.
 * @param spendings  one per holder.
 * @returns what each has spent now and not got back yet, in their order; it may be more than the budget holds.
 * @cost one statement; rows are locked in the order of their keys, so gateways that settle at once never deadlock.
 */
export async function settleSpendings(sql: Sql, spendings: readonly Spending[]): Promise<number[]> {
  const settled = await sql<{ communityId: string; holder: string; spent: number }[]>`
    -- settleSpendings
    insert into identity.budget as b (community_id, holder, spent, restored, at)
    select s.community_id, s.holder, s.points, s.restored, now()
    from unnest(
      ${spendings.map(({ communityId }) => communityId)}::text[],
      ${spendings.map(({ holder }) => holder)}::text[],
      ${spendings.map(({ points }) => points)}::float8[],
      ${spendings.map(({ restored }) => restored)}::float8[]
    ) s(community_id, holder, points, restored)
    order by s.community_id collate "C", s.holder collate "C"
    on conflict (community_id, holder) do update set
      -- Who waited for the row may have begun before its last change.
      spent = excluded.spent + greatest(
        0, b.spent - excluded.restored * greatest(0, extract(epoch from excluded.at - b.at))
      ),
      restored = excluded.restored,
      at = greatest(b.at, excluded.at)
    returning community_id as "communityId", holder, spent`;
  const keyOf = ({ communityId, holder }: { communityId: string; holder: string }) =>
    `${communityId} ${holder}`;
  const byKey = new Map(settled.map((row) => [keyOf(row), row.spent]));
  return spendings.map((spending) => byKey.get(keyOf(spending)) ?? 0);
}
