-- What a person did, as a feed shows it.

-- The words and pictures that activities are shown by, each version once: an activity keeps those of its time, whatever
-- becomes of the rule or badge it came from, and costs 16 bytes for them.
create table gamification.wording (
  community_id text collate "C" not null,
  id uuid not null, -- made of the words, so that the same ones are there once
  title jsonb not null, -- { "en": "…" }
  description jsonb, -- { "en": "…" }
  images jsonb, -- { "en": "https://…" }
  primary key (community_id, id)
);

-- Keeps a wording and gives its id.
create function gamification.keep_wording(in_community text, in_title jsonb, in_description jsonb, in_images jsonb)
returns uuid
language plpgsql volatile as $$
declare
  words text := jsonb_build_array(in_title, in_description, in_images)::text;
  made uuid := left(encode(sha256(convert_to(words, 'UTF8')), 'hex'), 32)::uuid;
begin
  insert into gamification.wording (community_id, id, title, description, images)
  values (in_community, made, in_title, in_description, in_images)
  on conflict do nothing;
  return made;
end
$$;

-- Rules and badges know the id of their words, so that whatever posts by them need not look at the words.
create function gamification.word_rule() returns trigger
language plpgsql as $$
begin
  new.wording_id := gamification.keep_wording(new.community_id, new.title, new.description, new.images);
  return new;
end
$$;

create function gamification.word_badge() returns trigger
language plpgsql as $$
begin
  new.wording_id := gamification.keep_wording(new.community_id, new.title, new.description,
    case when new.image_url is not null then jsonb_build_object('en', new.image_url) end);
  return new;
end
$$;

alter table gamification.rule
  add column wording_id uuid, -- of its title, description and images as they are now
  add column activity_type text default 'EVENT' -- what the activities are that it makes; null: it makes none
    check (activity_type in ('EVENT', 'CHALLENGE', 'STREAK_MILESTONE', 'STREAK_POINTS'));
alter table gamification.badge
  add column wording_id uuid; -- of its title, description and image as they are now

create trigger rule_wording before insert or update of title, description, images on gamification.rule
  for each row execute function gamification.word_rule();
create trigger badge_wording before insert or update of title, description, image_url on gamification.badge
  for each row execute function gamification.word_badge();

update gamification.rule set title = title,
  made_from = made_from || '{"activityType": "EVENT"}'; -- what a repeat of its creation would say now
update gamification.badge set title = title;

alter table gamification.rule alter column wording_id set not null;
alter table gamification.badge alter column wording_id set not null;

create table gamification.activity (
  community_id text collate "C" not null,
  id text collate "C" not null, -- act_…
  user_id text collate "C" not null,
  type text not null check (type in ('EVENT', 'REDEMPTION', 'CHALLENGE', 'STREAK_MILESTONE', 'STREAK_POINTS')),
  wording_id uuid, -- null: spent on nothing that was named
  points bigint not null, -- POINTS that it brought or cost and that stand: less those of entries taken back
  event_id text collate "C" not null, -- evt_…; the event that caused it
  cause_id text collate "C", -- rul_… or awd_…; the rule that paid the event, or the award that it brought; null: itself
  occurred_at timestamptz(3) not null, -- that of the event
  taken_back_at timestamptz(3), -- when its event was taken back
  primary key (community_id, id)
);

create index activity_user on gamification.activity (community_id, user_id, occurred_at desc, id desc);

-- The ledger of a whole community, newest first.
create index ledger_entry_time on gamification.ledger_entry (community_id, occurred_at desc, id desc);
