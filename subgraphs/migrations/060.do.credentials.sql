-- What the gateways have to know before they tell what happens in a community: up to where the stream `credentials` of the
-- log is about it. Events are read together with this number, in one statement, so that a gateway knows what was changed
-- before an event whenever it has read that far (see `subgraphs/log.ts`).

create table log.credentials_of (
  community_id text collate "C" primary key, -- '': all communities
  number bigint not null -- of the last event of the stream `credentials` that is about it
);

-- Tells the gateways that credentials of a community allow something else, or nothing, from now on: those of these keys,
-- sessions and people, and all that are the community's where it is named itself. '' and '*': all there are.
-- The counter of the stream is held until the transaction ends, so these numbers only grow.
create function log.tell_credentials(in_community text, in_kind text, changed_ids text[]) returns void
language sql volatile as $$
  with told as (
    select log.append('', 'credentials', jsonb_agg(jsonb_build_object(
      'kind', in_kind, 'payload', jsonb_build_object('id', id)
    ))) as number
    from unnest(changed_ids) as id
    having count(*) > 0
  )
  insert into log.credentials_of (community_id, number)
  select in_community, number from told
  on conflict (community_id) do update set number = excluded.number
$$;

create or replace function log.tell_session_secret_ended() returns trigger
language plpgsql as $$
begin
  perform log.tell_credentials('', 'SessionSecretEnded', '{*}');
  return null;
end
$$;
