import { createHash, randomBytes } from 'node:crypto';
import { alignTo, type Sql } from '../db.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { type Audience, communityOf, type Principal } from '../principal.ts';
import { allScopes, type Scope } from '../scopes.ts';
import { mustAdminister } from './administrator.ts';

// Keys: a community's one system key with all scopes, named integration keys with some, and personal keys that act as
// their person. A secret is shown once, when it is made; what is stored can't be turned back into it. How callers make
// and change keys is in api-key-change.ts.

export type ApiKeyKind = 'SYSTEM' | 'INTEGRATION' | 'PERSONAL';

export interface ApiKey {
  id: string;
  kind: ApiKeyKind;
  name: string;
  prefix: string;
  scopes: readonly string[];
  channelIds: string[] | null;
  /** null: nobody in particular, it is shown all that its scopes allow. */
  audience: Audience | null;
  userId: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

export interface NewApiKey {
  kind: ApiKeyKind;
  name: string;
  /** Left out for system keys, which have all. */
  scopes?: readonly Scope[];
  /** A personal key's person. */
  userId?: string;
  channelIds?: readonly string[];
  audience?: Audience;
  expiresAt?: Date;
}

export interface KeyFilter {
  kinds?: readonly ApiKeyKind[] | null;
  userIds?: readonly string[] | null;
  revoked?: boolean | null;
}

const kindWords: Record<ApiKeyKind, string> = { SYSTEM: 'sys', INTEGRATION: 'int', PERSONAL: 'per' };

/**
 * A page of the community's keys, oldest first, for the system key and administrators.
 * @throws FORBIDDEN, BAD_PAGE, BAD_CURSOR
 * @cost one query, O(page) rows where they aren't filtered; one more for a person.
 */
export async function communityKeys(
  sql: Sql,
  principal: Principal,
  filter: KeyFilter,
  page: PageArguments,
): Promise<Page<ApiKey>> {
  await mustAdminister(sql, principal, 'Reading all keys');
  return keysPage(sql, communityOf(principal), filter, page);
}

/** A page of keys, oldest first. @throws BAD_PAGE, BAD_CURSOR */
export async function keysPage(
  sql: Sql,
  communityId: string,
  { kinds, userIds, revoked }: KeyFilter,
  page: PageArguments,
): Promise<Page<ApiKey>> {
  const request = pageRequest('key', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<ApiKey[]>`
    -- keysPage
    select ${columns(sql)}
    from identity.api_key
    where community_id = ${communityId}
      ${kinds == null ? sql`` : sql`and kind = any(${kinds as string[]})`}
      ${userIds == null ? sql`` : sql`and user_id = any(${userIds as string[]})`}
      ${revoked == null ? sql`` : sql`and (revoked_at is not null) = ${revoked}`}
      ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Keys by id, in their order; null where there is none. @cost one query by primary key. */
export async function keysById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(ApiKey | null)[]> {
  const rows = await sql<ApiKey[]>`
    -- keysById
    select ${columns(sql)}
    from identity.api_key
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/**
 * Makes a key, asking nobody, and gives its secret: `laurel_sys_<12 hex>_<43 base64url>`.
 * A community's second system key ends the first.
 */
export async function issueKey(sql: Sql, communityId: string, key: NewApiKey): Promise<string> {
  if (key.kind === 'SYSTEM') {
    await sql`
      -- issueKey: the former system key
      update identity.api_key set revoked_at = now()
      where community_id = ${communityId} and kind = 'SYSTEM' and revoked_at is null`;
  }
  return (await addKey(sql, communityId, key)).secret;
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

/** What of a secret is stored in place of it: it has 256 random bits, so one SHA-256 is enough. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Inserts a key; its id and its secret. */
export async function addKey(
  sql: Sql,
  communityId: string,
  key: NewApiKey,
): Promise<{ id: string; secret: string }> {
  const { prefix, secret } = newSecret(key.kind);
  const id = newId('ApiKey');
  await sql`
    -- addKey
    insert into identity.api_key (
      community_id, id, kind, name, prefix, hash, scopes, user_id, channel_ids, audience, expires_at
    )
    values (
      ${communityId}, ${id}, ${key.kind}, ${key.name}, ${prefix}, ${hashOf(secret)},
      ${[...(key.scopes ?? allScopes)]}, ${key.userId ?? null}, ${key.channelIds ? [...key.channelIds] : null},
      ${key.audience ?? null}, ${key.expiresAt ?? null}
    )`;
  return { id, secret };
}

/** A secret, and the part of it that finds its key and may be shown. */
export function newSecret(kind: ApiKeyKind): { prefix: string; secret: string } {
  const prefix = randomBytes(6).toString('hex');
  return {
    prefix,
    secret: `laurel_${kindWords[kind]}_${prefix}_${randomBytes(32).toString('base64url')}`,
  };
}

/** The columns of an ApiKey. */
export function columns(sql: Sql) {
  return sql`id, kind, name, prefix, case kind when 'SYSTEM' then ${allScopes as string[]}::text[] else scopes end as scopes,
    channel_ids as "channelIds", audience, user_id as "userId", created_at as "createdAt", expires_at as "expiresAt",
    last_used_at as "lastUsedAt", revoked_at as "revokedAt"`;
}
