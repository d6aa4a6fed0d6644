-- Who a channel is there for, and who writes in it.

alter table community.channel
  add column iframe_url text, -- of an IFRAME channel: the page it shows
  add column hidden boolean not null default false, -- there only for those who manage channels
  add column view_role_ids text[] collate "C", -- rol_…; who it is there for; null: every member, empty: administrators
  add column post_role_ids text[] collate "C", -- rol_…; who writes in it; null: whoever it is there for, empty: administrators
  add column low_user_id text collate "C", -- usr_…; of a DIRECT channel the two people, in the order of their ids
  add column high_user_id text collate "C",
  add column idempotency_key text collate "C", -- that it was made by
  add column asked bytea, -- SHA-256 of the input it was made by
  add constraint channel_pair check (
    low_user_id is null and high_user_id is null or kind = 'DIRECT' and low_user_id < high_user_id
  );

create unique index channel_made on community.channel (community_id, idempotency_key) where idempotency_key is not null;
-- One a pair; by it a person's direct channels are found from either side.
create unique index channel_direct on community.channel (community_id, low_user_id, high_user_id) where kind = 'DIRECT';
create index channel_direct_high on community.channel (community_id, high_user_id) where kind = 'DIRECT';
-- A community has hundreds of these, and as many direct ones as its people like.
create index channel_shared on community.channel (community_id, id) where kind <> 'DIRECT';
