-- What a person gained of a unit from one day of the community's time zone to another, both included; null without entries.
create function gamification.gained(
  in_community text, in_user text, in_unit text, from_day date, to_day date
) returns bigint
language sql stable as $$
  select sum(l.amount)::bigint
  from gamification.ledger_entry l
  where l.community_id = in_community and l.user_id = in_user and l.unit = in_unit
    and (l.occurred_at at time zone (select time_zone from community.time_zone(in_community)))::date
      between from_day and to_day
    -- The same days as moments, a day wider since zones are at most 14 hours from UTC: by these the index is read.
    and l.occurred_at >= (from_day - 1)::timestamp at time zone 'UTC'
    and l.occurred_at <= (to_day + 2)::timestamp at time zone 'UTC'
$$;
