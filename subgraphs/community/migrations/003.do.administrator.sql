-- Who administers a community: makes its keys, ends sessions of others, reads what was done with both.

create table community.administrator (
  community_id text collate "C" not null,
  user_id text collate "C" not null, -- usr_…
  created_at timestamptz(3) not null default now(),
  primary key (community_id, user_id)
);

-- Port. Whether a person administers the community.
create function community.administers(in_community text, in_user text) returns boolean
language sql stable as $$
  select exists (
    select from community.administrator a where a.community_id = in_community and a.user_id = in_user
  )
$$;
