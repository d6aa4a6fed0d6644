import type { Sql } from '../../subgraphs/db.ts';
import { newId } from '../../subgraphs/id.ts';
import { eventsAfter, type LogEvent } from '../../subgraphs/log.ts';
import { addMessages, type NewMessage } from '../../subgraphs/messaging/sending.ts';
import type { TestCommunity } from './community.ts';

// What is said in a test community, made by the domain's own functions.

/** Messages of the first member in the first channel, unless details say otherwise. @returns their ids, in their order. */
export async function said(
  sql: Sql,
  { id, memberIds, channelIds }: TestCommunity,
  ...messages: readonly (Partial<NewMessage> & { createdAt?: Date })[]
): Promise<string[]> {
  const rows = messages.map((details, n) => ({
    id: newId('Message'),
    channelId: channelIds[0] ?? '',
    authorId: memberIds[0] ?? '',
    body: `Text ${n}`,
    replyToId: null,
    idempotencyKey: newId('Message'),
    ...details,
  }));
  await addMessages(sql, id, rows);
  return rows.map((row) => row.id);
}

/** What the log's stream `messages` tells of a test community. */
export function told(sql: Sql, { id }: TestCommunity): Promise<LogEvent[]> {
  return eventsAfter(sql, { communityId: id, stream: 'messages' }, 0, 1_000);
}
