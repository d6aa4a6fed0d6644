import { alignTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import type { Measure } from './awarding.ts';
import { textOf } from './exact.ts';

// Badges: what there is to be awarded. A badge with a quantity runs out; one with a measure is awarded by itself.
// Source: Returning.AI docs, "Badge".

export interface Badge {
  id: string;
  title: Record<string, string>;
  description: Record<string, string> | null;
  imageUrl: string | null;
  darkImageUrl: string | null;
  /** Awards at most; null: no limit. */
  quantity: number | null;
  awardCount: number;
  /** It is awarded now. */
  enabled: boolean;
  /** Awarding it by hand takes a proof. */
  requiresAttachment: boolean;
  /** What an award brings. */
  xpReward: bigint;
  coinsReward: bigint;
  /** What a person has to have, and how much, to be awarded it by nobody's doing; null: it is awarded by hand. */
  measure: Measure | null;
  atLeast: bigint | null;
  /** One more with each change. */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** A page of badges, oldest first. @throws BAD_PAGE, BAD_CURSOR @cost one query, O(page) rows. */
export async function badgesPage(sql: Sql, communityId: string, page: PageArguments): Promise<Page<Badge>> {
  const request = pageRequest('badge', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<Badge[]>`
    -- badgesPage
    select ${badgeColumns(sql)}
    from gamification.badge
    where community_id = ${communityId} and deleted_at is null ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Badges by id, in their order, deleted ones too; null where there is none. @cost one query by primary key. */
export async function badgesById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Badge | null)[]> {
  const rows = await sql<Badge[]>`
    -- badgesById
    select ${badgeColumns(sql)}
    from gamification.badge
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** How many people of the community have anything: what the rarity of a badge is measured by. @cost counts an index. */
export async function peopleCounted(sql: Sql, communityId: string): Promise<number> {
  const [row] = await sql<{ people: bigint }[]>`
    -- peopleCounted
    select count(*) as people from gamification.profile where community_id = ${communityId}`;
  return Number(row?.people ?? 0n);
}

/** What a badge is where nothing else is said: without end, by hand, and it brings nothing. */
export const plainBadge = {
  ...{ description: null, imageUrl: null, darkImageUrl: null, quantity: null, enabled: true },
  ...{ requiresAttachment: false, xpReward: 0n, coinsReward: 0n, measure: null, atLeast: null },
} as const satisfies Partial<Badge>;

/** Adds badges; ids that exist are left as they are. */
export async function addBadges(
  sql: Sql,
  communityId: string,
  badges: readonly (Pick<Badge, 'id' | 'title' | 'createdAt'> & Partial<Badge>)[],
): Promise<void> {
  await sql`
    -- addBadges
    insert into gamification.badge (
      community_id, id, title, description, image_url, dark_image_url, quantity, enabled, requires_attachment,
      xp_reward, coins_reward, measure, at_least, created_at, updated_at
    )
    select ${communityId}, b.id, b.title, b.description, b."imageUrl", b."darkImageUrl", b.quantity, b.enabled,
      b."requiresAttachment", b."xpReward", b."coinsReward", b.measure, b."atLeast", b."createdAt", b."createdAt"
    from jsonb_to_recordset(${textOf(badges.map((badge) => ({ ...plainBadge, ...badge })))}::text::jsonb) b(
      id text, title jsonb, description jsonb, "imageUrl" text, "darkImageUrl" text, quantity integer,
      enabled boolean, "requiresAttachment" boolean, "xpReward" bigint, "coinsReward" bigint, measure text,
      "atLeast" bigint, "createdAt" timestamptz
    )
    on conflict do nothing`;
}

export function badgeColumns(sql: Sql) {
  return sql`id, title, description, image_url as "imageUrl", dark_image_url as "darkImageUrl", quantity,
    award_count as "awardCount", enabled, requires_attachment as "requiresAttachment", xp_reward as "xpReward",
    coins_reward as "coinsReward", measure, at_least as "atLeast", version,
    created_at as "createdAt", updated_at as "updatedAt"`;
}
