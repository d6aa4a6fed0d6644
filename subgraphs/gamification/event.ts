import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { type Posting, repeatOf, unruled } from './decide.ts';
import { type Ahead, readAhead, referenceOf } from './ground.ts';
import { type Origin, ownOrigin } from './origin.ts';
import { addMembersNamed, type Identifier, nobody } from './person.ts';
import { type Posted, postAll } from './posting.ts';

// Events that earn: what happened, to whom, and by the community's rules what it is worth.

/** The event types of what Laurel posts itself: nobody tracks them, and no rule has them. */
export const ownEventTypes: ReadonlySet<string> = new Set([
  ...['adjustment', 'spend', 'reversal', 'badge', 'badge-revocation'],
  ...['redemption', 'challenge', 'streak_milestone', 'streak_points', 'game'],
]);

/** The refusal of an event type that is Laurel's own. */
export function ownType(eventType: string): Refusal {
  const message = `"${eventType}" is what Laurel itself posts: choose another event type.`;
  return new Refusal('VALIDATION_FAILED', message, {}, ['input', 'eventType']);
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

/** What came of an event, and whom it was about. */
export interface Tracked extends Posted {
  userId: string;
  /** The person was made a member for this event. */
  userMade: boolean;
}

/**
 * Tracks up to 1,000 events; all that follows from them commits together. People whom nobody knows are made members
 * before, where the community allows it: an event that is then refused for what they don't have leaves them.
 * @param makeId  makes the ids of events and entries; the demo has its own.
 * @returns one answer per event, in their order; a Refusal where one was refused, which costs the others nothing.
 * @throws nothing but faults; in the answers: NOT_FOUND, VALIDATION_FAILED and those of `postAll`
 * @cost as `postAll`; two statements more when somebody is unknown.
 */
export async function trackEvents(
  sql: Sql,
  communityId: string,
  events: readonly NewEvent[],
  makeId: typeof newId = newId,
): Promise<(Tracked | Refusal)[]> {
  const identifiers = events.map(({ user }) => user);
  const ahead = await readAhead(sql, communityId, events, { people: identifiers });
  const people = await peopleOf(sql, communityId, events, ahead);
  const checked = events.map((event, at): Posting | Refusal => {
    const person = people[at] ?? nobody();
    return person instanceof Refusal ? person : postingOf(event, person.userId);
  });
  const postings = checked.filter((one): one is Posting => !(one instanceof Refusal));
  const answers = (await postAll(sql, communityId, postings, makeId, ahead)).values();
  return people.map((person) => {
    if (person instanceof Refusal) return person;
    const answer = answers.next().value as Posted | Refusal;
    return answer instanceof Refusal ? answer : tracked(answer, person);
  });
}

function tracked(
  { eventId, entries, outcome, level, awardIds, replayed }: Posted,
  { userId, made: userMade }: { userId: string; made: boolean },
): Tracked {
  // One literal: see decide.ts.
  return { eventId, entries, outcome, level, awardIds, replayed, userId, userMade };
}

function postingOf(event: NewEvent, userId: string): Posting {
  const { eventType, amount, metadata, occurredAt, reference, origin = ownOrigin } = event;
  return { userId, eventType, reference, occurredAt, amount, metadata, origin };
}

/** Whom each event is about, or why it is refused. */
async function peopleOf(
  sql: Sql,
  communityId: string,
  events: readonly NewEvent[],
  ahead: Ahead,
): Promise<({ userId: string; made: boolean } | Refusal)[]> {
  const people = events.map(({ eventType }, at) => {
    if (ownEventTypes.has(eventType)) return ownType(eventType);
    const userId = ahead.userIds[at] ?? null;
    return userId === null ? nobody() : { userId, made: false };
  });
  const unknown = events.flatMap((event, at) =>
    ahead.userIds[at] == null && event.user.id === undefined && !ownEventTypes.has(event.eventType)
      ? [{ at, event }]
      : [],
  );
  if (unknown.length === 0 || !(await areMade(sql, communityId))) return people;
  // Nobody becomes a member by what is refused anyway.
  const newcomers = unknown.filter(({ at, event }) => {
    const refusal = refusedOf(event, ahead);
    if (refusal !== undefined) people[at] = refusal;
    return refusal === undefined;
  });
  if (newcomers.length === 0) return people;
  const added = await addMembersNamed(
    sql,
    communityId,
    newcomers.map(({ event }) => event.user),
  );
  for (const [n, { at }] of newcomers.entries()) people[at] = added[n] ?? nobody();
  return people;
}

/** Why the event of somebody new is refused, by what is known before; their reference can't be a repeat. */
function refusedOf(event: NewEvent, { rules, known }: Ahead): Refusal | undefined {
  const posting = postingOf(event, '');
  const before = event.reference === null ? undefined : known.get(referenceOf(event));
  const repeat = before === undefined ? undefined : repeatOf(before, posting);
  return repeat instanceof Refusal ? repeat : unruled({ rules }, posting);
}

/** Whether events make members of people whom nobody knows. */
async function areMade(sql: Sql, communityId: string): Promise<boolean> {
  const [row] = await sql<{ allowed: boolean }[]>`
    -- areMade
    select community.events_add_members(${communityId}) as allowed`;
  return row?.allowed === true;
}
