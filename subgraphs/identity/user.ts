import { alignTo, type Sql } from '../db.ts';

// People. Other subgraphs add to a User what they know of it; here is who it is.

export interface User {
  id: string;
  email: string | null;
  username: string | null;
  displayName: string;
  firstName: string | null;
  lastName: string | null;
  avatarUrl: string | null;
  language: string;
  timeZone: string;
  status: string;
  joinedAt: Date;
}

export interface ExternalId {
  system: string;
  value: string;
}

/** One way to name a person; the first that is set counts. */
export interface UserIdentifier {
  id?: string;
  email?: string;
  username?: string;
  external?: ExternalId;
}

export interface NewUser extends User {
  externalIds: ExternalId[];
}

/**
 * Users by id.
 * @returns one per id, in their order; null where the community has none.
 * @cost one query by primary key.
 */
export async function usersById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(User | null)[]> {
  const rows = await sql<User[]>`
    -- usersById
    select id, email, username, display_name as "displayName", first_name as "firstName", last_name as "lastName",
      avatar_url as "avatarUrl", language, time_zone as "timeZone", identity.status_of(u) as status,
      joined_at as "joinedAt"
    from identity.user u
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** What other systems call each user; `[]` where none does. @cost one query. */
export async function externalIdsByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<ExternalId[][]> {
  const rows = await sql<{ userId: string; ids: ExternalId[] }[]>`
    -- externalIdsByUser
    select user_id as "userId", jsonb_agg(jsonb_build_object('system', system, 'value', value) order by system, value) as ids
    from identity.external_id
    where community_id = ${communityId} and user_id = any(${userIds as string[]})
    group by user_id`;
  return alignTo(userIds, rows, ({ userId }) => userId).map((row) => row?.ids ?? []);
}

/** The user that an identifier names, or null. @cost one query by an index. */
export async function userIdBy(
  sql: Sql,
  communityId: string,
  identifier: UserIdentifier,
): Promise<string | null> {
  const { external, ...others } = identifier;
  const [row] = await sql<{ userId: string | null }[]>`
    -- userIdBy
    select user_id as "userId"
    from identity.find_members(${communityId}, ${sql.json([{ ...others, ...external }])})`;
  return row?.userId ?? null;
}

/** Adds users with their external ids and tells the log, in one statement. Ids that exist are left as they are. */
export async function addUsers(sql: Sql, communityId: string, users: readonly NewUser[]): Promise<void> {
  await sql`
    -- addUsers
    with added as (
      insert into identity.user (
        community_id, id, email, username, display_name, first_name, last_name, avatar_url, language, time_zone,
        status, joined_at
      )
      select ${communityId}, u.id, u.email, u.username, u."displayName", u."firstName", u."lastName", u."avatarUrl",
        u.language, u."timeZone", u.status, u."joinedAt"
      from jsonb_to_recordset(${sql.json(users as never)}) u(
        id text, email text, username text, "displayName" text, "firstName" text, "lastName" text, "avatarUrl" text,
        language text, "timeZone" text, status text, "joinedAt" timestamptz
      )
      order by u.id
      on conflict (community_id, id) do nothing
      returning id, joined_at
    ), named as (
      insert into identity.external_id (community_id, system, value, user_id)
      select ${communityId}, x.system, x.value, u.value ->> 'id'
      from jsonb_array_elements(${sql.json(users as never)}) u,
        jsonb_to_recordset(u.value -> 'externalIds') x(system text, value text)
      on conflict do nothing
    )
    select log.append(${communityId}, 'members', jsonb_agg(jsonb_build_object(
      'kind', 'MemberJoined', 'user_id', id, 'payload', jsonb_build_object('joinedAt', joined_at)
    ) order by id))
    from added
    having count(*) > 0`;
}
