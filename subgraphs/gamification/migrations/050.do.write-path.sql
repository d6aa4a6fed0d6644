-- The steps of the write path that have to see what was committed a moment ago. A statement sees what was there when it
-- began; a function that it calls looks anew at each of its own statements. So all of an award can be one statement.
-- Their plans are kept, since making one costs more than a few postings do; and a table that was small when it was made may
-- grow faster than its statistics, so nothing that has a key is looked for in a whole table.

-- Whether anything was posted to it yet: what a person has from the beginning is reached by the first posting.
alter table gamification.profile add column begun boolean not null default true;
alter table gamification.profile alter column begun set default false;
update gamification.profile p set begun = false
where xp = 0 and coins = 0 and points = 0 and premium = 0 and badges = 0 and messages = 0 and replies = 0 and reactions = 0
  and visits = 0 and referrals = 0 and socials = 0 and not exists (
    select from gamification.ledger_entry e where e.community_id = p.community_id and e.user_id = p.user_id
  );

-- Holds the level curve and the set of score runs as they are, and people as they were read: nobody else changes them
-- until the transaction ends. Gives whether all are still as they were read, and the definitions too.
-- users: sorted. versions: the `xmin` of their profiles, as they were read.
create function gamification.hold(in_community text, definitions uuid, users text[], versions text[]) returns boolean
language plpgsql volatile set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  held text;
  same boolean;
begin
  -- Assigned, since a statement would cost several times as much.
  held := pg_advisory_xact_lock_shared(4107, hashtext(in_community))::text;
  held := pg_advisory_xact_lock_shared(hashtextextended('laurel.score ' || in_community, 0))::text;
  select count(*) = cardinality(users) and definitions is not distinct from (
    select d.version from gamification.definition d where d.community_id = in_community
  ) into same
  from (
    -- One by one, by the key, in the order that everybody locks in.
    select from unnest(users, versions) as u(id, version)
    cross join lateral (
      select from gamification.profile p
      where p.community_id = in_community and p.user_id = u.id and p.xmin = u.version::xid
      for update
    ) p
  ) p;
  return same;
end
$$;

-- Adds amounts to scores, and moves their people from bucket to bucket; each person is named once a run, and an amount of
-- null takes the person out of it. The rows of the runs are held.
-- Gives the runs that have a bucket that holds more people than `most` and can be divided.
create function gamification.move_scores(
  in_community text, runs bigint[], users text[], amounts bigint[], most integer
) returns bigint[]
language plpgsql volatile set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  full_runs bigint[];
begin
  with change as (
    select * from unnest(runs, users, amounts) as c(run_id, user_id, amount)
  ), kept as (
    insert into gamification.score as s (community_id, run_id, user_id, score)
    select in_community, run_id, user_id, amount from change where amount is not null
    on conflict (community_id, run_id, user_id) do update set score = s.score + excluded.score, was = s.score
    returning run_id, was, score
  ), gone as (
    delete from gamification.score s
    using change c
    where s.community_id = in_community and s.run_id = c.run_id and s.user_id = c.user_id and c.amount is null
    returning s.run_id, s.score
  ), touched as (
    update gamification.score_run set changes = changes + 1 where community_id = in_community and id = any(runs)
  ), step as (
    select m.run_id, t.score, sum(t.people) as people
    from (select run_id, was, score from kept union all select run_id, score, null from gone) as m(run_id, before, after)
    cross join lateral (values (m.before, -1), (m.after, 1)) as t(score, people)
    where t.score is not null
    group by m.run_id, t.score
    having sum(t.people) <> 0
  ), bucket as (
    select s.run_id, b.low, sum(s.people) as people
    from step s
    cross join lateral (
      select low
      from gamification.score_bucket
      where community_id = in_community and run_id = s.run_id and low <= s.score
      order by low desc
      limit 1
    ) b
    group by s.run_id, b.low
    having sum(s.people) <> 0
  ), counted as (
    update gamification.score_bucket b set people = b.people + c.people
    from bucket c
    where b.community_id = in_community and b.run_id = c.run_id and b.low = c.low
    returning b.run_id, b.low, b.people
  )
  select array_agg(distinct c.run_id) into full_runs
  from counted c
  where c.people > most and not exists (
    select from gamification.score_bucket n
    where n.community_id = in_community and n.run_id = c.run_id and n.low = c.low + 1
  );
  return full_runs;
end
$$;

-- Adds what people gained on days to the scores of every run that counts the unit and the day, also days long past, and
-- ranks the people. Call it after the entries are written, after their people are held and with them the set of runs, and
-- before the log is appended to.
-- users, days: whom and when. xp, coins, points, premium: what was gained of them; null: nothing, which isn't zero.
-- Gives the runs that have a bucket that holds more people than `most` and can be divided.
create function gamification.add_scores(
  in_community text, users text[], days date[], xp bigint[], coins bigint[], points bigint[], premium bigint[], most integer
) returns bigint[]
language plpgsql volatile set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  units text[] := array_remove(array[
    case when num_nonnulls(variadic xp) > 0 then 'XP' end, case when num_nonnulls(variadic coins) > 0 then 'COINS' end,
    case when num_nonnulls(variadic points) > 0 then 'POINTS' end,
    case when num_nonnulls(variadic premium) > 0 then 'PREMIUM' end
  ], null);
  in_runs bigint[];
  in_users text[];
  in_amounts bigint[];
begin
  -- The rows of the runs come one after another, in one order; whoever waits for them then sees what was done meanwhile.
  perform from gamification.score_run
  where community_id = in_community and unit = any(units) and not dropped
    and first_day <= (select max(d) from unnest(days) d) and last_day >= (select min(d) from unnest(days) d)
  order by id
  for update;
  if not found then return null; end if;
  select array_agg(r.run_id), array_agg(r.user_id), array_agg(case
    when r.role_ids = '{}' or exists (
      select from gamification.score s
      where s.community_id = in_community and s.run_id = r.run_id and s.user_id = r.user_id
    ) then r.amount
    -- The role may be so new that what was before is not counted yet.
    else gamification.gained(in_community, r.user_id, r.unit, r.first_day, r.last_day)
  end) into in_runs, in_users, in_amounts
  from (
    select r.id as run_id, c.user_id, r.role_ids, r.unit, r.first_day, r.last_day, sum(a.amount)::bigint as amount
    from gamification.score_run r
    cross join unnest(users, days, xp, coins, points, premium) as c(user_id, day, xp, coins, points, premium)
    cross join lateral (
      select case r.unit when 'XP' then c.xp when 'COINS' then c.coins when 'POINTS' then c.points else c.premium end
    ) as a(amount)
    where r.community_id = in_community and not r.dropped and c.day between r.first_day and r.last_day
      and a.amount is not null
      -- Whoever isn't built yet is counted when it is.
      and (r.built_to is null or c.user_id <= r.built_to)
      and (r.role_ids = '{}' or exists (
        select from community.roles_of(in_community, array[c.user_id]) o where o.role_ids && r.role_ids
      ))
    group by r.community_id, r.id, c.user_id
  ) r;
  if in_runs is null then return null; end if;
  return gamification.move_scores(in_community, in_runs, in_users, in_amounts, most);
end
$$;
