import { groupTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';

// What a person earned day by day. Days without anything are there too, as zeros.
// Source: Returning.AI docs, "Get User Gamification History".

export interface DailyStat {
  date: string;
  timeZone: string;
  xp: bigint;
  coins: bigint;
}

export interface DailyStatSeries {
  range: { from: string; to: string; timeZone: string };
  totals: { xp: bigint; coins: bigint };
  /** Newest first, one for each day of the range. */
  days: DailyStat[];
}

/** The last days up to today, or the days of a range. */
export interface SeriesRequest {
  /** 1-366, counted back from today. */
  last: number;
  range: { from: string; to: string; timeZone: string | null } | null;
}

const mostDays = 366;
const dayMs = 24 * 60 * 60 * 1_000;

/**
 * Each person's days, newest first and zero-filled, with their sums.
 * @returns one series per id, in `userIds` order.
 * @throws BAD_ARGUMENT  more than 366 days, or a range that ends before it begins.
 * @source table daily_stat in the community's time zone; ledger_entry, by its index, in any other.
 * @cost two queries, O(people x days) rows; in another zone O(entries of those days).
 */
export async function seriesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  { last, range }: SeriesRequest,
  now: Date,
): Promise<DailyStatSeries[]> {
  if (range === null && (last < 1 || last > mostDays)) {
    throw new Refusal('BAD_ARGUMENT', `\`last\` is 1 to ${mostDays} days, got ${last}.`);
  }
  const [community] = await sql<{ timeZone: string }[]>`
    -- seriesByUser: zone
    select time_zone as "timeZone" from community.time_zone(${communityId})`;
  const ownZone = community?.timeZone ?? 'UTC';
  const timeZone = range?.timeZone ?? ownZone;
  const to = range?.to ?? dayOf(now, timeZone);
  const from = range?.from ?? plusDays(to, 1 - last);
  const length = daysBetween(from, to) + 1;
  if (length < 1) throw new Refusal('BAD_ARGUMENT', `The range ends (${to}) before it begins (${from}).`);
  if (length > mostDays)
    throw new Refusal('BAD_ARGUMENT', `A range has at most ${mostDays} days, got ${length}.`);

  const rows =
    timeZone === ownZone
      ? await sql<StatRow[]>`
          -- seriesByUser
          select user_id as "userId", date, xp, coins
          from gamification.daily_stat
          where community_id = ${communityId} and user_id = any(${userIds as string[]})
            and date between ${from}::date and ${to}::date`
      : await sql<StatRow[]>`
          -- seriesByUser: another zone
          select user_id as "userId", (occurred_at at time zone ${timeZone})::date as date,
            coalesce(sum(amount) filter (where unit = 'XP'), 0)::bigint as xp,
            coalesce(sum(amount) filter (where unit = 'COINS'), 0)::bigint as coins
          from gamification.ledger_entry
          where community_id = ${communityId} and user_id = any(${userIds as string[]})
            and occurred_at >= (${from}::date::timestamp at time zone ${timeZone})
            and occurred_at < ((${to}::date + 1)::timestamp at time zone ${timeZone})
          group by 1, 2`;
  const dates = Array.from({ length }, (_, back) => plusDays(to, -back));
  return groupTo(userIds, rows, ({ userId }) => userId).map((own) => {
    const byDate = new Map(own.map((row) => [row.date, row]));
    const days = dates.map((date) => {
      const { xp = 0n, coins = 0n } = byDate.get(date) ?? {};
      return { date, timeZone, xp, coins };
    });
    const totals = { xp: 0n, coins: 0n };
    for (const { xp, coins } of days) {
      totals.xp += xp;
      totals.coins += coins;
    }
    return { range: { from, to, timeZone }, totals, days };
  });
}

interface StatRow {
  userId: string;
  date: string;
  xp: bigint;
  coins: bigint;
}

/** The calendar day of a moment in a time zone. */
function dayOf(moment: Date, timeZone: string): string {
  // The Swedish way of writing a date is ISO 8601.
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(moment);
}

// Days are counted in UTC, where every day has 24 hours; which moments a day holds is PostgreSQL's matter.
function plusDays(day: string, count: number): string {
  return new Date(Date.parse(day) + count * dayMs).toISOString().slice(0, 10);
}

function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / dayMs);
}
