import { differences, noteAudit } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { type Audience, communityOf, type Principal } from '../principal.ts';
import { allScopes, type Scope } from '../scopes.ts';
import { administers, mustAdminister } from './administrator.ts';
import { type ApiKey, type ApiKeyKind, addKey, columns, hashOf, keysById, newSecret } from './api-key.ts';
import { makeOnce } from './made.ts';
import { mustBeActive, mustHold, wantedChannels, wantedEnd, wantedScopes } from './right.ts';

// How keys are made, changed, rotated and revoked by callers, each time with its audit entry. No credential makes or
// changes one that may do more than itself.

/** What a caller asks for; all of it is checked. */
export interface ApiKeyWish {
  kind: ApiKeyKind;
  name: string;
  scopes?: readonly string[] | null;
  userId?: string | null;
  channelIds?: readonly string[] | null;
  audience?: Audience | null;
  expiresAt?: Date | null;
  idempotencyKey: string;
}

/** What is to be another; undefined stays as it is. */
export interface ApiKeyChange {
  id: string;
  name?: string;
  scopes?: readonly string[];
  channelIds?: readonly string[] | null;
  audience?: Audience | null;
  expiresAt?: Date | null;
}

/** A key with its secret; null when it was made by an earlier call, for nothing can show it again. */
export interface MadeKey {
  apiKey: ApiKey;
  secret: string | null;
  replayed: boolean;
}

/** How many keys that aren't revoked a community may have for its integrations, and each person. */
export const mostKeys: Record<ApiKeyKind, number> = { SYSTEM: 1, INTEGRATION: 200, PERSONAL: 50 };
/** How many former secrets of a key may work at a time. */
export const mostFormerSecrets = 5;

/**
 * Makes a key for a caller: an integration's or the system key for the system key and administrators, a personal one for
 * its person, or for anybody by the system key.
 * @throws VALIDATION_FAILED, NOT_FOUND (channel, person), FORBIDDEN (more than the caller's own), CONFLICT (a second
 *   system key), LIMIT_EXCEEDED, IDEMPOTENCY_KEY_REUSED
 * @cost up to nine statements, one transaction.
 */
export async function createKey(
  sql: Sql,
  principal: Principal,
  wish: ApiKeyWish,
  now: Date,
): Promise<MadeKey> {
  const communityId = communityOf(principal);
  const { kind, name, idempotencyKey } = wish;
  const userId = await ownerOf(sql, principal, wish);
  const scopes = kind === 'SYSTEM' ? allOfThem(wish.scopes) : wantedScopes(wish.scopes ?? []);
  const channelIds = wish.channelIds ?? principal.channelIds ?? null;
  const audience = wish.audience ?? principal.audience ?? null;
  const expiresAt = wish.expiresAt ?? null;
  mustHold(principal, { scopes, channelIds, audience });
  if (kind === 'SYSTEM' && audience !== null) {
    const message = 'A system key is for its whole community: leave `audience` out.';
    throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'audience']);
  }
  const forAudience = audience === null ? {} : { audience };
  const asked = { what: 'key', kind, name, userId, scopes, channelIds, expiresAt, ...forAudience };
  let secret: string | null = null;
  const { id, replayed } = await makeOnce(sql, principal, idempotencyKey, asked, async (tx) => {
    wantedEnd(expiresAt, now);
    await wantedChannels(tx, communityId, userId, channelIds);
    await mustHaveRoom(tx, communityId, kind, userId);
    const made = await addKey(tx, communityId, {
      kind,
      name,
      scopes,
      ...(userId === null ? {} : { userId }),
      ...(channelIds === null ? {} : { channelIds }),
      ...forAudience,
      ...(expiresAt === null ? {} : { expiresAt }),
    });
    secret = made.secret;
    await noteAudit(tx, communityId, principal, {
      action: 'KEY_CREATED',
      keyId: made.id,
      userId,
      details: { kind, name, scopes, channelIds, expiresAt, ...forAudience },
    });
    return made.id;
  });
  return { apiKey: await keyById(sql, communityId, id), secret, replayed };
}

/**
 * Changes what a key is called or allows. A key is changed by whoever may make such a key, and holds all it allows
 * before and after.
 * @throws NOT_FOUND, VALIDATION_FAILED, FORBIDDEN, CONFLICT (revoked; the system key's scopes)
 * @cost up to seven statements, one transaction.
 */
