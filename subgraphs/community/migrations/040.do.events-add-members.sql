-- What a community allows beside its roles.

alter table community.community
  -- Events of people whom nobody knows make them members.
  add column events_add_members boolean not null default false;

-- Port. Whether events of people whom nobody knows make them members; false for a community that doesn't exist.
create function community.events_add_members(in_community text) returns boolean
language sql stable as $$
  select coalesce((
    select c.events_add_members from community.community c where c.community_id = in_community
  ), false)
$$;
