-- Who is around. Nothing of it is told to the log, and a crash forgets it: whoever is around says so again.
create unlogged table messaging.presence (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  status text not null check (status in ('ONLINE', 'AWAY', 'OFFLINE')),
  seen_at timestamptz(3) not null, -- when they last said so
  primary key (community_id, user_id)
);

create index presence_seen on messaging.presence (seen_at);

-- Who writes in which channel now.
create unlogged table messaging.typing (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  channel_id text collate "C" not null,
  told_at timestamptz(3) not null, -- when others were last told
  primary key (community_id, user_id, channel_id)
);

create index typing_told on messaging.typing (told_at);
