-- Who leads: what each person has gained in a span of days, and how many people stand where.

-- A span of days whose scores are kept, because an enabled leaderboard shows it. Whoever changes scores holds its row.
create table gamification.score_run (
  community_id text collate "C" not null,
  id bigint generated always as identity,
  unit text not null check (unit in ('XP', 'COINS', 'POINTS', 'PREMIUM')),
  first_day date not null, -- in the community's time zone; '-infinity': from the beginning
  last_day date not null check (last_day >= first_day), -- included; 'infinity': without end
  role_ids text[] collate "C" not null default '{}', -- who stands in it: people with one of these, sorted; empty: everybody
  built_to text collate "C", -- usr_…; people up to this id are in it; null: all are
  changes bigint not null default 0, -- how often its scores changed
  dropped boolean not null default false, -- no leaderboard shows it any more
  primary key (community_id, id)
) with (fillfactor = 50);

create unique index score_run_span on gamification.score_run (community_id, unit, first_day, last_day, role_ids)
  where not dropped;

-- The sum of a person's entries in the unit and days of a run. Whoever has none has no row.
create table gamification.score (
  community_id text collate "C" not null,
  run_id bigint not null,
  user_id text collate "C" not null,
  score bigint not null,
  primary key (community_id, run_id, user_id)
);

create index score_order on gamification.score (community_id, run_id, score, user_id);

-- How many people have a score from `low` up to the `low` of the next bucket, which is not included. A bucket of more than
-- one score holds at most 1,024 people, so a rank is the sum of the buckets above and a short count inside one.
create table gamification.score_bucket (
  community_id text collate "C" not null,
  run_id bigint not null,
  low bigint not null,
  people integer not null check (people >= 0),
  primary key (community_id, run_id, low)
) with (fillfactor = 50);
