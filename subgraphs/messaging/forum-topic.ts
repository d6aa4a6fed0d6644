import { alignTo, groupTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';
import { notClosed, readerOf, withinKey } from './message.ts';

// Topics: what the messages of a forum gather under. Who may write in the forum may begin one.

export interface ForumTopic {
  id: string;
  channelId: string;
  authorId: string;
  title: string;
  createdAt: Date;
}

export interface NewForumTopic {
  channelId: string;
  authorId: string;
  title: string;
  idempotencyKey: string;
}

/**
 * Begins a topic.
 * @param topic  of a member: `authorId` is checked before.
 * @throws NOT_FOUND, FORBIDDEN, CONFLICT  the channel is no forum.   @throws IDEMPOTENCY_KEY_REUSED
 */
export async function createForumTopic(
  sql: Sql,
  principal: Principal,
  topic: NewForumTopic,
): Promise<{ topic: ForumTopic; replayed: boolean }> {
  const communityId = communityOf(principal);
  await mustBeAForum(sql, principal, topic.channelId);
  const [added] = await addForumTopics(sql, communityId, [{ ...topic, id: newId('ForumTopic') }]);
  if (added !== undefined) return { topic: added, replayed: false };
  const [first] = await sql<ForumTopic[]>`
    -- createForumTopic: the first
    select ${columns(sql)}
    from messaging.forum_topic t
    where t.community_id = ${communityId} and t.author_id = ${topic.authorId}
      and t.idempotency_key = ${topic.idempotencyKey}`;
  if (first?.channelId === topic.channelId && first.title === topic.title)
    return { topic: first, replayed: true };
  const problem = `The idempotency key "${topic.idempotencyKey}" was used for another topic: use a new one.`;
  throw new Refusal('IDEMPOTENCY_KEY_REUSED', problem, {}, ['input', 'idempotencyKey']);
}

/** Stores topics; those whose idempotency key is known are left out of the answer. */
export async function addForumTopics(
  sql: Sql,
  communityId: string,
  topics: readonly (NewForumTopic & { id: string; createdAt?: Date })[],
): Promise<ForumTopic[]> {
  return sql<ForumTopic[]>`
    -- addForumTopics
    insert into messaging.forum_topic as t (
      community_id, id, channel_id, author_id, title, idempotency_key, created_at
    )
    select ${communityId}, n.id, n."channelId", n."authorId", n.title, n."idempotencyKey",
      coalesce(n."createdAt", now())
    from jsonb_to_recordset(${sql.json(topics as never)}) n(
      id text, "channelId" text, "authorId" text, title text, "idempotencyKey" text, "createdAt" timestamptz
    )
    order by n."authorId", n."idempotencyKey"
    on conflict (community_id, author_id, idempotency_key) do nothing
    returning ${columns(sql)}`;
}

/** Topics by id, in their order; null where there is none that the caller may read. @cost one query by primary key. */
export async function forumTopicsById(
  sql: Sql,
  principal: Principal,
  ids: readonly string[],
): Promise<(ForumTopic | null)[]> {
  const rows = await sql<ForumTopic[]>`
    -- forumTopicsById
    select ${columns(sql)}
    from messaging.forum_topic t
    where t.community_id = ${communityOf(principal)} and t.id = any(${ids as string[]}) ${readable(sql, principal)}`;
  return alignTo(ids, rows, ({ id }) => id);
}

/**
 * The topics of each channel that the caller may read, newest first.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source index forum_topic_channel.   @cost one query, O(ids x page) rows.
 */
export async function forumTopicsByChannel(
  sql: Sql,
  principal: Principal,
  channelIds: readonly string[],
  page: PageArguments,
): Promise<Page<ForumTopic>[]> {
  const request = pageRequest('forum-topic', page);
  const { beyond, order } = keyset(sql, request, { at: 't.created_at', id: 't.id', newestFirst: true });
  const rows = await sql<ForumTopic[]>`
    -- forumTopicsByChannel
    select p.*
    from unnest(${channelIds as string[]}::text[]) as c(id)
    cross join lateral (
      select ${columns(sql)}
      from messaging.forum_topic t
      where t.community_id = ${communityOf(principal)} and t.channel_id = c.id ${readable(sql, principal)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) p`;
  return groupTo(channelIds, rows, (row) => row.channelId).map((own) =>
    pageOf(own, request, ({ createdAt, id }) => ({ at: createdAt, id })),
  );
}

async function mustBeAForum(sql: Sql, principal: Principal, channelId: string): Promise<void> {
  const path = ['input', 'channelId'];
  const writer = [principal.userId ?? null] as string[];
  const [channel] = await sql<{ known: boolean; allowed: boolean; kind: string }[]>`
    -- mustBeAForum
    select m.known, m.allowed, k.kind
    from community.may(${communityOf(principal)}, ${writer}, ${[channelId]}, 'POST_MESSAGES') m
    left join community.channel_kinds(${communityOf(principal)}, ${[channelId]}) k on true`;
  if (!channel?.known || !withinKey(principal, channelId))
    throw new Refusal('NOT_FOUND', `No channel has the id "${channelId}".`, {}, path);
  if (channel.kind !== 'FORUM')
    throw new Refusal('CONFLICT', 'Topics are begun in forums; this channel is none.', {}, path);
  if (!channel.allowed) throw new Refusal('FORBIDDEN', 'This forum takes no topics from you.', {}, path);
}

function readable(sql: Sql, principal: Principal) {
  const { communityId = '', channelIds } = principal;
  return sql`
    ${channelIds === undefined ? sql`` : sql`and t.channel_id = any(${channelIds as string[]})`}
    ${actsAsPerson(principal) ? sql`and t.channel_id in (select community.readable_channels(${communityId}, ${readerOf(principal)}, true))` : notClosed(sql, communityId, sql`t.channel_id`)}`;
}

function columns(sql: Sql) {
  return sql`t.id, t.channel_id as "channelId", t.author_id as "authorId", t.title, t.created_at as "createdAt"`;
}
