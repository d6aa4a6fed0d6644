import { groupTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { communityOf, type Principal } from '../principal.ts';
import { type Message, messageColumns, messagesById, readable } from './message.ts';
import { noteMessage, toldOf } from './message-change.ts';
import { may } from './right.ts';

// Pins: the few messages of a channel that newcomers should see first.

/** Pinned messages a channel may have. */
export const mostPins = 50;

/**
 * Pins a message or takes the pin off, and tells the log; what is so already stays as it is.
 * @param message  as the caller read it.
 * @throws FORBIDDEN  for whoever may not pin there.   @throws CONFLICT  it is deleted.
 * @throws LIMIT_EXCEEDED  the channel has `mostPins` of them.
 */
export async function setPinned(
  sql: Sql,
  principal: Principal,
  message: Message,
  pinned: boolean,
): Promise<Message> {
  const communityId = communityOf(principal);
  const { id, channelId } = message;
  if (!(await may(sql, principal, channelId, ['PIN_MESSAGES', 'MANAGE_MESSAGES']))) {
    const problem = 'Pinning takes the permission PIN_MESSAGES or MANAGE_MESSAGES in the channel.';
    throw new Refusal('FORBIDDEN', problem, {}, ['input', 'messageId']);
  }
  return transaction(sql, async (tx) => {
    // One at a time in a channel, or two could both be the last that there is room for.
    await tx`
      -- setPinned: alone
      select pg_advisory_xact_lock(hashtextextended(${`${communityId} ${channelId} pins`}, 0))`;
    const [changed] = await tx<Message[]>`
      -- setPinned
      with m as (
        update messaging.message
        set pinned_at = case when ${pinned} then clock_timestamp() end
        where community_id = ${communityId} and id = ${id} and deleted_at is null
          and (pinned_at is not null) <> ${pinned}
          and (not ${pinned} or ${mostPins} > (
            select count(*) from messaging.message
            where community_id = ${communityId} and channel_id = ${channelId} and pinned_at is not null
          ))
        returning *
      ), told as (${toldOf(tx, principal, 'MessagePinned', { pinned })})
      select ${messageColumns(tx)} from m, (select count(*) from told) t`;
    if (changed !== undefined) {
      await noteMessage(tx, principal, pinned ? 'MESSAGE_PINNED' : 'MESSAGE_UNPINNED', message);
      return changed;
    }
    const [asItIs] = await messagesById(tx, principal, [id]);
    const path = ['input', 'messageId'];
    if (asItIs == null || asItIs.deletedAt !== null)
      throw new Refusal('CONFLICT', 'The message is deleted.', {}, path);
    if (pinned && asItIs.pinnedAt === null) {
      const problem = `A channel has at most ${mostPins} pinned messages: take the pin off another.`;
      throw new Refusal('LIMIT_EXCEEDED', problem, {}, path);
    }
    return asItIs;
  });
}

/**
 * The pinned messages of each channel that the caller may read, the latest pinned first.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source index message_pinned.   @cost one query, O(ids x page) rows.
 */
export async function pinnedByChannel(
  sql: Sql,
  principal: Principal,
  channelIds: readonly string[],
  page: PageArguments,
): Promise<Page<Message>[]> {
  const request = pageRequest('pinned', page);
  const { beyond, order } = keyset(sql, request, { at: 'm.pinned_at', id: 'm.id', newestFirst: true });
  const rows = await sql<Message[]>`
    -- pinnedByChannel
    select p.*
    from unnest(${channelIds as string[]}::text[]) as c(id)
    cross join lateral (
      select ${messageColumns(sql)}
      from messaging.message m
      where m.community_id = ${communityOf(principal)} and m.channel_id = c.id and m.pinned_at is not null
        ${readable(sql, principal)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) p`;
  return groupTo(channelIds, rows, (row) => row.channelId).map((own) =>
    pageOf(own, request, ({ pinnedAt, createdAt, id }) => ({ at: pinnedAt ?? createdAt, id })),
  );
}
