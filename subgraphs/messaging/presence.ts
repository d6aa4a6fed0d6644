import { alignTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { communityOf, type Principal } from '../principal.ts';
import { tellSignal } from './signal.ts';

// Who is around. An app says so every half minute; who hasn't said so for a minute and a half isn't.

export type PresenceStatus = 'ONLINE' | 'AWAY' | 'OFFLINE';

/** How long it is true, in seconds, and how often saying the same is stored. */
export const presentSeconds = 90;
const storedEverySeconds = 10;

/**
 * Says whether the caller is around.
 * @returns whether that changed.
 * @throws FORBIDDEN  for a caller who is no person.
 */
export async function setPresence(sql: Sql, principal: Principal, status: PresenceStatus): Promise<boolean> {
  const { userId } = principal;
  if (userId === undefined) {
    const problem = 'Presence is about one person: use a session or a personal key.';
    throw new Refusal('FORBIDDEN', problem, {}, ['input']);
  }
  const communityId = communityOf(principal);
  const [before] = await sql<{ status: PresenceStatus }[]>`
    -- setPresence: before
    select case when seen_at > now() - make_interval(secs => ${presentSeconds}) then status else 'OFFLINE' end as status
    from messaging.presence
    where community_id = ${communityId} and user_id = ${userId}`;
  const isChanged = (before?.status ?? 'OFFLINE') !== status;
  await sql`
    -- setPresence
    insert into messaging.presence as p (community_id, user_id, status, seen_at)
    values (${communityId}, ${userId}, ${status}, now())
    on conflict (community_id, user_id) do update set status = excluded.status, seen_at = now()
    where p.status <> excluded.status or p.seen_at <= now() - make_interval(secs => ${storedEverySeconds})`;
  // Told also when it is the same, or whoever follows would take it for over.
  if (isChanged || status !== 'OFFLINE')
    await tellSignal(sql, { communityId, kind: 'presence', userId, status, at: Date.now() });
  return isChanged;
}

/** Whether people are around, in their order. @cost one query by primary key. */
export async function presences(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<PresenceStatus[]> {
  const rows = await sql<{ userId: string; status: PresenceStatus }[]>`
    -- presences
    select user_id as "userId", status
    from messaging.presence
    where community_id = ${communityId} and user_id = any(${userIds as string[]})
      and seen_at > now() - make_interval(secs => ${presentSeconds})`;
  return alignTo(userIds, rows, ({ userId }) => userId).map((row) => row?.status ?? 'OFFLINE');
}

/** Forgets who was around long ago. */
export async function prunePresence(sql: Sql): Promise<void> {
  await sql`
    -- prunePresence
    delete from messaging.presence where seen_at < now() - interval '1 day'`;
}
