import type { Sql } from '../db.ts';

// What of a community is bounded by number, and which therefore one adds at a time: two who count at once would both add.

/** What is defined of a community. */
export type Defined = 'rule' | 'badge' | 'tier' | 'leaderboard';

/** Lets changes of one kind of a community's definitions follow one another until the transaction ends; before all other locks. */
export async function lockChanges(tx: Sql, communityId: string, defined: Defined): Promise<void> {
  await tx`
    -- lockChanges
    select pg_advisory_xact_lock(hashtextextended(${`laurel.${defined} ${communityId}`}, 0))`;
}
