import type { Sql } from '../db.ts';

// Uses of rules with limits: what caps and cooldowns count. The longest cooldown is 366 days, and events may be late, so
// uses are kept for longer than that; those of a rule that pays a person only so often ever, as long as it has that cap.

/** How long uses count for caps of a day and a week and for cooldowns: an event that is later than this meets none. */
export const usesKeptDays = 800;

const batch = 5_000;

/** Forgets the uses that no cap and no cooldown needs any more, in batches. @returns how many. */
export async function pruneUses(sql: Sql): Promise<number> {
  for (let forgotten = 0; ; ) {
    const { count } = await sql`
      -- pruneUses
      delete from gamification.rule_use where ctid = any(array(
        select u.ctid from gamification.rule_use u
        where u.day < current_date - ${usesKeptDays}::integer and not exists (
          select from gamification.rule r
          where r.community_id = u.community_id and r.id = u.rule_id and r.lifetime_cap is not null
        )
        limit ${batch}
        for update skip locked
      ))`;
    forgotten += count;
    if (count < batch) return forgotten;
  }
}
