import type { Sql } from '../db.ts';
import type { Check, Verifiable } from '../verify.ts';

// Whether the books are right: what is kept of entries and events is counted anew and compared, one community at a time,
// in the database.

type Found = { where: string; kept: string; counted: string }[];

/** What gamification keeps twice. */
const checks: readonly Check[] = [
  {
    name: 'balances',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: balances
      with summed as (
        select user_id, coalesce(sum(amount) filter (where unit = 'XP'), 0) as xp,
          coalesce(sum(amount) filter (where unit = 'COINS'), 0) as coins,
          coalesce(sum(amount) filter (where unit = 'POINTS'), 0) as points,
          coalesce(sum(amount) filter (where unit = 'PREMIUM'), 0) as premium
        from gamification.ledger_entry
        where community_id = ${communityId}
        group by user_id
      )
      select user_id as where, format('%s XP, %s COINS, %s POINTS, %s PREMIUM', p.xp, p.coins, p.points, p.premium) as kept,
        format('%s XP, %s COINS, %s POINTS, %s PREMIUM', coalesce(s.xp, 0), coalesce(s.coins, 0), coalesce(s.points, 0),
          coalesce(s.premium, 0)) as counted
      from (select * from gamification.profile where community_id = ${communityId}) p
      full join summed s using (user_id)
      where (p.xp, p.coins, p.points, p.premium) is distinct from
        (coalesce(s.xp, 0), coalesce(s.coins, 0), coalesce(s.points, 0), coalesce(s.premium, 0))
      order by user_id
      limit ${most}`,
  },
  {
    name: 'counts',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: counts
      with counted as (
        select user_id, ${countsOf(sql)}
        from gamification.event e
        where ${standing(sql, communityId)}
        group by user_id
      )
      select user_id as where, (p.messages, p.replies, p.reactions, p.visits, p.referrals, p.socials)::text as kept,
        (coalesce(c.messages, 0), coalesce(c.replies, 0), coalesce(c.reactions, 0), coalesce(c.visits, 0),
          coalesce(c.referrals, 0), coalesce(c.socials, 0))::text as counted
      from (select * from gamification.profile where community_id = ${communityId}) p
      full join counted c using (user_id)
      where (p.messages, p.replies, p.reactions, p.visits, p.referrals, p.socials) is distinct from
        (coalesce(c.messages, 0), coalesce(c.replies, 0), coalesce(c.reactions, 0), coalesce(c.visits, 0),
          coalesce(c.referrals, 0), coalesce(c.socials, 0))
      order by user_id
      limit ${most}`,
  },
  {
    name: 'daily stats',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: daily stats
      with zone as materialized (
        select coalesce((select time_zone from community.time_zone(${communityId})), 'UTC') as name
      ), counted as (
        select user_id, date, sum(xp) as xp, sum(coins) as coins, sum(messages) as messages, sum(replies) as replies,
          sum(reactions) as reactions, sum(visits) as visits, sum(referrals) as referrals, sum(socials) as socials
        from (
          select user_id, (occurred_at at time zone zone.name)::date as date,
            coalesce(sum(amount) filter (where unit = 'XP'), 0) as xp,
            coalesce(sum(amount) filter (where unit = 'COINS'), 0) as coins,
            0 as messages, 0 as replies, 0 as reactions, 0 as visits, 0 as referrals, 0 as socials
          from gamification.ledger_entry, zone
          where community_id = ${communityId}
          group by 1, 2
          union all
          select user_id, (occurred_at at time zone zone.name)::date, 0, 0, ${countsOf(sql)}
          from gamification.event e, zone
          where ${standing(sql, communityId)}
          group by 1, 2
        ) parts
        group by 1, 2
      )
      select user_id || ' ' || date as where,
        (d.xp, d.coins, d.messages, d.replies, d.reactions, d.visits, d.referrals, d.socials)::text as kept,
        (c.xp, c.coins, c.messages, c.replies, c.reactions, c.visits, c.referrals, c.socials)::text as counted
      from (select * from gamification.daily_stat where community_id = ${communityId}) d
      full join counted c using (user_id, date)
      where (coalesce(d.xp, 0), coalesce(d.coins, 0), coalesce(d.messages, 0), coalesce(d.replies, 0),
          coalesce(d.reactions, 0), coalesce(d.visits, 0), coalesce(d.referrals, 0), coalesce(d.socials, 0))
        is distinct from
        (coalesce(c.xp, 0), coalesce(c.coins, 0), coalesce(c.messages, 0), coalesce(c.replies, 0),
          coalesce(c.reactions, 0), coalesce(c.visits, 0), coalesce(c.referrals, 0), coalesce(c.socials, 0))
      order by user_id, date
      limit ${most}`,
  },
  {
    name: 'levels',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: levels
      select p.user_id as where, p.level::text as kept, l.reached::text as counted
      from gamification.profile p
      cross join lateral (
        select coalesce(max(number), 0) as reached
        from gamification.level l
        where l.community_id = p.community_id and l.min_xp <= p.xp
      ) l
      where p.community_id = ${communityId} and p.level <> l.reached
      order by p.user_id
      limit ${most}`,
  },
  {
    name: 'entries without an event',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: entries without an event
      select l.id as where, l.event_id as kept, 'none' as counted
      from gamification.ledger_entry l
      where l.community_id = ${communityId} and not exists (
        select from gamification.event e where e.community_id = l.community_id and e.id = l.event_id
      )
      order by l.id
      limit ${most}`,
  },
];

/** The books of gamification. */
export const books: Verifiable = {
  checks,
  async communities(sql) {
    const rows = await sql<{ id: string }[]>`
      -- verify: communities
      select distinct community_id as id from gamification.profile`;
    return rows.map(({ id }) => id);
  },
};

/** Events that count: of the counted types, and not taken back. */
function standing(sql: Sql, communityId: string) {
  return sql`e.community_id = ${communityId}
    and e.event_type in ('message', 'reply', 'reaction', 'visit', 'referral', 'follow', 'like', 'comment', 'share')
    and not exists (
      select from gamification.event r where r.community_id = e.community_id and r.reverses = e.id
    )`;
}

function countsOf(sql: Sql) {
  return sql`
    count(*) filter (where event_type = 'message') as messages, count(*) filter (where event_type = 'reply') as replies,
    count(*) filter (where event_type = 'reaction') as reactions, count(*) filter (where event_type = 'visit') as visits,
    count(*) filter (where event_type = 'referral') as referrals,
    count(*) filter (where event_type in ('follow', 'like', 'comment', 'share')) as socials`;
}
