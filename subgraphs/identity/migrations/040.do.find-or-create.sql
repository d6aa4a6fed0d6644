-- Port. Who people are, as `identity.find_members`, and whoever isn't known yet made a member: an identifier that names
-- nobody and comes with a "new_id" gets a person of that id, so an "id" that names nobody stays null. The same identifier
-- twice is one person, made for the first; e-mail addresses and user names are the same in upper and lower case.
-- identifiers: [{ "id" } | { "email" } | { "username" } | { "system", "value" }], each with or without "new_id"
-- made: it was made for this identifier.
-- Calls for one community follow one another until their transactions end, so call it in one of its own.
create function identity.find_or_create_members(in_community text, identifiers jsonb)
returns table (at bigint, user_id text, made boolean)
language plpgsql volatile as $$
declare
  told bigint;
begin
  -- Each statement below sees what whoever held the lock before has made.
  perform pg_advisory_xact_lock(hashtextextended('people ' || in_community, 0));
  with newcomer as materialized (
    select distinct on (n.name) i.value ->> 'new_id' as id, i.value ->> 'email' as email, i.value ->> 'username' as username,
      i.value ->> 'system' as system, i.value ->> 'value' as value
    from jsonb_array_elements(identifiers) with ordinality i
    join identity.find_members(in_community, identifiers) f on f.at = i.ordinality
    cross join lateral (
      select coalesce(
        'email ' || lower(i.value ->> 'email'),
        'username ' || lower(i.value ->> 'username'),
        (i.value ->> 'system') || ' ' || (i.value ->> 'value')
      ) as name
    ) n
    where f.user_id is null and n.name is not null and i.value ->> 'new_id' is not null
    order by n.name, i.ordinality
  ), added as (
    insert into identity.user as u (community_id, id, email, username, display_name, joined_at)
    select in_community, n.id, n.email, n.username, coalesce(split_part(n.email, '@', 1), n.username, n.value),
      now()::timestamptz(3)
    from newcomer n
    order by n.id
    on conflict do nothing
    returning u.id, u.joined_at
  ), named as (
    insert into identity.external_id (community_id, system, value, user_id)
    select in_community, n.system, n.value, n.id
    from newcomer n
    where n.system is not null
  )
  select log.append(in_community, 'members', jsonb_agg(jsonb_build_object(
    'kind', 'MemberJoined', 'user_id', a.id, 'payload', jsonb_build_object('joinedAt', a.joined_at)
  ) order by a.id))
  into told
  from added a
  having count(*) > 0;
  return query
    select f.at, f.user_id, coalesce(f.user_id = identifiers -> (f.at - 1)::integer ->> 'new_id', false)
    from identity.find_members(in_community, identifiers) f;
end
$$;
