import { noteAudit, noteChange } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { communityOf, type Principal } from '../principal.ts';
import { fingerprint, lockAccess, madeBy, mustHave, type Permission, type Standing } from './access.ts';
import { assignRoles, type Role, rolesById } from './role.ts';

// Making, changing and giving roles. Nobody makes, changes or gives a role that doesn't stand below the own highest one, or
// that allows what oneself may not; keys of the community and administrators without a role stand above all.

export interface RoleWish {
  title: Record<string, string>;
  color: string | null;
  rank: number;
  billable: boolean;
  permissions: readonly Permission[];
}

/** How many roles a community has, and a person, at most. */
export const mostRoles = 250;
export const mostRolesOfPerson = 100;

/**
 * Makes a role.
 * @throws FORBIDDEN, LIMIT_EXCEEDED, IDEMPOTENCY_KEY_REUSED
 * @cost up to seven statements, one transaction.
 */
export async function createRole(
  sql: Sql,
  principal: Principal,
  { idempotencyKey, ...wish }: RoleWish & { idempotencyKey: string },
): Promise<{ role: Role; replayed: boolean }> {
  const communityId = communityOf(principal);
  const made = { idempotencyKey, asked: fingerprint(wish) };
  return transaction(sql, async (tx) => {
    await lockAccess(tx, communityId);
    const standing = await mustManageRoles(tx, principal);
    const before = await madeBy(tx, 'role', communityId, made);
    if (before !== undefined) return { role: await roleById(tx, communityId, before), replayed: true };
    mustStandAbove(standing, wish.rank, ['input', 'order']);
    mustHoldAll(standing, wish.permissions, ['input', 'permissions']);
    const id = newId('Role');
    const { count } = await tx`
      -- createRole
      insert into community.role (community_id, id, title, color, rank, billable, permissions, idempotency_key, asked)
      select ${communityId}, ${id}, ${tx.json(wish.title)}, ${wish.color}, ${wish.rank}, ${wish.billable},
        ${wish.permissions as string[]}, ${idempotencyKey}, ${made.asked}
      where (select count(*) from community.role where community_id = ${communityId}) < ${mostRoles}`;
    if (count === 0) throw new Refusal('LIMIT_EXCEEDED', `A community has ${mostRoles} roles at most.`);
    await noteAudit(tx, communityId, principal, { action: 'ROLE_CREATED', details: { id, ...told(wish) } });
    return { role: await roleById(tx, communityId, id), replayed: false };
  });
}

/**
 * Changes a role; what is left out stays.
 * @throws FORBIDDEN, NOT_FOUND
 * @cost up to six statements, one transaction.
 */
export async function updateRole(
  sql: Sql,
  principal: Principal,
  { id, ...change }: { id: string } & Partial<RoleWish>,
): Promise<Role> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    await lockAccess(tx, communityId);
    const standing = await mustManageRoles(tx, principal);
    const role = await roleById(tx, communityId, id);
    mustStandAbove(standing, role.rank, ['input', 'id']);
    const { title, color, rank, billable, permissions } = { ...role, ...change };
    mustStandAbove(standing, rank, ['input', 'order']);
    const added = permissions.filter((permission) => !role.permissions.includes(permission));
    mustHoldAll(standing, added, ['input', 'permissions']);
    await tx`
      -- updateRole
      update community.role
      set title = ${tx.json(title)}, color = ${color}, rank = ${rank}, billable = ${billable},
        permissions = ${permissions as string[]}, updated_at = clock_timestamp()
      where community_id = ${communityId} and id = ${id}`;
    const next = await roleById(tx, communityId, id);
    await noteChange(tx, principal, 'ROLE_UPDATED', { id }, told(role), told(next));
    return next;
  });
}

/**
 * Deletes a role: nobody has it any more, and channels that were for its holders alone are for nobody but administrators.
 * @throws FORBIDDEN, NOT_FOUND
 * @cost six statements, one transaction, O(holders) rows.
 */
export async function deleteRole(sql: Sql, principal: Principal, id: string): Promise<string> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    await lockAccess(tx, communityId);
    const standing = await mustManageRoles(tx, principal);
    const role = await roleById(tx, communityId, id);
    mustStandAbove(standing, role.rank, ['input', 'id']);
    await tx`
      -- deleteRole
      delete from community.role where community_id = ${communityId} and id = ${id}`;
    await tx`
      -- deleteRole: its channels
      update community.channel
      set view_role_ids = array_remove(view_role_ids, ${id}), post_role_ids = array_remove(post_role_ids, ${id})
      where community_id = ${communityId} and kind <> 'DIRECT'
        and (${id} = any(view_role_ids) or ${id} = any(post_role_ids))`;
    await noteAudit(tx, communityId, principal, { action: 'ROLE_DELETED', details: { id, ...told(role) } });
    return id;
  });
}

