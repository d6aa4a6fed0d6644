import { alignTo, type Sql } from '../db.ts';
import type { Balances } from './unit.ts';

// Where XP stand when a stream of their changes begins.

/**
 * The balances of people, and the number of the last event of the stream `xp` that counts in them: read in one statement,
 * so that no event falls between the two.
 * @param ids  1-500 ids.
 * @returns one answer per id, in their order.
 * @cost one statement, by primary keys.
 */
export async function balancesNow(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<{ at: number; balances: Balances[] }> {
  const rows = await sql<(Partial<Balances> & { at: bigint; userId: string | null })[]>`
    -- balancesNow
    select coalesce(s.last, 0) as at, p.user_id as "userId",
      p.xp as "XP", p.coins as "COINS", p.points as "POINTS", p.premium as "PREMIUM"
    from (select) one
    left join log.stream s on s.community_id = ${communityId} and s.name = 'xp'
    left join gamification.profile p on p.community_id = ${communityId} and p.user_id = any(${ids as string[]})`;
  const found = alignTo(ids, rows, ({ userId }) => userId ?? '');
  return {
    at: Number(rows[0]?.at ?? 0n),
    balances: found.map((row) => {
      const { XP = 0n, COINS = 0n, POINTS = 0n, PREMIUM = 0n } = row ?? {};
      return { XP, COINS, POINTS, PREMIUM };
    }),
  };
}
