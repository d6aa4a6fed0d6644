import { noteAudit } from '../audit.ts';
import { alignTo, groupTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { communityOf, type Principal } from '../principal.ts';
import type { Posting } from './decide.ts';
import { type Origin, originOf } from './origin.ts';
import { decidedAgain, post, postOne } from './posting.ts';
import { lockProfiles } from './profile-lock.ts';

// Who holds which badge. A person holds a badge once; awarding and taking back are postings, since they may bring and
// cost XP and coins, and the last of a badge goes once.

export interface BadgeAward {
  id: string;
  badgeId: string;
  userId: string;
  /** The event that brought it: of its own when it was awarded by hand. */
  eventId: string;
  attachmentUrl: string | null;
  awardedAt: Date;
  /** When it was taken back; null: the person holds it. */
  revokedAt: Date | null;
  /** The person who awarded it; null: nobody, or a key of the community. */
  actorUserId: string | null;
}

export interface NewBadgeAward {
  badgeId: string;
  userId: string;
  attachmentUrl: string | null;
  idempotencyKey: string;
  origin: Origin;
}

/**
 * Awards a badge to a person.
 * @returns the award, `replayed` when this idempotency key had made it before.
 * @throws NOT_FOUND, CONFLICT (holds it already, or not awarded now), LIMIT_EXCEEDED, VALIDATION_FAILED (no proof),
 * IDEMPOTENCY_KEY_REUSED
 * @cost as `postAll`, and two statements.
 */
export async function awardBadge(
  sql: Sql,
  communityId: string,
  { badgeId, userId, attachmentUrl, idempotencyKey, origin }: NewBadgeAward,
): Promise<{ award: BadgeAward; replayed: boolean }> {
  const [member] = await sql<{ userId: string | null }[]>`
    -- awardBadge: the person
    select user_id as "userId" from identity.find_members(${communityId}, ${sql.json([{ id: userId }])})`;
  if (member?.userId == null) {
    throw new Refusal('NOT_FOUND', `No user has the id "${userId}".`, {}, ['input', 'userId']);
  }
  const posting = awardPosting({ badgeId, userId, attachmentUrl, reference: idempotencyKey, origin });
  const { awardIds, replayed } = await postOne(sql, communityId, posting).catch((error: unknown) => {
    if (!(error instanceof Refusal) || error.code !== 'IDEMPOTENCY_KEY_REUSED') throw error;
    const message = `The idempotency key "${idempotencyKey}" was used for another award: use a new one.`;
    throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
  });
  const awards = await awardsById(sql, communityId, awardIds);
  const award = awards.find((one) => one?.badgeId === badgeId);
  if (award == null) throw new Error('A badge was awarded and is not there.');
  return { award, replayed };
}

/** A posting that awards a badge. @param at  when it happened; absent: now. */
export function awardPosting({
  badgeId,
  attachmentUrl,
  at = null,
  ...posting
}: Pick<Posting, 'userId' | 'reference' | 'origin'> & {
  badgeId: string;
  attachmentUrl: string | null;
  at?: Date | null;
}): Posting {
  return {
    ...posting,
    ...{ eventType: 'badge', occurredAt: at, amount: null, moves: [] },
    metadata: { badgeId, ...(attachmentUrl === null ? {} : { attachmentUrl }) },
    award: { badgeId, attachmentUrl },
  };
}

/**
 * Takes a badge back from its holder, and what it brought; a badge with a quantity can be awarded once more.
 * @returns the award, `revokedAt` set; once more the same when it was taken back before.
 * @throws NOT_FOUND, INSUFFICIENT_BALANCE (the coins it brought are spent)
 */
export async function revokeBadge(sql: Sql, principal: Principal, awardId: string): Promise<BadgeAward> {
  const communityId = communityOf(principal);
  const [award] = await awardsById(sql, communityId, [awardId]);
  if (award == null) {
    throw new Refusal('NOT_FOUND', `No award has the id "${awardId}".`, {}, ['input', 'awardId']);
  }
  if (award.revokedAt !== null) return award;
  const { userId, badgeId } = award;
  const revoke = async (tx: Sql) => {
    await lockProfiles(tx, communityId, [userId]);
    // Whoever was first may have taken it back otherwise: by a reversal of what brought it.
    const [held] = await awardsById(tx, communityId, [awardId]);
    if (held?.revokedAt != null) return;
    const rewards = await tx<{ id: string; unit: 'XP' | 'COINS'; amount: bigint }[]>`
      -- revokeBadge: what it brought
      select id, unit, amount
      from gamification.ledger_entry l
      where community_id = ${communityId} and event_id = ${award.eventId} and event_type = 'badge'
        and reference = ${awardId} and not exists (
          select from gamification.ledger_entry r
          where r.community_id = ${communityId} and r.reversal_of = l.id
        )`;
    const revocation: Posting = {
      ...{ userId, eventType: 'badge-revocation', reference: awardId, origin: originOf(principal) },
      ...{ metadata: { badgeId }, occurredAt: null, amount: null },
      moves: rewards.map(({ id, unit, amount }) => ({ unit, by: -amount, reversalOf: id })),
      revokes: { awardId },
    };
    const [posted] = await post(tx, communityId, [revocation]);
    if (posted === undefined || posted instanceof Refusal)
      throw posted ?? new Error('A posting had no answer.');
    if (posted.replayed) return;
    const done = { action: 'BADGE_REVOKED', userId, details: { id: awardId, badgeId } } as const;
    await noteAudit(tx, communityId, principal, done);
  };
  await decidedAgain(() => transaction(sql, revoke));
  const [after] = await awardsById(sql, communityId, [awardId]);
  return after ?? award;
}

/**
 * What each person holds, newest first; ties broken by id.
 * @returns one page per id, in `userIds` order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table badge_award; index (community_id, user_id, awarded_at desc, id desc).
 * @cost one query, O(people x page) rows.
 */
export async function awardsByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  page: PageArguments,
): Promise<Page<BadgeAward>[]> {
  return awardsBy(sql, communityId, 'user', userIds, page);
}

