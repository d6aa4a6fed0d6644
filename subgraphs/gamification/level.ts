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

/** Sets the levels; those that exist are replaced. */
export async function setLevels(
  sql: Sql,
  communityId: string,
  levels: readonly { number: number; minXp: number; name: Record<string, string> }[],
): Promise<void> {
  await sql`
    -- setLevels
    insert into gamification.level (community_id, number, min_xp, name)
    select ${communityId}, l.number, l."minXp", l.name
    from jsonb_to_recordset(${sql.json(levels as never)}) l(number integer, "minXp" bigint, name jsonb)
    on conflict (community_id, number) do update set min_xp = excluded.min_xp, name = excluded.name`;
}
