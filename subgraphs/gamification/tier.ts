import { noteChange } from '../audit.ts';
import { alignTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { communityOf, type Principal } from '../principal.ts';
import { lockChanges } from './change-lock.ts';

// Tiers: broad ranks by XP, with what they bring those who have them.

export interface Tier {
  id: string;
  minXp: bigint;
  name: Record<string, string>;
  benefits: Record<string, string>[];
  imageUrl: string | null;
}

export interface NewTier extends Omit<Tier, 'id'> {
  /** The tier that it replaces; null: a new one. */
  id: string | null;
}

/** How far it is to the next step of some kind. */
export interface Progress {
  xpRemaining: bigint;
  /** 0 at the step below, 100 at the next. */
  percent: number;
}

/** The community's tiers, lowest first. @cost one query. */
export async function tiersOf(sql: Sql, communityId: string): Promise<Tier[]> {
  return sql<Tier[]>`
    -- tiersOf
    select ${columns(sql)}
    from gamification.tier
    where community_id = ${communityId}
    order by min_xp`;
}

/** Tiers by id, in their order; null where there is none. @cost one query by primary key. */
export async function tiersById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Tier | null)[]> {
  const rows = await sql<Tier[]>`
    -- tiersById
    select ${columns(sql)}
    from gamification.tier
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** The tier that this much XP gives, and the next; null where there is none. */
export function tierAt(tiers: readonly Tier[], xp: bigint): { tier: Tier | null; next: Tier | null } {
  const at = tiers.findLastIndex(({ minXp }) => minXp <= xp);
  return { tier: tiers[at] ?? null, next: tiers[at + 1] ?? null };
}

/** How far this much XP is from the next step. @param from  where the step below begins. */
export function progressTo(xp: bigint, from: bigint, next: bigint): Progress {
  const percent = next > from ? (Number(xp - from) / Number(next - from)) * 100 : 0;
  return { xpRemaining: next - xp, percent: Math.min(Math.max(percent, 0), 100) };
}

/** Sets all tiers of a community. @throws NOT_FOUND  an id that none of them has. */
export async function setTiers(sql: Sql, principal: Principal, tiers: readonly NewTier[]): Promise<Tier[]> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    // Who sets them at the same time doesn't see these, and would leave both.
    await lockChanges(tx, communityId, 'tier');
    const before = await tiersOf(tx, communityId);
    const unknown = tiers.findIndex(({ id }) => id !== null && !before.some((tier) => tier.id === id));
    if (unknown >= 0) {
      const path = ['input', 'tiers', String(unknown), 'id'];
      throw new Refusal('NOT_FOUND', `No tier has the id "${tiers[unknown]?.id}".`, {}, path);
    }
    await tx`
      -- setTiers: what was
      delete from gamification.tier where community_id = ${communityId}`;
    await addTiers(
      tx,
      communityId,
      tiers.map((tier) => ({ ...tier, id: tier.id ?? newId('Tier') })),
    );
    const after = await tiersOf(tx, communityId);
    await noteChange(tx, principal, 'TIERS_SET', {}, { tiers: before }, { tiers: after });
    return after;
  });
}

/** Adds tiers; those that exist are left as they are. */
export async function addTiers(sql: Sql, communityId: string, tiers: readonly Tier[]): Promise<void> {
  const rows = tiers.map(({ minXp, ...tier }) => ({ ...tier, minXp: String(minXp) }));
  await sql`
    -- addTiers
    insert into gamification.tier (community_id, id, min_xp, name, benefits, image_url)
    select ${communityId}, t.id, t."minXp", t.name, t.benefits, t."imageUrl"
    from jsonb_to_recordset(${sql.json(rows as never)}) t(
      id text, "minXp" bigint, name jsonb, benefits jsonb, "imageUrl" text
    )
    on conflict do nothing`;
}

function columns(sql: Sql) {
  return sql`id, min_xp as "minXp", name, benefits, image_url as "imageUrl"`;
}
