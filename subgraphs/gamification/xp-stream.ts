import { alignTo, type Sql } from '../db.ts';
import { membersNamed } from './person.ts';
import type { Balances } from './unit.ts';

// Where XP stand when a stream of their changes begins.

/** What people had at a moment. */
export type BalancesAt = ReadonlyMap<string, Balances>;

/**
 * The balances of those people who are members, and the number of the last event of the stream `xp` that counts in them:
 * read in one statement, so that no event falls between the two.
 * @param ids  1-500 ids.
 * @returns the balances in the order of the ids.
 * @cost two statements, by primary keys.
 */
export async function balancesNow(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<{ at: number; balances: BalancesAt }> {
  const found = await membersNamed(
    sql,
    communityId,
    ids.map((id) => ({ id })),
  );
  const members = found.filter((id) => id !== null);
  const rows = await sql<(Partial<Balances> & { at: bigint; userId: string | null })[]>`
    -- balancesNow
    select coalesce(s.last, 0) as at, p.user_id as "userId",
      p.xp as "XP", p.coins as "COINS", p.points as "POINTS", p.premium as "PREMIUM"
    from (select) one
    left join log.stream s on s.community_id = ${communityId} and s.name = 'xp'
    left join gamification.profile p on p.community_id = ${communityId} and p.user_id = any(${members})`;
  const profiles = alignTo(members, rows, ({ userId }) => userId ?? '');
  return {
    at: Number(rows[0]?.at ?? 0n),
    balances: new Map(
      members.map((id, at) => {
        const { XP = 0n, COINS = 0n, POINTS = 0n, PREMIUM = 0n } = profiles[at] ?? {};
        return [id, { XP, COINS, POINTS, PREMIUM }];
      }),
    ),
  };
}
