-- Channels that were deleted and whose messages are being taken away, some at a time.
create table messaging.closed_channel (
  community_id text collate "C" not null,
  channel_id text collate "C" not null, -- chn_…
  closed_at timestamptz(3) not null default clock_timestamp(), -- when that was heard of here
  primary key (community_id, channel_id)
);

create index read_mark_channel on messaging.read_mark (community_id, channel_id);

-- Those that were deleted before.
insert into messaging.closed_channel (community_id, channel_id)
select d.community_id, d.channel_id
from (select distinct community_id, channel_id from messaging.message) d
where not exists (select from community.channel_kinds(d.community_id, array[d.channel_id]));
