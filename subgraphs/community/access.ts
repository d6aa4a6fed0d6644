import { createHash } from 'node:crypto';
import { alignTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { communityOf, type Principal } from '../principal.ts';

// What callers may do with roles and channels. A key of the community may do all that its scopes say; a person what its
// roles allow, and nothing to roles that don't stand below its own.

/** All there are; the function `community.all_permissions` has the same list. */
export const allPermissions = [
  'ADMINISTRATOR',
  'ALLOW_DM',
  'CREATE_INVITE',
  'WARN_MEMBERS',
  'SUSPEND_MEMBERS',
  'KICK_MEMBERS',
  'BAN_MEMBERS',
  'MANAGE_ROLES',
  'MANAGE_CHANNELS',
  'BROADCAST_MESSAGES',
  'OVERWRITE_LANGUAGE',
  'VIEW_HISTORY',
  'POST_MESSAGES',
  'POST_ANALYSIS',
  'ATTACH_FILES',
  'ALLOW_MENTIONS',
  'MANAGE_MESSAGES',
  'DELETE_MESSAGES',
  'PIN_MESSAGES',
  'SHARE_LINKS',
  'SHARE_ATTACHMENTS',
] as const;

export type Permission = (typeof allPermissions)[number];

/** What a caller is in its community. */
export interface Standing {
  permissions: readonly string[];
  /** Of the highest role; Infinity for keys of the community, and for administrators without a role. */
  rank: number;
}

const none: Standing = { permissions: [], rank: -1 };
const aboveAll = 2_147_483_647;

/** What the caller is here. @cost none for a key of the community, else one query. */
export async function standingOf(sql: Sql, principal: Principal): Promise<Standing> {
  const { kind, userId } = principal;
  if (userId === undefined) {
    const speaks = kind === 'system' || kind === 'integration' || kind === 'operator';
    return speaks ? { permissions: allPermissions, rank: Number.POSITIVE_INFINITY } : none;
  }
  const [row] = await sql<Standing[]>`
    -- standingOf
    select permissions, rank from community.standing(${communityOf(principal)}, ${[userId]})`;
  if (row === undefined) return none;
  return row.rank === aboveAll ? { ...row, rank: Number.POSITIVE_INFINITY } : row;
}

/** @throws FORBIDDEN  for whoever doesn't have the permission. @cost as `standingOf`. */
export async function mustHave(
  sql: Sql,
  principal: Principal,
  permission: Permission,
  what: string,
): Promise<Standing> {
  const standing = await standingOf(sql, principal);
  if (standing.permissions.includes(permission)) return standing;
  throw new Refusal('FORBIDDEN', `${what} takes a role with ${permission}, or a key of the community.`);
}

/** Lets changes of a community's roles and channels follow one another until the transaction ends. */
export async function lockAccess(sql: Sql, communityId: string): Promise<void> {
  await sql`
    -- lockAccess
    select pg_advisory_xact_lock(hashtextextended(${`access ${communityId}`}, 0))`;
}

/** A fingerprint of what is asked for, to know a repeat by. */
export function fingerprint(asked: object): Buffer {
  return createHash('sha256').update(JSON.stringify(asked)).digest();
}

/**
 * What an idempotency key has made; undefined when it is new.
 * @throws IDEMPOTENCY_KEY_REUSED  it made something else.
 */
export async function madeBy(
  sql: Sql,
  table: 'role' | 'channel',
  communityId: string,
  { idempotencyKey, asked }: { idempotencyKey: string; asked: Buffer },
): Promise<string | undefined> {
  const [made] = await sql<{ id: string; asked: Buffer }[]>`
    -- madeBy
    select id, asked from community.${sql(table)}
    where community_id = ${communityId} and idempotency_key = ${idempotencyKey}`;
  if (made === undefined || made.asked.equals(asked)) return made?.id;
  const message = `The idempotency key "${idempotencyKey}" was used for something else: use a new one.`;
  throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
}

/** What every member of each community may, whatever the roles; `[]` where there is none. @cost one query by primary key. */
export async function memberPermissions(sql: Sql, communityIds: readonly string[]): Promise<string[][]> {
  const rows = await sql<{ id: string; permissions: string[] }[]>`
    -- memberPermissions
    select community_id as id, member_permissions as permissions
    from community.community
    where community_id = any(${communityIds as string[]})`;
  return alignTo(communityIds, rows, ({ id }) => id).map((row) => row?.permissions ?? []);
}
