import { createHash } from 'node:crypto';
import { noteAudit, noteChange } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { communityOf, type Principal } from '../principal.ts';
import { lockChanges } from './change-lock.ts';
import {
  type Leaderboard,
  type LeaderboardSettings,
  leaderboardColumns,
  leaderboardsById,
  viewable,
} from './leaderboard.ts';
import { keepRuns } from './score-run.ts';

// Making, changing and deleting leaderboards; what they then rank is counted, what none ranks any more is forgotten.

/** Leaderboards of a community at most: each may keep dozens of runs. */
export const mostLeaderboards = 50;

/** Batches of people that are counted before the answer; what is left is counted in the background. */
const batchesAtOnce = 60;

/**
 * Makes a leaderboard, and counts what it ranks: of a small community at once.
 * @param makeId  makes its id; the demo has its own.
 * @returns the leaderboard, `replayed` when this idempotency key had made it before.
 * @throws CONFLICT (the slug is taken), LIMIT_EXCEEDED, NOT_FOUND (a role), VALIDATION_FAILED, IDEMPOTENCY_KEY_REUSED
 */
export async function createLeaderboard(
  sql: Sql,
  principal: Principal,
  settings: LeaderboardSettings,
  idempotencyKey: string,
  now: Date,
  makeId: typeof newId = newId,
): Promise<{ leaderboard: Leaderboard; replayed: boolean }> {
  const communityId = communityOf(principal);
  checkDays(settings);
  const asked = createHash('sha256').update(JSON.stringify(settings)).digest();
  const made = await transaction(sql, async (tx) => {
    await lockChanges(tx, communityId, 'leaderboard');
    const [before] = await tx<{ id: string; same: boolean }[]>`
      -- createLeaderboard: what was before
      select id, asked = ${asked} as same
      from gamification.leaderboard
      where community_id = ${communityId} and idempotency_key = ${idempotencyKey}`;
    if (before?.same) return { id: before.id, replayed: true };
    if (before !== undefined) {
      const message = `The idempotency key "${idempotencyKey}" was used for another leaderboard: use a new one.`;
      throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
    }
    const [count] = await tx<{ count: number }[]>`
      -- createLeaderboard: how many
      select count(*)::integer as count from gamification.leaderboard where community_id = ${communityId}`;
    if ((count?.count ?? 0) >= mostLeaderboards)
      throw new Refusal('LIMIT_EXCEEDED', `A community has at most ${mostLeaderboards} leaderboards.`, {}, [
        'input',
      ]);
    await mustKnowRoles(tx, communityId, settings);
    const id = makeId('Leaderboard');
    const { count: written } = await tx`
      -- createLeaderboard
      insert into gamification.leaderboard ${tx({
        community_id: communityId,
        id,
        ...rowOf(tx, settings),
        idempotency_key: idempotencyKey,
        asked,
        created_at: now,
        updated_at: now,
      } as never)}
      on conflict (community_id, slug) do nothing`;
    if (written === 0) throw slugTaken(settings.slug);
    await noteAudit(tx, communityId, principal, {
      action: 'LEADERBOARD_CREATED',
      details: { id, ...settings },
    });
    return { id, replayed: false };
  });
  if (!made.replayed) await keepRuns(sql, now, { communityId, batches: batchesAtOnce });
  const [leaderboard] = await leaderboardsById(sql, communityId, [made.id]);
  return { leaderboard: leaderboard as Leaderboard, replayed: made.replayed };
}

/**
 * Changes a leaderboard; what isn't named stays. Where other days, another unit or other people are ranked, they are
 * counted anew.
 * @throws NOT_FOUND (also for whoever may not view it, and a role), CONFLICT (the slug is taken), VALIDATION_FAILED
 */
