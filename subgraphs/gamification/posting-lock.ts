import type { Sql, SqlPart } from '../db.ts';

// What all postings of a community share, so that others can keep it as it is, or wait for them. The function
// `gamification.hold` takes the same locks by the same keys.

/** The first key of the advisory lock of a community's level curve: postings share it, a change of the curve has it alone. */
export const curveLock = 4_107;

/** Waits for all who post in the community, and keeps others from it until this transaction has ended. */
export async function holdOffPostings(tx: Sql, communityId: string): Promise<void> {
  await tx`
    -- holdOffPostings: in the order that postings take these in
    select pg_advisory_xact_lock_shared(${curveLock}, hashtext(${communityId})),
      pg_advisory_xact_lock(${scoreLock(tx, communityId)})`;
}

/** The key of the advisory lock of a community's runs: whoever changes scores shares it, who begins a run has it alone. */
export function scoreLock(tx: Sql, communityId: string): SqlPart {
  return tx`hashtextextended(${`laurel.score ${communityId}`}, 0)`;
}
