import type { Sql } from '../db.ts';

// Levels: where a person stands by the XP earned.

export interface Level {
  number: number;
  name: Record<string, string> | null;
  minXp: bigint;
  /** XP at which the next level begins; null at the top. */
  nextAt: bigint | null;
}

/** The community's levels, lowest first. @cost one query. */
export async function levelsOf(sql: Sql, communityId: string): Promise<Level[]> {
  return sql<Level[]>`
    -- levelsOf
    select number, name, min_xp as "minXp", lead(min_xp) over (order by number) as "nextAt"
    from gamification.level
    where community_id = ${communityId}
    order by number`;
}

/** The level that this much XP gives; null below the first. */
export function levelAt(levels: readonly Level[], xp: bigint): Level | null {
  return levels.findLast(({ minXp }) => minXp <= xp) ?? null;
}

export interface NewLevel {
  number: number;
  minXp: bigint | number;
  name: Record<string, string> | null;
}

/** A curve: the n-th level begins at `base * (n - 1) ^ exponent` XP. */
export interface LevelFormula {
  count: number;
  base: bigint;
  exponent: number;
}

/** The levels of a formula, each at least one XP above the one before. */
export function levelsBy({ count, base, exponent }: LevelFormula): { number: number; minXp: bigint }[] {
  let before = -1n;
  return Array.from({ length: count }, (_, n) => {
    const minXp = BigInt(Math.floor(Number(base) * n ** exponent));
    before = minXp > before ? minXp : before + 1n;
    return { number: n + 1, minXp: before };
  });
}
