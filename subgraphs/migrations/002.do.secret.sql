-- Secrets that are replaced while everybody works.

alter table log.secret
  add column signs_at timestamptz not null default now(), -- from when it signs, unless a newer one does
  add column ends_at timestamptz; -- until when what it signed is believed; null: it isn't replaced

update log.secret set signs_at = created_at;

-- Gateways remember whose an access token is. When the secret that signed it goes, all of them are asked for again ('*').
create function log.tell_session_secret_ended() returns trigger
language plpgsql as $$
begin
  perform log.append('', 'credentials', jsonb_build_array(jsonb_build_object(
    'kind', 'SessionSecretEnded',
    'payload', jsonb_build_object('id', '*')
  )));
  return null;
end
$$;

create trigger session_secret_ended after delete on log.secret
  for each row when (old.purpose = 'session')
  execute function log.tell_session_secret_ended();
