import { randomBytes, timingSafeEqual } from 'node:crypto';
import { noteAudit } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { anonymous, communityOf, covers, type Principal } from '../principal.ts';
import { personScopes } from '../scopes.ts';
import { administers } from './administrator.ts';
import { hashOf } from './api-key.ts';
import { makeOnce } from './made.ts';
import { mustBeActive, wantedChannels, wantedScopes } from './right.ts';
import { type UserIdentifier, userIdBy } from './user.ts';

// Sessions: a community's own back end lets a person in, the person's app then keeps the session alive by itself. Each
// refresh token works once; one that comes a second time was copied, so the whole session ends.

export interface Session {
  id: string;
  userId: string;
  scopes: string[];
  channelIds: string[] | null;
  createdAt: Date;
  refreshedAt: Date;
  expiresAt: Date;
  endedAt: Date | null;
}

export interface SessionWish {
  user: UserIdentifier;
  scopes?: readonly string[] | null;
  channelIds?: readonly string[] | null;
  idempotencyKey: string;
}

/** How long a session lasts after its last refresh. */
export const sessionDays = 30;
/** How many sessions a person has at a time; one more ends the one that was refreshed longest ago. */
export const mostSessions = 100;
/** How long sessions are remembered that have ended. */
const rememberedDays = 30;

/**
 * Lets a person in, for the system key.
 * @returns the session and its refresh token, null where an earlier call with the same idempotency key made it.
 * @throws FORBIDDEN, NOT_FOUND (person, channel), VALIDATION_FAILED, IDEMPOTENCY_KEY_REUSED, SESSION_ENDED (a repeat,
 *   later)
 * @cost up to ten statements, one transaction.
 */
export async function beginSession(
  sql: Sql,
  principal: Principal,
  { user, scopes, channelIds = null, idempotencyKey }: SessionWish,
): Promise<{ session: Session; refreshToken: string | null; replayed: boolean }> {
  if (principal.kind !== 'system') throw new Refusal('FORBIDDEN', 'Sessions are begun with the system key.');
  const communityId = communityOf(principal);
  const path = ['input', 'user'];
  const userId = await userIdBy(sql, communityId, user);
  if (userId === null) throw new Refusal('NOT_FOUND', 'Nobody here has that identifier.', {}, path);
  const allowed = wantedScopes(scopes ?? personScopes);
  let refreshToken: string | null = null;
  const asked = { what: 'session', userId, allowed, channelIds };
  const { id, replayed } = await makeOnce(sql, principal, idempotencyKey, asked, async (tx) => {
    await mustBeActive(tx, communityId, userId, path);
    await wantedChannels(tx, communityId, userId, channelIds);
    await endSurplus(tx, principal, userId);
    const selector = randomBytes(16).toString('base64url');
    refreshToken = newRefreshToken(selector);
    const sessionId = newId('Session');
    await tx`
      -- beginSession
      insert into identity.session (
        community_id, id, user_id, scopes, channel_ids, selector, refresh_hash, expires_at
      )
      values (
        ${communityId}, ${sessionId}, ${userId}, ${allowed}, ${channelIds as string[] | null}, ${selector},
        ${hashOf(refreshToken)}, clock_timestamp() + make_interval(days => ${sessionDays})
      )`;
    const details = { scopes: allowed, channelIds };
    await noteAudit(tx, communityId, principal, { action: 'SESSION_BEGUN', sessionId, userId, details });
    return sessionId;
  });
  const [session] = await sql<Session[]>`
    -- beginSession: as it is
    select ${columns(sql)}
    from identity.session
    where community_id = ${communityId} and id = ${id} and ended_at is null and expires_at > clock_timestamp()`;
  if (session === undefined) throw sessionEnded();
  return { session, refreshToken, replayed };
}

/**
 * Prolongs a session and gives it a new refresh token in place of the one that is shown. Who shows one of before ends
 * the session: it was copied.
 * @throws SESSION_ENDED  for a token that is unknown, malformed, used before, or whose session or person is out.
 * @cost two statements in one transaction; none for what is no refresh token.
 */
export async function refreshSession(
  sql: Sql,
  refreshToken: string,
): Promise<{ communityId: string; session: Session; refreshToken: string }> {
  const selector = refreshForm.exec(refreshToken)?.[1];
  if (selector === undefined) throw sessionEnded();
  const next = newRefreshToken(selector);
  const refreshed = await transaction(sql, async (tx) => {
    const [held] = await tx<{ communityId: string; id: string; userId: string; hash: Buffer }[]>`
      -- refreshSession: lock
      select s.community_id as "communityId", s.id, s.user_id as "userId", s.refresh_hash as hash
      from identity.session s
      join identity.user u on u.community_id = s.community_id and u.id = s.user_id
        and identity.status_of(u) = 'ACTIVE'
      where s.selector = ${selector} and s.ended_at is null and s.expires_at > clock_timestamp()
      for update of s`;
    if (held === undefined) return undefined;
    const { communityId, id, userId, hash } = held;
    if (!timingSafeEqual(hash, hashOf(refreshToken))) {
      await markEnded(tx, communityId, [id]);
      const details = { reason: 'REFRESH_TOKEN_REUSED' };
      await noteAudit(tx, communityId, anonymous, {
        action: 'SESSION_ENDED',
        sessionId: id,
        userId,
        details,
      });
      return undefined;
    }
    const [session] = await tx<Session[]>`
      -- refreshSession
      update identity.session
      set refresh_hash = ${hashOf(next)}, refreshed_at = clock_timestamp(),
        expires_at = clock_timestamp() + make_interval(days => ${sessionDays})
      where community_id = ${communityId} and id = ${id}
      returning ${columns(tx)}`;
    return session && { communityId, session };
  });
  // Outside of the transaction, which has to commit what it ended.
  if (refreshed === undefined) throw sessionEnded();
  return { ...refreshed, refreshToken: next };
}

