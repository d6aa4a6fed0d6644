import type { Sql } from '../db.ts';
import type { Check, Verifiable } from '../verify.ts';
import { badgeReached } from './badge-reached.ts';
import { levelCurve } from './level-change.ts';
import { rankRoles } from './rank-roles.ts';
import { firstBuckets } from './score-bucket.ts';

// Whether the books are right: what is kept of entries and events is counted anew and compared, one community at a time,
// in the database.

type Found = { where: string; kept: string; counted: string }[];

/** Where the first bucket of every run begins. */
const lowest = String(firstBuckets[0]?.low);

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
    // From nothing to what there is, each entry begins where another has ended, whatever their order was.
    name: 'balances after entries',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: balances after entries
      with entry as (
        select user_id, unit, amount, balance_after from gamification.ledger_entry where community_id = ${communityId}
      ), step as (
        select user_id, unit, balance_after as kept, null::bigint as counted from entry
        union all
        select user_id, unit, null, balance_after - amount from entry
        union all
        select user_id, unit, 0, null from entry group by user_id, unit
        union all
        select user_id, unit, null, sum(amount)::bigint from entry group by user_id, unit
      ), loose as (
        select user_id, unit, coalesce(kept, counted) as balance, count(kept) - count(counted) as ends
        from step
        group by user_id, unit, coalesce(kept, counted)
        having count(kept) <> count(counted)
      )
      select format('%s %s', user_id, unit) as where,
        coalesce(string_agg(balance::text, ', ' order by balance) filter (where ends > 0), 'none') as kept,
        coalesce(string_agg(balance::text, ', ' order by balance) filter (where ends < 0), 'none') as counted
      from loose
      group by user_id, unit
      order by user_id, unit
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
      where p.community_id = ${communityId} and p.level <> l.reached and not exists (
        -- Of a curve that not everybody's level has followed yet.
        select from log.stream s
        where s.community_id = ${communityId} and s.name = ${levelCurve.stream} and s.last > coalesce((
          select r.position from log.reader r
          where r.community_id = ${communityId} and r.stream = ${levelCurve.stream} and r.name = ${levelCurve.name}
        ), 0)
      )
      order by p.user_id
      limit ${most}`,
  },
  {
    name: 'badges',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: badges
      with award as materialized (
        select badge_id, user_id
        from gamification.badge_award
        where community_id = ${communityId} and revoked_at is null
      ), counted as (
        select coalesce(badge_id, user_id) as id, count(*) as awards
        from award
        group by grouping sets ((badge_id), (user_id))
      ), kept as (
        select id, award_count as awards from gamification.badge where community_id = ${communityId}
        union all
        select user_id, badges from gamification.profile where community_id = ${communityId}
      )
      select id as where, coalesce(k.awards, 0) || ' awards' as kept, coalesce(c.awards, 0) || ' awards' as counted
      from kept k
      full join counted c using (id)
      where coalesce(k.awards, 0) <> coalesce(c.awards, 0)
      order by id
      limit ${most}`,
  },
  {
    name: 'badges that award themselves',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: badges that award themselves
      select p.user_id || ' ' || b.id as where, 'never awarded' as kept, b.at_least || ' ' || b.measure as counted
      from gamification.badge b
      join gamification.profile p on p.community_id = b.community_id and b.at_least <= case b.measure
        when 'XP' then p.xp when 'COINS' then p.coins when 'POINTS' then p.points when 'PREMIUM' then p.premium
        when 'LEVEL' then p.level when 'MESSAGES' then p.messages when 'REPLIES' then p.replies
        when 'REACTIONS' then p.reactions when 'VISITS' then p.visits when 'REFERRALS' then p.referrals
        when 'SOCIALS' then p.socials when 'BADGES' then p.badges
      end
      -- Of others there may be none left.
      where b.community_id = ${communityId} and b.enabled and b.deleted_at is null and b.quantity is null
        and p.begun and not exists (
          select from gamification.badge_award a
          where a.community_id = b.community_id and a.badge_id = b.id and a.user_id = p.user_id
        ) and not exists (
          -- Not everybody has been looked at yet.
          select from log.stream s
          left join log.reader r on r.community_id = s.community_id and r.stream = s.name
          where s.community_id = b.community_id and s.last > coalesce(r.position, 0) and (
            (s.name = ${badgeReached.stream} and coalesce(r.name, '') in ('', ${badgeReached.name}))
            or (s.name = ${levelCurve.stream} and coalesce(r.name, '') in ('', ${levelCurve.name}))
          )
        )
      order by p.user_id, b.id
      limit ${most}`,
  },
  {
    name: 'leaderboard scores',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: leaderboard scores
      with zone as materialized (
        select coalesce((select time_zone from community.time_zone(${communityId})), 'UTC') as name
      ), run as materialized (
        select id as run_id, unit, first_day, last_day, role_ids, built_to
        from gamification.score_run
        where community_id = ${communityId} and not dropped
      ), ranked as materialized (
        select r.run_id, m.user_id
        from run r
        cross join lateral community.members_with_roles(${communityId}, r.role_ids) as m(user_id)
        where r.role_ids <> '{}'
      ), moving as materialized (
        -- Who was given or lost a role that leaderboards have not followed yet; without a person: everybody.
        select e.user_id, e.payload ->> 'roleId' as role_id
        from log.event e
        where e.community_id = ${communityId} and e.stream = ${rankRoles.stream}
          and e.kind in ('RoleAssigned', 'RoleUnassigned', 'RoleDeleted') and e.number > coalesce((
            select r.position from log.reader r
            where r.community_id = ${communityId} and r.stream = ${rankRoles.stream} and r.name = ${rankRoles.name}
          ), 0)
      ), gained as materialized (
        select user_id, unit, (occurred_at at time zone zone.name)::date as day, sum(amount) as amount
        from gamification.ledger_entry, zone
        where community_id = ${communityId}
        group by 1, 2, 3
      ), counted as (
        select r.run_id, g.user_id, sum(g.amount) as score
        from run r
        join gained g on g.unit = r.unit and g.day between r.first_day and r.last_day
        where (r.built_to is null or g.user_id <= r.built_to) and (
          r.role_ids = '{}' or (r.run_id, g.user_id) in (select run_id, user_id from ranked)
        )
        group by 1, 2
      )
      select format('run %s (%s, %s to %s) %s', run_id, r.unit, r.first_day, r.last_day, user_id) as where,
        coalesce(s.score::text, 'not ranked') as kept, coalesce(c.score::text, 'not to be ranked') as counted
      from (
        select run_id, user_id, score
        from gamification.score
        where community_id = ${communityId} and run_id in (select run_id from run)
      ) s
      full join counted c using (run_id, user_id)
      join run r using (run_id)
      where s.score is distinct from c.score and not exists (
        select from moving m
        where m.role_id = any(r.role_ids) and (m.user_id is null or m.user_id = coalesce(s.user_id, c.user_id))
      )
      order by run_id, user_id
      limit ${most}`,
  },
  {
    name: 'leaderboard buckets',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: leaderboard buckets
      select format('run %s from %s', b.run_id, b.low) as where, coalesce(b.people || ' people', 'no bucket') as kept,
        c.people || ' people' as counted
      from (
        select run_id, low, people, lead(low) over (partition by run_id order by low) as next
        from (
          select b.run_id, b.low, b.people
          from gamification.score_bucket b
          join gamification.score_run r on r.community_id = b.community_id and r.id = b.run_id and not r.dropped
          where b.community_id = ${communityId}
          union all
          -- The lowest scores too stand in a bucket.
          select r.id, ${lowest}::bigint, null
          from gamification.score_run r
          where r.community_id = ${communityId} and not r.dropped and not exists (
            select from gamification.score_bucket b
            where b.community_id = r.community_id and b.run_id = r.id and b.low = ${lowest}::bigint
          )
        ) all_buckets
      ) b
      cross join lateral (
        select count(*) as people
        from gamification.score s
        where s.community_id = ${communityId} and s.run_id = b.run_id and s.score >= b.low
          and (b.next is null or s.score < b.next)
      ) c
      where b.people is distinct from c.people
      order by b.run_id, b.low
      limit ${most}`,
  },
  {
    name: 'activities',
    find: (sql, communityId, most) => sql<Found>`
      -- verify: activities
      with standing as materialized (
        select l.event_id, coalesce(l.rule_id, '') as rule_id, sum(l.amount) as points
        from gamification.ledger_entry l
        where l.community_id = ${communityId} and l.unit = 'POINTS' and not exists (
          select from gamification.ledger_entry b where b.community_id = l.community_id and b.reversal_of = l.id
        )
        group by 1, 2
      ), counted as (
        select a.id, e.id is not null as happened, coalesce(s.points, 0) as points,
          r.id is not null or w.id is not null as taken_back
        from gamification.activity a
        left join gamification.event e on e.community_id = a.community_id and e.id = a.event_id and e.user_id = a.user_id
        left join standing s on s.event_id = a.event_id and s.rule_id = coalesce(a.cause_id, '')
        left join gamification.event r on r.community_id = a.community_id and r.reverses = a.event_id
        left join gamification.badge_award w on w.community_id = a.community_id and w.id = a.cause_id
          and w.revoked_at is not null
        where a.community_id = ${communityId}
      )
      select a.id as where, a.points || ' POINTS' || case when a.taken_back_at is not null then ', taken back' else '' end as kept,
        case when c.happened then c.points || ' POINTS' || case when c.taken_back then ', taken back' else '' end
          else 'no event' end as counted
      from gamification.activity a
      join counted c on c.id = a.id
      where a.community_id = ${communityId}
        and (not c.happened or a.points <> c.points or (a.taken_back_at is not null) <> c.taken_back)
      order by a.id
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
