import { alignTo, groupTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';

// Badges and their awards: a person holds a badge once, and a badge with a quantity runs out.

export interface Badge {
  id: string;
  title: Record<string, string>;
  description: Record<string, string> | null;
  imageUrl: string | null;
  darkImageUrl: string | null;
  quantity: number | null;
  awardCount: number;
  createdAt: Date;
}

export interface BadgeAward {
  id: string;
  badgeId: string;
  userId: string;
  awardedAt: Date;
}

export interface NewBadgeAward {
  badgeId: string;
  userId: string;
  idempotencyKey: string;
}

/** An award to add; `awardedAt` null is now. */
type NewAward = Omit<BadgeAward, 'awardedAt'> & { awardedAt: Date | null; idempotencyKey: string };

/**
 * Awards a badge to a person.
 * @returns the award, `replayed` when this idempotency key had made it before.
 * @throws NOT_FOUND, CONFLICT (holds it already), LIMIT_EXCEEDED, IDEMPOTENCY_KEY_REUSED
 * @cost three statements in one transaction, which holds the badge's row.
 */
export async function awardBadge(
  sql: Sql,
  communityId: string,
  { badgeId, userId, idempotencyKey }: NewBadgeAward,
): Promise<{ award: BadgeAward; replayed: boolean }> {
  const [member] = await sql<{ userId: string | null }[]>`
    -- awardBadge: the person
    select user_id as "userId" from identity.find_members(${communityId}, ${sql.json([{ id: userId }])})`;
  if (member?.userId == null) {
    throw new Refusal('NOT_FOUND', `No user has the id "${userId}".`, {}, ['input', 'userId']);
  }
  return transaction(sql, async (tx) => {
    const [badge] = await tx<{ quantity: number | null; awardCount: number }[]>`
      -- awardBadge: lock
      select quantity, award_count as "awardCount"
      from gamification.badge
      where community_id = ${communityId} and id = ${badgeId}
      for update`;
    if (badge === undefined) {
      throw new Refusal('NOT_FOUND', `No badge has the id "${badgeId}".`, {}, ['input', 'badgeId']);
    }
    const held = await tx<(BadgeAward & { sameKey: boolean })[]>`
      -- awardBadge: what was before
      select id, badge_id as "badgeId", user_id as "userId", awarded_at as "awardedAt",
        idempotency_key = ${idempotencyKey} as "sameKey"
      from gamification.badge_award
      where community_id = ${communityId}
        and (idempotency_key = ${idempotencyKey} or (badge_id = ${badgeId} and user_id = ${userId}))`;
    const repeated = held.find(({ sameKey }) => sameKey);
    if (repeated?.badgeId === badgeId && repeated.userId === userId)
      return { award: repeated, replayed: true };
    if (repeated !== undefined) {
      const message = `The idempotency key "${idempotencyKey}" was used for another award: use a new one.`;
      throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
    }
    if (held.length > 0)
      throw new Refusal('CONFLICT', 'This person holds this badge already.', {}, ['input', 'userId']);
    if (badge.quantity !== null && badge.awardCount >= badge.quantity) {
      const message = `All ${badge.quantity} of this badge are awarded.`;
      throw new Refusal('LIMIT_EXCEEDED', message, {}, ['input', 'badgeId']);
    }
    const [award] = await addAwards(tx, communityId, [
      { id: newId('BadgeAward'), badgeId, userId, idempotencyKey, awardedAt: null },
    ]);
    // A key taken by an award of another badge in this very moment: its row was locked by nobody here.
    if (award === undefined) {
      const message = `The idempotency key "${idempotencyKey}" was used for another award: use a new one.`;
      throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
    }
    return { award, replayed: false };
  });
}

/** A page of badges, oldest first. @throws BAD_PAGE, BAD_CURSOR @cost one query, O(page) rows. */
export async function badgesPage(sql: Sql, communityId: string, page: PageArguments): Promise<Page<Badge>> {
  const request = pageRequest('badge', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<Badge[]>`
    -- badgesPage
    select ${columns(sql)}
    from gamification.badge
    where community_id = ${communityId} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Badges by id, in their order; null where there is none. @cost one query by primary key. */
export async function badgesById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Badge | null)[]> {
  const rows = await sql<Badge[]>`
    -- badgesById
    select ${columns(sql)}
    from gamification.badge
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/**
 * Each person's awards, newest first; ties broken by id.
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
  const request = pageRequest('badge-award', page);
  const { beyond, order } = keyset(sql, request, { at: 'a.awarded_at', id: 'a.id', newestFirst: true });
  const rows = await sql<BadgeAward[]>`
    -- awardsByUser
    select w.*
    from unnest(${userIds as string[]}::text[]) as u(id)
    cross join lateral (
      select a.id, a.badge_id as "badgeId", a.user_id as "userId", a.awarded_at as "awardedAt"
      from gamification.badge_award a
      where a.community_id = ${communityId} and a.user_id = u.id ${beyond}
      order by ${order}
      limit ${request.limit}
    ) w`;
  return groupTo(userIds, rows, ({ userId }) => userId).map((own) =>
    pageOf(own, request, ({ awardedAt, id }) => ({ at: awardedAt, id })),
  );
}

/** Awards by id, in their order; null where there is none. @cost one query by primary key. */
export async function awardsById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(BadgeAward | null)[]> {
  const rows = await sql<BadgeAward[]>`
    -- awardsById
    select id, badge_id as "badgeId", user_id as "userId", awarded_at as "awardedAt"
    from gamification.badge_award
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** Adds badges; ids that exist are left as they are. */
export async function addBadges(sql: Sql, communityId: string, badges: readonly Badge[]): Promise<void> {
  await sql`
    -- addBadges
    insert into gamification.badge (community_id, id, title, description, image_url, dark_image_url, quantity, created_at)
    select ${communityId}, b.id, b.title, b.description, b."imageUrl", b."darkImageUrl", b.quantity, b."createdAt"
    from jsonb_to_recordset(${sql.json(badges as never)}) b(
      id text, title jsonb, description jsonb, "imageUrl" text, "darkImageUrl" text, quantity integer,
      "createdAt" timestamptz
    )
    on conflict do nothing`;
}

/** Adds awards and counts them at their badges, in one statement; those that exist are left as they are. */
export async function addAwards(
  sql: Sql,
  communityId: string,
  awards: readonly NewAward[],
): Promise<BadgeAward[]> {
  return sql<BadgeAward[]>`
    -- addAwards
    with added as (
      insert into gamification.badge_award (community_id, id, badge_id, user_id, idempotency_key, awarded_at)
      select ${communityId}, a.id, a."badgeId", a."userId", a."idempotencyKey", coalesce(a."awardedAt", now())
      from jsonb_to_recordset(${sql.json(awards as never)}) a(
        id text, "badgeId" text, "userId" text, "idempotencyKey" text, "awardedAt" timestamptz
      )
      on conflict do nothing
      returning *
    ), counted as (
      update gamification.badge b set award_count = b.award_count + n.awards
      from (select badge_id, count(*) as awards from added group by badge_id) n
      where b.community_id = ${communityId} and b.id = n.badge_id
    )
    select id, badge_id as "badgeId", user_id as "userId", awarded_at as "awardedAt" from added`;
}

function columns(sql: Sql) {
  return sql`id, title, description, image_url as "imageUrl", dark_image_url as "darkImageUrl", quantity,
    award_count as "awardCount", created_at as "createdAt"`;
}
