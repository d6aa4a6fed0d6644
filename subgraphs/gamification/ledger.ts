import { alignTo, groupTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import type { Origin } from './origin.ts';
import type { Balances, Unit } from './unit.ts';

// The ledger: every change of what a person has, in four units, append-only. Balances are its sums.

export interface LedgerEntry extends Origin {
  id: string;
  userId: string;
  eventId: string;
  unit: Unit;
  amount: bigint;
  balanceAfter: bigint;
  eventType: string;
  reference: string | null;
  metadata: Record<string, unknown> | null;
  occurredAt: Date;
  recordedAt: Date;
  /** The rule that paid it. */
  ruleId: string | null;
  /** The entry that this one takes back. */
  reversalOf: string | null;
}

export interface LedgerFilter {
  units?: readonly Unit[] | null;
  eventTypes?: readonly string[] | null;
  reference?: string | null;
  sign?: 'EARNED' | 'SPENT' | null;
}

/** What each person has, in every unit; 0 where nothing was ever earned. @cost one query by primary key. */
export async function balancesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Balances[]> {
  const rows = await sql<(Balances & { userId: string })[]>`
    -- balancesByUser
    select user_id as "userId", xp as "XP", coins as "COINS", points as "POINTS", premium as "PREMIUM"
    from gamification.profile
    where community_id = ${communityId} and user_id = any(${userIds as string[]})`;
  return alignTo(userIds, rows, ({ userId }) => userId).map((row) => {
    const { XP = 0n, COINS = 0n, POINTS = 0n, PREMIUM = 0n } = row ?? {};
    return { XP, COINS, POINTS, PREMIUM };
  });
}

/**
 * Each person's entries, the newest first by when they happened; ties broken by id.
 * @returns one page per id, in `userIds` order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table ledger_entry; index (community_id, user_id, occurred_at desc, id desc).
 * @cost one query, O(people x page) rows.
 */
export async function entriesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  { units, eventTypes, reference, sign }: LedgerFilter,
  page: PageArguments,
): Promise<Page<LedgerEntry>[]> {
  const request = pageRequest('ledger', page);
  const { beyond, order } = keyset(sql, request, { at: 'l.occurred_at', id: 'l.id', newestFirst: true });
  const rows = await sql<LedgerEntry[]>`
    -- entriesByUser
    select e.*
    from unnest(${userIds as string[]}::text[]) as u(id)
    cross join lateral (
      select ${columns(sql)}
      from gamification.ledger_entry l ${withEvent(sql)}
      where l.community_id = ${communityId} and l.user_id = u.id
        ${units == null ? sql`` : sql`and l.unit = any(${units as string[]})`}
        ${eventTypes == null ? sql`` : sql`and l.event_type = any(${eventTypes as string[]})`}
        ${reference == null ? sql`` : sql`and l.reference = ${reference}`}
        ${sign == null ? sql`` : sign === 'EARNED' ? sql`and l.amount > 0` : sql`and l.amount < 0`}
        ${beyond}
      order by ${order}
      limit ${request.limit}
    ) e`;
  return groupTo(userIds, rows, ({ userId }) => userId).map((own) =>
    pageOf(own, request, ({ occurredAt, id }) => ({ at: occurredAt, id })),
  );
}

/** Entries by id, in their order; null where there is none. @cost one query by primary key. */
export async function entriesById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(LedgerEntry | null)[]> {
  const rows = await sql<LedgerEntry[]>`
    -- entriesById
    select ${columns(sql)}
    from gamification.ledger_entry l ${withEvent(sql)}
    where l.community_id = ${communityId} and l.id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** What each event earned, in the order of the ids; `[]` where nothing. @cost one query by an index. */
export async function entriesByEvent(
  sql: Sql,
  communityId: string,
  eventIds: readonly string[],
): Promise<LedgerEntry[][]> {
  const rows = await sql<LedgerEntry[]>`
    -- entriesByEvent
    select ${columns(sql)}
    from gamification.ledger_entry l ${withEvent(sql)}
    where l.community_id = ${communityId} and l.event_id = any(${eventIds as string[]})
    order by l.id`;
  return groupTo(eventIds, rows, ({ eventId }) => eventId);
}

/** The event holds what its entries have in common. */
function withEvent(sql: Sql) {
  return sql`join gamification.event e on e.community_id = l.community_id and e.id = l.event_id`;
}

function columns(sql: Sql) {
  return sql`l.id, l.user_id as "userId", l.event_id as "eventId", l.unit, l.amount, l.balance_after as "balanceAfter",
    l.event_type as "eventType", l.reference, e.metadata, l.occurred_at as "occurredAt", l.recorded_at as "recordedAt",
    l.rule_id as "ruleId", l.reversal_of as "reversalOf", e.source, e.actor_user_id as "actorUserId",
    e.actor_key_id as "keyId"`;
}
