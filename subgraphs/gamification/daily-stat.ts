import { alignTo, groupTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { dayOf, daysBetween, plusDays, zoneOf } from './day.ts';
import { countedAs } from './decide.ts';
import { membersNamed } from './person.ts';

// What a person earned and did day by day. Days without anything are there too, as zeros.
// Source: Returning.AI docs, "Get User Gamification History", "Get User Gamification Stats".

/** What is summed up of a day. */
export interface DaySums {
  xp: bigint;
  coins: bigint;
  messages: number;
  replies: number;
  reactions: number;
  visits: number;
  referrals: number;
  /** Follows, likes, comments and shares. */
  socials: number;
}

export interface DailyStat extends DaySums {
  userId: string;
  date: string;
  timeZone: string;
  /** The day has ended. */
  final: boolean;
  /** When something recorded after the day's end last changed it. */
  restatedAt: Date | null;
}

export interface DailyStatSeries {
  range: { from: string; to: string; timeZone: string };
  totals: DaySums;
  /** Newest first, one for each day of the range. */
  days: DailyStat[];
  asOf: Date;
}

/** The last days up to today, or the days of a range. */
export interface SeriesRequest {
  /** 1-366, counted back from today; 30 when null. */
  last: number | null;
  range: { from: string; to: string; timeZone: string | null } | null;
}

const mostDays = 366;
const usualDays = 30;
const nothing: DaySums = {
  ...{ xp: 0n, coins: 0n, messages: 0, replies: 0, reactions: 0, visits: 0, referrals: 0, socials: 0 },
};

/**
 * Each person's days, newest first and zero-filled, with their sums.
 * @returns one series per id, in `userIds` order.
 * @throws BAD_ARGUMENT  more than 366 days, a range that ends before it begins, or both ways to say which days.
 * @source table daily_stat in the community's time zone; ledger_entry and event, by their indexes, in any other.
 * @cost two queries, O(people x days) rows; in another zone O(entries of those days).
 */
export async function seriesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  { last, range }: SeriesRequest,
  now: Date,
): Promise<DailyStatSeries[]> {
  if (last !== null && range !== null) {
    throw new Refusal('BAD_ARGUMENT', 'Name the days by `last` or by `range`, not by both.');
  }
  if (last !== null && (last < 1 || last > mostDays)) {
    throw new Refusal('BAD_ARGUMENT', `\`last\` is 1 to ${mostDays} days, got ${last}.`);
  }
  const ownZone = await zoneOf(sql, communityId);
  const timeZone = range?.timeZone ?? ownZone;
  const today = dayOf(now, timeZone);
  const to = range?.to ?? today;
  const from = range?.from ?? plusDays(to, 1 - (last ?? usualDays));
  const length = daysBetween(from, to) + 1;
  if (length < 1) throw new Refusal('BAD_ARGUMENT', `The range ends (${to}) before it begins (${from}).`);
  if (length > mostDays)
    throw new Refusal('BAD_ARGUMENT', `A range has at most ${mostDays} days, got ${length}.`);

  const days = { from, to, timeZone };
  const rows =
    timeZone === ownZone
      ? await keptDays(sql, communityId, userIds, days)
      : await countedDays(sql, communityId, userIds, days);
  const dates = Array.from({ length }, (_, back) => plusDays(to, -back));
  return groupTo(userIds, rows, ({ userId }) => userId).map((own, at) => {
    const byDate = new Map(own.map((row) => [row.date, row]));
    const userId = userIds[at] ?? '';
    const days = dates.map((date): DailyStat => {
      const sums = byDate.get(date) ?? { ...nothing, restatedAt: null };
      return { ...sums, userId, date, timeZone, final: date < today };
    });
    return { range: { from, to, timeZone }, totals: totalsOf(own), days, asOf: now };
  });
}

/** `seriesByUser` of those who are members, in the order they are named; others are left out. @cost one query more. */
export async function seriesOfMembers(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  request: SeriesRequest,
  now: Date,
): Promise<{ userId: string; series: DailyStatSeries }[]> {
  const people = userIds.map((id) => ({ id }));
  const members = (await membersNamed(sql, communityId, people)).filter((id) => id !== null);
  const series = await seriesByUser(sql, communityId, members, request, now);
  return members.map((userId, at) => ({ userId, series: series[at] as DailyStatSeries }));
}

