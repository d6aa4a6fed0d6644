import { alignTo, type Sql, type SqlPart } from '../db.ts';
import type { PageRequest, Places } from '../page.ts';

// Ranks in a run: 1 plus how many people have more. Who has as much shares it, and the next rank is left out: 1, 1, 3.

/** Whose ranks are asked for. */
export interface Ranking {
  runId: bigint;
  /** Whoever has 0 or less isn't ranked. */
  onlyPositive: boolean;
  /** Ranks beyond it aren't told; null: all are. */
  topLimit: number | null;
}

/** Where a person stands. */
export interface Standing {
  userId: string;
  score: bigint;
  rank: number;
  /** How many others have the same score. */
  tiedWith: number;
  /** How many people are ranked. */
  people: number;
}

/**
 * Where each person stands; null for those who aren't ranked.
 * @cost one query: the buckets of the run, and one count inside a bucket a person.
 */
export async function standingsOf(
  sql: Sql,
  communityId: string,
  ranking: Ranking,
  userIds: readonly string[],
): Promise<(Standing | null)[]> {
  const rows = await sql<Standing[]>`
    -- standingsOf
    with person as (
      select user_id, score
      from gamification.score
      where community_id = ${communityId} and run_id = ${ranking.runId} and user_id = any(${userIds as string[]})
        ${ranked(sql, communityId, ranking)}
    ), ${placed(sql, communityId, ranking)}
    select user_id as "userId", score, rank, "tiedWith", people from placed`;
  return alignTo(userIds, rows, ({ userId }) => userId);
}

/** A person's place in the order of a run. */
export interface RankPlace {
  score: bigint;
  userId: string;
}

export const rankPlaces: Places<RankPlace> = {
  words: ({ score, userId }) => [String(score), userId],
  place: ([score = '', userId = '', ...rest]) =>
    /^-?\d{1,19}$/.test(score) &&
    BigInt.asIntN(64, BigInt(score)) === BigInt(score) &&
    /^\w{1,64}$/.test(userId) &&
    rest.length === 0
      ? { score: BigInt(score), userId }
      : undefined,
};

/**
 * A page of a run, highest score first; among equals, the id that is greater.
 * @returns one row more than the page has, where there is one, in the order they were read.
 * @cost one query: the page's rows, the buckets of the run, and at most two counts inside a bucket.
 */
export async function standingsPage(
  sql: Sql,
  communityId: string,
  ranking: Ranking,
  { limit, backwards, beyond }: PageRequest<RankPlace>,
): Promise<Standing[]> {
  const upwards = backwards && beyond !== undefined;
  const from = beyond === undefined ? sql`` : beyondOf(sql, beyond, backwards);
  const rows = await pageOfRows(
    sql,
    communityId,
    ranking,
    sql`
      select user_id, score
      from gamification.score
      where community_id = ${communityId} and run_id = ${ranking.runId} ${ranked(sql, communityId, ranking, upwards)} ${from}
      order by ${backwards ? sql`score, user_id` : sql`score desc, user_id desc`}
      limit ${limit}`,
  );
  return backwards ? rows.reverse() : rows;
}

/**
 * A person's neighbours, the person among them, highest score first.
 * @param above  how many rows before the person at most.
 * @param below  how many rows after.
 * @returns one row more at either end, where there is one; `[]` when the person isn't ranked.
 * @cost as a page.
 */
export async function standingsAround(
  sql: Sql,
  communityId: string,
  ranking: Ranking,
  userId: string,
  above: number,
  below: number,
): Promise<Standing[]> {
  const inRun = sql`community_id = ${communityId} and run_id = ${ranking.runId}`;
  const own = sql`${inRun} ${ranked(sql, communityId, ranking)}`;
  return pageOfRows(
    sql,
    communityId,
    ranking,
    sql`
      select n.user_id, n.score
      from (select score as own, user_id as own_id from gamification.score where ${own} and user_id = ${userId}) o
      cross join lateral (
        (
          select user_id, score from gamification.score
          where ${inRun} and (score, user_id) > (o.own, o.own_id)
          order by score, user_id
          limit ${above + 1}
        ) union all (
          select user_id, score from gamification.score
          where ${own} and (score, user_id) <= (o.own, o.own_id)
          order by score desc, user_id desc
          limit ${below + 2}
        )
      ) n`,
  );
}

