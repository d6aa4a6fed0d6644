import { type Sql, transaction } from '../db.ts';
import { dayOf, plusDays } from './day.ts';
import { holdOffPostings } from './posting-lock.ts';
import { clipped, pastKept, periodAt, periodBefore, type RankWindow, type Span } from './rank-window.ts';
import { moveScores } from './score.ts';
import { firstBuckets } from './score-bucket.ts';

// Runs: the spans of days whose scores are kept, since an enabled leaderboard shows them. One that begins with nothing in
// it is ready at once; any other is built in batches beside the postings, and no rank is told of it before it is whole.

/** As much of a leaderboard as decides which runs it needs. */
export interface Ranked {
  unit: string;
  windows: readonly RankWindow[];
  startsOn: string | null;
  endsOn: string | null;
  rankRoleIds: readonly string[];
}

/** A run begins this long before its first day does, so that a rolling one is ready when the day begins. */
const aheadMs = 6 * 60 * 60 * 1_000;
/** Nothing is posted for a moment further ahead. */
const clockSkewMinutes = 10;
const batch = 2_000;

/** The period of a window that a leaderboard shows on a day: the one it is in, the first before it starts, the last when it is over. */
export function currentSpan({ startsOn, endsOn }: Ranked, window: RankWindow, today: string): Span {
  let day = startsOn !== null && today < startsOn ? startsOn : today;
  if (endsOn !== null && day > endsOn) day = endsOn;
  return periodAt(window, day);
}

/** The spans that a leaderboard needs: of each window the current one, the next when it begins soon, and some of the past. */
function neededSpans(board: Ranked, now: Date, timeZone: string): Span[] {
  const days = [dayOf(now, timeZone), dayOf(new Date(now.getTime() + aheadMs), timeZone)];
  return board.windows.flatMap((window) => {
    const spans = days.map((day) => currentSpan(board, window, day));
    let past: Span | undefined = spans[0];
    for (let kept = pastKept[window]; kept > 0 && past !== undefined; kept--) {
      past = periodBefore(window, past);
      if (past !== undefined) spans.push(past);
    }
    return spans.flatMap((span) => clipped(span, board.startsOn, board.endsOn) ?? []);
  });
}

/**
 * Begins the runs that leaderboards need, drops those that none needs any more, and builds what isn't whole.
 * @param communityId  of one community; undefined: of all.
 * @param batches      how many batches of 2,000 people are built at most; the rest is left for the next call.
 * @returns whether something is left to build.
 * @cost two statements when there is nothing to do.
 */
export async function keepRuns(
  sql: Sql,
  now: Date,
  { communityId, batches = Number.POSITIVE_INFINITY }: { communityId?: string; batches?: number } = {},
): Promise<boolean> {
  const only = communityId === undefined ? sql`` : sql`and community_id = ${communityId}`;
  const boards = await sql<(Ranked & { communityId: string; timeZone: string })[]>`
    -- keepRuns: leaderboards
    select l.community_id as "communityId", unit, windows, starts_on as "startsOn", ends_on as "endsOn",
      rank_role_ids as "rankRoleIds", z.time_zone as "timeZone"
    from gamification.leaderboard l
    cross join lateral community.time_zone(l.community_id) z
    where enabled ${only}`;
  const runs = await sql<(RunKey & { communityId: string; id: bigint; dropped: boolean; whole: boolean })[]>`
    -- keepRuns: runs
    select community_id as "communityId", id, unit, first_day as "firstDay", last_day as "lastDay",
      role_ids as "roleIds", dropped, built_to is null as whole
    from gamification.score_run
    where true ${only}
    order by id`;

  const needed = new Map<string, RunKey & { communityId: string }>();
  for (const { communityId, timeZone, ...board } of boards) {
    for (const span of neededSpans(board, now, timeZone)) {
      const run = { communityId, unit: board.unit, ...span, roleIds: [...board.rankRoleIds] };
      needed.set(keyOf(run), run);
    }
  }
  const kept = new Set(runs.filter(({ dropped }) => !dropped).map(keyOf));
  const missing = [...needed].flatMap(([key, run]) => (kept.has(key) ? [] : [run]));
  for (const [id, own] of byCommunity(missing)) await beginRuns(sql, id, own);
  for (const run of runs) if (run.dropped || !needed.has(keyOf(run))) await dropRun(sql, run);
  const unbuilt = missing.length > 0 || runs.some(({ whole, dropped }) => !whole && !dropped);
  return unbuilt && buildRuns(sql, communityId, batches);
}

interface RunKey extends Span {
  unit: string;
  /** Sorted. */
  roleIds: string[];
}

function keyOf({ communityId, unit, firstDay, lastDay, roleIds }: RunKey & { communityId: string }): string {
  return [communityId, unit, firstDay, lastDay, ...roleIds].join(' ');
}

function byCommunity<Row extends { communityId: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(row.communityId, [...(groups.get(row.communityId) ?? []), row]);
  return groups;
}

