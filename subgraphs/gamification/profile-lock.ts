import type { Sql, SqlPart } from '../db.ts';
import type { Profile } from './decide.ts';
import { curveLock, scoreLock } from './posting-lock.ts';

// People as postings hold them: their profiles, made where they are missing, locked in one order.

/**
 * Makes sure of people's profiles and locks them, in the one order that everybody locks in; the level curve stays as it
 * is meanwhile, and no run of scores begins.
 * @param userIds  sorted, without duplicates.
 * @cost one statement; four where somebody is new.
 */
export async function lockProfiles(
  tx: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Map<string, Profile>> {
  const locked = await lockExisting(tx, communityId, userIds);
  if (locked.size === userIds.length) return locked;
  await addProfiles(tx, communityId, userIds);
  return lockExisting(tx, communityId, userIds);
}

/** Makes those profiles that aren't there, by the level curve as it then stays. */
export async function addProfiles(tx: Sql, communityId: string, userIds: readonly string[]): Promise<void> {
  await Promise.all([
    tx`
      -- addProfiles: hold what they begin with
      ${held(tx, communityId)}`,
    tx`
      -- addProfiles
      insert into gamification.profile (community_id, user_id, level)
      select ${communityId}, u.id, coalesce((
        select max(l.number) from gamification.level l where l.community_id = ${communityId} and l.min_xp <= 0
      ), 0)
      from unnest(${userIds as string[]}::text[]) u(id)
      order by u.id
      on conflict do nothing`,
  ]);
}

/**
 * Locks those profiles that are there; the others are missing in the answer. Where none is there, nothing else is held.
 * @cost one statement
 */
export async function lockExisting(
  tx: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Map<string, Profile>> {
  const rows = await tx<Profile[]>`
    -- lockProfiles
    with held as materialized (
      ${held(tx, communityId)}
    )
    select p.user_id as "userId", p.xp as "XP", p.coins as "COINS", p.points as "POINTS", p.premium as "PREMIUM",
      p.level, p.badges, p.messages, p.replies, p.reactions, p.visits, p.referrals, p.socials, p.begun
    -- A row is locked once it was joined, which is after both locks; then it is read as it is by then.
    from held, gamification.profile p
    where p.community_id = ${communityId} and p.user_id = any(${userIds as string[]})
    order by p.user_id
    for update of p`;
  return new Map(rows.map((row) => [row.userId, row]));
}

/** SQL: what all who post share. */
function held(tx: Sql, communityId: string): SqlPart {
  return tx`
    select pg_advisory_xact_lock_shared(${curveLock}, hashtext(${communityId})),
      pg_advisory_xact_lock_shared(${scoreLock(tx, communityId)})`;
}
