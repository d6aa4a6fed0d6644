-- Files that messages carry. The bytes lie elsewhere, under `community_id/id`.
create table messaging.attachment (
  community_id text collate "C" not null,
  id text collate "C" not null, -- att_…
  owner_id text collate "C" not null, -- usr_…; whose messages may carry it
  file_name text not null check (length(file_name) between 1 and 200),
  max_bytes integer not null, -- what was asked for
  content_type text, -- by its bytes; null until they are there
  bytes integer, -- null until they are there
  message_id text collate "C", -- null until one carries it
  position integer not null default 0, -- among those of its message, from 1
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null, -- bytes are taken until then
  primary key (community_id, id)
);

create index attachment_message on messaging.attachment (community_id, message_id, position) where message_id is not null;
create index attachment_unused on messaging.attachment (community_id, owner_id) where message_id is null;
create index attachment_age on messaging.attachment (created_at) where message_id is null;
