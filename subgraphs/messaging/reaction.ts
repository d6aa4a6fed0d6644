import { groupTo, type Sql } from '../db.ts';

// Reactions: an emoji of a person on a message, there or not there, so that repeating one changes nothing.

export interface ReactionCount {
  emoji: string;
  count: number;
}

export interface NewReaction {
  messageId: string;
  channelId: string;
  userId: string;
  emoji: string;
}

/**
 * Adds reactions and tells the log of those that are new, in one statement.
 * @returns how many were new.
 */
export async function addReactions(
  sql: Sql,
  communityId: string,
  reactions: readonly (NewReaction & { createdAt?: Date })[],
): Promise<number> {
  const [row] = await sql<{ added: number }[]>`
    -- addReactions
    with given as (
      select distinct on ("messageId", emoji, "userId") *
      from jsonb_to_recordset(${sql.json(reactions as never)}) g(
        "messageId" text, "channelId" text, "userId" text, emoji text, "createdAt" timestamptz
      )
      order by "messageId", emoji, "userId"
    ), added as (
      insert into messaging.reaction (community_id, message_id, emoji, user_id, created_at)
      select ${communityId}, "messageId", emoji, "userId", coalesce("createdAt", now())
      from given
      order by 2, 3, 4
      on conflict do nothing
      returning *
    ), told as (
      select log.append(${communityId}, 'messages', jsonb_agg(jsonb_build_object(
        'kind', 'MessageReacted', 'user_id', a.user_id, 'channel_id', g."channelId",
        'payload', jsonb_build_object('messageId', a.message_id, 'emoji', a.emoji)
      ) order by a.created_at, a.message_id, a.emoji, a.user_id))
      from added a
      join given g on g."messageId" = a.message_id and g.emoji = a.emoji and g."userId" = a.user_id
      having count(*) > 0
    )
    select count(*)::int as added from added, (select count(*) from told) t`;
  return row?.added ?? 0;
}

/** How often each emoji stands on each message, the most frequent first; `[]` where none. @cost one query. */
export async function reactionsByMessage(
  sql: Sql,
  communityId: string,
  messageIds: readonly string[],
): Promise<ReactionCount[][]> {
  const rows = await sql<(ReactionCount & { messageId: string })[]>`
    -- reactionsByMessage
    select message_id as "messageId", emoji, count(*)::int as count
    from messaging.reaction
    where community_id = ${communityId} and message_id = any(${messageIds as string[]})
    group by message_id, emoji
    order by count desc, emoji`;
  return groupTo(messageIds, rows, ({ messageId }) => messageId);
}
