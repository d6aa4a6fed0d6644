import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';

// Who an identifier names; identity knows, and tells by its port.

/** One way to name a person, as the port `identity.find_members` takes it. */
export interface Identifier {
  id?: string;
  email?: string;
  username?: string;
  external?: { system: string; value: string };
}

/** The ids of the people that identifiers name, in their order; null where there is nobody. @cost one query by indexes. */
export async function membersNamed(
  sql: Sql,
  communityId: string,
  people: readonly Identifier[],
): Promise<(string | null)[]> {
  const identifiers = people.map(({ external, ...others }) => ({ ...others, ...external }));
  const rows = await sql<{ userId: string | null }[]>`
    -- membersNamed
    select user_id as "userId" from identity.find_members(${communityId}, ${sql.json(identifiers)}) order by at`;
  return rows.map(({ userId }) => userId);
}

/** The id of the person that an identifier names. @throws NOT_FOUND */
export async function memberNamed(sql: Sql, communityId: string, person: Identifier): Promise<string> {
  const [userId] = await membersNamed(sql, communityId, [person]);
  if (userId == null) throw nobody();
  return userId;
}

/** The refusal of an identifier that names nobody. */
export function nobody(): Refusal {
  return new Refusal('NOT_FOUND', 'Nobody in this community has that identifier.', {}, ['input', 'user']);
}
