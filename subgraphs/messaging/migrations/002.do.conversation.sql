-- What becomes of a message after it was sent, who reads it, and what it belongs to.

-- Port of community, which holds the channels: of what kind they are; no row for one that doesn't exist.
create function community.channel_kinds(in_community text, channel_ids text[])
returns table (id text, kind text)
language sql stable as $$
  select c.id, c.kind from community.channel c where c.community_id = in_community and c.id = any(channel_ids)
$$;

alter table messaging.message
  alter column body drop not null, -- null once deleted
  add column audience_id text collate "C", -- the one member who reads it besides those who moderate the channel; null: all who read the channel
  add column forum_topic_id text collate "C", -- top_…; null outside forums
  add column mentions text[] collate "C" not null default '{}', -- usr_… and chn_…, in the order of the text
  add column pinned_at timestamptz(3); -- null: not pinned

-- What was said in whisper channels before is for who said it.
update messaging.message m
set audience_id = m.author_id
from (select distinct community_id, channel_id from messaging.message) d
cross join lateral community.channel_kinds(d.community_id, array[d.channel_id]) k
where k.kind = 'WHISPER' and m.community_id = d.community_id and m.channel_id = d.channel_id;

create index message_pinned on messaging.message (community_id, channel_id, pinned_at desc, id desc) where pinned_at is not null;
create index message_topic on messaging.message (community_id, forum_topic_id, created_at, id) where forum_topic_id is not null;
create index message_person_channel on messaging.message (community_id, author_id, channel_id, created_at desc, id desc);

-- What the messages of a forum gather under.
create table messaging.forum_topic (
  community_id text collate "C" not null,
  id text collate "C" not null, -- top_…
  channel_id text collate "C" not null,
  author_id text collate "C" not null,
  title text not null check (length(title) between 1 and 200),
  idempotency_key text collate "C" not null,
  created_at timestamptz(3) not null default now(),
  primary key (community_id, id),
  unique (community_id, author_id, idempotency_key)
);

create index forum_topic_channel on messaging.forum_topic (community_id, channel_id, created_at desc, id desc);
