-- Keys that are used, rotated and changed.

alter table identity.api_key
  alter column created_at type timestamptz(3), -- as cursors hold it
  add column last_used_at timestamptz(3); -- to the minute, and told some seconds late

create index api_key_created on identity.api_key (community_id, created_at, id);
create index api_key_user on identity.api_key (community_id, user_id, created_at, id) where user_id is not null;

-- Secrets of before, that work on for a while after a key got a new one.
create table identity.former_secret (
  community_id text collate "C" not null,
  prefix text collate "C" not null,
  key_id text collate "C" not null,
  hash bytea not null, -- SHA-256 of the whole secret
  ends_at timestamptz(3) not null,
  primary key (community_id, prefix),
  foreign key (community_id, key_id) references identity.api_key (community_id, id) on delete cascade
);

create unique index former_secret_prefix on identity.former_secret (prefix);
create index former_secret_key on identity.former_secret (community_id, key_id);

-- What was made by which idempotency key, for 30 days.
create table identity.made (
  community_id text collate "C" not null,
  actor text collate "C" not null, -- usr_…, or 'community' for a key that acts for it
  idempotency_key text collate "C" not null,
  asked bytea not null, -- SHA-256 of the input
  id text collate "C" not null, -- of what was made
  at timestamptz not null default now(),
  primary key (community_id, actor, idempotency_key)
);

create index made_age on identity.made using brin (at);