/** Begins runs, while nobody posts: who posts later sees them, and what was posted before is there to be built from. */
function beginRuns(sql: Sql, communityId: string, runs: readonly RunKey[]): Promise<void> {
  return transaction(sql, async (tx) => {
    await holdOffPostings(tx, communityId);
    await tx`
      -- beginRuns
      with begun as (
        insert into gamification.score_run (community_id, unit, first_day, last_day, role_ids, built_to)
        select ${communityId}, r.unit, r."firstDay", r."lastDay", r."roleIds",
          case when r."firstDay"::timestamp at time zone z.time_zone
            > now() + make_interval(mins => ${clockSkewMinutes}) then null else '' end
        from jsonb_to_recordset(${tx.json(runs as never)}) r(unit text, "firstDay" date, "lastDay" date, "roleIds" text[])
        cross join community.time_zone(${communityId}) z
        on conflict (community_id, unit, first_day, last_day, role_ids) where not dropped do nothing
        returning id
      )
      insert into gamification.score_bucket (community_id, run_id, low, people)
      select ${communityId}, b.id, l.low, 0
      from begun b cross join unnest(${firstBuckets.map(({ low }) => String(low))}::bigint[]) l(low)`;
  });
}

/** @returns whether something is left to build. */
async function buildRuns(sql: Sql, communityId: string | undefined, batches: number): Promise<boolean> {
  const only = communityId === undefined ? sql`` : sql`and community_id = ${communityId}`;
  let left = batches;
  // The newest periods are asked for first.
  const unbuilt = await sql<{ communityId: string; id: bigint }[]>`
    -- buildRuns
    select community_id as "communityId", id
    from gamification.score_run
    where built_to is not null and not dropped ${only}
    order by last_day desc, id`;
  for (const run of unbuilt) {
    for (let more = true; more; left--) {
      if (left <= 0) return true;
      more = await buildSome(sql, run.communityId, run.id);
    }
  }
  return false;
}

/**
 * Adds the next people to a run that isn't whole.
 * @returns whether there are more.
 * @cost holds the run for one batch: postings that count in it wait that long.
 */
async function buildSome(sql: Sql, communityId: string, id: bigint): Promise<boolean> {
  return transaction(sql, async (tx) => {
    const [run] = await tx<(RunKey & { builtTo: string; timeZone: string })[]>`
      -- buildSome: lock
      select r.unit, r.first_day as "firstDay", r.last_day as "lastDay", r.role_ids as "roleIds",
        r.built_to as "builtTo", (select time_zone from community.time_zone(${communityId})) as "timeZone"
      from gamification.score_run r
      where r.community_id = ${communityId} and r.id = ${id} and r.built_to is not null and not r.dropped
      for update of r`;
    if (run === undefined) return false;
    const people = await tx<{ userId: string }[]>`
      -- buildSome: people
      select user_id as "userId"
      from gamification.profile
      where community_id = ${communityId} and user_id > ${run.builtTo}
      order by user_id
      limit ${batch}`;
    const to = people.length < batch ? null : (people.at(-1)?.userId ?? null);
    await moveScores(
      tx,
      communityId,
      tx`
        select ${id}::bigint as run_id, p.user_id, e.amount
        from unnest(${people.map(({ userId }) => userId)}::text[]) p(user_id)
        cross join lateral (
          select sum(l.amount)::bigint as amount
          from gamification.ledger_entry l
          where l.community_id = ${communityId} and l.user_id = p.user_id and l.unit = ${run.unit}
            and (l.occurred_at at time zone ${run.timeZone})::date between ${run.firstDay}::date and ${run.lastDay}::date
            -- The same days as moments, a day wider: by these the index is read.
            and l.occurred_at >= ${before(run.firstDay)}::text::timestamptz and l.occurred_at <= ${after(run.lastDay)}::text::timestamptz
        ) e
        where e.amount is not null and (${run.roleIds} = '{}'::text[] or exists (
          select from community.roles_of(${communityId}, array[p.user_id]) o where o.role_ids && ${run.roleIds}
        ))`,
    );
    await tx`
      -- buildSome: how far
      update gamification.score_run set built_to = ${to} where community_id = ${communityId} and id = ${id}`;
    return to !== null;
  });
}

// Time zones are at most 14 hours from UTC.
const before = (day: string) => (day === '-infinity' ? day : plusDays(day, -1));
const after = (day: string) => (day === 'infinity' ? day : plusDays(day, 2));

/** Gives up a run: first it is seen no more, then its rows go, some at a time. */
async function dropRun(
  sql: Sql,
  { communityId, id, dropped }: { communityId: string; id: bigint; dropped: boolean },
): Promise<void> {
  if (!dropped) {
    await sql`
      -- dropRun
      update gamification.score_run set dropped = true where community_id = ${communityId} and id = ${id}`;
  }
  for (let deleted = batch; deleted === batch; ) {
    const { count } = await sql`
      -- dropRun: scores
      delete from gamification.score where ctid = any(array(
        select ctid from gamification.score where community_id = ${communityId} and run_id = ${id} limit ${batch}
      ))`;
    deleted = count;
  }
  await sql`
    -- dropRun: the rest
    with bucket as (
      delete from gamification.score_bucket where community_id = ${communityId} and run_id = ${id}
    )
    delete from gamification.score_run where community_id = ${communityId} and id = ${id}`;
}
