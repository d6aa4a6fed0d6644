-- Who did what with credentials. Rows are only ever added, and forgotten by age.

create table identity.audit_entry (
  community_id text collate "C" not null,
  id text collate "C" not null, -- aud_…
  at timestamptz(3) not null default clock_timestamp(),
  action text not null,
  actor_kind text not null, -- kind of the credential, in capitals
  actor_user_id text collate "C", -- usr_…; its person, if it has one
  actor_key_id text collate "C", -- key_…
  actor_session_id text collate "C", -- ses_…
  key_id text collate "C", -- key_…; what it was done to
  session_id text collate "C", -- ses_…; likewise
  user_id text collate "C", -- usr_…; whose key or session that is
  details jsonb not null default '{}', -- names, scopes and times; never a secret
  primary key (community_id, id)
);

create index audit_entry_at on identity.audit_entry (community_id, at desc, id desc);
create index audit_entry_key on identity.audit_entry (community_id, key_id, at desc, id desc) where key_id is not null;
create index audit_entry_user on identity.audit_entry (community_id, user_id, at desc, id desc) where user_id is not null;
create index audit_entry_age on identity.audit_entry using brin (at);

create function identity.keep_audit() returns trigger
language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.at < now() - interval '400 days' then
    return old;
  end if;
  raise exception 'audit entries are kept as they are for 400 days';
end
$$;

create trigger audit_entry_kept before update or delete on identity.audit_entry
  for each row execute function identity.keep_audit();