export async function updateKey(
  sql: Sql,
  principal: Principal,
  change: ApiKeyChange,
  now: Date,
): Promise<ApiKey> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const key = await lockedKey(tx, principal, change.id);
    mustWork(key);
    const { name = key.name, channelIds = key.channelIds, expiresAt = key.expiresAt } = change;
    const { audience = key.audience } = change;
    const scopes = change.scopes === undefined ? key.scopes : wantedScopes(change.scopes);
    const limits = { scopes, channelIds, audience, expiresAt };
    const changes = differences({ name: key.name, ...limitsOf(key) }, { name, ...limits });
    if (key.kind === 'SYSTEM' && Object.keys(changes).some((one) => one !== 'name')) {
      throw new Refusal(
        'CONFLICT',
        'The system key allows everything and does not expire: only its name changes.',
      );
    }
    mustHold(principal, key);
    mustHold(principal, limits);
    if (changes.expiresAt !== undefined) wantedEnd(expiresAt, now);
    if (changes.channelIds !== undefined) await wantedChannels(tx, communityId, key.userId, channelIds);
    if (Object.keys(changes).length === 0) return;
    await tx`
      -- updateKey
      update identity.api_key
      set name = ${name}, scopes = ${scopes as string[]}, channel_ids = ${channelIds as string[] | null},
        audience = ${audience}, expires_at = ${expiresAt}
      where community_id = ${communityId} and id = ${key.id}`;
    const done = { action: 'KEY_UPDATED', keyId: key.id, userId: key.userId, details: changes } as const;
    await noteAudit(tx, communityId, principal, done);
  });
  return keyById(sql, communityId, change.id);
}

/**
 * Gives a key a new secret. Those of before work on for `overlapSeconds`, or until they would have ended anyway.
 * @param overlapSeconds  0-604,800; 0 ends them at once.
 * @throws NOT_FOUND, FORBIDDEN, CONFLICT (revoked), LIMIT_EXCEEDED (too many former secrets), IDEMPOTENCY_KEY_REUSED
 * @cost up to nine statements, one transaction.
 */
export async function rotateKey(
  sql: Sql,
  principal: Principal,
  { id, overlapSeconds, idempotencyKey }: { id: string; overlapSeconds: number; idempotencyKey: string },
): Promise<MadeKey> {
  const communityId = communityOf(principal);
  let secret: string | null = null;
  const asked = { what: 'rotation', id, overlapSeconds };
  const { replayed } = await makeOnce(sql, principal, idempotencyKey, asked, async (tx) => {
    const key = await lockedKey(tx, principal, id);
    mustWork(key);
    mustHold(principal, key);
    const made = newSecret(key.kind);
    await endFormerSecrets(tx, communityId, id, overlapSeconds);
    await tx`
      -- rotateKey
      with former as (
        insert into identity.former_secret (community_id, prefix, key_id, hash, ends_at)
        select community_id, prefix, id, hash, clock_timestamp() + make_interval(secs => ${overlapSeconds})
        from identity.api_key
        where community_id = ${communityId} and id = ${id} and ${overlapSeconds} > 0
      )
      update identity.api_key set prefix = ${made.prefix}, hash = ${hashOf(made.secret)}
      where community_id = ${communityId} and id = ${id}`;
    secret = made.secret;
    await noteAudit(tx, communityId, principal, {
      action: 'KEY_ROTATED',
      keyId: id,
      userId: key.userId,
      details: { overlapSeconds },
    });
    return id;
  });
  return { apiKey: await keyById(sql, communityId, id), secret, replayed };
}

/**
 * Ends a key for good; one that was revoked before stays as it is. Administrators may revoke everybody's keys.
 * @throws NOT_FOUND, FORBIDDEN
 * @cost up to five statements, one transaction.
 */
export async function revokeKey(sql: Sql, principal: Principal, id: string): Promise<ApiKey> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const key = await lockedKey(tx, principal, id, { revoking: true });
    if (key.revokedAt !== null) return;
    await tx`
      -- revokeKey
      update identity.api_key set revoked_at = clock_timestamp() where community_id = ${communityId} and id = ${id}`;
    const done = {
      action: 'KEY_REVOKED',
      keyId: id,
      userId: key.userId,
      details: { name: key.name },
    } as const;
    await noteAudit(tx, communityId, principal, done);
  });
  return keyById(sql, communityId, id);
}

