-- Roles: what people may do beyond what every member may, and who stands above whom.

-- All there is, in the order of the API's enum Permission.
create function community.all_permissions() returns text[]
language sql immutable as $$
  select array[
    'ADMINISTRATOR', 'ALLOW_DM', 'CREATE_INVITE', 'WARN_MEMBERS', 'SUSPEND_MEMBERS', 'KICK_MEMBERS', 'BAN_MEMBERS',
    'MANAGE_ROLES', 'MANAGE_CHANNELS', 'BROADCAST_MESSAGES', 'OVERWRITE_LANGUAGE', 'VIEW_HISTORY', 'POST_MESSAGES',
    'POST_ANALYSIS', 'ATTACH_FILES', 'ALLOW_MENTIONS', 'MANAGE_MESSAGES', 'DELETE_MESSAGES', 'PIN_MESSAGES',
    'SHARE_LINKS', 'SHARE_ATTACHMENTS'
  ]
$$;

alter table community.community
  -- What every member may, whatever the roles.
  add column member_permissions text[] not null
    default '{ALLOW_DM,VIEW_HISTORY,POST_MESSAGES,ATTACH_FILES,ALLOW_MENTIONS,SHARE_LINKS,SHARE_ATTACHMENTS}'
    check (member_permissions <@ community.all_permissions());

create table community.role (
  community_id text collate "C" not null,
  id text collate "C" not null, -- rol_…
  title jsonb not null, -- { "en": "…" }
  color text check (color ~ '^#[0-9a-f]{6}$'), -- of the names of those whose highest role it is
  rank integer not null check (rank between 0 and 1000000), -- the greater stands above; of two alike, neither
  billable boolean not null default false, -- its holders count as paid seats
  permissions text[] not null check (permissions <@ community.all_permissions()),
  -- Whether its holders read what others don't: it opens a channel, or a permission of it does. Once true it stays.
  guards boolean not null default false,
  idempotency_key text collate "C", -- that it was made by
  asked bytea, -- SHA-256 of the input it was made by
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  primary key (community_id, id)
);

create index role_rank on community.role (community_id, rank, id);
create unique index role_made on community.role (community_id, idempotency_key) where idempotency_key is not null;

-- Who has which role.
create table community.role_member (
  community_id text collate "C" not null,
  user_id text collate "C" not null, -- usr_…
  role_id text collate "C" not null, -- rol_…
  assigned_at timestamptz(3) not null default clock_timestamp(),
  primary key (community_id, user_id, role_id),
  foreign key (community_id, role_id) references community.role (community_id, id) on delete cascade
);

create index role_member_role on community.role_member (community_id, role_id, assigned_at, user_id);
