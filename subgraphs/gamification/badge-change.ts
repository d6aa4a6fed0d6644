import { isDeepStrictEqual } from 'node:util';
import { noteAudit, noteChange } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { communityOf, type Principal } from '../principal.ts';
import type { Measure } from './awarding.ts';
import { type Badge, badgeColumns } from './badge.ts';
import { lockChanges } from './change-lock.ts';
import { textOf } from './exact.ts';

// Making, changing and deleting badges. Who reached a badge's measure before it had one is awarded it in the background
// (badge-reached.ts), told by the log's stream `badges`.

/** What can be set of a badge. */
export type BadgeContent = Omit<Badge, 'id' | 'awardCount' | 'version' | 'createdAt' | 'updatedAt'>;

const mostBadges = 10_000;

/**
 * Makes a badge.
 * @returns the badge, `replayed` when this idempotency key had made it before.
 * @throws LIMIT_EXCEEDED, IDEMPOTENCY_KEY_REUSED
 */
export async function createBadge(
  sql: Sql,
  principal: Principal,
  { idempotencyKey, ...content }: BadgeContent & { idempotencyKey: string },
): Promise<{ badge: Badge; replayed: boolean }> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    await lockChanges(tx, communityId, 'badge');
    const id = newId('Badge');
    const [made] = await tx<Badge[]>`
      -- createBadge
      insert into gamification.badge (
        community_id, id, title, description, image_url, dark_image_url, quantity, enabled, requires_attachment,
        xp_reward, coins_reward, measure, at_least, idempotency_key, made_from
      )
      select ${communityId}, ${id}, b.title, b.description, b."imageUrl", b."darkImageUrl", b.quantity, b.enabled,
        b."requiresAttachment", b."xpReward", b."coinsReward", b.measure, b."atLeast", ${idempotencyKey},
        ${textOf(content)}::text::jsonb
      from ${contentOf(tx, content)}
      where (
        select count(*) from gamification.badge where community_id = ${communityId} and deleted_at is null
      ) < ${mostBadges}
      on conflict (community_id, idempotency_key) do nothing
      returning ${badgeColumns(tx)}`;
    if (made !== undefined) {
      await badgesOpened(tx, communityId, { id });
      await noteAudit(tx, communityId, principal, { action: 'BADGE_CREATED', details: told(made) });
      return { badge: made, replayed: false };
    }
    const [before] = await tx<(Badge & { madeFrom: unknown })[]>`
      -- createBadge: a repeat
      select ${badgeColumns(tx)}, made_from as "madeFrom"
      from gamification.badge
      where community_id = ${communityId} and idempotency_key = ${idempotencyKey}`;
    if (before === undefined) {
      const message = `A community has at most ${mostBadges.toLocaleString('en')} badges: delete one first.`;
      throw new Refusal('LIMIT_EXCEEDED', message, {}, ['input']);
    }
    const { madeFrom, ...badge } = before;
    if (isDeepStrictEqual(madeFrom, JSON.parse(textOf(content)))) return { badge, replayed: true };
    const message = `The idempotency key "${idempotencyKey}" was used for another badge: use a new one.`;
    throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
  });
}

/**
 * Changes of a badge what is given.
 * @param expectedVersion  the version that the caller has seen; null: whichever it is.
 * @throws NOT_FOUND, CONFLICT (changed meanwhile; fewer than are awarded)
 */
export async function updateBadge(
  sql: Sql,
  principal: Principal,
  { id, expectedVersion, ...changes }: Partial<BadgeContent> & { id: string; expectedVersion: number | null },
): Promise<Badge> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    const [before] = await tx<Badge[]>`
      -- updateBadge: lock
      select ${badgeColumns(tx)}
      from gamification.badge
      where community_id = ${communityId} and id = ${id} and deleted_at is null
      for update`;
    if (before === undefined) throw noBadge(id);
    if (expectedVersion !== null && expectedVersion !== before.version) {
      const message = `The badge is at version ${before.version}, not ${expectedVersion}: read it again.`;
      throw new Refusal('CONFLICT', message, {}, ['input', 'expectedVersion']);
    }
    const content = { ...before, ...changes };
    if (content.quantity !== null && content.quantity < before.awardCount) {
      const message = `${before.awardCount} are awarded: a quantity is at least that, or null.`;
      throw new Refusal('CONFLICT', message, {}, ['input', 'quantity']);
    }
    const grew =
      before.quantity !== null && (content.quantity === null || content.quantity > before.quantity);
    const changed = content.measure !== before.measure || content.atLeast !== before.atLeast;
    const opened = content.enabled && content.measure !== null && (!before.enabled || changed || grew);
    const [after] = await tx<Badge[]>`
      -- updateBadge
      with changed as (
        update gamification.badge set
          title = b.title, description = b.description, image_url = b."imageUrl", dark_image_url = b."darkImageUrl",
          quantity = b.quantity, enabled = b.enabled, requires_attachment = b."requiresAttachment",
          xp_reward = b."xpReward", coins_reward = b."coinsReward", measure = b.measure, at_least = b."atLeast",
          version = version + 1, updated_at = now()
        from ${contentOf(tx, content)}
        where community_id = ${communityId} and id = ${id}
        returning badge.*
      )
      select ${badgeColumns(tx)} from changed`;
    if (after === undefined) throw noBadge(id);
    if (opened) await badgesOpened(tx, communityId, { id });
    await noteChange(tx, principal, 'BADGE_UPDATED', { id }, told(before), told(after));
    return after;
  });
}

/** Deletes a badge: it is awarded no more and in no list; who holds it keeps it. @throws NOT_FOUND */
export async function deleteBadge(sql: Sql, principal: Principal, id: string): Promise<void> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const [deleted] = await tx<Badge[]>`
      -- deleteBadge
      update gamification.badge set deleted_at = now()
      where community_id = ${communityId} and id = ${id} and deleted_at is null
      returning ${badgeColumns(tx)}`;
    if (deleted === undefined) throw noBadge(id);
    await noteAudit(tx, communityId, principal, { action: 'BADGE_DELETED', details: told(deleted) });
  });
}

/** A badge as the audit tells of it. */
function told({ awardCount: _, version: __, createdAt: ___, updatedAt: ____, ...badge }: Badge) {
  return badge;
}

function noBadge(id: string): Refusal {
  return new Refusal('NOT_FOUND', `No badge has the id "${id}".`, {}, ['input', 'id']);
}

/**
 * Tells that people may have reached a badge, or those of a measure, by nothing that they did: those that award themselves
 * are then awarded to them. Call it after all that is defined was changed, as everybody waits in this order.
 */
export async function badgesOpened(
  sql: Sql,
  communityId: string,
  which: { id: string } | { measure: Measure },
): Promise<void> {
  await sql`
    -- badgesOpened
    select log.append(${communityId}, 'badges', jsonb_build_array(jsonb_build_object(
      'kind', 'BadgeOpened', 'payload', jsonb_build_object('badgeId', id, 'after', '')
    )))
    from gamification.badge
    where community_id = ${communityId} and measure is not null and enabled and deleted_at is null
      and ${'id' in which ? sql`id = ${which.id}` : sql`measure = ${which.measure}`}
    order by id`;
}

/** What is set of a badge, as a row to select from. */
function contentOf(sql: Sql, content: BadgeContent) {
  return sql`json_to_record(${textOf(content)}::text::json) b(
    title jsonb, description jsonb, "imageUrl" text, "darkImageUrl" text, quantity integer, enabled boolean,
    "requiresAttachment" boolean, "xpReward" bigint, "coinsReward" bigint, measure text, "atLeast" bigint
  )`;
}
