import type { Sql, SqlPart } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';

// Who an identifier names; identity knows, and tells by its ports. An event may make whom nobody knows a member, where the
// community allows it; nothing else does.

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
  const rows = await sql<{ userId: string | null }[]>`
    -- membersNamed
    select user_id as "userId" from (${membersFound(sql, communityId, people)}) f order by at`;
  return rows.map(({ userId }) => userId);
}

/** The same as a query for `at, user_id`, `at` being the place of the identifier. */
export function membersFound(sql: Sql, communityId: string, people: readonly Identifier[]): SqlPart {
  return sql`select at, user_id from identity.find_members(${communityId}, ${sql.json(people.map(asPortTakes))})`;
}

/**
 * Makes those members whom nobody in the community knows; whoever is known by then is found.
 * @param people  each named by e-mail address, user name or external id; the same twice is one person.
 * @returns in their order, who they are and whether they were made for that identifier; a Refusal for one that can't be
 * anybody's: VALIDATION_FAILED, and NOT_FOUND for an id.
 * @cost one statement; callers of one community follow one another.
 */
export async function addMembersNamed(
  sql: Sql,
  communityId: string,
  people: readonly Identifier[],
): Promise<({ userId: string; made: boolean } | Refusal)[]> {
  const refusals = people.map(unfit);
  const identifiers = people.map((person, at) => ({
    ...asPortTakes(person),
    ...(refusals[at] === undefined ? { new_id: newId('User') } : {}),
  }));
  const rows = await sql<{ userId: string | null; made: boolean }[]>`
    -- addMembersNamed
    select user_id as "userId", made
    from identity.find_or_create_members(${communityId}, ${sql.json(identifiers)})
    order by at`;
  return rows.map(({ userId, made }, at) =>
    userId === null ? (refusals[at] ?? nobody()) : { userId, made },
  );
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

function asPortTakes({ external, ...others }: Identifier) {
  return { ...others, ...external };
}

/** Why nobody can be made of an identifier; undefined when somebody can. */
function unfit({ email, username, external }: Identifier): Refusal | undefined {
  if (email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(email)) {
    const message =
      'Nobody has that e-mail address, and no member is made of it: it is like name@example.org.';
    return new Refusal('VALIDATION_FAILED', message, {}, ['input', 'user', 'email']);
  }
  if (username !== undefined && !/^[^\s@]+$/.test(username)) {
    const message = 'Nobody has that user name, and no member is made of it: it is without blanks and @.';
    return new Refusal('VALIDATION_FAILED', message, {}, ['input', 'user', 'username']);
  }
  if (external !== undefined && external.value.trim() !== external.value) {
    const message = 'Nobody has that external id, and no member is made of it: it has no blank at its ends.';
    return new Refusal('VALIDATION_FAILED', message, {}, ['input', 'user', 'external', 'value']);
  }
  return email === undefined && username === undefined && external === undefined ? nobody() : undefined;
}
