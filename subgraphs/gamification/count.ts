import { alignTo, type Sql } from '../db.ts';
import type { LogEvent } from '../log.ts';
import type { LogReader } from '../log-reader.ts';
import type { Counter, Posting } from './decide.ts';
import { ownOrigin } from './origin.ts';
import { post } from './posting.ts';

// How often people did what is counted of them, whether or not it earned. What they say and react with, messaging tells the
// log; here it becomes events like any other, which rules may reward.

export type Counts = Record<Counter, number>;

/** How often each person did what; zeros where never. @cost one query by primary key. */
export async function countsByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Counts[]> {
  const rows = await sql<(Counts & { userId: string })[]>`
    -- countsByUser
    select user_id as "userId", messages, replies, reactions, visits, referrals, socials
    from gamification.profile
    where community_id = ${communityId} and user_id = any(${userIds as string[]})`;
  return alignTo(userIds, rows, ({ userId }) => userId).map(
    (row) => row ?? { messages: 0, replies: 0, reactions: 0, visits: 0, referrals: 0, socials: 0 },
  );
}

/**
 * Makes events of messages, replies and reactions. A reaction given again after it was withdrawn is the same event, and
 * what is withdrawn or deleted stays counted: it was done.
 */
export const talkReader: LogReader = {
  name: 'gamification.talk',
  stream: 'messages',
  async handle(sql, communityId, events) {
    const postings = events.flatMap((event) => postingOf(event) ?? []);
    if (postings.length > 0) await post(sql, communityId, postings);
  },
};

function postingOf({ kind, userId, payload, occurredAt }: LogEvent): Posting | undefined {
  if (userId === null) return undefined;
  const { messageId, replyToId, emoji, added } = payload;
  const common = { userId, occurredAt, amount: null, metadata: { messageId }, origin: ownOrigin };
  if (kind === 'MessagePosted') {
    const eventType = replyToId == null ? 'message' : 'reply';
    return { ...common, eventType, reference: String(messageId) };
  }
  if (kind !== 'MessageReacted' || added === false) return undefined;
  return { ...common, eventType: 'reaction', reference: `${messageId} ${emoji} ${userId}` };
}
