-- Whose credentials changed is told with the community that they are of.

create or replace function identity.tell_change() returns trigger
language plpgsql as $$
begin
  -- The column that holds the id of the key, the session or the person is named by the trigger.
  perform log.tell_credentials(old.community_id, 'CredentialChanged', array[to_jsonb(old) ->> tg_argv[0]]);
  return null;
end
$$;

create or replace function identity.tell_standing() returns trigger
language plpgsql as $$
begin
  perform log.tell_credentials(old.community_id, 'CredentialChanged', array[old.id::text]);
  perform log.append(old.community_id, 'access', jsonb_build_array(jsonb_build_object(
    'kind', 'StandingChanged', 'user_id', old.id, 'payload', '{}'::jsonb
  )));
  return null;
end
$$;