/**
 * Gives a role to a person; one who has it keeps it.
 * @throws FORBIDDEN, NOT_FOUND (role, person), LIMIT_EXCEEDED
 * @cost up to seven statements, one transaction.
 */
export async function assignRole(
  sql: Sql,
  principal: Principal,
  { userId, roleId }: { userId: string; roleId: string },
): Promise<void> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const { title } = await mustGive(tx, principal, roleId);
    const [person] = await tx<{ id: string | null; held: number; has: boolean }[]>`
      -- assignRole: to whom
      select m.user_id as id, count(h.role_id)::int as held, coalesce(bool_or(h.role_id = ${roleId}), false) as has
      from identity.find_members(${communityId}, ${tx.json([{ id: userId }])}) m
      left join community.role_member h on h.community_id = ${communityId} and h.user_id = m.user_id
      group by m.user_id`;
    if (person?.id == null) {
      const message = `No user has the id "${userId}".`;
      throw new Refusal('NOT_FOUND', message, {}, ['input', 'userId']);
    }
    if (person.held >= mostRolesOfPerson && !person.has)
      throw new Refusal('LIMIT_EXCEEDED', `A person has ${mostRolesOfPerson} roles at most.`);
    if (person.has) return;
    await assignRoles(tx, communityId, roleId, [userId]);
    const details = { id: roleId, title };
    await noteAudit(tx, communityId, principal, { action: 'ROLE_ASSIGNED', userId, details });
  });
}

/**
 * Takes a role from a person; one who doesn't have it goes without.
 * @throws FORBIDDEN, NOT_FOUND (role)
 * @cost up to five statements, one transaction.
 */
export async function unassignRole(
  sql: Sql,
  principal: Principal,
  { userId, roleId }: { userId: string; roleId: string },
): Promise<void> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const { title } = await mustGive(tx, principal, roleId);
    const { count } = await tx`
      -- unassignRole
      delete from community.role_member
      where community_id = ${communityId} and user_id = ${userId} and role_id = ${roleId}`;
    if (count === 0) return;
    const details = { id: roleId, title };
    await noteAudit(tx, communityId, principal, { action: 'ROLE_UNASSIGNED', userId, details });
  });
}

/** Sets what every member may, whatever the roles. @throws FORBIDDEN @cost up to four statements, one transaction. */
export async function setMemberPermissions(
  sql: Sql,
  principal: Principal,
  permissions: readonly Permission[],
): Promise<void> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    await lockAccess(tx, communityId);
    const standing = await mustHave(tx, principal, 'ADMINISTRATOR', 'Saying what every member may');
    mustHoldAll(standing, permissions, ['input', 'permissions']);
    const [was] = await tx<{ permissions: string[] }[]>`
      -- setMemberPermissions
      update community.community c set member_permissions = ${permissions as string[]}
      from community.community was
      where c.community_id = ${communityId} and was.community_id = c.community_id
      returning was.member_permissions as permissions`;
    const before = { permissions: was?.permissions ?? [] };
    await noteChange(tx, principal, 'MEMBER_PERMISSIONS_SET', {}, before, { permissions: [...permissions] });
  });
}

/** A role as the audit tells of it. */
function told({ title, color, rank: order, billable, permissions }: RoleWish | Role) {
  return { title, color, order, billable, permissions };
}

/** The role, which the caller may give and take. */
async function mustGive(sql: Sql, principal: Principal, roleId: string): Promise<Role> {
  const communityId = communityOf(principal);
  await lockAccess(sql, communityId);
  const standing = await mustManageRoles(sql, principal);
  const role = await roleById(sql, communityId, roleId, 'roleId');
  mustStandAbove(standing, role.rank, ['input', 'roleId']);
  mustHoldAll(standing, role.permissions, ['input', 'roleId']);
  return role;
}

function mustManageRoles(sql: Sql, principal: Principal): Promise<Standing> {
  return mustHave(sql, principal, 'MANAGE_ROLES', 'Managing roles');
}

function mustStandAbove({ rank: own }: Standing, rank: number, path: readonly string[]): void {
  if (rank < own) return;
  const message = `Your highest role has the order ${own}: you manage roles below it.`;
  throw new Refusal('FORBIDDEN', message, {}, path);
}

function mustHoldAll({ permissions }: Standing, wanted: readonly string[], path: readonly string[]): void {
  const more = wanted.filter((permission) => !permissions.includes(permission));
  if (more.length === 0) return;
  throw new Refusal('FORBIDDEN', `You don't have ${more.join(', ')} yourself.`, {}, path);
}

async function roleById(sql: Sql, communityId: string, id: string, argument = 'id'): Promise<Role> {
  const [role] = await rolesById(sql, communityId, [id]);
  if (role == null) throw new Refusal('NOT_FOUND', `No role has the id "${id}".`, {}, ['input', argument]);
  return role;
}
