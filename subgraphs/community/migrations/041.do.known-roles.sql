-- Port. Those of these roles that exist.
create function community.known_roles(in_community text, role_ids text[]) returns setof text
language sql stable as $$
  select o.id from community.role o where o.community_id = in_community and o.id = any(role_ids)
$$;
