-- What people say, and how others answer without words.

create table messaging.message (
  community_id text collate "C" not null,
  id text collate "C" not null, -- msg_…
  channel_id text collate "C" not null,
  author_id text collate "C" not null,
  body text not null check (length(body) between 1 and 4000),
  reply_to_id text collate "C", -- the message that this one answers, of the same channel
  idempotency_key text collate "C" not null,
  created_at timestamptz(3) not null default now(),
  edited_at timestamptz(3),
  deleted_at timestamptz(3),
  primary key (community_id, id),
  unique (community_id, author_id, idempotency_key) -- one's keys are no matter of others
);

create index message_channel on messaging.message (community_id, channel_id, created_at desc, id desc);
create index message_author on messaging.message (community_id, author_id, created_at desc, id desc);
create index message_replies on messaging.message (community_id, reply_to_id, created_at, id) where reply_to_id is not null;

create table messaging.reaction (
  community_id text collate "C" not null,
  message_id text collate "C" not null,
  emoji text collate "C" not null,
  user_id text collate "C" not null,
  created_at timestamptz(3) not null default now(),
  primary key (community_id, message_id, emoji, user_id)
);
