-- What people earn: one append-only ledger, and what is kept of it so that reads are cheap.

-- What an event type is worth. Source: GamifyHost docs, "Award points": an event type must match a rule.
create table gamification.rule (
  community_id text collate "C" not null,
  event_type text collate "C" not null, -- 'purchase'
  title jsonb not null, -- { "en": "…" }
  enabled boolean not null default true,
  once boolean not null default false, -- once a person, whatever the reference
  awards jsonb not null, -- { "XP": 100, "POINTS": 100 }
  primary key (community_id, event_type)
);

-- The events that were tracked, whether or not they earned something: a reference counts once.
create table gamification.event (
  community_id text collate "C" not null,
  id text collate "C" not null, -- evt_…
  event_type text collate "C" not null,
  reference text collate "C", -- null: nothing to recognise a repeat by
  user_id text collate "C" not null,
  input jsonb not null, -- what was asked, to tell a repeat from another event under the same reference
  occurred_at timestamptz(3) not null,
  recorded_at timestamptz(3) not null default now(),
  primary key (community_id, id),
  unique (community_id, event_type, reference)
);

-- Who has used up a rule that counts once.
create table gamification.rule_use (
  community_id text collate "C" not null,
  event_type text collate "C" not null,
  user_id text collate "C" not null,
  primary key (community_id, event_type, user_id)
);

create table gamification.ledger_entry (
  community_id text collate "C" not null,
  id text collate "C" not null, -- led_…
  user_id text collate "C" not null,
  unit text not null check (unit in ('XP', 'COINS', 'POINTS', 'PREMIUM')),
  amount bigint not null, -- negative when spent
  balance_after bigint not null, -- of this person in this unit
  event_id text collate "C" not null,
  event_type text collate "C" not null,
  reference text collate "C",
  metadata jsonb,
  leveled_up boolean not null, -- carried its person over the threshold of a level
  occurred_at timestamptz(3) not null,
  recorded_at timestamptz(3) not null default now(),
  primary key (community_id, id)
);

create index ledger_entry_user on gamification.ledger_entry (community_id, user_id, occurred_at desc, id desc);
create index ledger_entry_event on gamification.ledger_entry (community_id, event_id);

-- The sum of a person's entries in a unit; always equal to it.
create table gamification.balance (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  unit text not null,
  amount bigint not null,
  primary key (community_id, user_id, unit)
);

-- The sum of a person's entries of a day, in the community's time zone.
create table gamification.daily_stat (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  date date not null,
  xp bigint not null default 0,
  coins bigint not null default 0,
  primary key (community_id, user_id, date)
);

create table gamification.level (
  community_id text collate "C" not null,
  number integer not null check (number > 0),
  min_xp bigint not null, -- XP from which on a person has this level
  name jsonb, -- { "en": "…" }
  primary key (community_id, number)
);
