-- Misconduct: who was warned, suspended or banned, why and by whom. A suspension ends by itself at its moment: nobody has
-- to write anything, since what a person is now is worked out where it is asked for (`identity.status_of`).

create table identity.penalty (
  community_id text collate "C" not null,
  id text collate "C" not null, -- pen_…
  user_id text collate "C" not null, -- usr_…
  kind text not null check (kind in ('WARNING', 'SUSPENSION', 'BAN')),
  reason text not null, -- shown to the person
  ends_at timestamptz(3), -- of a SUSPENSION
  issuer_user_id text collate "C", -- usr_…; the person who decided, if it was one
  issuer_key_id text collate "C", -- key_…; the key it was done with, if it was one
  created_at timestamptz(3) not null default clock_timestamp(),
  revoked_at timestamptz(3),
  revoke_reason text,
  primary key (community_id, id),
  foreign key (community_id, user_id) references identity.user (community_id, id) on delete cascade,
  check ((kind = 'SUSPENSION') = (ends_at is not null))
);

create index penalty_created on identity.penalty (community_id, created_at desc, id desc);
create index penalty_user on identity.penalty (community_id, user_id, created_at desc, id desc);

-- What the penalties of a person that aren't revoked come to.
alter table identity.user
  add column banned boolean not null default false,
  add column suspended_until timestamptz(3); -- the latest end of a suspension; in the past it means nothing

-- What a person is at this moment.
create function identity.status_of(person identity.user) returns text
language sql stable as $$
  select case
    when person.status = 'DELETED' then person.status
    when person.banned then 'BANNED'
    when person.suspended_until > now() then 'SUSPENDED'
    else person.status
  end
$$;

-- Whoever is kept out or let in again is told to the gateways, and to whoever follows who may do what: the log's stream
-- `access` says StandingChanged. The end of a suspension is told by nobody: a gateway remembers that somebody was refused
-- for no longer than a second.
create function identity.tell_standing() returns trigger
language plpgsql as $$
begin
  perform log.append('', 'credentials', jsonb_build_array(jsonb_build_object(
    'kind', 'CredentialChanged', 'payload', jsonb_build_object('id', old.id)
  )));
  perform log.append(old.community_id, 'access', jsonb_build_array(jsonb_build_object(
    'kind', 'StandingChanged', 'user_id', old.id, 'payload', '{}'::jsonb
  )));
  return null;
end
$$;

drop trigger user_changed on identity.user;
create trigger user_changed after update on identity.user
  for each row
  when ((old.status, old.banned, old.suspended_until) is distinct from (new.status, new.banned, new.suspended_until))
  execute function identity.tell_standing();
