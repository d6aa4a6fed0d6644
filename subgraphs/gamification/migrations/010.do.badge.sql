-- Badges that reward, that run out, and that are awarded by themselves; awards that can be taken back.

alter table gamification.badge
  add column enabled boolean not null default true, -- whether it is awarded now
  add column requires_attachment boolean not null default false, -- awarding by hand takes a proof
  add column xp_reward bigint not null default 0 check (xp_reward >= 0), -- XP on award
  add column coins_reward bigint not null default 0 check (coins_reward >= 0), -- coins on award
  add column measure text check (measure in ('XP', 'COINS', 'POINTS', 'PREMIUM', 'LEVEL', 'MESSAGES', 'REPLIES',
    'REACTIONS', 'VISITS', 'REFERRALS', 'SOCIALS', 'BADGES')), -- what a person has of, to be awarded it; null: by hand
  add column at_least bigint check (at_least > 0), -- how much of it
  add column version integer not null default 1, -- one more with each change
  add column idempotency_key text collate "C", -- of the call that made it
  add column made_from jsonb, -- what that call said
  add column updated_at timestamptz(3) not null default now(),
  add column deleted_at timestamptz(3), -- awarded no more, and in no list; who holds it keeps it
  add check ((measure is null) = (at_least is null));

create unique index badge_made on gamification.badge (community_id, idempotency_key);
create index badge_measure on gamification.badge (community_id) where measure is not null;

alter table gamification.badge_award
  add column event_id text collate "C", -- evt_…; the event that brought it
  add column attachment_url text, -- the proof
  add column revoked_at timestamptz(3); -- when it was taken back

-- Each award has an event; the idempotency key of one that was made by hand is the reference of that event.
update gamification.badge_award set event_id = 'evt_' || substr(id, 5);

insert into gamification.event (
  community_id, id, event_type, reference, user_id, metadata, timed, occurred_at, recorded_at, outcome
)
select community_id, event_id, 'badge', idempotency_key, user_id, json_build_object('badgeId', badge_id), false,
  awarded_at, awarded_at, 'COUNTED'
from gamification.badge_award
on conflict do nothing;

alter table gamification.badge_award
  drop constraint badge_award_community_id_badge_id_user_id_key,
  drop column idempotency_key,
  alter column event_id set not null;

create unique index badge_award_held on gamification.badge_award (community_id, badge_id, user_id)
  where revoked_at is null;
create index badge_award_had on gamification.badge_award (community_id, badge_id, user_id);
create index badge_award_holder on gamification.badge_award (community_id, badge_id, awarded_at desc, id desc)
  where revoked_at is null;
create index badge_award_event on gamification.badge_award (community_id, event_id);

-- How many badges a person holds.
alter table gamification.profile add column badges integer not null default 0;

insert into gamification.profile as p (community_id, user_id, badges)
select community_id, user_id, count(*) from gamification.badge_award group by community_id, user_id
on conflict (community_id, user_id) do update set badges = excluded.badges;
