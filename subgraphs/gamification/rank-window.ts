import { daysBetween, mondayOf, plusDays } from './day.ts';

// The spans of days that leaderboards rank: pure, in days of the community's time zone.

export const rankWindows = [
  'ALL_TIME',
  'DAILY',
  'WEEKLY',
  'MONTHLY',
  'YEARLY',
  'ROLLING_7D',
  'ROLLING_30D',
  'ROLLING_365D',
] as const;

export type RankWindow = (typeof rankWindows)[number];

/** Days from first to last, both included. */
export interface Span {
  /** `-infinity`: from the beginning. */
  firstDay: string;
  /** `infinity`: without end. */
  lastDay: string;
}

/** How many past periods of each window are kept. */
export const pastKept: Readonly<Record<RankWindow, number>> = {
  ALL_TIME: 0,
  DAILY: 7,
  WEEKLY: 8,
  MONTHLY: 12,
  YEARLY: 2,
  ROLLING_7D: 1,
  ROLLING_30D: 1,
  ROLLING_365D: 1,
};

const rollingDays: Partial<Record<RankWindow, number>> = {
  ROLLING_7D: 7,
  ROLLING_30D: 30,
  ROLLING_365D: 365,
};

/** The period of a window that a day belongs to; a rolling one ends with it. */
export function periodAt(window: RankWindow, day: string): Span {
  const rolling = rollingDays[window];
  if (rolling !== undefined) return { firstDay: plusDays(day, 1 - rolling), lastDay: day };
  switch (window) {
    case 'DAILY':
      return { firstDay: day, lastDay: day };
    case 'WEEKLY': {
      const monday = mondayOf(day);
      return { firstDay: monday, lastDay: plusDays(monday, 6) };
    }
    case 'MONTHLY': {
      const first = `${day.slice(0, 7)}-01`;
      return { firstDay: first, lastDay: plusDays(`${plusDays(first, 31).slice(0, 7)}-01`, -1) };
    }
    case 'YEARLY':
      return { firstDay: `${day.slice(0, 4)}-01-01`, lastDay: `${day.slice(0, 4)}-12-31` };
    default:
      return { firstDay: '-infinity', lastDay: 'infinity' };
  }
}

/** The period before; undefined for ALL_TIME. A rolling one ended a day earlier. */
export function periodBefore(window: RankWindow, { firstDay, lastDay }: Span): Span | undefined {
  if (window === 'ALL_TIME') return undefined;
  return periodAt(window, plusDays(rollingDays[window] === undefined ? firstDay : lastDay, -1));
}

/** How a period is written: `2026-03-01` (also the last day of a rolling one), `2026-W09`, `2026-03`, `2026`; null for ALL_TIME. */
export function periodName(window: RankWindow, { firstDay, lastDay }: Span): string | null {
  switch (window) {
    case 'ALL_TIME':
      return null;
    case 'WEEKLY': {
      // A week belongs to the year of its Thursday. Source: ISO 8601.
      const thursday = plusDays(firstDay, 3);
      const week = Math.floor(daysBetween(`${thursday.slice(0, 4)}-01-01`, thursday) / 7) + 1;
      return `${thursday.slice(0, 4)}-W${String(week).padStart(2, '0')}`;
    }
    case 'MONTHLY':
      return firstDay.slice(0, 7);
    case 'YEARLY':
      return firstDay.slice(0, 4);
    default:
      return lastDay;
  }
}

/** The period of that name; undefined when the window has none. */
export function periodNamed(window: RankWindow, name: string): Span | undefined {
  const day = dayIn(window, name);
  if (day === undefined || !isDay(day)) return undefined;
  const period = periodAt(window, day);
  return periodName(window, period) === name ? period : undefined;
}

/** A day that the named period contains, if there is one. */
function dayIn(window: RankWindow, name: string): string | undefined {
  const [, year, week, month, day] = /^(\d{4})(?:-W(\d{2})|-(\d{2})(?:-(\d{2}))?)?$/.exec(name) ?? [];
  if (year === undefined || window === 'ALL_TIME') return undefined;
  if (window === 'WEEKLY') {
    // The fourth of January is always in the first week.
    return week === undefined ? undefined : plusDays(`${year}-01-04`, (Number(week) - 1) * 7);
  }
  return `${year}-${month ?? '01'}-${day ?? '01'}`;
}

/** What of a period lies between two days, either of which may be open; undefined when nothing does. */
export function clipped(
  { firstDay, lastDay }: Span,
  startsOn: string | null,
  endsOn: string | null,
): Span | undefined {
  const first = startsOn !== null && (firstDay === '-infinity' || startsOn > firstDay) ? startsOn : firstDay;
  const last = endsOn !== null && (lastDay === 'infinity' || endsOn < lastDay) ? endsOn : lastDay;
  return first === '-infinity' || last === 'infinity' || first <= last
    ? { firstDay: first, lastDay: last }
    : undefined;
}

function isDay(text: string): boolean {
  return !Number.isNaN(Date.parse(text)) && plusDays(text, 0) === text;
}
