-- Whom a key was made for: it is shown only what of the schema is tagged for that audience.

alter table identity.api_key
  add column audience text check (audience in ('partner')), -- the name of a tag; null: all that its scopes allow
  add constraint api_key_audience check (audience is null or kind <> 'SYSTEM');

drop trigger api_key_changed on identity.api_key;

create trigger api_key_changed after update on identity.api_key
  for each row
  when ((old.hash, old.scopes, old.channel_ids, old.expires_at, old.revoked_at, old.audience)
    is distinct from (new.hash, new.scopes, new.channel_ids, new.expires_at, new.revoked_at, new.audience))
  execute function identity.tell_change('id');
