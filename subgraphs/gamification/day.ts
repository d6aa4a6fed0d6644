import type { Sql } from '../db.ts';

// Days as calendars write them, `2026-03-01`. They are counted in UTC, where every day has 24 hours; which moments a day
// holds in a time zone is PostgreSQL's matter.

const dayMs = 24 * 60 * 60 * 1_000;

/** The calendar day of a moment in a time zone. */
export function dayOf(moment: Date, timeZone: string): string {
  // The Swedish way of writing a date is ISO 8601.
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(moment);
}

export function plusDays(day: string, count: number): string {
  return new Date(Date.parse(day) + count * dayMs).toISOString().slice(0, 10);
}

export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / dayMs);
}

/** The Monday that a day's week begins on. */
export function mondayOf(day: string): string {
  // getUTCDay() counts from Sunday.
  return plusDays(day, -((new Date(day).getUTCDay() + 6) % 7));
}

/** Where the community's days begin and end. @cost one query by port. */
export async function zoneOf(sql: Sql, communityId: string): Promise<string> {
  const [row] = await sql<{ timeZone: string }[]>`
    -- zoneOf
    select time_zone as "timeZone" from community.time_zone(${communityId})`;
  return row?.timeZone ?? 'UTC';
}