/** The person of the key that is asked for, or null. */
async function ownerOf(sql: Sql, principal: Principal, { kind, userId }: ApiKeyWish): Promise<string | null> {
  if (kind !== 'PERSONAL') {
    await mustAdminister(sql, principal, 'Making a key of the community');
    if (userId == null) return null;
    const message = 'Only a personal key has a person: leave `userId` out.';
    throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'userId']);
  }
  if (principal.userId !== undefined && (userId ?? principal.userId) === principal.userId)
    return principal.userId;
  if (principal.kind !== 'system')
    throw new Refusal('FORBIDDEN', 'A personal key is made by its person, or by the system key.');
  if (userId == null) {
    const message = 'A personal key has a person: name one.';
    throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'userId']);
  }
  await mustBeActive(sql, communityOf(principal), userId, ['input', 'userId']);
  return userId;
}

async function mustHaveRoom(
  sql: Sql,
  communityId: string,
  kind: ApiKeyKind,
  userId: string | null,
): Promise<void> {
  const [row] = await sql<{ count: number }[]>`
    -- mustHaveRoom
    select count(*)::int as count from identity.api_key
    where community_id = ${communityId} and kind = ${kind} and revoked_at is null
      and user_id is not distinct from ${userId}`;
  if ((row?.count ?? 0) < mostKeys[kind]) return;
  throw kind === 'SYSTEM'
    ? new Refusal('CONFLICT', 'The community has its system key: rotate it.', {}, ['input', 'kind'])
    : new Refusal('LIMIT_EXCEEDED', `There are ${mostKeys[kind]} such keys at most: revoke one.`);
}

/**
 * A key that the caller may change, locked. What others may not even see isn't found.
 * @throws NOT_FOUND, FORBIDDEN
 */
async function lockedKey(
  sql: Sql,
  principal: Principal,
  id: string,
  { revoking = false }: { revoking?: boolean } = {},
): Promise<ApiKey> {
  const [key] = await sql<ApiKey[]>`
    -- lockedKey
    select ${columns(sql)}
    from identity.api_key
    where community_id = ${communityOf(principal)} and id = ${id}
    for update`;
  const isOwn = key?.userId != null && key.userId === principal.userId;
  if (key === undefined || !(isOwn || (await administers(sql, principal))))
    throw new Refusal('NOT_FOUND', `You have no key with the id "${id}".`, {}, ['input', 'id']);
  // Whoever could get a new secret of a person's key could act as the person.
  if (key.kind === 'PERSONAL' && !isOwn && !revoking && principal.kind !== 'system')
    throw new Refusal('FORBIDDEN', "Another person's key can be revoked and not changed.");
  return key;
}

function mustWork({ revokedAt }: ApiKey): void {
  if (revokedAt === null) return;
  throw new Refusal('CONFLICT', 'The key was revoked: make another.', {}, ['input', 'id']);
}

/** Former secrets end no later than the one that becomes one now. */
async function endFormerSecrets(sql: Sql, communityId: string, id: string, seconds: number): Promise<void> {
  const ended = await sql<{ works: boolean }[]>`
    -- endFormerSecrets
    update identity.former_secret
    set ends_at = least(ends_at, clock_timestamp() + make_interval(secs => ${seconds}))
    where community_id = ${communityId} and key_id = ${id} and ends_at > clock_timestamp()
    returning ends_at > clock_timestamp() as works`;
  if (ended.filter(({ works }) => works).length < mostFormerSecrets || seconds === 0) return;
  const message = `A key has ${mostFormerSecrets} former secrets that still work at most: rotate with no overlap, or wait.`;
  throw new Refusal('LIMIT_EXCEEDED', message, {}, ['input', 'overlapSeconds']);
}

async function keyById(sql: Sql, communityId: string, id: string): Promise<ApiKey> {
  const [key] = await keysById(sql, communityId, [id]);
  // What was made by an idempotency key may have been forgotten since.
  if (key == null) throw new Refusal('NOT_FOUND', `There is no key "${id}" any more.`);
  return key;
}

function allOfThem(scopes: readonly string[] | null | undefined): Scope[] {
  if (scopes == null) return allScopes;
  const message = 'A system key has all scopes: leave `scopes` out.';
  throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'scopes']);
}

function limitsOf({ scopes, channelIds, audience, expiresAt }: ApiKey) {
  return { scopes, channelIds, audience, expiresAt };
}
