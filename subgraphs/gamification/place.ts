import type { Sql, SqlPart } from '../db.ts';
import { rowsOf } from '../rows.ts';
import type { Ground, Place, Posting } from './decide.ts';

// When postings happen, and how much of the limits of rules is used up around those moments.

/**
 * The moment that a statement reads: after all that its locks waited for, so that entries stand in the order of their
 * balances. A transaction's own is before.
 */
export function clock(sql: Sql): SqlPart {
  return sql`(select clock_timestamp()::timestamptz(3) as now) clock`;
}

/** When a posting happened, and what was paid around it. */
export interface PlaceRow {
  /** Of the posting, in the batch. */
  at: number;
  day: string;
  moment: Date;
  used: Place['used'] | null;
}

/**
 * When postings happened and what rules with limits paid around it; nothing of those that happen now and have no limits.
 * @cost one statement; none where there are neither limits nor times.
 */
export async function placesFor(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  { rules }: Pick<Ground, 'rules'>,
): Promise<PlaceRow[]> {
  const bounded = [...rules.values()].flat().filter((rule) => rule.limited);
  if (bounded.length === 0 && postings.every(({ occurredAt }) => occurredAt === null)) return [];
  const asked = postings.map(({ userId, eventType, occurredAt }, at) => ({
    ...{ at, userId, eventType, occurredAt },
  }));
  return tx<PlaceRow[]>`
    -- placesFor
    select a.at, a.day, a.moment, u.used
    from (
      select a.*, coalesce(a."occurredAt", clock.now)::timestamptz(3) as moment,
        (coalesce(a."occurredAt", clock.now) at time zone z.name)::date as day
      from ${clock(tx)}, (select ${zoneOf(tx, communityId)} as name) z, ${rowsOf(
        tx,
        'a',
        'at integer, userId text, eventType text, occurredAt timestamptz',
        asked,
      )}
    ) a
    left join lateral (
      select jsonb_agg(jsonb_build_object('ruleId', r.id, 'limits', jsonb_build_object(
        'day', case when r."dayCap" is null then 0 else (
          select count(*) from gamification.rule_use w
          where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id and w.day = a.day
        ) end,
        'week', case when r."weekCap" is null then 0 else (
          select count(*) from gamification.rule_use w
          where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
            and w.day >= date_trunc('week', a.day)::date and w.day < date_trunc('week', a.day)::date + 7
        ) end,
        'lifetime', case when r."lifetimeCap" is null then 0 else (
          select count(*) from (
            select from gamification.rule_use w
            where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
            limit r."lifetimeCap"
          ) w
        ) end,
        'near', r."cooldownSeconds" is not null and exists (
          select from gamification.rule_use w
          where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
            and w.day between a.day - (r."cooldownSeconds" / 86400 + 2) and a.day + (r."cooldownSeconds" / 86400 + 2)
            and w.occurred_at > a.moment - r."cooldownSeconds" * interval '1 second'
            and w.occurred_at < a.moment + r."cooldownSeconds" * interval '1 second'
        )
      ))) as used
      -- As they were read: what is decided by them is counted by them.
      from ${rowsOf(
        tx,
        'r',
        'id text, eventType text, cooldownSeconds integer, dayCap integer, weekCap integer, lifetimeCap integer',
        bounded,
      )}
      where r."eventType" = a."eventType"
    ) u on true
    -- Of what happens now and has no limits there is nothing to tell.
    where u.used is not null or a."occurredAt" is not null`;
}

/** The community's time zone. */
export function zoneOf(sql: Sql, communityId: string) {
  return sql`coalesce((select time_zone from community.time_zone(${communityId})), 'UTC')`;
}
