import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { type Audience, covers, type Principal } from '../principal.ts';
import { allScopes, type Scope } from '../scopes.ts';

// What a credential may be given: scopes there are, channels its holder may read, an end that is to come, and nothing
// that its giver doesn't have.

/** What a credential allows. */
export interface Rights {
  scopes: readonly string[];
  /** null: every channel. */
  channelIds: readonly string[] | null;
  /** null: whoever it is. */
  audience: Audience | null;
}

/** A principal names them all, in a header. */
export const mostChannels = 100;
const longestYears = 10;

/** Scopes as they are stored: each once, in the order of the list. @throws VALIDATION_FAILED for one there isn't */
export function wantedScopes(scopes: readonly string[]): Scope[] {
  const wanted = new Set(scopes);
  const known = allScopes.filter((scope) => wanted.delete(scope));
  const [unknown] = wanted;
  if (unknown === undefined) return known;
  const message = `There is no scope "${unknown}": it is one of ${allScopes.join(', ')}.`;
  throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'scopes']);
}

/**
 * Checks that a credential can be limited to these channels: its person, or the community, may read each of them.
 * @throws VALIDATION_FAILED, NOT_FOUND
 * @cost one query unless it isn't limited.
 */
export async function wantedChannels(
  sql: Sql,
  communityId: string,
  userId: string | null,
  channelIds: readonly string[] | null,
): Promise<void> {
  if (channelIds === null) return;
  const path = ['input', 'channelIds'];
  if (channelIds.length === 0 || channelIds.length > mostChannels) {
    const message = `A credential is limited to 1-${mostChannels} channels, or not at all.`;
    throw new Refusal('VALIDATION_FAILED', message, {}, path);
  }
  const [unknown] = await sql<{ id: string }[]>`
    -- wantedChannels
    select w.id from unnest(${channelIds as string[]}::text[]) as w(id)
    where w.id <> all(array(
      select r.id from community.readable_channels(${communityId}, ${userId}, ${userId !== null}) as r(id)
      where r.id collate "C" = any(${channelIds as string[]})
    ))
    limit 1`;
  if (unknown === undefined) return;
  throw new Refusal('NOT_FOUND', `There is no channel "${unknown.id}" to read.`, {}, path);
}

/** Checks when a credential is to end. @throws VALIDATION_FAILED for a time that has passed, or is years away */
export function wantedEnd(expiresAt: Date | null, now: Date): void {
  if (expiresAt === null) return;
  const latest = new Date(now);
  latest.setUTCFullYear(now.getUTCFullYear() + longestYears);
  if (expiresAt > now && expiresAt <= latest) return;
  const message = `An end lies in the future, at most ${longestYears} years away; null is no end.`;
  throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'expiresAt']);
}

/** @throws FORBIDDEN  for rights that the caller's own credential doesn't have. */
export function mustHold({ scopes, channelIds, audience }: Principal, rights: Rights): void {
  const more = rights.scopes.filter((scope) => !covers(scopes, [[scope]]));
  if (more.length > 0) {
    const message = `Your credential doesn't have ${more.join(', ')} itself.`;
    throw new Refusal('FORBIDDEN', message, {}, ['input', 'scopes']);
  }
  const within = channelIds === undefined || rights.channelIds?.every((id) => channelIds.includes(id));
  if (within !== true) {
    const message = 'Your credential is limited to channels, and these are more.';
    throw new Refusal('FORBIDDEN', message, {}, ['input', 'channelIds']);
  }
  if (audience === undefined || rights.audience === audience) return;
  const message = 'Your credential is for an audience, and this would be for everybody.';
  throw new Refusal('FORBIDDEN', message, {}, ['input', 'audience']);
}

/** @throws NOT_FOUND  for a person who isn't in the community, or is kept out of it. @cost one query by primary key. */
export async function mustBeActive(
  sql: Sql,
  communityId: string,
  userId: string,
  path: readonly string[],
): Promise<void> {
  const [row] = await sql`
    -- mustBeActive
    select from identity.user u
    where u.community_id = ${communityId} and u.id = ${userId} and identity.status_of(u) = 'ACTIVE'`;
  if (row === undefined) throw new Refusal('NOT_FOUND', `No active user has the id "${userId}".`, {}, path);
}
