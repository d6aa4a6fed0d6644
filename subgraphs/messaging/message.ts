import { alignTo, groupTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';

// Messages as they are read: a reply is a message of the same channel that names the one it answers, a deleted message
// keeps its place without its text. A message with an audience is for one member and those who moderate its channel.

export interface Message {
  id: string;
  channelId: string;
  authorId: string;
  /** null once deleted. */
  body: string | null;
  replyToId: string | null;
  forumTopicId: string | null;
  /** The one member who reads it besides those who moderate; null: all who read the channel. */
  audienceId: string | null;
  mentions: string[];
  createdAt: Date;
  editedAt: Date | null;
  deletedAt: Date | null;
  pinnedAt: Date | null;
}

export type MessageOwner = 'channel' | 'author' | 'reply' | 'topic';

const owners = {
  channel: { column: 'channel_id', newestFirst: true },
  author: { column: 'author_id', newestFirst: true },
  reply: { column: 'reply_to_id', newestFirst: false },
  topic: { column: 'forum_topic_id', newestFirst: true },
} as const;

/** Messages by id, in their order; null where there is none that the caller may read. @cost one query by primary key. */
export async function messagesById(
  sql: Sql,
  principal: Principal,
  ids: readonly string[],
): Promise<(Message | null)[]> {
  const rows = await sql<Message[]>`
    -- messagesById
    select ${messageColumns(sql)}
    from messaging.message m
    where m.community_id = ${communityOf(principal)} and m.id = any(${ids as string[]}) ${readable(sql, principal)}`;
  return alignTo(ids, rows, ({ id }) => id);
}

/**
 * The messages of each channel, author or topic, newest first, or the replies to each message, oldest first; only those
 * that the caller may read.
 * @param within  the one channel they have to be of; null: any.
 * @returns one page per id, in their order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table message and its indexes by created_at.   @cost one query, O(ids x page) rows.
 */
export async function messagesBy(
  sql: Sql,
  principal: Principal,
  owner: MessageOwner,
  ids: readonly string[],
  page: PageArguments,
  within: string | null = null,
): Promise<Page<Message>[]> {
  const { column, newestFirst } = owners[owner];
  const request = pageRequest(`message-${owner}`, page);
  const { beyond, order } = keyset(sql, request, { at: 'm.created_at', id: 'm.id', newestFirst });
  const rows = await sql<(Message & { owner: string })[]>`
    -- messagesBy
    select o.owner, p.*
    from unnest(${ids as string[]}::text[]) as o(owner)
    cross join lateral (
      select ${messageColumns(sql)}
      from messaging.message m
      where m.community_id = ${communityOf(principal)} and m.${sql(column)} = o.owner
        ${within === null ? sql`` : sql`and m.channel_id = ${within}`}
        ${readable(sql, principal)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) p`;
  return groupTo(ids, rows, (row) => row.owner).map((own) => pageOf(own, request, placeOfMessage));
}

/** Whether the credential's own limits leave it the channel. */
export function withinKey({ channelIds }: Principal, channelId: string): boolean {
  return channelIds === undefined || channelIds.includes(channelId);
}

/** The person, or the class of people, as community's ports take it; null: no person. */
export function readerOf({ userId, readsAs }: Principal): string | null {
  return userId ?? readsAs ?? null;
}

/**
 * Narrows the messages `m` to what the caller may read; a key of the community without limits reads everything that isn't
 * of a deleted channel. What a whisper channel has for all is for whoever sees the channel.
 */
export function readable(sql: Sql, principal: Principal) {
  const { communityId = '', userId = null, channelIds } = principal;
  const limits = channelIds === undefined ? sql`` : sql`and m.channel_id = any(${channelIds as string[]})`;
  if (!actsAsPerson(principal)) return sql`${limits} ${notClosed(sql, communityId, sql`m.channel_id`)}`;
  const reader = readerOf(principal);
  return sql`${limits}
    and m.channel_id in (select community.visible_channels(${communityId}, ${reader}, true))
    and (m.audience_id is null or m.audience_id = ${userId}
      or m.channel_id in (select community.readable_channels(${communityId}, ${reader}, true)))`;
}

/** Leaves out what is of a channel that was deleted, and will be taken away (closed-channel.ts). */
export function notClosed(sql: Sql, communityId: string, channelId: ReturnType<Sql>) {
  return sql`and not exists (
    select from messaging.closed_channel x where x.community_id = ${communityId} and x.channel_id = ${channelId}
  )`;
}

/** The columns of a message `m`, as `Message` has them. */
export function messageColumns(sql: Sql) {
  return sql`m.id, m.channel_id as "channelId", m.author_id as "authorId", m.body, m.reply_to_id as "replyToId",
    m.forum_topic_id as "forumTopicId", m.audience_id as "audienceId", m.mentions, m.created_at as "createdAt",
    m.edited_at as "editedAt", m.deleted_at as "deletedAt", m.pinned_at as "pinnedAt"`;
}

/** Where a message stands in lists by the time it was sent. */
export function placeOfMessage({ createdAt, id }: Message): { at: Date; id: string } {
  return { at: createdAt, id };
}