/** Who holds each badge, newest first; as `awardsByUser`. @source index (community_id, badge_id, awarded_at desc, id desc). */
export async function awardsByBadge(
  sql: Sql,
  communityId: string,
  badgeIds: readonly string[],
  page: PageArguments,
): Promise<Page<BadgeAward>[]> {
  return awardsBy(sql, communityId, 'badge', badgeIds, page);
}

/** Awards by id, in their order, those taken back too; null where there is none. @cost one query by primary key. */
export async function awardsById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(BadgeAward | null)[]> {
  const rows = await sql<BadgeAward[]>`
    -- awardsById
    select ${columns(sql)}
    from gamification.badge_award a
    join gamification.event e on e.community_id = a.community_id and e.id = a.event_id
    where a.community_id = ${communityId} and a.id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

async function awardsBy(
  sql: Sql,
  communityId: string,
  owner: 'user' | 'badge',
  ids: readonly string[],
  page: PageArguments,
): Promise<Page<BadgeAward>[]> {
  const request = pageRequest(owner === 'user' ? 'badge-award' : 'badge-holder', page);
  const { beyond, order } = keyset(sql, request, { at: 'a.awarded_at', id: 'a.id', newestFirst: true });
  const rows = await sql<BadgeAward[]>`
    -- awardsBy
    select w.*
    from unnest(${ids as string[]}::text[]) as o(id)
    cross join lateral (
      select ${columns(sql)}
      from gamification.badge_award a
      join gamification.event e on e.community_id = a.community_id and e.id = a.event_id
      where a.community_id = ${communityId} and a.${sql(`${owner}_id`)} = o.id and a.revoked_at is null ${beyond}
      order by ${order}
      limit ${request.limit}
    ) w`;
  return groupTo(ids, rows, ({ userId, badgeId }) => (owner === 'user' ? userId : badgeId)).map((own) =>
    pageOf(own, request, ({ awardedAt, id }) => ({ at: awardedAt, id })),
  );
}

function columns(sql: Sql) {
  return sql`a.id, a.badge_id as "badgeId", a.user_id as "userId", a.event_id as "eventId",
    a.attachment_url as "attachmentUrl", a.awarded_at as "awardedAt", a.revoked_at as "revokedAt",
    e.actor_user_id as "actorUserId"`;
}
