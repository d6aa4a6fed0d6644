import { createHash } from 'node:crypto';
import type { Chore } from '../chore.ts';
import { alignTo, type Sql, type SqlPart, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';
import { keepRuns, type Ranked } from './score-run.ts';

// Leaderboards: what is ranked, over which spans of days, and how it is shown. Days are the community's.
// Source: Returning.AI docs, "Leaderboards".

export interface LeaderboardColumn {
  column: string;
  visible: boolean;
}

export interface LeaderboardSettings extends Ranked {
  slug: string;
  name: Record<string, string>;
  columns: LeaderboardColumn[];
  topLimit: number | null;
  onlyPositive: boolean;
  enabled: boolean;
  viewRoleIds: readonly string[];
}

export interface Leaderboard extends LeaderboardSettings {
  id: string;
  createdAt: Date;
  updatedAt: Date;
}

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
  communityId: string,
  settings: LeaderboardSettings,
  idempotencyKey: string,
  now: Date,
  makeId: typeof newId = newId,
): Promise<{ leaderboard: Leaderboard; replayed: boolean }> {
  checkDays(settings);
  const asked = createHash('sha256').update(JSON.stringify(settings)).digest();
  const made = await transaction(sql, async (tx) => {
    await tx`
      -- createLeaderboard: one at a time
      select pg_advisory_xact_lock(hashtextextended(${`laurel.leaderboard ${communityId}`}, 0))`;
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
    const [before] = await tx<LeaderboardSettings[]>`
      -- updateLeaderboard: lock
      select ${columns(tx)}
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
    await tx`
      -- updateLeaderboard
      update gamification.leaderboard
      set ${tx({ ...rowOf(tx, settings), updated_at: now } as never)}
      where community_id = ${communityId} and id = ${id}`;
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
  const { count } = await sql`
    -- deleteLeaderboard
    delete from gamification.leaderboard
    where community_id = ${communityId} and id = ${id} ${viewable(sql, principal)}`;
  if (count === 0) throw notFound(id);
  await keepRuns(sql, now, { communityId, batches: 0 });
}

/** Begins what a new day needs before it begins, and counts what large communities are to rank. */
export const countRanks: Chore = {
  everyMs: 30_000,
  work: ({ sql, now }) => keepRuns(sql, now(), { batches: 20 }),
};

/**
 * A page of the leaderboards that a caller may view, oldest first.
 * @throws BAD_PAGE, BAD_CURSOR
 * @throws NEEDS_USER  for a class of people, where one is for some of them.
 * @cost one query, O(page) rows.
 */
export async function leaderboardsPage(
  sql: Sql,
  principal: Principal,
  page: PageArguments,
): Promise<Page<Leaderboard>> {
  const request = pageRequest('leaderboard', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<Leaderboard[]>`
    -- leaderboardsPage
    select ${columns(sql)}
    from gamification.leaderboard
    where community_id = ${communityOf(principal)} ${viewable(sql, principal)} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  for (const row of rows) if (isPersonal(row, principal)) throw needsUser(row);
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Leaderboards by id, whoever may view them, in their order; null where there is none. @cost one query by primary key. */
export async function leaderboardsById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Leaderboard | null)[]> {
  const rows = await sql<Leaderboard[]>`
    -- leaderboardsById
    select ${columns(sql)}
    from gamification.leaderboard
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/**
 * Leaderboards that a caller may view, by one of their names, in the order of these; null where there is none, NEEDS_USER
 * for a class of people where it is for some of them.
 * @cost one query by an index.
 */
export async function leaderboardsSeen(
  sql: Sql,
  principal: Principal,
  name: 'id' | 'slug',
  names: readonly string[],
): Promise<(Leaderboard | Refusal | null)[]> {
  const rows = await sql<Leaderboard[]>`
    -- leaderboardsSeen
    select ${columns(sql)}
    from gamification.leaderboard
    where community_id = ${communityOf(principal)} and ${sql(name)} = any(${names as string[]})
      ${viewable(sql, principal)}`;
  return alignTo(names, rows, (row) => row[name]).map((row) =>
    row !== null && isPersonal(row, principal) ? needsUser(row) : row,
  );
}

/** Narrows leaderboards to those that a person may view: by roles, or as an administrator. Keys of the community view all. */
function viewable(sql: Sql, principal: Principal): SqlPart {
  const { userId } = principal;
  // What a class of people may view is asked of each of them.
  if (userId === undefined) return sql``;
  const communityId = communityOf(principal);
  return sql`and (
    view_role_ids = '{}'
    or view_role_ids && (select role_ids from community.roles_of(${communityId}, ${[userId]}))
    or (select community.administers(${communityId}, ${userId}))
  )`;
}

function isPersonal({ viewRoleIds }: Leaderboard, principal: Principal): boolean {
  return viewRoleIds.length > 0 && actsAsPerson(principal) && principal.userId === undefined;
}

function needsUser({ id }: Leaderboard): Refusal {
  return new Refusal('NEEDS_USER', `Who may view the leaderboard "${id}" is about each person.`);
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

function columns(sql: Sql) {
  return sql`id, slug, name, unit, windows, starts_on as "startsOn", ends_on as "endsOn", columns,
    top_limit as "topLimit", only_positive as "onlyPositive", enabled, rank_role_ids as "rankRoleIds",
    view_role_ids as "viewRoleIds", created_at as "createdAt", updated_at as "updatedAt"`;
}
