import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { countedAs, noRule, type Posting } from './decide.ts';
import { readAhead } from './ground.ts';
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
 * before, where the community allows it: an event that is then refused leaves them.
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
  const ahead = await readAhead(sql, communityId, events, identifiers);
  const people = await peopleOf(sql, communityId, events, ahead.userIds);
  const checked = events.map((event, at): Posting | Refusal => {
    const person = people[at] ?? nobody();
    if (person instanceof Refusal) return person;
    const { eventType, amount, metadata, occurredAt, reference, origin = ownOrigin } = event;
    return { userId: person.userId, eventType, reference, occurredAt, amount, metadata, origin };
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

/** Whom each event is about, or why it is refused. */
async function peopleOf(
  sql: Sql,
  communityId: string,
  events: readonly NewEvent[],
  found: readonly (string | null)[],
): Promise<({ userId: string; made: boolean } | Refusal)[]> {
  const people = events.map(({ eventType }, at) => {
    if (ownEventTypes.has(eventType)) return ownType(eventType);
    const userId = found[at] ?? null;
    return userId === null ? nobody() : { userId, made: false };
  });
  const unknown = events.flatMap(({ user, eventType }, at) =>
    found[at] == null && user.id === undefined && !ownEventTypes.has(eventType)
      ? [{ at, user, eventType }]
      : [],
  );
  if (unknown.length === 0) return people;
  const welcome = await welcomeTypes(sql, communityId, [
    ...new Set(unknown.map(({ eventType }) => eventType)),
  ]);
  if (welcome === null) return people;
  // Nobody becomes a member by what is refused anyway.
  const newcomers = unknown.filter(({ eventType }) => welcome.has(eventType));
  for (const { at, eventType } of unknown) people[at] = noRule(eventType);
  const added = await addMembersNamed(
    sql,
    communityId,
    newcomers.map(({ user }) => user),
  );
  for (const [n, { at }] of newcomers.entries()) people[at] = added[n] ?? nobody();
  return people;
}

/** Those of the event types that something is done with; null where events make nobody a member. */
async function welcomeTypes(
  sql: Sql,
  communityId: string,
  eventTypes: readonly string[],
): Promise<ReadonlySet<string> | null> {
  const [row] = await sql<{ allowed: boolean; ruled: string[] }[]>`
    -- welcomeTypes
    select community.events_add_members(${communityId}) as allowed, array(
      select distinct event_type from gamification.rule
      where community_id = ${communityId} and event_type = any(${eventTypes as string[]}) and enabled
    ) as ruled`;
  if (row?.allowed !== true) return null;
  return new Set([...row.ruled, ...Object.keys(countedAs)]);
}
