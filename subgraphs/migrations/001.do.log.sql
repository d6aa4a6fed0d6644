-- The log: what happened, in an order that every reader sees alike. It is also the outbox: an event is appended in
-- the transaction of the write it tells of.

-- One row a stream: the number of its last event. Updating it serialises the writers of that stream, so that
-- numbers become visible in the order they were given.
create table log.stream (
  community_id text collate "C" not null,
  name text collate "C" not null, -- 'members', 'xp', 'messages'
  last bigint not null default 0,
  primary key (community_id, name)
);

create index stream_name on log.stream (name);

create table log.event (
  community_id text collate "C" not null,
  stream text collate "C" not null,
  number bigint not null, -- 1, 2, 3 … without a hole
  kind text not null, -- 'XpChanged', 'MessagePosted' …
  user_id text collate "C", -- audience: the person it is about
  channel_id text collate "C", -- audience: the channel it happened in
  payload jsonb not null, -- ids and numbers, never a body: erasing what they name erases it here too
  occurred_at timestamptz not null default now(),
  primary key (community_id, stream, number)
);

-- Events are pruned by age.
create index event_age on log.event using brin (occurred_at);

-- How far a background reader has come; held `for update skip locked` while it works.
create table log.reader (
  community_id text collate "C" not null,
  stream text collate "C" not null,
  name text collate "C" not null,
  position bigint not null default 0,
  primary key (community_id, stream, name)
);

-- Secrets that all processes of one Laurel share.
create table log.secret (
  purpose text not null, -- 'principal' signs principals, 'cursor' seals cursors
  id text not null,
  value bytea not null,
  created_at timestamptz not null default now(),
  primary key (purpose, id)
);

-- Appends events to one stream and gives the number of the last. Call it inside the write's own statement.
-- events: [{ kind, user_id, channel_id, payload }], oldest first; at least one.
create function log.append(in_community text, in_stream text, in_events jsonb) returns bigint
language sql volatile as $$
  with counter as (
    insert into log.stream as s (community_id, name, last)
    values (in_community, in_stream, jsonb_array_length(in_events))
    on conflict (community_id, name) do update set last = s.last + excluded.last
    returning last
  ), added as (
    insert into log.event (community_id, stream, number, kind, user_id, channel_id, payload, occurred_at)
    select in_community, in_stream, counter.last - jsonb_array_length(in_events) + e.ordinality,
      e.value ->> 'kind', e.value ->> 'user_id', e.value ->> 'channel_id', e.value -> 'payload', clock_timestamp()
    from counter, jsonb_array_elements(in_events) with ordinality e
  )
  select last from counter
$$;
