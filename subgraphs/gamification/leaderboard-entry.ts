import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { type Page, type PageArguments, pageOf, pageRequestBy, sealCursor } from '../page.ts';
import { dayOf } from './day.ts';
import type { Leaderboard } from './leaderboard.ts';
import {
  type Ranking,
  rankPlaces,
  type Standing,
  standingsAround,
  standingsOf,
  standingsPage,
} from './rank.ts';
import {
  clipped,
  pastKept,
  periodBefore,
  periodName,
  periodNamed,
  type RankWindow,
  type Span,
} from './rank-window.ts';
import { currentSpan } from './score-run.ts';

// Who stands where on a leaderboard, in one period of one of its windows.

/** One period of a window of a leaderboard whose ranks are kept. */
export interface Run {
  window: RankWindow;
  /** The whole period. */
  period: Span;
  /** Its name, `2026-03`; null for ALL_TIME. */
  name: string | null;
  /** What of it the leaderboard counts. */
  span: Span;
  runId: bigint;
  /** How often its scores changed. */
  changes: bigint;
  /** Everybody is counted. */
  ready: boolean;
  /** How many people are in it so far. */
  people: number;
  /** What its ranks hold is true of this moment: now, or when the period ended. */
  asOf: Date;
}

/** A person's place on a leaderboard. */
export interface LeaderboardEntry extends Standing {
  /** How many of the others have less, 0-100; null for somebody alone. */
  percentile: number | null;
  asOf: Date;
}

/** Which period of a window is asked for; null: the current one. */
export interface RunRequest {
  board: Leaderboard;
  window: RankWindow;
  period: Span | null;
}

/** The period that a name of a window means. @throws BAD_ARGUMENT */
export function periodOf(window: RankWindow, name: string | null | undefined): Span | null {
  if (name == null) return null;
  const period = periodNamed(window, name);
  if (period !== undefined) return period;
  const how = {
    ALL_TIME: 'no name, since there is one only',
    DAILY: '`2026-03-01`',
    WEEKLY: '`2026-W09`',
    MONTHLY: '`2026-03`',
    YEARLY: '`2026`',
    ROLLING_7D: '`2026-03-01`, its last day',
    ROLLING_30D: '`2026-03-01`, its last day',
    ROLLING_365D: '`2026-03-01`, its last day',
  }[window];
  throw new Refusal('BAD_ARGUMENT', `period: a period of ${window} is written ${how}, got "${name}".`);
}

/**
 * The runs that are kept of each window of each leaderboard, newest first.
 * @returns one array per leaderboard, in their order.
 * @cost one query.
 */
export async function keptRuns(
  sql: Sql,
  communityId: string,
  boards: readonly Leaderboard[],
  { timeZone, now }: Clock,
): Promise<Run[][]> {
  const today = dayOf(now, timeZone);
  const wanted = boards.map((board) => board.windows.flatMap((window) => periodsOf(board, window, today)));
  const found = await findRuns(sql, communityId, boards, wanted, { timeZone, now });
  return found.map((runs) => runs.filter((run) => run !== null));
}

/**
 * The run that each request means.
 * @returns in their order; null where the leaderboard is disabled or has not started; a Refusal where the ranks aren't
 * kept or not counted yet.
 * @cost one query.
 */
export async function runsFor(
  sql: Sql,
  communityId: string,
  requests: readonly RunRequest[],
  clock: Clock,
): Promise<(Run | Refusal | null)[]> {
  const today = dayOf(clock.now, clock.timeZone);
  const wanted = requests.map(({ board, window, period }) => {
    if (period !== null) return [{ window, period }];
    const current = currentSpan(board, window, today);
    const before = periodBefore(window, current);
    // The day's own rolling run may still be counted: until it is, the one of the day before is the newest there is.
    return [current, ...(window.startsWith('ROLLING') && before ? [before] : [])].map((one) => ({
      window,
      period: one,
    }));
  });
  const boards = requests.map(({ board }) => board);
  const found = await findRuns(sql, communityId, boards, wanted, clock);
  return requests.map(({ board, window, period }, at) => {
    if (!board.windows.includes(window)) {
      const message = `window: this leaderboard has ${board.windows.join(', ')}, got ${window}.`;
      return new Refusal('BAD_ARGUMENT', message);
    }
    const began = board.startsOn === null || board.startsOn <= today;
    if (!board.enabled || (!began && period === null)) return null;
    const ready = found[at]?.find((run) => run?.ready);
    if (ready != null) return ready;
    if (found[at]?.some((run) => run !== null) || period === null) {
      return new Refusal('RANKS_NOT_READY', 'The ranks of this period are still being counted: ask again.');
    }
    const message = `period: of ${window} the current period and the ${pastKept[window]} before it are kept.`;
    return new Refusal('BAD_ARGUMENT', message);
  });
}

/** What tells which day it is. */
export interface Clock {
  timeZone: string;
  now: Date;
}

