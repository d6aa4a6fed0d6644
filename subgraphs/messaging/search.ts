import type { Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { communityOf, type Principal } from '../principal.ts';
import { type Message, messageColumns, placeOfMessage, readable } from './message.ts';

// Search by words, newest first: in a conversation when something was said tells more than how often a word is in it, and
// pages keep their order while others write. Words are compared as they are written, in lower case, whatever the language
// and whatever markup they stand in.

/** What to look for. */
export interface Search {
  /** As people type it: words, "a phrase", or, -without. */
  query: string;
  /** null: in every channel that the caller reads. */
  channelIds: readonly string[] | null;
  authorId: string | null;
}

/**
 * The messages with these words that the caller may read, newest first; none that are deleted.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source index message_search.   @cost one query, O(messages with the words).
 */
export async function searchMessages(
  sql: Sql,
  principal: Principal,
  { query, channelIds, authorId }: Search,
  page: PageArguments,
): Promise<Page<Message>> {
  const communityId = communityOf(principal);
  const request = pageRequest('message-search', page);
  const { beyond, order } = keyset(sql, request, { at: 'm.created_at', id: 'm.id', newestFirst: true });
  const rows = await sql<Message[]>`
    -- searchMessages
    select ${messageColumns(sql)}
    from websearch_to_tsquery('simple', translate(${query}, '<>', '  ')) q, messaging.message m
    where m.community_id = ${communityId} and m.search @@ (q && ${`'${communityId}'`}::tsquery)
      and numnode(q) > 0 and m.deleted_at is null
      ${channelIds === null ? sql`` : sql`and m.channel_id = any(${channelIds as string[]})`}
      ${authorId === null ? sql`` : sql`and m.author_id = ${authorId}`}
      ${readable(sql, principal)} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, placeOfMessage);
}
