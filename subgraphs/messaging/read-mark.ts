import { alignTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { communityOf, type Principal } from '../principal.ts';
import { type Message, readable } from './message.ts';

// How far a person has read in a channel, and how much is new beyond that. Counting stops at a hundred, so that a channel
// where a million was missed costs no more than a busy one.

/** The count that stands for it and all above. */
export const manyUnread = 100;

/** Where a person stands in a channel. */
export interface ReadMark {
  channelId: string;
  /** The last message read; null: none was marked. */
  messageId: string | null;
  /** What others said since, up to `manyUnread`. */
  unread: number;
}

/**
 * Marks all up to a message as read; a mark never moves back.
 * @param message  as the caller read it.
 * @throws FORBIDDEN  for a caller who is no person.
 */
export async function markRead(sql: Sql, principal: Principal, message: Message): Promise<void> {
  if (principal.userId === undefined) {
    const problem = 'What was read is about one person: use a session or a personal key.';
    throw new Refusal('FORBIDDEN', problem, {}, ['input', 'messageId']);
  }
  await sql`
    -- markRead
    insert into messaging.read_mark as r (community_id, user_id, channel_id, message_id, read_to)
    values (
      ${communityOf(principal)}, ${principal.userId}, ${message.channelId}, ${message.id}, ${message.createdAt}
    )
    on conflict (community_id, user_id, channel_id) do update
    set message_id = excluded.message_id, read_to = excluded.read_to
    where (r.read_to, r.message_id) < (excluded.read_to, excluded.message_id)`;
}

/**
 * Where the caller stands in channels; null in those of which nothing is known.
 * @cost one query, at most `manyUnread` rows of an index a channel.
 */
export async function readMarks(
  sql: Sql,
  principal: Principal,
  channelIds: readonly string[],
): Promise<(ReadMark | null)[]> {
  const { userId } = principal;
  if (userId === undefined) return channelIds.map(() => null);
  const communityId = communityOf(principal);
  const rows = await sql<ReadMark[]>`
    -- readMarks
    select c.id as "channelId", r.message_id as "messageId", u.unread
    from unnest(${channelIds as string[]}::text[]) as c(id)
    left join messaging.read_mark r
      on r.community_id = ${communityId} and r.user_id = ${userId} and r.channel_id = c.id
    cross join lateral (
      select count(*)::int as unread
      from (
        select
        from messaging.message m
        where m.community_id = ${communityId} and m.channel_id = c.id
          and (m.created_at, m.id) > (coalesce(r.read_to, '-infinity'), coalesce(r.message_id, ''))
          and m.author_id <> ${userId} and m.deleted_at is null ${readable(sql, principal)}
        limit ${manyUnread}
      ) unseen
    ) u`;
  return alignTo(channelIds, rows, ({ channelId }) => channelId);
}
