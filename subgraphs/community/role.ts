import { alignTo, groupTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';

// Roles: what people may do beyond what every member may, who stands above whom, and whose name has which colour.

export interface Role {
  id: string;
  title: Record<string, string>;
  color: string | null;
  /** The greater stands above. */
  rank: number;
  billable: boolean;
  permissions: string[];
  createdAt: Date;
  updatedAt: Date;
}

export type NewRole = Omit<Role, 'updatedAt'>;

export interface RoleMember {
  userId: string;
  assignedAt: Date;
}

/** A page of roles, highest first. @throws BAD_PAGE, BAD_CURSOR @cost one query, O(page) rows. */
export async function rolesPage(sql: Sql, communityId: string, page: PageArguments): Promise<Page<Role>> {
  const request = pageRequest('role', page);
  const columnsOfOrder = { at: 'o.rank', id: 'o.id', newestFirst: true, isNumber: true };
  const { beyond, order } = keyset(sql, request, columnsOfOrder);
  const rows = await sql<Role[]>`
    -- rolesPage
    select ${columns(sql)}
    from community.role o
    where o.community_id = ${communityId} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ rank, id }) => ({ at: new Date(rank), id }));
}

/** Roles by id, in their order; null where there is none. @cost one query by primary key. */
export async function rolesById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Role | null)[]> {
  const rows = await sql<Role[]>`
    -- rolesById
    select ${columns(sql)}
    from community.role o
    where o.community_id = ${communityId} and o.id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** The roles of each person, highest first; `[]` where one has none. @cost one query by primary keys. */
export async function rolesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Role[][]> {
  const rows = await sql<(Role & { userId: string })[]>`
    -- rolesByUser
    select h.user_id as "userId", ${columns(sql)}
    from community.role_member h
    join community.role o on o.community_id = h.community_id and o.id = h.role_id
    where h.community_id = ${communityId} and h.user_id = any(${userIds as string[]})
    order by o.rank desc, o.id desc`;
  return groupTo(userIds, rows, ({ userId }) => userId);
}

/**
 * A page of the holders of each role, in the order they got it.
 * @returns one page per role, in their order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table role_member; index (community_id, role_id, assigned_at, user_id).   @cost one query, O(roles x page) rows.
 */
export async function membersByRole(
  sql: Sql,
  communityId: string,
  roleIds: readonly string[],
  page: PageArguments,
): Promise<Page<RoleMember>[]> {
  const request = pageRequest('role-member', page);
  const { beyond, order } = keyset(sql, request, {
    at: 'h.assigned_at',
    id: 'h.user_id',
    newestFirst: false,
  });
  const rows = await sql<(RoleMember & { roleId: string })[]>`
    -- membersByRole
    select r.role_id as "roleId", p.*
    from unnest(${roleIds as string[]}::text[]) as r(role_id)
    cross join lateral (
      select h.user_id as "userId", h.assigned_at as "assignedAt"
      from community.role_member h
      where h.community_id = ${communityId} and h.role_id = r.role_id ${beyond}
      order by ${order}
      limit ${request.limit}
    ) p`;
  return groupTo(roleIds, rows, ({ roleId }) => roleId).map((own) =>
    pageOf(own, request, ({ assignedAt, userId }) => ({ at: assignedAt, id: userId })),
  );
}

/** Adds roles; ids that exist are left as they are. */
export async function addRoles(sql: Sql, communityId: string, roles: readonly NewRole[]): Promise<void> {
  await sql`
    -- addRoles
    insert into community.role (community_id, id, title, color, rank, billable, permissions, created_at, updated_at)
    select ${communityId}, r.id, r.title, r.color, r.rank, r.billable, r.permissions, r."createdAt", r."createdAt"
    from jsonb_to_recordset(${sql.json(roles as never)}) r(
      id text, title jsonb, color text, rank integer, billable boolean, permissions text[], "createdAt" timestamptz
    )
    on conflict do nothing`;
}

/** Gives a role to people, whatever they may; who has it keeps it. */
export async function assignRoles(
  sql: Sql,
  communityId: string,
  roleId: string,
  userIds: readonly string[],
): Promise<void> {
  await sql`
    -- assignRoles
    insert into community.role_member (community_id, user_id, role_id)
    select ${communityId}, u.id, ${roleId}
    from unnest(${userIds as string[]}::text[]) as u(id)
    order by u.id
    on conflict do nothing`;
}

function columns(sql: Sql) {
  return sql`o.id, o.title, o.color, o.rank, o.billable, o.permissions, o.created_at as "createdAt",
    o.updated_at as "updatedAt"`;
}
