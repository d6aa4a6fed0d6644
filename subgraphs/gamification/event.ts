import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import type { Posting } from './decide.ts';
import { type Origin, ownOrigin } from './origin.ts';
import { type Posted, postAll } from './posting.ts';

// Events that earn: what happened, to whom, and by the community's rules what it is worth.

/** One way to name a person, as the port `identity.find_members` takes it. */
export interface Identifier {
  id?: string;
  email?: string;
  username?: string;
  external?: { system: string; value: string };
}

export interface NewEvent {
  user: Identifier;
  eventType: string;
  /** How many units of what happened, for rules that count them. */
  amount: string | null;
  metadata: Record<string, unknown> | null;
  /** When it happened; null: now. */
  occurredAt: Date | null;
  /** What a repeat is recognised by, unique per event type; null: never a repeat. */
  reference: string | null;
  /** Where it comes from; absent: Laurel itself. */
  origin?: Origin;
}

/**
 * Tracks up to 1,000 events; all that follows from them commits together.
 * @param makeId  makes the ids of events and entries; the demo has its own.
 * @returns one answer per event, in their order; a Refusal where one was refused, which costs the others nothing.
 * @throws nothing but faults; in the answers: NOT_FOUND and those of `postAll`
 * @cost as `postAll`, and one statement before.
 */
export async function trackEvents(
  sql: Sql,
  communityId: string,
  events: readonly NewEvent[],
  makeId: typeof newId = newId,
): Promise<(Posted | Refusal)[]> {
  const userIds = await findMembers(
    sql,
    communityId,
    events.map(({ user }) => user),
  );
  const checked = events.map(({ user: _, origin = ownOrigin, ...event }, at): Posting | Refusal => {
    const userId = userIds[at] ?? null;
    if (userId !== null) return { ...event, userId, origin };
    return new Refusal('NOT_FOUND', 'Nobody in this community has that identifier.', {}, ['input', 'user']);
  });
  const postings = checked.filter((one): one is Posting => !(one instanceof Refusal));
  const answers = (await postAll(sql, communityId, postings, makeId)).values();
  return checked.map((one) => (one instanceof Refusal ? one : (answers.next().value as Posted | Refusal)));
}

async function findMembers(
  sql: Sql,
  communityId: string,
  users: readonly Identifier[],
): Promise<(string | null)[]> {
  const identifiers = users.map(({ external, ...others }) => ({ ...others, ...external }));
  const rows = await sql<{ userId: string | null }[]>`
    -- findMembers
    select user_id as "userId" from identity.find_members(${communityId}, ${sql.json(identifiers)}) order by at`;
  return rows.map(({ userId }) => userId);
}
