import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { alignTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import type { Principal, PrincipalKind } from '../principal.ts';
import { allScopes, type Scope } from '../scopes.ts';

// Credentials: a community's one system key with all scopes, named integration keys with some, and personal keys that
// act as their person. A secret is shown once, when it is made; what is stored can't be turned back into it.

export type ApiKeyKind = 'SYSTEM' | 'INTEGRATION' | 'PERSONAL';

export interface ApiKey {
  id: string;
  kind: ApiKeyKind;
  name: string;
  prefix: string;
  scopes: Scope[];
  channelIds: string[] | null;
  createdAt: Date;
  expiresAt: Date | null;
}

export interface NewApiKey {
  kind: ApiKeyKind;
  name: string;
  /** Left out for system keys, which have all. */
  scopes?: readonly Scope[];
  /** A personal key's person. */
  userId?: string;
  channelIds?: readonly string[];
  expiresAt?: Date;
}

const kindWords: Record<ApiKeyKind, string> = { SYSTEM: 'sys', INTEGRATION: 'int', PERSONAL: 'per' };
/** A principal names them all, in a header. */
const mostChannels = 100;
const secretForm = /^laurel_(?:sys|int|per)_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

/**
 * Makes a key and gives its secret, which nothing can show again: `laurel_sys_<12 hex>_<43 base64url>`.
 * A community's second system key ends the first.
 */
export async function issueKey(sql: Sql, communityId: string, key: NewApiKey): Promise<string> {
  if ((key.channelIds?.length ?? 0) > mostChannels) {
    throw new Refusal('VALIDATION_FAILED', `A key is limited to at most ${mostChannels} channels.`);
  }
  const prefix = randomBytes(6).toString('hex');
  const secret = `laurel_${kindWords[key.kind]}_${prefix}_${randomBytes(32).toString('base64url')}`;
  if (key.kind === 'SYSTEM') {
    await sql`
      -- issueKey: the former system key
      update identity.api_key set revoked_at = now()
      where community_id = ${communityId} and kind = 'SYSTEM' and revoked_at is null`;
  }
  await sql`
    -- issueKey
    insert into identity.api_key (
      community_id, id, kind, name, prefix, hash, scopes, user_id, channel_ids, expires_at
    )
    values (
      ${communityId}, ${newId('ApiKey')}, ${key.kind}, ${key.name}, ${prefix}, ${hashOf(secret)},
      ${[...(key.scopes ?? allScopes)]}, ${key.userId ?? null}, ${key.channelIds ? [...key.channelIds] : null},
      ${key.expiresAt ?? null}
    )`;
  return secret;
}

/** Revokes every key of that name, so that new ones can take their place. */
export async function revokeKeysNamed(
  sql: Sql,
  communityId: string,
  names: readonly string[],
): Promise<void> {
  await sql`
    -- revokeKeysNamed
    update identity.api_key set revoked_at = now()
    where community_id = ${communityId} and name = any(${names as string[]}) and revoked_at is null`;
}

/**
 * Who a secret belongs to, or null: unknown, malformed, revoked, expired and of somebody kept out are all the same null.
 * @param community  id or slug asked for by `x-community`; null: the key's own.
 * @throws FORBIDDEN  the key is valid and not of that community: scopes of one mean nothing in another.
 * @cost one query by the unique prefix, one more when a community is named.
 */
export async function authenticate(
  sql: Sql,
  secret: string,
  community: string | null,
): Promise<Principal | null> {
  const prefix = secretForm.exec(secret)?.[1];
  if (prefix === undefined) return null;
  const [key] = await sql<
    (Omit<ApiKey, 'channelIds'> & {
      communityId: string;
      userId: string | null;
      channelIds: string[] | null;
      hash: Buffer;
    })[]
  >`
    -- authenticate
    select community_id as "communityId", id, kind, hash, scopes, user_id as "userId", channel_ids as "channelIds",
      expires_at as "expiresAt"
    from identity.api_key k
    where prefix = ${prefix} and revoked_at is null and (expires_at is null or expires_at > now())
      and (user_id is null or exists (
        select from identity.user u
        where u.community_id = k.community_id and u.id = k.user_id and u.status = 'ACTIVE'
      ))`;
  if (key === undefined || !timingSafeEqual(key.hash, hashOf(secret))) return null;
  if (community !== null) await mustName(sql, key.communityId, community);
  return {
    kind: key.kind.toLowerCase() as PrincipalKind,
    communityId: key.communityId,
    keyId: key.id,
    // A system key may do all there is, also what came after it was made.
    scopes: key.kind === 'SYSTEM' ? allScopes : key.scopes,
    ...(key.userId === null ? {} : { userId: key.userId }),
    ...(key.channelIds === null ? {} : { channelIds: key.channelIds }),
    ...(key.expiresAt === null ? {} : { expiresAt: key.expiresAt.getTime() }),
  };
}

/** Keys by id, in their order. @cost one query by primary key. */
export async function keysById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(ApiKey | null)[]> {
  const rows = await sql<ApiKey[]>`
    -- keysById
    select id, kind, name, prefix, scopes, channel_ids as "channelIds", created_at as "createdAt",
      expires_at as "expiresAt"
    from identity.api_key
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

async function mustName(sql: Sql, communityId: string, community: string): Promise<void> {
  const [found] = await sql<{ id: string }[]>`
    -- mustName
    select community_id as id from community.find_communities(${[community]}) where community_id = ${communityId}`;
  if (found === undefined) {
    throw new Refusal('FORBIDDEN', 'The credential does not belong to the community that x-community names.');
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
