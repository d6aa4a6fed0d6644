-- People who were let in for a while. An access token is signed and not stored; of the refresh token there is one at a
-- time: whoever comes with another one that names the session comes with one of before.

create table identity.session (
  community_id text collate "C" not null,
  id text collate "C" not null, -- ses_…
  user_id text collate "C" not null,
  scopes text[] not null,
  channel_ids text[], -- null: not limited to channels
  selector text collate "C" not null, -- the part of its refresh tokens that finds the row, 128 random bits
  refresh_hash bytea not null, -- SHA-256 of the whole refresh token of now
  created_at timestamptz(3) not null default clock_timestamp(),
  refreshed_at timestamptz(3) not null default clock_timestamp(),
  expires_at timestamptz(3) not null, -- unless it is refreshed before
  ended_at timestamptz(3),
  primary key (community_id, id),
  foreign key (community_id, user_id) references identity.user (community_id, id) on delete cascade
);

create unique index session_selector on identity.session (selector);
create index session_person on identity.session (community_id, user_id, created_at, id);
create index session_expires on identity.session (expires_at);
