-- Badges and who was awarded them. Source: Returning.AI docs, "Badge".

create table gamification.badge (
  community_id text collate "C" not null,
  id text collate "C" not null, -- bdg_…
  title jsonb not null, -- { "en": "…" }
  description jsonb,
  image_url text,
  dark_image_url text,
  quantity integer check (quantity > 0), -- awards at most; null: no limit
  award_count integer not null default 0,
  created_at timestamptz(3) not null default now(),
  primary key (community_id, id),
  check (quantity is null or award_count <= quantity)
);

create index badge_created on gamification.badge (community_id, created_at, id);

create table gamification.badge_award (
  community_id text collate "C" not null,
  id text collate "C" not null, -- awd_…
  badge_id text collate "C" not null,
  user_id text collate "C" not null,
  idempotency_key text collate "C" not null,
  awarded_at timestamptz(3) not null default now(),
  primary key (community_id, id),
  unique (community_id, idempotency_key),
  unique (community_id, badge_id, user_id)
);

create index badge_award_user on gamification.badge_award (community_id, user_id, awarded_at desc, id desc);
