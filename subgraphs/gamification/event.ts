import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import type { Posting } from './decide.ts';
import { type Origin, ownOrigin } from './origin.ts';
import { type Identifier, membersNamed, nobody } from './person.ts';
import { type Posted, postAll } from './posting.ts';

// Events that earn: what happened, to whom, and by the community's rules what it is worth.

/** The event types of what Laurel posts itself: nobody tracks them, and no rule has them. */
export const ownEventTypes: ReadonlySet<string> = new Set([
  ...['adjustment', 'spend', 'reversal', 'badge', 'redemption'],
  ...['challenge', 'streak_milestone', 'streak_points', 'game'],
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
  const userIds = await membersNamed(
    sql,
    communityId,
    events.map(({ user }) => user),
  );
  const checked = events.map(({ user: _, origin = ownOrigin, ...event }, at): Posting | Refusal => {
    const userId = userIds[at] ?? null;
    if (userId === null) return nobody();
    return ownEventTypes.has(event.eventType) ? ownType(event.eventType) : { ...event, userId, origin };
  });
  const postings = checked.filter((one): one is Posting => !(one instanceof Refusal));
  const answers = (await postAll(sql, communityId, postings, makeId)).values();
  return checked.map((one) => (one instanceof Refusal ? one : (answers.next().value as Posted | Refusal)));
}
