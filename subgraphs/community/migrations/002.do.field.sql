-- Custom fields of members, their values, and for NUMBER fields the history that a value is the sum of.
-- Source: Returning.AI docs, "User Fields" and "User Field Histories".

create table community.field (
  community_id text collate "C" not null,
  id text collate "C" not null, -- fld_…
  key text collate "C" not null check (key ~ '^[a-z][a-zA-Z0-9_]{0,49}$'),
  name jsonb not null, -- { "en": "…" }
  type text not null check (type in ('TEXT', 'NUMBER', 'BOOLEAN', 'DATE', 'SELECT')),
  description text,
  required boolean not null default false,
  options text[], -- of a SELECT field
  locked boolean not null default false, -- no change may be recorded
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  primary key (community_id, id),
  unique (community_id, key)
);

-- One row a member and field: the column of the field's type is set.
create table community.field_value (
  community_id text collate "C" not null,
  user_id text collate "C" not null,
  field_id text collate "C" not null,
  number numeric(30, 10),
  text text,
  boolean boolean,
  date date,
  updated_at timestamptz(3) not null default now(),
  primary key (community_id, user_id, field_id)
);

create table community.field_history (
  community_id text collate "C" not null,
  id text collate "C" not null, -- fhs_…
  field_id text collate "C" not null,
  user_id text collate "C" not null,
  action text not null check (action in ('INCREASE', 'DECREASE', 'OVERWRITE')),
  value numeric(30, 10) not null, -- as given
  resulting_sum numeric(30, 10) not null, -- the field's value after this change
  idempotency_key text collate "C" not null,
  created_at timestamptz(3) not null default now(),
  primary key (community_id, id),
  unique (community_id, idempotency_key)
);

create index field_history_all on community.field_history (community_id, created_at desc, id desc);
create index field_history_user on community.field_history (community_id, user_id, created_at desc, id desc);
create index field_history_field on community.field_history (community_id, field_id, created_at desc, id desc);