async function pageOfRows(
  sql: Sql,
  communityId: string,
  ranking: Ranking,
  rows: SqlPart,
): Promise<Standing[]> {
  const standings = await sql<(Omit<Standing, 'rank'> & { rank: number | null })[]>`
    -- standingsPage
    with page as materialized (
      ${rows}
    ), person as (
      -- In between, ranks and ties can be told from the page itself.
      select null::text as user_id, score from page where score in (select max(score) from page union select min(score) from page)
      group by score
    ), ${placed(sql, communityId, ranking)}
    select g.user_id as "userId", g.score, p.rank, p."tiedWith", max(p.people) over () as people
    from page g left join placed p using (score)
    order by g.score desc, g.user_id desc`;
  return between(standings);
}

/** Fills in what lies between the highest and the lowest score of a page: all people with those scores are on it. */
function between(rows: readonly (Omit<Standing, 'rank'> & { rank: number | null })[]): Standing[] {
  const filled: Standing[] = [];
  for (const [at, row] of rows.entries()) {
    const last = filled.at(-1);
    if (row.rank !== null) filled.push({ ...row, rank: row.rank });
    else if (last?.score === row.score) filled.push({ ...row, rank: last.rank, tiedWith: last.tiedWith });
    else {
      const end = rows.findIndex(({ score }, n) => n > at && score !== row.score);
      filled.push({ ...row, rank: (last?.rank ?? 0) + (last?.tiedWith ?? 0) + 1, tiedWith: end - at - 1 });
    }
  }
  return filled;
}

/**
 * The condition of rows that are shown: a rank within the limit has at least the score of the row that the limit counts.
 * @param upwards  the rows are read upwards from a place: the index begins there, and must not begin at this condition.
 */
function ranked(
  sql: Sql,
  communityId: string,
  { runId, onlyPositive, topLimit }: Ranking,
  upwards = false,
): SqlPart {
  const score = upwards ? sql`score + 0` : sql`score`;
  const positive = onlyPositive ? sql`and ${score} > 0` : sql``;
  if (topLimit === null) return positive;
  return sql`${positive} and ${score} >= coalesce((
    select score
    from gamification.score
    where community_id = ${communityId} and run_id = ${runId}
    order by score desc
    offset ${topLimit - 1}
    limit 1
  ), ${lowest}::bigint)`;
}

const lowest = String(-(2n ** 63n));
const highest = String(2n ** 63n - 1n);

function beyondOf(sql: Sql, { score, userId }: RankPlace, backwards: boolean): SqlPart {
  return sql`and (score, user_id) ${backwards ? sql`>` : sql`<`} (${score}, ${userId})`;
}

/**
 * The query `placed`: rank, ties and how many are ranked for each row of the query `person`. Buckets and people are put in
 * one line by score; what stands above a person is the sum of the buckets above, and a count inside one.
 */
function placed(sql: Sql, communityId: string, { runId, onlyPositive }: Ranking): SqlPart {
  const inRun = sql`community_id = ${communityId} and run_id = ${runId}`;
  return sql`
    line as (
      select low as at, low, people, null::text as user_id, false as asked
      from gamification.score_bucket
      where ${inRun} ${onlyPositive ? sql`and low > 0` : sql``}
      union all
      select score, null, 0, user_id, true from person
    ), above as (
      select user_id, at as score, asked,
        coalesce(sum(people) over higher, 0) as above, min(low) over higher as next, sum(people) over () as people
      from line
      window higher as (order by at desc, asked desc rows between unbounded preceding and current row)
    ), placed as (
      select a.user_id, a.score, (1 + a.above + c.higher)::integer as rank,
        (coalesce(own.people, c.equal) - 1)::integer as "tiedWith",
        a.people::integer as people
      from above a
      -- A bucket of one score, which any number of people may share, is not counted through.
      cross join lateral (
        select (
          select b.people
          from gamification.score_bucket b
          where ${inRun} and b.low = a.score and a.next = a.score + 1
        ) as people
      ) own
      cross join lateral (
        select count(*) filter (where s.score = a.score) as equal, count(*) filter (where s.score > a.score) as higher
        from gamification.score s
        where own.people is null and s.community_id = ${communityId} and s.run_id = ${runId}
          and s.score >= a.score and s.score <= coalesce(a.next - 1, ${highest}::bigint)
      ) c
      where a.asked
    )`;
}
