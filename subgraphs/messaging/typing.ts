import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { communityOf, type Principal } from '../principal.ts';
import { withinKey } from './message.ts';
import { may } from './right.ts';
import { tellSignal } from './signal.ts';

// "… is writing": told to those who read the channel, at most once in three seconds for each person and channel.

/** How often it is told, and how long it is true, in seconds. */
export const typingEverySeconds = 3;
export const typingSeconds = 6;

/**
 * Tells that a person writes in a channel.
 * @returns false when it was told a moment ago, and isn't again.
 * @throws NOT_FOUND, FORBIDDEN
 */
export async function startTyping(
  sql: Sql,
  principal: Principal,
  channelId: string,
  userId: string,
): Promise<boolean> {
  const communityId = communityOf(principal);
  const path = ['input', 'channelId'];
  const [channel] = await sql<{ kind: string }[]>`
    -- startTyping: the channel
    select kind from community.channel_kinds(${communityId}, ${[channelId]})`;
  if (
    channel === undefined ||
    !withinKey(principal, channelId) ||
    !(await may(sql, principal, channelId, ['VIEW_CHANNEL']))
  )
    throw new Refusal('NOT_FOUND', `No channel has the id "${channelId}".`, {}, path);
  if (!(await may(sql, principal, channelId, ['POST_MESSAGES'])))
    throw new Refusal('FORBIDDEN', 'This channel takes no messages from you.', {}, path);
  const [told] = await sql<{ at: Date }[]>`
    -- startTyping
    insert into messaging.typing as t (community_id, user_id, channel_id, told_at)
    values (${communityId}, ${userId}, ${channelId}, now())
    on conflict (community_id, user_id, channel_id) do update set told_at = now()
    where t.told_at <= now() - make_interval(secs => ${typingEverySeconds})
    returning told_at as at`;
  // In a whisper channel members don't see each other, not even write.
  if (told !== undefined && channel.kind !== 'WHISPER')
    await tellSignal(sql, { communityId, kind: 'typing', userId, channelId, at: told.at.getTime() });
  return told !== undefined;
}

/** Forgets who wrote a while ago. */
export async function pruneTyping(sql: Sql): Promise<void> {
  await sql`
    -- pruneTyping
    delete from messaging.typing where told_at < now() - interval '1 minute'`;
}
