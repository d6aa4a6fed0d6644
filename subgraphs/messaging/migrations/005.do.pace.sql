-- How fast people may write in a channel.

-- Channels where people may write but once in a while.
create table messaging.slow_mode (
  community_id text collate "C" not null,
  channel_id text collate "C" not null,
  seconds integer not null check (seconds between 1 and 21600), -- between two messages of one person
  primary key (community_id, channel_id)
);

-- What each person has used of their pace in a channel. Lost in a crash, it is as if all had paused.
create unlogged table messaging.pace (
  community_id text collate "C" not null,
  author_id text collate "C" not null,
  channel_id text collate "C" not null,
  free_at timestamptz(3) not null, -- when all that was used is back
  every_seconds integer not null, -- how long one message takes to come back
  burst integer not null, -- messages at once
  wanted integer not null, -- of the last time: messages asked for
  granted integer not null, -- and those let through
  primary key (community_id, author_id, channel_id)
);

create index pace_free on messaging.pace (free_at);

-- How many of the messages wanted there is room for.
create function messaging.granted(free_at timestamptz, every_seconds integer, burst integer, wanted integer)
returns integer
language sql stable as $$
  select least(wanted, greatest(0, floor(
    burst - greatest(0, extract(epoch from free_at - now())) / every_seconds
  )))::integer
$$;
