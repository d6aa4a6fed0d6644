-- Where people gather, and what is recorded about them.

create table community.community (
  community_id text collate "C" not null primary key, -- com_…
  slug text collate "C" not null unique check (slug ~ '^[a-z0-9-]{1,100}$'),
  name jsonb not null, -- { "en": "…" }
  time_zone text not null default 'UTC', -- IANA; where its days begin
  created_at timestamptz(3) not null default now()
);

-- The index of members: whoever joined, as the log of identity tells it.
create table community.member (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  joined_at timestamptz(3) not null,
  primary key (community_id, user_id)
);

create index member_joined on community.member (community_id, joined_at, user_id);

create table community.channel (
  community_id text collate "C" not null,
  id text collate "C" not null, -- chn_…
  topic jsonb not null, -- { "en": "…" }
  description text,
  kind text not null check (kind in ('OPEN', 'FORUM', 'WHISPER', 'ANNOUNCEMENT', 'DIRECT', 'AUDIO', 'VIDEO', 'IFRAME')),
  category text,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  primary key (community_id, id)
);

create index channel_created on community.channel (community_id, created_at, id);

-- Port. Which communities these ids or slugs name; no row for one that names none.
create function community.find_communities(identifiers text[])
returns table (identifier text, community_id text)
language sql stable as $$
  select i.identifier, c.community_id
  from unnest(identifiers) as i(identifier)
  join community.community c on c.community_id = i.identifier or c.slug = i.identifier
$$;

-- Port. The time zone that the days of a community are counted in; no row for a community that doesn't exist.
create function community.time_zone(in_community text) returns table (time_zone text)
language sql stable as $$
  select c.time_zone from community.community c where c.community_id = in_community
$$;

-- Port. Whether each user may do this in the channel beside it; user null asks for a key that acts for the community.
-- permission: 'POST_MESSAGES'. known: the channel exists.
create function community.may(in_community text, user_ids text[], channel_ids text[], permission text)
returns table (at bigint, known boolean, allowed boolean)
language sql stable as $$
  select q.at, c.id is not null, (q.user_id is null or m.user_id is not null) and case
    when permission <> 'POST_MESSAGES' then false
    when c.kind in ('OPEN', 'FORUM', 'WHISPER') then true
    -- Who a direct channel is between isn't recorded yet: only the community itself writes there.
    when c.kind = 'DIRECT' then q.user_id is null
    -- One way: the community speaks, its members listen.
    when c.kind = 'ANNOUNCEMENT' then q.user_id is null
    else false
  end
  from unnest(user_ids, channel_ids) with ordinality as q(user_id, channel_id, at)
  left join community.channel c on c.community_id = in_community and c.id = q.channel_id
  left join community.member m on m.community_id = in_community and m.user_id = q.user_id
$$;

-- Port. The channels that a caller may read. as_member false: a key that acts for the community and reads all.
-- in_user null with as_member: what every member may read. In a whisper channel members don't see each other, and a
-- direct one is between two people.
create function community.readable_channels(in_community text, in_user text, as_member boolean)
returns setof text
language sql stable as $$
  select c.id
  from community.channel c
  where c.community_id = in_community and (
    not as_member or c.kind not in ('WHISPER', 'DIRECT') and (in_user is null or exists (
      select from community.member m where m.community_id = in_community and m.user_id = in_user
    ))
  )
$$;