/** Single days in the community's time zone, in the order of their keys. @cost two queries, one by primary key. */
export async function daysByKey(
  sql: Sql,
  communityId: string,
  keys: readonly { userId: string; date: string }[],
  now: Date,
): Promise<DailyStat[]> {
  const timeZone = await zoneOf(sql, communityId);
  const today = dayOf(now, timeZone);
  const rows = await sql<StatRow[]>`
    -- daysByKey
    select ${columns(sql)}
    from unnest(${keys.map(({ userId }) => userId)}::text[], ${keys.map(({ date }) => date)}::date[]) k(user_id, date)
    join gamification.daily_stat d
      on d.community_id = ${communityId} and d.user_id = k.user_id and d.date = k.date`;
  const words = keys.map(({ userId, date }) => `${userId} ${date}`);
  return alignTo(words, rows, ({ userId, date }) => `${userId} ${date}`).map((row, at) => {
    const { userId = '', date = '' } = keys[at] ?? {};
    return { ...(row ?? { ...nothing, restatedAt: null }), userId, date, timeZone, final: date < today };
  });
}

/** What each person earned today, in the community's time zone; zeros where nothing. @cost one query by primary key. */
export async function todayByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  now: Date,
): Promise<Pick<DaySums, 'xp' | 'coins'>[]> {
  const rows = await sql<{ userId: string; xp: bigint; coins: bigint }[]>`
    -- todayByUser
    select user_id as "userId", xp, coins
    from gamification.daily_stat
    where community_id = ${communityId} and user_id = any(${userIds as string[]}) and date = (
      ${now}::timestamptz at time zone coalesce((select time_zone from community.time_zone(${communityId})), 'UTC')
    )::date`;
  return alignTo(userIds, rows, ({ userId }) => userId).map((row) => row ?? { xp: 0n, coins: 0n });
}

type StatRow = DaySums & { userId: string; date: string; restatedAt: Date | null };

interface Days {
  from: string;
  to: string;
  timeZone: string;
}

/** Days as they are kept. */
function keptDays(sql: Sql, communityId: string, userIds: readonly string[], { from, to }: Days) {
  return sql<StatRow[]>`
    -- seriesByUser
    select ${columns(sql)}
    from gamification.daily_stat d
    where d.community_id = ${communityId} and d.user_id = any(${userIds as string[]})
      and d.date between ${from}::date and ${to}::date`;
}

/** Days counted anew, from what happened in them. */
function countedDays(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  { from, to, timeZone }: Days,
) {
  const during = sql`
    occurred_at >= (${from}::date::timestamp at time zone ${timeZone})
      and occurred_at < ((${to}::date + 1)::timestamp at time zone ${timeZone})`;
  const count = (counter: string) => {
    const types = Object.keys(countedAs).filter((type) => countedAs[type] === counter);
    return sql`(count(*) filter (where event_type = any(${types})))::integer as ${sql(counter)}`;
  };
  return sql<StatRow[]>`
    -- seriesByUser: another zone
    with moved as (
      select user_id, unit, amount, null::text as event_type, occurred_at, recorded_at
      from gamification.ledger_entry
      where community_id = ${communityId} and user_id = any(${userIds as string[]}) and ${during}
      union all
      select e.user_id, null, null, e.event_type, e.occurred_at, e.recorded_at
      from gamification.event e
      where e.community_id = ${communityId} and e.user_id = any(${userIds as string[]}) and ${during}
        and e.event_type in ('message', 'reply', 'reaction', 'visit', 'referral', 'follow', 'like', 'comment', 'share')
        and not exists (
          select from gamification.event r where r.community_id = e.community_id and r.reverses = e.id
        )
    )
    select user_id as "userId", (occurred_at at time zone ${timeZone})::date as date,
      coalesce(sum(amount) filter (where unit = 'XP'), 0)::bigint as xp,
      coalesce(sum(amount) filter (where unit = 'COINS'), 0)::bigint as coins,
      ${count('messages')}, ${count('replies')}, ${count('reactions')}, ${count('visits')}, ${count('referrals')},
      ${count('socials')}, max(recorded_at) filter (
        where (recorded_at at time zone ${timeZone})::date > (occurred_at at time zone ${timeZone})::date
      ) as "restatedAt"
    from moved
    group by 1, 2`;
}

function columns(sql: Sql) {
  return sql`d.user_id as "userId", d.date, d.xp, d.coins, d.messages, d.replies, d.reactions, d.visits, d.referrals,
    d.socials, d.restated_at as "restatedAt"`;
}

function totalsOf(rows: readonly DaySums[]): DaySums {
  const totals = { ...nothing };
  for (const row of rows) {
    totals.xp += row.xp;
    totals.coins += row.coins;
    for (const counter of ['messages', 'replies', 'reactions', 'visits', 'referrals', 'socials'] as const)
      totals[counter] += row[counter];
  }
  return totals;
}
