import type { Chore } from '../chore.ts';
import { type Sql, transaction } from '../db.ts';
import type { LogReader } from '../log-reader.ts';
import { tellSignal } from './signal.ts';

// What becomes of a deleted channel: nobody reads any more what was said there, streams on it end, and its messages go with
// all that stood on them, some at a time. What they earned stays with those who wrote them.

/** In the log's stream `messages`: there is no more to tell of a channel. It is no item, so nobody is told it. */
export const channelClosed = 'ChannelClosed';

/** Messages, or topics, that one step takes away. */
const mostAtOnce = 500;
/** What was being sent while the channel was deleted has come by then. */
const lateMs = 60_000;

/** Hears which channels were deleted, and lets their streams end. */
export const closedChannels: LogReader = {
  name: 'messaging.closed-channels',
  stream: 'access',
  async handle(sql, communityId, events) {
    const ids = events.flatMap(({ kind, channelId }) =>
      kind === 'ChannelDeleted' && channelId !== null ? [channelId] : [],
    );
    if (ids.length === 0) return;
    await sql`
      -- closedChannels
      with closed as (
        insert into messaging.closed_channel (community_id, channel_id)
        select ${communityId}, c.id from unnest(${ids}::text[]) as c(id) order by c.id
        on conflict do nothing
        returning channel_id
      )
      select log.append(${communityId}, 'messages', jsonb_agg(jsonb_build_object(
        'kind', ${channelClosed}::text, 'channel_id', channel_id, 'payload', '{}'::jsonb
      )))
      from closed
      having count(*) > 0`;
    // Who follows who writes there looks too, and is refused.
    for (const channelId of ids)
      await tellSignal(sql, { communityId, kind: 'typing', userId: '', channelId, at: Date.now() });
  },
};

/** Takes away what deleted channels hold. */
export const emptyClosedChannels: Chore = {
  everyMs: 1_000,
  work: ({ sql, files, now }) => emptyClosedChannel(sql, (key) => files.store.remove(key), now()),
};

/**
 * One step of emptying a deleted channel; of many processes one works on a channel at a time.
 * @param remove  takes away the bytes under a key.
 * @returns whether there is more to do, now.
 * @cost up to nine statements, one transaction, O(`mostAtOnce`) messages.
 */
export async function emptyClosedChannel(
  sql: Sql,
  remove: (key: string) => Promise<void>,
  now: Date,
): Promise<boolean> {
  return transaction(sql, async (tx) => {
    const [closed] = await tx<{ communityId: string; channelId: string; closedAt: Date }[]>`
      -- emptyClosedChannel
      select community_id as "communityId", channel_id as "channelId", closed_at as "closedAt"
      from messaging.closed_channel c
      where c.closed_at <= ${new Date(now.getTime() - lateMs)} or exists (
        select from messaging.message m where m.community_id = c.community_id and m.channel_id = c.channel_id
      ) or exists (
        select from messaging.forum_topic t where t.community_id = c.community_id and t.channel_id = c.channel_id
      )
      limit 1
      for update skip locked`;
    if (closed === undefined) return false;
    const { communityId, channelId, closedAt } = closed;
    if ((await emptyOfMessages(tx, communityId, channelId, remove)) === mostAtOnce) return true;
    if ((await emptyOfTopics(tx, communityId, channelId)) === mostAtOnce) return true;
    await forgetHabits(tx, communityId, channelId);
    if (closedAt.getTime() > now.getTime() - lateMs) return true;
    await tx`
      -- emptyClosedChannel: it is empty
      delete from messaging.closed_channel where community_id = ${communityId} and channel_id = ${channelId}`;
    return true;
  });
}

/** @returns how many messages went. */
async function emptyOfMessages(
  sql: Sql,
  communityId: string,
  channelId: string,
  remove: (key: string) => Promise<void>,
): Promise<number> {
  const messages = await sql<{ id: string }[]>`
    -- emptyOfMessages
    select id from messaging.message
    where community_id = ${communityId} and channel_id = ${channelId}
    order by created_at desc, id desc
    limit ${mostAtOnce}`;
  const ids = messages.map(({ id }) => id);
  if (ids.length === 0) return 0;
  const files = await sql<{ id: string }[]>`
    -- emptyOfMessages: their files
    select id from messaging.attachment where community_id = ${communityId} and message_id = any(${ids})`;
  // The bytes first: a row without bytes is found again, bytes without a row never.
  for (const { id } of files) await remove(`${communityId}/${id}`);
  await sql`
    -- emptyOfMessages: all of them
    with reactions as (
      delete from messaging.reaction where community_id = ${communityId} and message_id = any(${ids})
    ), attachments as (
      delete from messaging.attachment where community_id = ${communityId} and message_id = any(${ids})
    )
    delete from messaging.message where community_id = ${communityId} and id = any(${ids})`;
  return ids.length;
}

/** @returns how many topics went. */
async function emptyOfTopics(sql: Sql, communityId: string, channelId: string): Promise<number> {
  const { count } = await sql`
    -- emptyOfTopics
    delete from messaging.forum_topic
    where community_id = ${communityId} and id = any(array(
      select id from messaging.forum_topic
      where community_id = ${communityId} and channel_id = ${channelId}
      limit ${mostAtOnce}
    ))`;
  return count;
}

/** How far people had read, how fast they might write, and who wrote. */
async function forgetHabits(sql: Sql, communityId: string, channelId: string): Promise<void> {
  await sql`
    -- forgetHabits
    with marks as (
      delete from messaging.read_mark where community_id = ${communityId} and channel_id = ${channelId}
    )
    delete from messaging.slow_mode where community_id = ${communityId} and channel_id = ${channelId}`;
}