/** The current period and those that are kept of the past, newest first. */
function periodsOf(board: Leaderboard, window: RankWindow, today: string) {
  const periods = [];
  let period: Span | undefined = currentSpan(board, window, today);
  for (let left = pastKept[window]; period !== undefined && left >= 0; left--) {
    periods.push({ window, period });
    period = periodBefore(window, period);
  }
  return periods;
}

async function findRuns(
  sql: Sql,
  communityId: string,
  boards: readonly Leaderboard[],
  wanted: readonly { window: RankWindow; period: Span }[][],
  { timeZone, now }: Clock,
): Promise<(Run | null)[][]> {
  const spans = wanted.flatMap((periods, at) =>
    periods.flatMap(({ window, period }) => {
      const board = boards[at] as Leaderboard;
      const span = clipped(period, board.startsOn, board.endsOn);
      const { unit, rankRoleIds } = board;
      return span === undefined ? [] : [{ at, window, period, span, unit, roleIds: rankRoleIds, ...span }];
    }),
  );
  const rows = await sql<RunRow[]>`
    -- findRuns
    select w.n::integer, r.id as "runId", r.changes, r.built_to is null as ready, (
      select coalesce(sum(b.people), 0)::integer
      from gamification.score_bucket b
      where b.community_id = r.community_id and b.run_id = r.id
    ) as people,
      case when r.last_day < 'infinity' then (r.last_day + 1)::timestamp at time zone ${timeZone} end as "endsAt"
    from jsonb_to_recordset(${sql.json(spans.map((span, n) => ({ ...span, n })) as never)}) w(
      n integer, unit text, "firstDay" date, "lastDay" date, "roleIds" text[]
    )
    join gamification.score_run r on r.community_id = ${communityId} and not r.dropped and r.unit = w.unit
      and r.first_day = w."firstDay" and r.last_day = w."lastDay" and r.role_ids = w."roleIds"`;
  const byNumber = new Map(rows.map((row) => [row.n, row]));
  const runs: (Run | null)[][] = wanted.map(() => []);
  for (const [n, { at, window, period, span }] of spans.entries()) {
    const row = byNumber.get(n);
    if (row === undefined) {
      runs[at]?.push(null);
      continue;
    }
    const { endsAt, n: _, ...found } = row;
    const asOf = endsAt !== null && endsAt < now ? endsAt : now;
    runs[at]?.push({ window, period, name: periodName(window, period), span, ...found, asOf });
  }
  return runs;
}

interface RunRow {
  n: number;
  runId: bigint;
  changes: bigint;
  ready: boolean;
  people: number;
  endsAt: Date | null;
}

/**
 * A page of a run, highest score first; among equals the newer id first. With `around` the page is about that person,
 * who stands in its middle.
 * @throws BAD_PAGE, BAD_CURSOR
 * @cost one query, O(page + buckets) rows.
 */
export async function entriesPage(
  sql: Sql,
  communityId: string,
  board: Leaderboard,
  run: Run,
  { around, ...page }: PageArguments & { around?: string | null },
): Promise<Page<LeaderboardEntry>> {
  const list = `ranks-${run.runId}`;
  const request = pageRequestBy(rankPlaces, list, page);
  const ranking = rankingOf(board, run);
  if (around == null) {
    const rows = await standingsPage(sql, communityId, ranking, request);
    const found = pageOf(rows, request, (row) => row);
    return { ...found, edges: found.edges.map(({ cursor, node }) => ({ cursor, node: entryOf(node, run) })) };
  }
  if (page.after != null || page.before != null || page.last != null) {
    throw new Refusal('BAD_PAGE', 'A page around a person takes `first` alone: go on from its cursors.');
  }
  const above = Math.floor((request.size - 1) / 2);
  const below = request.size - 1 - above;
  const rows = await standingsAround(sql, communityId, ranking, around, above, below);
  const at = rows.findIndex(({ userId }) => userId === around);
  if (at === -1) return { edges: [], hasNextPage: false, hasPreviousPage: false };
  const [from, to] = [Math.max(at - above, 0), at + below + 1];
  return {
    edges: rows.slice(from, to).map((row) => ({
      cursor: sealCursor(rankPlaces, list, row),
      node: entryOf(row, run),
    })),
    hasNextPage: rows.length > to,
    hasPreviousPage: from > 0,
  };
}

/** Each person's place in a run; null where there is none. @cost one query. */
export async function entriesOf(
  sql: Sql,
  communityId: string,
  board: Leaderboard,
  run: Run,
  userIds: readonly string[],
): Promise<(LeaderboardEntry | null)[]> {
  const standings = await standingsOf(sql, communityId, rankingOf(board, run), userIds);
  return standings.map((one) => (one === null ? null : entryOf(one, run)));
}

function rankingOf({ onlyPositive, topLimit }: Leaderboard, { runId }: Run): Ranking {
  return { runId, onlyPositive, topLimit };
}

function entryOf(standing: Standing, { asOf }: Run): LeaderboardEntry {
  const { people, rank, tiedWith } = standing;
  const percentile = people > 1 ? (100 * (people - rank - tiedWith)) / (people - 1) : null;
  return { ...standing, percentile, asOf };
}
