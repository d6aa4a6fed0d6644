-- How often keys asked for what will go of the schema, day by day; gateways tell once a minute. Kept for 90 days.

create table identity.deprecated_use (
  community_id text collate "C" not null,
  key_id text collate "C" not null, -- key_…
  coordinate text collate "C" not null, -- `User.nick`, `Query.users(order:)`, `Plan.FREE`
  day date not null, -- in UTC
  calls bigint not null, -- operations that named it, each once
  last_at timestamptz(3) not null,
  primary key (community_id, key_id, coordinate, day),
  foreign key (community_id, key_id) references identity.api_key (community_id, id) on delete cascade
);

create index deprecated_use_age on identity.deprecated_use using brin (day);
