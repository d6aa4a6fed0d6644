import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import type { LogReader } from '../log-reader.ts';
import type { Criterion } from './awarding.ts';
import { awardPosting } from './badge-award.ts';
import { ownOrigin } from './origin.ts';
import { post } from './posting.ts';
import { holdOffPostings } from './posting-lock.ts';

// Who reached a badge's measure before the badge had it: they are awarded it in the background, some at a time. What is
// left is told by the log again, so that it goes on wherever a process ended.

const atATime = 500;

/** A badge that was opened, and the last person that was looked at. */
interface Opened {
  badgeId: string;
  after: string;
}

/** Awards badges that were opened to people who reached them before. */
export const badgeReached: LogReader = {
  name: 'badge-reached',
  stream: 'badges',
  async handle(sql, communityId, events) {
    const opened = events.map(({ payload }) => payload as unknown as Opened);
    // Whoever posts now may not know the badge yet: they are waited for, and looked at once all others may post again.
    if (opened.some(({ after }) => after === '')) {
      await holdOffPostings(sql, communityId);
      await tellLeft(
        sql,
        communityId,
        opened.map(({ badgeId, after }) => ({ badgeId, after: after || beforeAll })),
      );
      return;
    }
    const awards: { badgeId: string; userId: string }[] = [];
    const left: Opened[] = [];
    for (const { badgeId, after } of opened) {
      if (awards.length >= atATime) {
        left.push({ badgeId, after });
        continue;
      }
      const people = await reachedBefore(sql, communityId, { badgeId, after });
      awards.push(...people.map((userId) => ({ badgeId, userId })));
      const last = people.at(-1);
      if (people.length === atATime && last !== undefined) left.push({ badgeId, after: last });
    }
    const answers = await post(
      sql,
      communityId,
      awards.map((award) =>
        awardPosting({
          ...award,
          reference: `${award.badgeId} ${award.userId}`,
          attachmentUrl: null,
          origin: ownOrigin,
        }),
      ),
    );
    const fault = answers.find((answer) => answer instanceof Refusal && !expected.includes(answer.code));
    if (fault !== undefined) throw fault;
    if (left.length > 0) await tellLeft(sql, communityId, left);
  },
};

/** A place before all ids of people. */
const beforeAll = ' ';

async function tellLeft(sql: Sql, communityId: string, left: readonly Opened[]): Promise<void> {
  await sql`
    -- badgeReached: what is left
    select log.append(${communityId}, 'badges', ${sql.json(
      left.map(({ badgeId, after }) => ({ kind: 'BadgeOpened', payload: { badgeId, after } })),
    )})`;
}

/** It ran out, or was changed or awarded by hand in the meantime. */
const expected: readonly string[] = ['LIMIT_EXCEEDED', 'CONFLICT', 'NOT_FOUND'];

/** The next people, by id, who have what a badge is awarded for and never had it. */
async function reachedBefore(sql: Sql, communityId: string, { badgeId, after }: Opened): Promise<string[]> {
  const [badge] = await sql<Criterion[]>`
    -- reachedBefore: the badge
    select measure, at_least as "atLeast"
    from gamification.badge
    where community_id = ${communityId} and id = ${badgeId} and measure is not null and enabled
      and deleted_at is null and (quantity is null or award_count < quantity)`;
  if (badge === undefined) return [];
  const rows = await sql<{ userId: string }[]>`
    -- reachedBefore
    select p.user_id as "userId"
    from gamification.profile p
    where p.community_id = ${communityId} and p.user_id > ${after}
      and p.${sql(badge.measure.toLowerCase())} >= ${badge.atLeast}
      and not exists (
        select from gamification.badge_award a
        where a.community_id = ${communityId} and a.badge_id = ${badgeId} and a.user_id = p.user_id
      )
    order by p.user_id
    limit ${atATime}`;
  return rows.map(({ userId }) => userId);
}
