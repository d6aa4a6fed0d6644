import type { Sql } from '../db.ts';
import { rowsOf } from '../rows.ts';
import type { Ground, Known, Place, Posting, Profile } from './decide.ts';
import type { Rule } from './rule.ts';
import type { Unit } from './unit.ts';

// What a batch of postings is decided on: who has what, which rules and levels stand, what was there before.

/**
 * Makes sure of people's profiles and locks them, in the one order that everybody locks in; the level curve stays as it
 * is meanwhile.
 * @param userIds  sorted, without duplicates.
 */
export async function lockProfiles(
  tx: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Map<string, Profile>> {
  const [, , rows] = await Promise.all([
    tx`
      -- lockProfiles: the curve
      select pg_advisory_xact_lock_shared(${curveLock}, hashtext(${communityId}))`,
    tx`
      -- lockProfiles: those that are new
      insert into gamification.profile (community_id, user_id, level)
      select ${communityId}, u.id, coalesce((
        select max(l.number) from gamification.level l where l.community_id = ${communityId} and l.min_xp <= 0
      ), 0)
      from unnest(${userIds as string[]}::text[]) u(id)
      order by u.id
      on conflict do nothing`,
    tx<Profile[]>`
      -- lockProfiles
      select user_id as "userId", xp as "XP", coins as "COINS", points as "POINTS", premium as "PREMIUM", level, badges,
        messages, replies, reactions, visits, referrals, socials
      from gamification.profile
      where community_id = ${communityId} and user_id = any(${userIds as string[]})
      order by user_id
      for update`,
  ]);
  return new Map(rows.map((row) => [row.userId, row]));
}

/** The first key of the advisory lock of a community's level curve: postings share it, a change of the curve has it alone. */
export const curveLock = 4_107;

type Read = Omit<Ground, 'profiles' | 'badges'> & {
  /** The day it is in the community's time zone. */
  today: string;
};

/** Reads all but profiles and badges, for postings in their order. Send it after the locks. */
export async function groundFor(tx: Sql, communityId: string, postings: readonly Posting[]): Promise<Read> {
  const eventTypes = [...new Set(postings.map(({ eventType }) => eventType))];
  const asked = postings.map(({ userId, eventType, occurredAt }, at) => ({
    ...{ at, userId, eventType, occurredAt },
  }));
  const [[common], known, rows] = await Promise.all([
    tx<
      {
        recordedAt: Date;
        today: string;
        rules: Rule[];
        levels: { number: number; minXp: string }[];
        below: Unit[];
      }[]
    >`
      -- groundFor: the community
      select now()::timestamptz(3) as "recordedAt", (now() at time zone ${zoneOf(tx, communityId)})::date as today,
        (select coalesce(jsonb_agg(jsonb_build_object(
          'id', id, 'eventType', event_type, 'awards', awards, 'conditions', conditions,
          'cooldownSeconds', cooldown_seconds, 'dayCap', day_cap, 'weekCap', week_cap, 'lifetimeCap', lifetime_cap,
          'activityType', activity_type, 'wordingId', wording_id, 'limited', ${limited(tx)}
        ) order by created_at, id), '[]') from gamification.rule
        where community_id = ${communityId} and event_type = any(${eventTypes}) and enabled) as rules,
        (select coalesce(jsonb_agg(jsonb_build_object('number', number, 'minXp', min_xp::text) order by number), '[]')
        from gamification.level where community_id = ${communityId}) as levels,
        array(select unit from gamification.unit
        where community_id = ${communityId} and may_go_below_zero) as below`,
    knownFor(tx, communityId, postings),
    tx<{ at: number; day: string; moment: Date; used: Place['used'] | null }[]>`
      -- groundFor: when, and what limits there are
      with bounded as materialized (
        select * from gamification.rule
        where community_id = ${communityId} and event_type = any(${eventTypes}) and enabled and ${limited(tx)}
      )
      select a.at, a.day, a.moment, u.used
      from (
        select a.*, coalesce(a."occurredAt", now())::timestamptz(3) as moment,
          (coalesce(a."occurredAt", now()) at time zone z.name)::date as day
        from (select ${zoneOf(tx, communityId)} as name) z, ${rowsOf(
          tx,
          'a',
          'at integer, userId text, eventType text, occurredAt timestamptz',
          asked,
        )}
      ) a
      left join lateral (
        select jsonb_agg(jsonb_build_object('ruleId', r.id, 'limits', jsonb_build_object(
          'day', case when r.day_cap is null then 0 else (
            select count(*) from gamification.rule_use w
            where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id and w.day = a.day
          ) end,
          'week', case when r.week_cap is null then 0 else (
            select count(*) from gamification.rule_use w
            where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
              and w.day >= date_trunc('week', a.day)::date and w.day < date_trunc('week', a.day)::date + 7
          ) end,
          'lifetime', case when r.lifetime_cap is null then 0 else (
            select count(*) from (
              select from gamification.rule_use w
              where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
              limit r.lifetime_cap
            ) w
          ) end,
          'near', r.cooldown_seconds is not null and exists (
            select from gamification.rule_use w
            where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
              and w.day between a.day - (r.cooldown_seconds / 86400 + 2) and a.day + (r.cooldown_seconds / 86400 + 2)
              and w.occurred_at > a.moment - r.cooldown_seconds * interval '1 second'
              and w.occurred_at < a.moment + r.cooldown_seconds * interval '1 second'
          )
        ))) as used
        from bounded r
        where r.event_type = a."eventType"
      ) u on true
      -- Of what happens now and has no limits there is nothing to tell.
      where u.used is not null or a."occurredAt" is not null`,
  ]);
  if (common === undefined) throw new Error('A query without a table gave no row.');
  const rules = new Map<string, Rule[]>(eventTypes.map((type) => [type, []]));
  for (const rule of common.rules) rules.get(rule.eventType)?.push(rule);
  const { recordedAt: occurredAt, today: day } = common;
  const places = postings.map(
    (_posting, at): Place => ({ occurredAt, day, known: known.get(at) ?? null, used: [] }),
  );
  for (const { at, moment, ...row } of rows) {
    Object.assign(places[at] as Place, { occurredAt: moment, day: row.day, used: row.used ?? [] });
  }
  return {
    recordedAt: common.recordedAt,
    today: common.today,
    rules,
    levels: common.levels.map(({ number, minXp }) => ({ number, minXp: BigInt(minXp) })),
    belowZero: new Set(common.below),
    places,
  };
}

/** The events that stand under the postings' references already, by the posting's place. @cost at most one statement. */
export async function knownFor(
  sql: Sql,
  communityId: string,
  postings: readonly Posting[],
): Promise<Map<number, Known>> {
  const asked = postings.flatMap(({ eventType, reference }, at) =>
    reference === null ? [] : [{ at, eventType, reference }],
  );
  if (asked.length === 0) return new Map();
  const rows = await sql<(Known & { at: number })[]>`
    -- knownFor
    select a.at, e.*
    from ${rowsOf(sql, 'a', 'at integer, eventType text, reference text', asked)}
    -- One by one, by the index: a join might read all events of the community.
    cross join lateral (
      select id, user_id as "userId", amount, metadata, case when timed then occurred_at end as "occurredAt"
      from gamification.event
      where community_id = ${communityId} and event_type = a."eventType" and reference = a.reference
      limit 1
    ) e`;
  return new Map(rows.map(({ at, ...known }) => [at, known]));
}

/** The community's time zone. */
function zoneOf(sql: Sql, communityId: string) {
  return sql`coalesce((select time_zone from community.time_zone(${communityId})), 'UTC')`;
}

/** Whether a rule has a cap or a cooldown. */
function limited(sql: Sql) {
  return sql`coalesce(cooldown_seconds, day_cap, week_cap, lifetime_cap) is not null`;
}