/**
 * Ends a session: the caller's own, another of the same person, or anybody's for the system key and administrators with
 * the scope sessions:write. One that has ended stays as it is.
 * @param id  null: the one the caller came with.
 * @throws VALIDATION_FAILED, NOT_FOUND
 * @cost up to four statements, one transaction.
 */
export async function endSession(sql: Sql, principal: Principal, id: string | null): Promise<Session> {
  const communityId = communityOf(principal);
  const sessionId = id ?? principal.sessionId;
  if (sessionId === undefined) {
    const message = 'Your credential is no session: name the one to end.';
    throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'id']);
  }
  return transaction(sql, async (tx) => {
    const [session] = await tx<Session[]>`
      -- endSession
      select ${columns(tx)}
      from identity.session
      where community_id = ${communityId} and id = ${sessionId}
      for update`;
    if (session === undefined || !(await mayEnd(tx, principal, session)))
      throw new Refusal('NOT_FOUND', `You have no session "${sessionId}".`, {}, ['input', 'id']);
    if (session.endedAt !== null) return session;
    const [ended = session] = await markEnded(tx, communityId, [session.id]);
    const done = { action: 'SESSION_ENDED', sessionId, userId: session.userId } as const;
    await noteAudit(tx, communityId, principal, { ...done, details: { reason: 'ASKED_FOR' } });
    return ended;
  });
}

/** A page of a person's sessions that go on, oldest first. @throws BAD_PAGE, BAD_CURSOR @cost one query. */
export async function sessionsPage(
  sql: Sql,
  communityId: string,
  userId: string,
  page: PageArguments,
): Promise<Page<Session>> {
  const request = pageRequest('session', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<Session[]>`
    -- sessionsPage
    select ${columns(sql)}
    from identity.session
    where community_id = ${communityId} and user_id = ${userId}
      and ended_at is null and expires_at > clock_timestamp() ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Forgets sessions that have ended, or expired, long ago. */
export async function pruneSessions(sql: Sql): Promise<void> {
  await sql`
    -- pruneSessions
    delete from identity.session
    where least(expires_at, ended_at) < now() - make_interval(days => ${rememberedDays})`;
}

const refreshForm = /^laurel_ref_([A-Za-z0-9_-]{22})_[A-Za-z0-9_-]{43}$/;

function newRefreshToken(selector: string): string {
  return `laurel_ref_${selector}_${randomBytes(32).toString('base64url')}`;
}

async function mayEnd(sql: Sql, principal: Principal, session: Session): Promise<boolean> {
  if (principal.kind === 'session' && session.userId === principal.userId) return true;
  return covers(principal.scopes, [['sessions:write']]) && administers(sql, principal);
}

/** Ends what would be more sessions than a person may have, when one more begins. */
async function endSurplus(sql: Sql, principal: Principal, userId: string): Promise<void> {
  const communityId = communityOf(principal);
  const surplus = await sql<{ id: string }[]>`
    -- endSurplus
    select id from identity.session
    where community_id = ${communityId} and user_id = ${userId}
      and ended_at is null and expires_at > clock_timestamp()
    order by refreshed_at desc, id desc
    offset ${mostSessions - 1}`;
  if (surplus.length === 0) return;
  const ids = surplus.map(({ id }) => id);
  await markEnded(sql, communityId, ids);
  for (const sessionId of ids) {
    const details = { reason: 'TOO_MANY' };
    await noteAudit(sql, communityId, principal, { action: 'SESSION_ENDED', sessionId, userId, details });
  }
}

async function markEnded(sql: Sql, communityId: string, ids: readonly string[]): Promise<Session[]> {
  return sql<Session[]>`
    -- markEnded
    update identity.session set ended_at = clock_timestamp()
    where community_id = ${communityId} and id = any(${ids as string[]})
    returning ${columns(sql)}`;
}

// Whatever is wrong with a refresh token, it is told in the same words.
function sessionEnded(): Refusal {
  return new Refusal(
    'SESSION_ENDED',
    'There is no such session any more: it ended, or its refresh token was used before. Begin a new one.',
  );
}

function columns(sql: Sql) {
  return sql`id, user_id as "userId", scopes, channel_ids as "channelIds", created_at as "createdAt",
    refreshed_at as "refreshedAt", expires_at as "expiresAt", ended_at as "endedAt"`;
}
