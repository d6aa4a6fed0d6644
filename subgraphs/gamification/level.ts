import { type Sql, transaction } from '../db.ts';
import { curveLock } from './ground.ts';

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

/**
 * Sets levels; those that exist are replaced, and with `onlyThese` the others removed. Everybody's level follows, and the
 * log tells of each that changed.
 * @cost one update of every profile whose level changed.
 */
export async function setLevels(
  sql: Sql,
  communityId: string,
  levels: readonly NewLevel[],
  { onlyThese = false } = {},
): Promise<void> {
  const rows = levels.map(({ minXp, ...level }) => ({ ...level, minXp: String(minXp) }));
  await transaction(sql, async (tx) => {
    await tx`
      -- setLevels: nobody posts meanwhile
      select pg_advisory_xact_lock(${curveLock}, hashtext(${communityId}))`;
    if (onlyThese) {
      await tx`
        -- setLevels: the others
        delete from gamification.level
        where community_id = ${communityId} and number <> all(${levels.map(({ number }) => number)}::integer[])`;
    }
    await tx`
      -- setLevels
      insert into gamification.level (community_id, number, min_xp, name)
      select ${communityId}, l.number, l."minXp", l.name
      from jsonb_to_recordset(${tx.json(rows as never)}) l(number integer, "minXp" bigint, name jsonb)
      on conflict (community_id, number) do update set min_xp = excluded.min_xp, name = excluded.name`;
    await tx`
      -- setLevels: who stands elsewhere now
      with curve as materialized (
        select number, min_xp, lead(min_xp) over (order by number) as next_at
        from gamification.level
        where community_id = ${communityId}
      ), moved as (
        select p.user_id, p.level as before, coalesce(c.number, 0) as after
        from gamification.profile p
        left join curve c on p.xp >= c.min_xp and (c.next_at is null or p.xp < c.next_at)
        where p.community_id = ${communityId} and p.level <> coalesce(c.number, 0)
      ), changed as (
        update gamification.profile p set level = m.after
        from moved m
        where p.community_id = ${communityId} and p.user_id = m.user_id
        returning m.*
      )
      select log.append(${communityId}, 'xp', jsonb_agg(jsonb_build_object(
        'kind', 'LevelChanged', 'user_id', user_id, 'payload', jsonb_build_object('from', before, 'to', after)
      ) order by user_id))
      from changed
      having count(*) > 0`;
  });
}
