-- Gateways remember who a credential belongs to. Whatever changes that, by whichever statement, is told in one stream of
-- the log for all communities (its community is ''), so that a gateway need look at one place only.

create function identity.tell_change() returns trigger
language plpgsql as $$
begin
  perform log.append('', 'credentials', jsonb_build_array(jsonb_build_object(
    'kind', 'CredentialChanged',
    -- The column that holds the id of the key, the session or the person is named by the trigger.
    'payload', jsonb_build_object('id', to_jsonb(old) ->> tg_argv[0])
  )));
  return null;
end
$$;

create trigger api_key_changed after update on identity.api_key
  for each row
  when ((old.hash, old.scopes, old.channel_ids, old.expires_at, old.revoked_at)
    is distinct from (new.hash, new.scopes, new.channel_ids, new.expires_at, new.revoked_at))
  execute function identity.tell_change('id');

create trigger api_key_deleted after delete on identity.api_key
  for each row when (old.revoked_at is null)
  execute function identity.tell_change('id');

create trigger former_secret_changed after update or delete on identity.former_secret
  for each row execute function identity.tell_change('key_id');

create trigger session_changed after update on identity.session
  for each row
  when ((old.scopes, old.channel_ids, old.ended_at) is distinct from (new.scopes, new.channel_ids, new.ended_at))
  execute function identity.tell_change('id');

create trigger session_deleted after delete on identity.session
  for each row when (old.ended_at is null)
  execute function identity.tell_change('id');

create trigger user_changed after update on identity.user
  for each row when (old.status is distinct from new.status)
  execute function identity.tell_change('id');
