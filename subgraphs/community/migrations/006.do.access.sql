-- Who may do what where: ports for the other subgraphs. All are batched, and look at rows of the people and channels they
-- are given and at the channels that are shared, never at all members or all direct channels.
--
-- A *reader* is a person (usr_…) or a class of people who read the same, as `community.reads_as` gives it; '' is the class
-- of members whose roles open nothing. A class has no direct channels: those are between two people.

-- What a reader is here. Not a port. administers: has every permission. rank: of the highest role, 2147483647 for those
-- who administer the community without a role, -1 without any.
create function community.standing(in_community text, readers text[])
returns table (
  reader text, is_member boolean, administers boolean, role_ids text[], permissions text[], rank integer
)
language sql stable as $$
  select r.reader, r.is_class or m.user_id is not null,
    a.administers,
    o.role_ids,
    case when a.administers then community.all_permissions() else o.permissions || c.member_permissions end,
    case when d.user_id is not null then 2147483647 else o.rank end
  from (
    select distinct reader, reader not like 'usr\_%' as is_class from unnest(readers) as r(reader)
  ) r
  left join community.community c on c.community_id = in_community
  left join community.member m on m.community_id = in_community and m.user_id = r.reader
  left join community.administrator d on d.community_id = in_community and d.user_id = r.reader
  cross join lateral (
    select coalesce(array_agg(distinct o.id), '{}') as role_ids,
      coalesce(max(o.rank), -1) as rank,
      coalesce(array_agg(distinct p.permission) filter (where p.permission is not null), '{}') as permissions
    from community.role o
    left join lateral unnest(o.permissions) as p(permission) on true
    where o.community_id = in_community and o.id = any(
      case
        when r.is_class then string_to_array(r.reader, ' ')
        else array(
          select h.role_id from community.role_member h where h.community_id = in_community and h.user_id = r.reader
        )
      end
    )
  ) o
  cross join lateral (
    select d.user_id is not null or r.reader = 'administrators' or 'ADMINISTRATOR' = any(o.permissions) as administers
  ) a
$$;

-- Whether a shared channel is there for a reader. Not a port.
create function community.is_there(channel community.channel, administers boolean, role_ids text[], permissions text[])
returns boolean
language sql immutable as $$
  select (not channel.hidden or 'MANAGE_CHANNELS' = any(permissions))
    and (channel.view_role_ids is null or administers or channel.view_role_ids && role_ids)
$$;

