-- One write path for everything that changes what a person has, and one row a person that holds it.

-- What a person has and has done: the sums of their ledger entries and of what was counted. One lock and one update a
-- posting. Room is left in each page, so that updates stay in it.
create table gamification.profile (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  xp bigint not null default 0, -- sum of the entries in XP
  coins bigint not null default 0, -- likewise in COINS
  points bigint not null default 0, -- likewise in POINTS
  premium bigint not null default 0, -- likewise in PREMIUM
  level integer not null default 0, -- number of the level that the XP reach; 0 below the first
  messages integer not null default 0, -- events `message`, less those reversed
  replies integer not null default 0, -- likewise `reply`
  reactions integer not null default 0, -- likewise `reaction`
  visits integer not null default 0, -- likewise `visit`
  referrals integer not null default 0, -- likewise `referral`
  socials integer not null default 0, -- likewise `follow`, `like`, `comment` and `share`
  primary key (community_id, user_id)
) with (fillfactor = 80);

insert into gamification.profile (community_id, user_id, xp, coins, points, premium)
select community_id, user_id, coalesce(sum(amount) filter (where unit = 'XP'), 0),
  coalesce(sum(amount) filter (where unit = 'COINS'), 0), coalesce(sum(amount) filter (where unit = 'POINTS'), 0),
  coalesce(sum(amount) filter (where unit = 'PREMIUM'), 0)
from gamification.balance
group by community_id, user_id;

update gamification.profile p set level = coalesce(
  (select max(l.number) from gamification.level l where l.community_id = p.community_id and l.min_xp <= p.xp), 0);

drop table gamification.balance;

-- What the community made of a unit.
create table gamification.unit (
  community_id text collate "C" not null,
  unit text not null check (unit in ('XP', 'COINS', 'POINTS', 'PREMIUM')),
  name jsonb, -- { "en": "Stars" }; null: the unit's own
  may_go_below_zero boolean not null default false, -- whether more can be spent than there is
  primary key (community_id, unit)
);

-- Several rules may stand at one event type; each pays for itself.
alter table gamification.rule
  add column id text collate "C", -- rul_…
  add column description jsonb, -- { "en": "…" }
  add column image_url text,
  add column conditions jsonb not null default '[]', -- [{ "field": "amount" | "metadata.…", "operator", "values": ["…"] }]
  add column cooldown_seconds integer check (cooldown_seconds > 0), -- between two events that it pays; null: none
  add column day_cap integer check (day_cap > 0), -- events that it pays a person in a day of the community; null: no limit
  add column week_cap integer check (week_cap > 0), -- likewise in a week that begins on Monday
  add column lifetime_cap integer check (lifetime_cap > 0), -- likewise ever
  add column created_at timestamptz(3) not null default now(),
  add column updated_at timestamptz(3) not null default now();

-- awards become [{ "unit": "XP", "amount": "100", "perUnit": false }]
update gamification.rule set
  id = 'rul_0' || left(md5(community_id || event_type), 25),
  lifetime_cap = case when once then 1 end,
  awards = (
    select coalesce(jsonb_agg(jsonb_build_object('unit', a.key, 'amount', a.value #>> '{}', 'perUnit', false)), '[]')
    from jsonb_each(awards) a
  );

alter table gamification.rule
  drop constraint rule_pkey,
  drop column once,
  alter column id set not null,
  add primary key (community_id, id);

create index rule_event_type on gamification.rule (community_id, event_type);

-- What rules with limits have paid: caps and cooldowns count these rows, by the day and moment the event happened.
drop table gamification.rule_use;
create table gamification.rule_use (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  rule_id text collate "C" not null,
  day date not null, -- in the community's time zone
  occurred_at timestamptz(3) not null,
  event_id text collate "C" not null,
  primary key (community_id, user_id, rule_id, day, occurred_at, event_id)
);

create index rule_use_event on gamification.rule_use (community_id, event_id);

-- A repeat is compared with the columns themselves.
alter table gamification.event
  add column amount numeric, -- how many units of what happened, as its sender said
  add column metadata json, -- as its sender wrote it
  add column timed boolean not null default true, -- its sender said when
  add column outcome text not null default 'EARNED', -- what came of it, or why nothing did
  add column level_before integer, -- number of the level, where it changed; 0 below the first
  add column level_after integer,
  add column reverses text collate "C", -- evt_…; the event that this one takes back
  add column source text not null default 'LAUREL' check (source in ('LAUREL', 'RETURNING', 'GAMIFYHOST', 'LYNES')),
  add column actor_user_id text collate "C", -- usr_…; the person who asked for it
  add column actor_key_id text collate "C"; -- key_…; the key it came through

update gamification.event set amount = (input ->> 'amount')::numeric, metadata = nullif(input -> 'metadata', 'null')::json,
  timed = input ->> 'occurredAt' is not null;

alter table gamification.event drop column input;

create unique index event_reverses on gamification.event (community_id, reverses) where reverses is not null;
create index event_counted on gamification.event (community_id, user_id, occurred_at)
  where event_type in ('message', 'reply', 'reaction', 'visit', 'referral', 'follow', 'like', 'comment', 'share');

-- Metadata and who asked stand at the event.
alter table gamification.ledger_entry
  drop column metadata,
  drop column leveled_up,
  add column rule_id text collate "C", -- rul_…; the rule that paid it
  add column reversal_of text collate "C"; -- led_…; the entry that this one takes back

create unique index ledger_entry_reversal on gamification.ledger_entry (community_id, reversal_of)
  where reversal_of is not null;

alter table gamification.daily_stat
  add column messages integer not null default 0, -- as in profile, of the day
  add column replies integer not null default 0,
  add column reactions integer not null default 0,
  add column visits integer not null default 0,
  add column referrals integer not null default 0,
  add column socials integer not null default 0,
  add column restated_at timestamptz(3), -- when something recorded after the day's end last changed it
  set (fillfactor = 80);
