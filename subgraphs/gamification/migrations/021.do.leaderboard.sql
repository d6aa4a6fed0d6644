-- What is ranked, and for whom. Source: Returning.AI docs, "Leaderboards"; Lynes docs, "Leaderboard".
create table gamification.leaderboard (
  community_id text collate "C" not null,
  id text collate "C" not null, -- ldb_…
  slug text collate "C" not null, -- 'top-traders'
  name jsonb not null, -- { "en": "…" }
  unit text not null check (unit in ('XP', 'COINS', 'POINTS', 'PREMIUM')), -- what is summed
  windows text[] not null, -- ALL_TIME, DAILY, WEEKLY, MONTHLY, YEARLY, ROLLING_7D, ROLLING_30D, ROLLING_365D
  starts_on date, -- first day that counts, in the community's time zone; null: from the beginning
  ends_on date, -- last day that counts; null: without end
  columns jsonb not null, -- [{ "column": "displayName", "visible": true }], in the order to show them
  top_limit integer check (top_limit > 0), -- ranks that are shown at most; null: all
  only_positive boolean not null, -- whoever has 0 or less isn't ranked
  enabled boolean not null, -- its scores are kept
  rank_role_ids text[] collate "C" not null, -- who is ranked: people with one of these, sorted; empty: everybody
  view_role_ids text[] collate "C" not null, -- who may see it; empty: everybody
  idempotency_key text collate "C" not null, -- that it was made by
  asked bytea not null, -- SHA-256 of the input it was made by
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  primary key (community_id, id),
  unique (community_id, slug),
  unique (community_id, idempotency_key),
  check (ends_on >= starts_on)
);

create index leaderboard_created on gamification.leaderboard (community_id, created_at, id);
