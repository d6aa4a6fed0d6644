-- Port. Notes in the caller's transaction what somebody did.
-- actor: who did it and how: { "kind", "userId", "keyId", "sessionId" }; kind is that of the credential, in capitals.
-- done: to what: { "keyId", "sessionId", "userId" }, each where there is one.
create function identity.note_audit(
  in_community text, entry_id text, entry_action text, actor jsonb, done jsonb, entry_details jsonb
) returns void
language sql volatile as $$
  insert into identity.audit_entry (
    community_id, id, action, actor_kind, actor_user_id, actor_key_id, actor_session_id,
    key_id, session_id, user_id, details
  )
  values (
    in_community, entry_id, entry_action, actor ->> 'kind', actor ->> 'userId', actor ->> 'keyId', actor ->> 'sessionId',
    done ->> 'keyId', done ->> 'sessionId', done ->> 'userId', entry_details
  )
$$;
