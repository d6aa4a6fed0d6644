import type { Chore } from '../chore.ts';
import { alignTo, type Sql, type SqlPart } from '../db.ts';
import { Refusal } from '../errors.ts';
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
    select ${leaderboardColumns(sql)}
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
    select ${leaderboardColumns(sql)}
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
    select ${leaderboardColumns(sql)}
    from gamification.leaderboard
    where community_id = ${communityOf(principal)} and ${sql(name)} = any(${names as string[]})
      ${viewable(sql, principal)}`;
  return alignTo(names, rows, (row) => row[name]).map((row) =>
    row !== null && isPersonal(row, principal) ? needsUser(row) : row,
  );
}

/** Narrows leaderboards to those that a person may view: by roles, or as an administrator. Keys of the community view all. */
export function viewable(sql: Sql, principal: Principal): SqlPart {
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

/** The columns of a leaderboard. */
export function leaderboardColumns(sql: Sql) {
  return sql`id, slug, name, unit, windows, starts_on as "startsOn", ends_on as "endsOn", columns,
    top_limit as "topLimit", only_positive as "onlyPositive", enabled, rank_role_ids as "rankRoleIds",
    view_role_ids as "viewRoleIds", created_at as "createdAt", updated_at as "updatedAt"`;
}
