import { groupTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';

// Reactions: an emoji of a person on a message, there or not there, so that repeating one changes nothing.

/** Different emojis that may stand on one message. */
export const mostEmojis = 20;

export interface ReactionCount {
  emoji: string;
  count: number;
  /** Whether the person asked for is among them. */
  reacted: boolean;
}

export interface NewReaction {
  messageId: string;
  channelId: string;
  userId: string;
  emoji: string;
}

/**
 * An emoji in the one form that it is stored in; null for what is none: a name as `:tada:`, or one emoji of Unicode.
 * Source: Unicode Technical Standard #51, "RGI emoji".
 */
export function emojiOf(text: string): string | null {
  if (/^:[a-z0-9_+-]{1,30}:$/.test(text)) return text;
  // Some keyboards leave out the selector that makes a sign an emoji.
  return [text, `${text}\ufe0f`].find((form) => form.length <= 32 && unicodeEmoji.test(form)) ?? null;
}

const unicodeEmoji = /^\p{RGI_Emoji}$/v;

/**
 * Adds up to 100 reactions of a community, told to the log where they are new.
 * @returns one answer each, in their order: whether it was new; LIMIT_EXCEEDED where the message has `mostEmojis` others,
 *   CONFLICT where it is deleted.
 * @cost two statements in one transaction.
 */
export async function react(
  sql: Sql,
  communityId: string,
  reactions: readonly NewReaction[],
): Promise<(boolean | Refusal)[]> {
  return transaction(sql, async (tx) => {
    const ids = [...new Set(reactions.map(({ messageId }) => messageId))];
    // Whoever adds to a message waits here, so that all see the emojis that stand on it.
    const found = await tx<{ id: string; isDeleted: boolean }[]>`
      -- react: the messages
      select id, deleted_at is not null as "isDeleted"
      from messaging.message
      where community_id = ${communityId} and id = any(${ids})
      order by id
      for no key update`;
    const standing = await tx<{ messageId: string; emoji: string }[]>`
      -- react: the emojis of those that would get another
      select distinct r.message_id as "messageId", r.emoji
      from messaging.reaction r
      where r.community_id = ${communityId} and r.message_id in (
        select g.message_id
        from unnest(${reactions.map((one) => one.messageId)}::text[], ${reactions.map((one) => one.emoji)}::text[])
          as g(message_id, emoji)
        where not exists (
          select from messaging.reaction o
          where o.community_id = ${communityId} and o.message_id = g.message_id and o.emoji = g.emoji
        )
      )`;
    const deleted = new Set(found.filter(({ isDeleted }) => isDeleted).map(({ id }) => id));
    const emojis = new Map(ids.map((id) => [id, new Set<string>()]));
    for (const { messageId, emoji } of standing) emojis.get(messageId)?.add(emoji);

    const refusals = reactions.map(({ messageId, emoji }) => {
      if (deleted.has(messageId))
        return new Refusal('CONFLICT', 'The message is deleted.', {}, ['input', 'messageId']);
      const there = emojis.get(messageId) ?? new Set();
      if (!there.has(emoji) && there.size >= mostEmojis) {
        const problem = `A message has at most ${mostEmojis} different emojis: use one of those that stand on it.`;
        return new Refusal('LIMIT_EXCEEDED', problem, {}, ['input', 'emoji']);
      }
      there.add(emoji);
      return undefined;
    });
    const added = await addReactions(
      tx,
      communityId,
      reactions.filter((_, at) => refusals[at] === undefined),
    );
    const isNew = ({ messageId, emoji, userId }: NewReaction) =>
      added.some((one) => one.messageId === messageId && one.emoji === emoji && one.userId === userId);
    return reactions.map((one, at) => refusals[at] ?? isNew(one));
  });
}

type Added = Pick<NewReaction, 'messageId' | 'emoji' | 'userId'>;

/** Stores reactions and tells the log of those that are new, in one statement. @returns the new ones. */
export async function addReactions(
  sql: Sql,
  communityId: string,
  reactions: readonly (NewReaction & { createdAt?: Date })[],
): Promise<Added[]> {
  if (reactions.length === 0) return [];
  return sql<Added[]>`
    -- addReactions
    with given as (
      select distinct on ("messageId", emoji, "userId") *
      from jsonb_to_recordset(${sql.json(reactions as never)}) g(
        "messageId" text, emoji text, "userId" text, "createdAt" timestamptz
      )
      order by "messageId", emoji, "userId"
    ), changed as (
      insert into messaging.reaction (community_id, message_id, emoji, user_id, created_at)
      select ${communityId}, "messageId", emoji, "userId", coalesce("createdAt", now())
      from given
      order by 2, 3, 4
      on conflict do nothing
      returning *
    ), ${told(sql, communityId, true)}
    select message_id as "messageId", emoji, user_id as "userId" from changed, (select count(*) from told) t`;
}

/** Takes a person's emoji off a message. @returns whether it was there. */
export async function unreact(sql: Sql, communityId: string, reaction: NewReaction): Promise<boolean> {
  const { messageId, emoji, userId } = reaction;
  const rows = await sql`
    -- unreact
    with changed as (
      delete from messaging.reaction
      where community_id = ${communityId} and message_id = ${messageId} and emoji = ${emoji} and user_id = ${userId}
      returning *
    ), ${told(sql, communityId, false)}
    select from changed, (select count(*) from told) t`;
  return rows.length > 0;
}

/**
 * How often each emoji stands on each message, the most frequent first; `[]` where none.
 * @param userId  whose own reactions are marked; null: nobody's.
 * @cost one query.
 */
export async function reactionsByMessage(
  sql: Sql,
  communityId: string,
  messageIds: readonly string[],
  userId: string | null = null,
): Promise<ReactionCount[][]> {
  const rows = await sql<(ReactionCount & { messageId: string })[]>`
    -- reactionsByMessage
    select message_id as "messageId", emoji, count(*)::int as count,
      coalesce(bool_or(user_id = ${userId}), false) as reacted
    from messaging.reaction
    where community_id = ${communityId} and message_id = any(${messageIds as string[]})
    group by message_id, emoji
    order by count desc, emoji`;
  return groupTo(messageIds, rows, ({ messageId }) => messageId);
}

/** Tells the log of the reactions `changed`, each with the audience of its message. */
function told(sql: Sql, communityId: string, added: boolean) {
  return sql`told as (
    select log.append(${communityId}, 'messages', jsonb_agg(jsonb_build_object(
      'kind', 'MessageReacted', 'user_id', c.user_id, 'channel_id', m.channel_id,
      'payload', jsonb_strip_nulls(jsonb_build_object(
        'messageId', c.message_id, 'authorId', m.author_id, 'replyToId', m.reply_to_id, 'audienceId', m.audience_id,
        'emoji', c.emoji, 'added', ${added}::boolean, 'createdAt', c.created_at
      ))
    ) order by c.created_at, c.message_id, c.emoji, c.user_id))
    from changed c
    join messaging.message m on m.community_id = c.community_id and m.id = c.message_id
    having count(*) > 0
  )`;
}
