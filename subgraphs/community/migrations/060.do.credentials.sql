-- Whose credentials changed is told with the community that they are of.

create or replace function community.tell_access(in_community text, changed_ids text[], events jsonb) returns void
language sql volatile as $$
  select log.tell_credentials(in_community, 'CredentialChanged', changed_ids);
  select log.append(in_community, 'access', events);
$$;
