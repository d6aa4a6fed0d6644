-- Who people are. A person is a user of one community; the same id may stand in several.

create table identity.user (
  community_id text collate "C" not null,
  id text collate "C" not null, -- usr_…
  email text, -- as given; compared in lower case
  username text, -- as given; compared in lower case
  display_name text not null,
  first_name text,
  last_name text,
  avatar_url text,
  language text not null default 'en', -- BCP 47
  time_zone text not null default 'UTC', -- IANA
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'SUSPENDED', 'BANNED', 'DELETED', 'PENDING_VERIFICATION')),
  joined_at timestamptz not null default now(),
  primary key (community_id, id)
);

create unique index user_email on identity.user (community_id, lower(email)) where email is not null;
create unique index user_username on identity.user (community_id, lower(username)) where username is not null;

-- Ids that other systems gave the same people.
create table identity.external_id (
  community_id text collate "C" not null,
  system text not null check (system in ('RETURNING', 'GAMIFYHOST', 'LYNES')),
  value text collate "C" not null,
  user_id text collate "C" not null,
  primary key (community_id, system, value),
  foreign key (community_id, user_id) references identity.user (community_id, id) on delete cascade
);

create index external_id_user on identity.external_id (community_id, user_id);

-- Credentials. The secret itself is never stored: it has 256 random bits, so one SHA-256 is enough.
create table identity.api_key (
  community_id text collate "C" not null,
  id text collate "C" not null, -- key_…
  kind text not null check (kind in ('SYSTEM', 'INTEGRATION', 'PERSONAL')),
  name text not null,
  prefix text collate "C" not null, -- the part of the secret that finds the row, and that may be shown
  hash bytea not null, -- SHA-256 of the whole secret
  scopes text[] not null,
  user_id text collate "C", -- a personal key's person
  channel_ids text[], -- null: not limited to channels
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (community_id, id),
  foreign key (community_id, user_id) references identity.user (community_id, id) on delete cascade,
  check ((kind = 'PERSONAL') = (user_id is not null))
);

create unique index api_key_prefix on identity.api_key (prefix);
create unique index api_key_system on identity.api_key (community_id) where kind = 'SYSTEM' and revoked_at is null;

-- Port. Who people are: for each identifier the id of its user, null where there is none.
-- identifiers: [{ "id" } | { "email" } | { "username" } | { "system", "value" }]
create function identity.find_members(in_community text, identifiers jsonb)
returns table (at bigint, user_id text)
language sql stable as $$
  select i.ordinality, coalesce(
    (select u.id from identity.user u
      where u.community_id = in_community and u.id = i.value ->> 'id'),
    (select u.id from identity.user u
      where u.community_id = in_community and lower(u.email) = lower(i.value ->> 'email')),
    (select u.id from identity.user u
      where u.community_id = in_community and lower(u.username) = lower(i.value ->> 'username')),
    (select x.user_id from identity.external_id x
      where x.community_id = in_community and x.system = i.value ->> 'system' and x.value = i.value ->> 'value')
  )
  from jsonb_array_elements(identifiers) with ordinality i
$$;