-- Port. What each person may do in the channel beside it; user null asks for a key that acts for the community, which may
-- do all that the channel's kind allows.
-- known: the channel exists and is there for them; what isn't there for somebody is, to them, nothing at all.
-- permissions: those of the enum Permission that concern a channel, and two more:
--   VIEW_CHANNEL   it is there: its name and topic, and in a WHISPER channel what one says oneself and is answered
--   READ_CHANNEL   all that is said in it
-- Speaking permissions (POST_MESSAGES, POST_ANALYSIS, ATTACH_FILES, ALLOW_MENTIONS, SHARE_LINKS, SHARE_ATTACHMENTS) are
-- there only where the person may write: by `post_role_ids`, in an ANNOUNCEMENT channel by BROADCAST_MESSAGES, and never in
-- AUDIO, VIDEO and IFRAME channels. In a DIRECT channel both people may pin, and nobody manages what the other says.
create function community.channel_permissions(in_community text, user_ids text[], channel_ids text[])
returns table (at bigint, known boolean, permissions text[])
language sql stable as $$
  select q.at, coalesce(e.sees, false), case when e.sees then array(
    select p
    from unnest(coalesce(s.permissions, community.all_permissions()) || '{VIEW_CHANNEL,READ_CHANNEL,PIN_MESSAGES}') as p
    where case
      when p in ('POST_MESSAGES', 'POST_ANALYSIS', 'ATTACH_FILES', 'ALLOW_MENTIONS', 'SHARE_LINKS', 'SHARE_ATTACHMENTS')
        then e.posts
      when p in ('READ_CHANNEL', 'VIEW_HISTORY') then c.kind <> 'WHISPER' or e.manages
      when p in ('MANAGE_MESSAGES', 'DELETE_MESSAGES', 'MANAGE_CHANNELS') then q.user_id is null or c.kind <> 'DIRECT'
      when p = 'PIN_MESSAGES' then c.kind = 'DIRECT' or p = any(coalesce(s.permissions, community.all_permissions()))
      when p = 'BROADCAST_MESSAGES' then c.kind = 'ANNOUNCEMENT'
      else p = 'VIEW_CHANNEL'
    end
    group by p
  ) else '{}' end
  from unnest(user_ids, channel_ids) with ordinality as q(user_id, channel_id, at)
  left join community.channel c on c.community_id = in_community and c.id = q.channel_id
  left join community.standing(in_community, user_ids) s on s.reader = q.user_id
  cross join lateral (
    select c.id is not null and case
        when q.user_id is null then true
        when not s.is_member then false
        when c.kind = 'DIRECT' then coalesce(q.user_id in (c.low_user_id, c.high_user_id), false)
        else community.is_there(c, s.administers, s.role_ids, s.permissions)
      end as sees,
      q.user_id is null or 'MANAGE_MESSAGES' = any(s.permissions) as manages,
      case
        when c.kind in ('OPEN', 'FORUM', 'WHISPER', 'DIRECT') then q.user_id is null or 'POST_MESSAGES' = any(s.permissions)
        when c.kind = 'ANNOUNCEMENT' then q.user_id is null or 'BROADCAST_MESSAGES' = any(s.permissions)
        else false
      end and (
        q.user_id is null or c.post_role_ids is null or s.administers or c.post_role_ids && s.role_ids
      ) as posts
  ) e
$$;

-- Port. Whether each user may do this in the channel beside it; user null asks for a key that acts for the community.
-- permission: one that `community.channel_permissions` gives; anything else is allowed to nobody.
-- known: as there.
create or replace function community.may(in_community text, user_ids text[], channel_ids text[], permission text)
returns table (at bigint, known boolean, allowed boolean)
language sql stable as $$
  select p.at, p.known, permission = any(p.permissions)
  from community.channel_permissions(in_community, user_ids, channel_ids) p
$$;

-- Port. The channels that are there for a caller, as VIEW_CHANNEL. as_member false: a key that acts for the community.
-- in_user: a reader, null is ''.
create function community.visible_channels(in_community text, in_user text, as_member boolean)
returns setof text
language sql stable as $$
  select c.id from community.channel c where c.community_id = in_community and not as_member
  union all
  select c.id
  from community.standing(in_community, array[coalesce(in_user, '')]) s
  join community.channel c on c.community_id = in_community and c.kind <> 'DIRECT'
  where as_member and s.is_member and community.is_there(c, s.administers, s.role_ids, s.permissions)
  union all
  select c.id
  from community.member m
  join community.channel c on c.community_id = in_community and c.kind = 'DIRECT' and c.low_user_id = m.user_id
  where as_member and m.community_id = in_community and m.user_id = in_user
  union all
  select c.id
  from community.member m
  join community.channel c on c.community_id = in_community and c.kind = 'DIRECT' and c.high_user_id = m.user_id
  where as_member and m.community_id = in_community and m.user_id = in_user
$$;