export async function updateLeaderboard(
  sql: Sql,
  principal: Principal,
  id: string,
  changes: Partial<LeaderboardSettings>,
  now: Date,
): Promise<Leaderboard> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const [before] = await tx<Leaderboard[]>`
      -- updateLeaderboard: lock
      select ${leaderboardColumns(tx)}
      from gamification.leaderboard
      where community_id = ${communityId} and id = ${id} ${viewable(tx, principal)}
      for update`;
    if (before === undefined) throw notFound(id);
    const settings = { ...before, ...changes };
    checkDays(settings);
    await mustKnowRoles(tx, communityId, changes);
    const [taken] = await tx`
      -- updateLeaderboard: the slug
      select from gamification.leaderboard
      where community_id = ${communityId} and slug = ${settings.slug} and id <> ${id}`;
    if (taken !== undefined) throw slugTaken(settings.slug);
    const [after = before] = await tx<Leaderboard[]>`
      -- updateLeaderboard
      update gamification.leaderboard
      set ${tx({ ...rowOf(tx, settings), updated_at: now } as never)}
      where community_id = ${communityId} and id = ${id}
      returning ${leaderboardColumns(tx)}`;
    await noteChange(tx, principal, 'LEADERBOARD_UPDATED', { id }, told(before), told(after));
  });
  await keepRuns(sql, now, { communityId, batches: batchesAtOnce });
  const [leaderboard] = await leaderboardsById(sql, communityId, [id]);
  return leaderboard as Leaderboard;
}

/** Deletes a leaderboard; what was ranked for it alone is forgotten. @throws NOT_FOUND  as `updateLeaderboard`. */
export async function deleteLeaderboard(
  sql: Sql,
  principal: Principal,
  id: string,
  now: Date,
): Promise<void> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const [deleted] = await tx<Leaderboard[]>`
      -- deleteLeaderboard
      delete from gamification.leaderboard
      where community_id = ${communityId} and id = ${id} ${viewable(tx, principal)}
      returning ${leaderboardColumns(tx)}`;
    if (deleted === undefined) throw notFound(id);
    await noteAudit(tx, communityId, principal, { action: 'LEADERBOARD_DELETED', details: told(deleted) });
  });
  await keepRuns(sql, now, { communityId, batches: 0 });
}

/** A leaderboard as the audit tells of it. */
function told({ createdAt: _, updatedAt: __, ...board }: Leaderboard) {
  return board;
}

function checkDays({ startsOn, endsOn }: LeaderboardSettings): void {
  if (startsOn === null || endsOn === null || startsOn <= endsOn) return;
  const message = `The leaderboard ends (${endsOn}) before it starts (${startsOn}).`;
  throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'endsOn']);
}

async function mustKnowRoles(
  sql: Sql,
  communityId: string,
  { rankRoleIds = [], viewRoleIds = [] }: Partial<LeaderboardSettings>,
): Promise<void> {
  const named = { rankRoleIds, viewRoleIds };
  const ids = [...rankRoleIds, ...viewRoleIds];
  if (ids.length === 0) return;
  const rows = await sql<{ id: string }[]>`
    -- mustKnowRoles
    select id from community.known_roles(${communityId}, ${ids}) as id`;
  const known = new Set(rows.map(({ id }) => id));
  for (const [field, own] of Object.entries(named)) {
    const unknown = own.find((id) => !known.has(id));
    if (unknown === undefined) continue;
    throw new Refusal('NOT_FOUND', `No role has the id "${unknown}".`, {}, ['input', field]);
  }
}

function slugTaken(slug: string): Refusal {
  const message = `Another leaderboard of this community has the slug "${slug}": take another.`;
  return new Refusal('CONFLICT', message, {}, ['input', 'slug']);
}

function notFound(id: string): Refusal {
  return new Refusal('NOT_FOUND', `No leaderboard has the id "${id}".`, {}, ['input', 'leaderboardId']);
}

function rowOf(sql: Sql, settings: LeaderboardSettings) {
  return {
    slug: settings.slug,
    name: sql.json(settings.name),
    unit: settings.unit,
    windows: settings.windows,
    starts_on: settings.startsOn,
    ends_on: settings.endsOn,
    columns: sql.json(settings.columns as never),
    top_limit: settings.topLimit,
    only_positive: settings.onlyPositive,
    enabled: settings.enabled,
    rank_role_ids: [...new Set(settings.rankRoleIds)].sort(),
    view_role_ids: [...new Set(settings.viewRoleIds)].sort(),
  };
}
