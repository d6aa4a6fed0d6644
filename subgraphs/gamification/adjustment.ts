import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import type { Wording } from './activity.ts';
import type { Move, Posting } from './decide.ts';
import type { Origin } from './origin.ts';
import { decidedAgain, type Posted, post, postOne } from './posting.ts';
import { lockProfiles } from './profile-lock.ts';
import type { Unit } from './unit.ts';

// Changes of what a person has that no rule makes: adjusting, spending, and taking back. What is taken back gets an entry
// of its own at the moment of the first one, so that its day is restated; nothing is ever deleted.

/** What all of them say. */
interface Common {
  reason: string | null;
  metadata: Record<string, unknown> | null;
  /** What a repeat is recognised by. */
  reference: string;
  origin: Origin;
}

export interface Adjustment extends Common {
  userId: string;
  unit: Unit;
  action: 'INCREASE' | 'DECREASE' | 'OVERWRITE';
  amount: bigint;
  occurredAt: Date | null;
}

export interface Spending extends Common {
  userId: string;
  unit: Unit;
  amount: bigint;
  /** What it is spent on, as the person's activities show it. */
  item: Wording | null;
  occurredAt: Date | null;
}

/** Adjusts a balance. @throws the Refusals of `postAll` @cost as `postAll` */
export function adjustBalance(
  sql: Sql,
  communityId: string,
  { userId, unit, action, amount, ...said }: Adjustment,
): Promise<Posted> {
  const move: Move = action === 'OVERWRITE' ? { unit, to: amount } : { unit, by: signed(action, amount) };
  // The amount and the action tell a repeat from another adjustment under the same reference.
  const metadata = { ...detailsOf(said), action, amount: String(amount), unit };
  return postOne(sql, communityId, { ...plainPosting('adjustment', userId, said), metadata, moves: [move] });
}

/** Spends of a balance. @throws the Refusals of `postAll`: INSUFFICIENT_BALANCE @cost as `postAll` */
export function spendBalance(
  sql: Sql,
  communityId: string,
  { userId, unit, amount, item, ...said }: Spending,
): Promise<Posted> {
  const metadata = {
    ...detailsOf(said),
    ...{ amount: String(amount), unit },
    ...(item !== null && { item: item.title }),
  };
  const moves = [{ unit, by: -amount }];
  const shownAs = { type: 'REDEMPTION', wording: item } as const;
  return postOne(sql, communityId, { ...plainPosting('spend', userId, said), metadata, moves, shownAs });
}

/**
 * Takes one entry back. @throws NOT_FOUND, CONFLICT (was taken back before), INSUFFICIENT_BALANCE, IDEMPOTENCY_KEY_REUSED
 * @cost as `post`, and two statements before.
 */
export function reverseEntry(
  sql: Sql,
  communityId: string,
  { entryId, ...said }: Common & { entryId: string },
): Promise<Posted> {
  return reverse(sql, communityId, said, { entryId }, async (tx) => {
    const [entry] = await tx<Reversible[]>`
      -- reverseEntry
      select l.user_id as "userId", l.event_id as "eventId", l.event_type as "eventType", l.occurred_at as "occurredAt",
        jsonb_build_array(jsonb_build_object('id', l.id, 'unit', l.unit, 'amount', l.amount::text)) as entries,
        r.event_id as "reversedBy"
      from gamification.ledger_entry l
      left join gamification.ledger_entry r on r.community_id = l.community_id and r.reversal_of = l.id
      where l.community_id = ${communityId} and l.id = ${entryId}`;
    return entry;
  });
}

/**
 * Takes an event back: all its entries that weren't before, its counting, and its use of rules with limits.
 * @throws NOT_FOUND, CONFLICT (was taken back before, or takes something back itself), INSUFFICIENT_BALANCE,
 * IDEMPOTENCY_KEY_REUSED
 * @cost as `post`, and three statements.
 */
export function reverseEvent(
  sql: Sql,
  communityId: string,
  { eventId, ...said }: Common & { eventId: string },
): Promise<Posted> {
  return reverse(sql, communityId, said, { eventId }, async (tx) => {
    const [event] = await reversibleEvents(tx, communityId, [eventId]);
    return event;
  });
}

