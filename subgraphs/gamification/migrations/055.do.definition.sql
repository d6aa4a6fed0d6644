-- What postings are decided on that is the same for all of a community: its rules, levels, units and badges. They change
-- seldom and are read with every posting, so processes keep them in memory by their version.
create table gamification.definition (
  community_id text collate "C" primary key,
  version uuid not null -- another with every change; never the same twice, also not of a change that was rolled back
) with (fillfactor = 50);

create function gamification.redefine() returns trigger
language plpgsql as $$
begin
  insert into gamification.definition as d (community_id, version)
  select c.community_id, gen_random_uuid() from (select distinct community_id from changed order by 1) c
  on conflict (community_id) do update set version = excluded.version;
  return null;
end
$$;

do $$
declare
  kept text;
begin
  foreach kept in array array['rule', 'level', 'unit', 'badge'] loop
    execute format('create trigger %I after insert on gamification.%I referencing new table as changed
      for each statement execute function gamification.redefine()', kept || '_added', kept);
    execute format('create trigger %I after delete on gamification.%I referencing old table as changed
      for each statement execute function gamification.redefine()', kept || '_removed', kept);
    if kept <> 'badge' then
      execute format('create trigger %I after update on gamification.%I referencing new table as changed
        for each statement execute function gamification.redefine()', kept || '_changed', kept);
    end if;
  end loop;
end
$$;

-- Of a badge, how many are awarded changes all the time; only whether there are any left is looked at by all.
create function gamification.redefine_badges() returns trigger
language plpgsql as $$
begin
  insert into gamification.definition as d (community_id, version)
  select c.community_id, gen_random_uuid()
  from (
    select distinct a.community_id
    from before b
    join after a using (community_id, id)
    where (
      b.enabled, b.requires_attachment, b.measure, b.at_least, b.xp_reward, b.coins_reward, b.wording_id, b.deleted_at,
      b.quantity, b.quantity <= b.award_count
    ) is distinct from (
      a.enabled, a.requires_attachment, a.measure, a.at_least, a.xp_reward, a.coins_reward, a.wording_id, a.deleted_at,
      a.quantity, a.quantity <= a.award_count
    )
    order by 1
  ) c
  on conflict (community_id) do update set version = excluded.version;
  return null;
end
$$;

create trigger badge_changed after update on gamification.badge referencing old table as before new table as after
  for each statement execute function gamification.redefine_badges();

insert into gamification.definition (community_id, version)
select community_id, gen_random_uuid()
from (
  select community_id from gamification.rule union select community_id from gamification.level
  union select community_id from gamification.unit union select community_id from gamification.badge
) c;