-- Port. The channels all of which a caller may read, as READ_CHANNEL: those that are there for it, but WHISPER channels only
-- for those who manage messages. Arguments as of `community.visible_channels`.
-- This is "what may this reader read now": one index range over the shared channels, one over a person's direct ones. With
-- `where id collate "C" = any(…)` around it, it looks at those alone (without the collation at all of them). The answer
-- holds until `community.access_version` grows.
create or replace function community.readable_channels(in_community text, in_user text, as_member boolean)
returns setof text
language sql stable as $$
  select c.id from community.channel c where c.community_id = in_community and not as_member
  union all
  select c.id
  from community.standing(in_community, array[coalesce(in_user, '')]) s
  join community.channel c on c.community_id = in_community and c.kind <> 'DIRECT'
  where as_member and s.is_member and community.is_there(c, s.administers, s.role_ids, s.permissions)
    and (c.kind <> 'WHISPER' or 'MANAGE_MESSAGES' = any(s.permissions))
  union all
  select c.id
  from community.member m
  join community.channel c on c.community_id = in_community and c.kind = 'DIRECT' and c.low_user_id = m.user_id
  where as_member and m.community_id = in_community and m.user_id = in_user
  union all
  select c.id
  from community.member m
  join community.channel c on c.community_id = in_community and c.kind = 'DIRECT' and c.high_user_id = m.user_id
  where as_member and m.community_id = in_community and m.user_id = in_user
$$;

-- Port. The class of people that a person reads like: two people with the same class find the same shared channels readable.
-- It names the roles that open anything, in the order of their ids with a blank between; 'administrators' for those who
-- administer the community. It changes with the person's roles, not with channels, so it can be kept until the log's
-- stream `credentials` names the person, or the community.
create function community.reads_as(in_community text, in_user text) returns text
language sql stable as $$
  select case
    when exists (
      select from community.administrator a where a.community_id = in_community and a.user_id = in_user
    ) or coalesce(bool_or('ADMINISTRATOR' = any(o.permissions)), false) then 'administrators'
    else coalesce(string_agg(o.id, ' ' order by o.id), '')
  end
  from community.role_member h
  join community.role o on o.community_id = h.community_id and o.id = h.role_id and o.guards
  where h.community_id = in_community and h.user_id = in_user
$$;

-- Port. A number that grows whenever what anybody may read or do may have changed: the last of the log's stream `access`.
create function community.access_version(in_community text) returns bigint
language sql stable as $$
  select coalesce((select s.last from log.stream s where s.community_id = in_community and s.name = 'access'), 0)
$$;

-- Port. Whether each person has a permission that concerns the whole community: 'WARN_MEMBERS', 'MANAGE_ROLES' …
create function community.holds(in_community text, user_ids text[], permission text)
returns table (at bigint, allowed boolean)
language sql stable as $$
  select q.at, s.is_member and permission = any(s.permissions)
  from unnest(user_ids) with ordinality as q(user_id, at)
  join community.standing(in_community, user_ids) s on s.reader = q.user_id
$$;

-- Port. Whether a person stands above another: by the rank of their highest roles; those who administer the community
-- without a role stand above all others, and nobody above them.
create function community.outranks(in_community text, in_user text, other text) returns boolean
language sql stable as $$
  select coalesce((
    select one.rank > two.rank
    from community.standing(in_community, array[in_user]) one, community.standing(in_community, array[other]) two
  ), false)
$$;

-- Port. Whether a person administers the community: by itself, or by a role with ADMINISTRATOR.
create or replace function community.administers(in_community text, in_user text) returns boolean
language sql stable as $$
  select exists (
    select from community.administrator a where a.community_id = in_community and a.user_id = in_user
  ) or exists (
    select
    from community.role_member h
    join community.role o on o.community_id = h.community_id and o.id = h.role_id
    where h.community_id = in_community and h.user_id = in_user and 'ADMINISTRATOR' = any(o.permissions)
  )
$$;

-- Port. The people who have one of these roles, each once, in no order. Around a few people ask `community.roles_of`.
create function community.members_with_roles(in_community text, in_roles text[])
returns setof text
language sql stable as $$
  select distinct h.user_id
  from community.role_member h
  where h.community_id = in_community and h.role_id = any(in_roles)
$$;

-- Port. The roles of each person, highest first; no row for one who has none.
create function community.roles_of(in_community text, user_ids text[])
returns table (user_id text, role_ids text[])
language sql stable as $$
  select h.user_id, array_agg(h.role_id order by o.rank desc, o.id desc)
  from community.role_member h
  join community.role o on o.community_id = h.community_id and o.id = h.role_id
  where h.community_id = in_community and h.user_id = any(user_ids)
  group by h.user_id
$$;