/** What stands of events. Lock their people first. @cost one query by primary key. */
export async function reversibleEvents(
  tx: Sql,
  communityId: string,
  eventIds: readonly string[],
): Promise<Reversible[]> {
  return tx<Reversible[]>`
    -- reversibleEvents
    select e.user_id as "userId", e.id as "eventId", e.event_type as "eventType", e.occurred_at as "occurredAt",
      r.id as "reversedBy", (
        select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'unit', l.unit, 'amount', l.amount::text) order by l.id), '[]')
        from gamification.ledger_entry l
        where l.community_id = e.community_id and l.event_id = e.id and not exists (
          select from gamification.ledger_entry b where b.community_id = l.community_id and b.reversal_of = l.id
        )
      ) as entries
    from gamification.event e
    left join gamification.event r on r.community_id = e.community_id and r.reverses = e.id
    where e.community_id = ${communityId} and e.id = any(${eventIds as string[]})`;
}

/** The posting that takes an event back, or one entry of it when that is all that was read. */
export function reversalOf(
  { userId, occurredAt, eventId, eventType, entries }: Reversible,
  said: Common,
  what: { entryId: string } | { eventId: string },
): Posting {
  return {
    ...plainPosting('reversal', userId, { ...said, occurredAt }),
    metadata: { ...detailsOf(said), ...what },
    moves: entries.map(({ id, unit, amount }) => ({ unit, by: -BigInt(amount), reversalOf: id })),
    undoes: eventId,
    ...('eventId' in what && { reverses: { eventId, eventType } }),
  };
}

/** Lets rules with limits that paid events pay again, since these are taken back. */
export async function forgetUses(tx: Sql, communityId: string, eventIds: readonly string[]): Promise<void> {
  await tx`
    -- forgetUses
    delete from gamification.rule_use
    where community_id = ${communityId} and event_id = any(${eventIds as string[]})`;
}

/** What stands to be taken back. */
export interface Reversible {
  userId: string;
  eventId: string;
  eventType: string;
  occurredAt: Date;
  entries: { id: string; unit: Unit; amount: string }[];
  /** The event that took it back before. */
  reversedBy: string | null;
}

async function reverse(
  sql: Sql,
  communityId: string,
  said: Common,
  what: { entryId: string } | { eventId: string },
  read: (tx: Sql) => Promise<Reversible | undefined>,
): Promise<Posted> {
  const once = async (tx: Sql) => {
    const [name, id] = Object.entries(what)[0] ?? [];
    const whose = await read(tx);
    if (whose === undefined) {
      const thing = name === 'entryId' ? 'entry' : 'event';
      throw new Refusal('NOT_FOUND', `No ${thing} has the id "${id}".`, {}, ['input', name ?? '']);
    }
    // Read again once its person is locked: until then somebody else may take it back.
    await lockProfiles(tx, communityId, [whose.userId]);
    const found = (await read(tx)) ?? whose;
    const [first] = await tx<{ id: string }[]>`
      -- reverse: a repeat
      select id
      from gamification.event
      where community_id = ${communityId} and event_type = 'reversal' and reference = ${said.reference}`;
    if (first === undefined && found.reversedBy !== null) {
      throw new Refusal('CONFLICT', `It was taken back before, by ${found.reversedBy}.`, {}, [
        'input',
        name ?? '',
      ]);
    }
    if (name === 'eventId' && found.eventType === 'reversal') {
      const message = 'It takes something back itself: adjust the balance instead.';
      throw new Refusal('CONFLICT', message, {}, ['input', name]);
    }
    if (name === 'eventId') await forgetUses(tx, communityId, [found.eventId]);
    const [posted] = await post(tx, communityId, [reversalOf(found, said, what)]);
    if (posted === undefined || posted instanceof Refusal)
      throw posted ?? new Error('A posting had no answer.');
    return posted;
  };
  return decidedAgain(() => transaction(sql, once));
}

function plainPosting(
  eventType: string,
  userId: string,
  { reference, origin, occurredAt }: Pick<Common, 'reference' | 'origin'> & { occurredAt: Date | null },
) {
  return { eventType, userId, reference, origin, occurredAt, amount: null };
}

function detailsOf({ metadata, reason }: Common): Record<string, unknown> {
  return { ...metadata, ...(reason !== null && { reason }) };
}

function signed(action: 'INCREASE' | 'DECREASE', amount: bigint): bigint {
  return action === 'INCREASE' ? amount : -amount;
}
