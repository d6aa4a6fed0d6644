-- Tiers: broad ranks above the levels, with what they bring.
create table gamification.tier (
  community_id text collate "C" not null,
  id text collate "C" not null, -- tir_…
  min_xp bigint not null check (min_xp >= 0), -- XP from which on a person has it
  name jsonb not null, -- { "en": "Gold" }
  benefits jsonb not null default '[]', -- [{ "en": "Free shipping" }]
  image_url text,
  primary key (community_id, id),
  unique (community_id, min_xp)
);
