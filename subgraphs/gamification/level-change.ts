import { noteChange } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import type { LogReader } from '../log-reader.ts';
import type { Principal } from '../principal.ts';
import { rowsOf } from '../rows.ts';
import { badgesOpened } from './badge-change.ts';
import { levelsOf, type NewLevel } from './level.ts';
import { curveLock } from './posting-lock.ts';

// Changing the level curve. Everybody's level follows: of a small community at once, of a large one in the background, some
// people at a time, so that nobody who posts waits long. What is left is told by the log, so that it goes on wherever a
// process ended. Who earns XP before their turn moves to the level of the new curve by that event.

/** People that are looked at together. */
const atATime = 5_000;

/**
 * Sets levels; those that exist are replaced, and with `onlyThese` the others removed. Everybody's level follows, and the
 * log tells of each that changed.
 * @param atOnce  people whose level follows before the answer.
 * @param by  who sets them, for the audit; absent: Laurel itself.
 * @cost an update of at most `atOnce` profiles; nobody of the community posts meanwhile.
 */
export async function setLevels(
  sql: Sql,
  communityId: string,
  levels: readonly NewLevel[],
  { onlyThese = false, atOnce = atATime, by }: { onlyThese?: boolean; atOnce?: number; by?: Principal } = {},
): Promise<void> {
  const rows = levels.map(({ minXp, ...level }) => ({ ...level, minXp: String(minXp) }));
  await transaction(sql, async (tx) => {
    await tx`
      -- setLevels: nobody posts meanwhile
      select pg_advisory_xact_lock(${curveLock}, hashtext(${communityId}))`;
    const kept = async () =>
      (await levelsOf(tx, communityId)).map(({ number, minXp, name }) => ({ number, minXp, name }));
    const before = by && (await kept());
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
    if (by) await noteChange(tx, by, 'LEVELS_SET', {}, { levels: before }, { levels: await kept() });
    await follow(tx, communityId, '', atOnce);
  });
}

/** Lets people's levels follow a curve that was set. */
export const levelCurve: LogReader = {
  name: 'level-curve',
  stream: 'levels',
  async handle(sql, communityId, events) {
    // Each goes on to the last person, by the curve as it is now: the one furthest behind does it for all.
    const [after = ''] = events.map(({ payload }) => String(payload.after)).sort();
    await sql`
      -- levelCurve: the curve stays as it is
      select pg_advisory_xact_lock_shared(${curveLock}, hashtext(${communityId}))`;
    await follow(sql, communityId, after, atATime);
  },
};

/** Moves the next people, by id, to the levels that their XP have now; then tells the log what comes next. */
async function follow(tx: Sql, communityId: string, after: string, most: number): Promise<void> {
  const people = await tx<Moved[]>`
    -- follow: lock
    with curve as materialized (
      select array_agg(min_xp order by number) as starts, array_agg(number order by number) as numbers
      from gamification.level
      where community_id = ${communityId}
    )
    select p.user_id as "userId", p.level as from, coalesce(c.numbers[width_bucket(p.xp, c.starts)], 0) as to
    from gamification.profile p, curve c
    where p.community_id = ${communityId} and p.user_id > ${after}
    order by p.user_id
    limit ${most}
    for no key update of p`;
  const last = people.at(-1)?.userId;
  await move(
    tx,
    communityId,
    people.filter(({ from, to }) => from !== to),
  );
  if (last === undefined || people.length < most) await badgesOpened(tx, communityId, { measure: 'LEVEL' });
  else
    await tx`
      -- follow: what is left
      select log.append(${communityId}, 'levels', ${tx.json([{ kind: 'LevelsSet', payload: { after: last } }])})`;
}

/** A person and the numbers of two levels. */
interface Moved {
  userId: string;
  from: number;
  to: number;
}

async function move(tx: Sql, communityId: string, moved: readonly Moved[]): Promise<void> {
  if (moved.length === 0) return;
  const told = moved.map(({ userId, from, to }) => ({
    kind: 'LevelChanged',
    user_id: userId,
    payload: { from, to },
  }));
  await tx`
    -- move
    with changed as (
      -- They are all there; a conflict finds them by their key, however old the planner's statistics are.
      insert into gamification.profile as p (community_id, user_id, level)
      select ${communityId}, m.* from ${rowsOf(tx, 'm', 'userId text, to integer', moved)}
      on conflict (community_id, user_id) do update set level = excluded.level
    )
    select log.append(${communityId}, 'xp', ${tx.json(told)})`;
}
