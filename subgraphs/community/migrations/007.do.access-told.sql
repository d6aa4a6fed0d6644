-- Whatever changes who may do what where, by whichever statement, is told in the log's stream `access` of the community, in
-- the transaction that changes it:
--   RoleAssigned, RoleUnassigned    user_id; payload { roleId }
--   RoleChanged, RoleDeleted        payload { roleId }; its holders are not told one by one
--   ChannelCreated, ChannelChanged, ChannelDeleted    channel_id; payload {}
--   StandingChanged                 user_id; payload {}: became an administrator, is one no more, was kept out, let in again
--   MembersChanged                  payload {}: what every member may was changed
-- After any of them what was allowed before has to be asked for again; see `community.access_version`. What changes how
-- people read (`community.reads_as`) is told to the gateways too: the stream `credentials` names the person, or the
-- community where it may be anybody. Transactions tell the gateways first, so that two never wait for each other.

create function community.tell_access(in_community text, changed_ids text[], events jsonb) returns void
language sql volatile as $$
  select log.append('', 'credentials', jsonb_agg(jsonb_build_object(
    'kind', 'CredentialChanged', 'payload', jsonb_build_object('id', id)
  )))
  from unnest(changed_ids) as id
  having count(*) > 0;
  select log.append(in_community, 'access', events);
$$;

create function community.tell_assignments() returns trigger
language plpgsql as $$
declare
  of_one record;
begin
  for of_one in
    select c.community_id,
      -- Beyond a thousand people at once it is less work to look at everybody.
      case
        when count(*) filter (where o.guards) > 1000 then array[c.community_id::text]
        else coalesce(array_agg(distinct c.user_id) filter (where o.guards), '{}')
      end as changed_ids,
      jsonb_agg(jsonb_build_object(
        'kind', tg_argv[0], 'user_id', c.user_id, 'payload', jsonb_build_object('roleId', c.role_id)
      ) order by c.user_id, c.role_id) as events
    from changed c
    -- Those that go with their role are told by it.
    join community.role o on o.community_id = c.community_id and o.id = c.role_id
    group by c.community_id
    order by c.community_id
  loop
    perform community.tell_access(of_one.community_id, of_one.changed_ids, of_one.events);
  end loop;
  return null;
end
$$;

create trigger role_assigned after insert on community.role_member referencing new table as changed
  for each statement execute function community.tell_assignments('RoleAssigned');

create trigger role_unassigned after delete on community.role_member referencing old table as changed
  for each statement execute function community.tell_assignments('RoleUnassigned');

create function community.guard_role() returns trigger
language plpgsql as $$
begin
  new.guards := new.guards or new.permissions && '{ADMINISTRATOR,MANAGE_CHANNELS,MANAGE_MESSAGES}';
  return new;
end
$$;

create trigger role_guards before insert or update on community.role
  for each row execute function community.guard_role();

create function community.tell_role() returns trigger
language plpgsql as $$
begin
  perform community.tell_access(
    old.community_id,
    case when old.guards or tg_op = 'UPDATE' and new.guards then array[old.community_id::text] else '{}' end,
    jsonb_build_array(jsonb_build_object('kind', tg_argv[0], 'payload', jsonb_build_object('roleId', old.id)))
  );
  return null;
end
$$;

create trigger role_changed after update on community.role
  for each row when ((old.permissions, old.rank, old.guards) is distinct from (new.permissions, new.rank, new.guards))
  execute function community.tell_role('RoleChanged');

create trigger role_deleted after delete on community.role
  for each row execute function community.tell_role('RoleDeleted');

-- A role that opens a channel makes its holders read as another class than before.
create function community.guard_channel() returns trigger
language plpgsql as $$
begin
  update community.role set guards = true
  where community_id = new.community_id and id = any(new.view_role_ids) and not guards;
  return new;
end
$$;

create trigger channel_guarded before insert or update on community.channel
  for each row when (new.view_role_ids is not null)
  execute function community.guard_channel();

create function community.tell_channels() returns trigger
language plpgsql as $$
declare
  of_one record;
begin
  for of_one in
    select community_id,
      jsonb_agg(jsonb_build_object('kind', tg_argv[0], 'channel_id', id, 'payload', '{}'::jsonb) order by id) as events
    from changed
    group by community_id
    order by community_id
  loop
    perform community.tell_access(of_one.community_id, '{}', of_one.events);
  end loop;
  return null;
end
$$;

create trigger channel_created after insert on community.channel referencing new table as changed
  for each statement execute function community.tell_channels('ChannelCreated');

create trigger channel_changed after update on community.channel referencing new table as changed
  for each statement execute function community.tell_channels('ChannelChanged');

create trigger channel_deleted after delete on community.channel referencing old table as changed
  for each statement execute function community.tell_channels('ChannelDeleted');

create function community.tell_standing() returns trigger
language plpgsql as $$
declare
  changed community.administrator := coalesce(new, old);
begin
  perform community.tell_access(
    changed.community_id,
    array[changed.user_id::text],
    jsonb_build_array(jsonb_build_object('kind', 'StandingChanged', 'user_id', changed.user_id, 'payload', '{}'::jsonb))
  );
  return null;
end
$$;

create trigger administrator_changed after insert or delete on community.administrator
  for each row execute function community.tell_standing();

create function community.tell_members() returns trigger
language plpgsql as $$
begin
  perform community.tell_access(
    new.community_id,
    array[new.community_id::text],
    jsonb_build_array(jsonb_build_object('kind', 'MembersChanged', 'payload', '{}'::jsonb))
  );
  return null;
end
$$;

create trigger members_changed after update on community.community
  for each row when (old.member_permissions is distinct from new.member_permissions)
  execute function community.tell_members();
