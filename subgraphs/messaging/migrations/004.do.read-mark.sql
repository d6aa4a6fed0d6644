-- How far each person has read in each channel.
create table messaging.read_mark (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  channel_id text collate "C" not null,
  message_id text collate "C" not null, -- the last message that was read
  read_to timestamptz(3) not null, -- when that was sent
  primary key (community_id, user_id, channel_id)
);
