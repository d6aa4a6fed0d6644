import { alignTo, type Sql } from '../db.ts';
import type { Counter } from './decide.ts';

// How often people did what is counted of them, whether or not it earned.

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
