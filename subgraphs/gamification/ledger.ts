import { alignTo, groupTo, type Sql, type SqlPart } from '../db.ts';
import { Refusal } from '../errors.ts';
import {
  keyset,
  type NumberedArguments,
  type NumberedPage,
  numberedPage,
  numberedRequest,
  type Page,
  type PageArguments,
  pageOf,
  pageRequest,
} from '../page.ts';
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
  range?: TimeRange | null;
}

/** Moments from `from` up to, and without, `to`; without end where one is missing. */
export interface TimeRange {
  from?: Date | null;
  to?: Date | null;
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
  filter: LedgerFilter,
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
      where l.community_id = ${communityId} and l.user_id = u.id ${narrowed(sql, filter)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) e`;
  return groupTo(userIds, rows, ({ userId }) => userId).map((own) =>
    pageOf(own, request, ({ occurredAt, id }) => ({ at: occurredAt, id })),
  );
}

/**
 * The same by number, with an exact total.
 * @throws BAD_PAGE
 * @cost one query, O(people x their entries) to count, O(people x (offset + limit)) to skip.
 */
export async function numberedEntriesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  filter: LedgerFilter,
  page: NumberedArguments,
): Promise<NumberedPage<LedgerEntry>[]> {
  const { offset, limit } = numberedRequest(page);
  const rows = await sql<(Partial<LedgerEntry> & { owner: string; total: bigint })[]>`
    -- numberedEntriesByUser
    select u.id as owner, t.total, e.*
    from unnest(${userIds as string[]}::text[]) as u(id)
    cross join lateral (
      select count(*) as total
      from gamification.ledger_entry l
      where l.community_id = ${communityId} and l.user_id = u.id ${narrowed(sql, filter)}
    ) t
    left join lateral (
      select ${columns(sql)}
      from gamification.ledger_entry l ${withEvent(sql)}
      where l.community_id = ${communityId} and l.user_id = u.id ${narrowed(sql, filter)}
      order by l.occurred_at desc, l.id desc
      offset ${offset} limit ${limit}
    ) e on true`;
  return groupTo(userIds, rows, ({ owner }) => owner).map((own) => numberedPage<LedgerEntry>(own, offset));
}

/**
 * A page of the entries of everybody, or of some, newest first by when they happened.
 * @param userIds  whose; null: everybody's.
 * @throws BAD_PAGE, BAD_CURSOR, BAD_ARGUMENT (a reference without its event type)
 * @source table ledger_entry; index (community_id, occurred_at desc, id desc), for some people theirs.
 * @cost one query. O(page) rows where nothing narrows; with a filter it reads on, within the range, until the page is full.
 */
export async function entriesOfCommunity(
  sql: Sql,
  communityId: string,
  userIds: readonly string[] | null,
  filter: LedgerFilter,
  page: PageArguments,
): Promise<Page<LedgerEntry>> {
  const { reference, eventTypes } = filter;
  if (reference != null && userIds === null && eventTypes == null) {
    const message = '`reference` is unique per event type: name `eventTypes` too, or `userIds`.';
    throw new Refusal('BAD_ARGUMENT', message);
  }
  const request = pageRequest('ledger', page);
  const { beyond, order } = keyset(sql, request, { at: 'l.occurred_at', id: 'l.id', newestFirst: true });
  // Few events have a reference: they are found first, and their entries by them.
  const referred =
    reference == null || eventTypes == null
      ? sql``
      : sql`and l.event_id = any(array(
          select r.id from gamification.event r
          where r.community_id = ${communityId} and r.event_type = any(${eventTypes as string[]})
            and r.reference = ${reference}
        ))`;
  const entries = (owner: SqlPart) => sql`
    select ${columns(sql)}
    from gamification.ledger_entry l ${withEvent(sql)}
    where l.community_id = ${communityId} ${owner} ${narrowed(sql, filter)} ${referred} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  const rows = await sql<LedgerEntry[]>`
    -- entriesOfCommunity
    ${
      userIds === null
        ? entries(sql``)
        : sql`select e.*
          from unnest(${[...new Set(userIds)]}::text[]) as u(id)
          cross join lateral (${entries(sql`and l.user_id = u.id`)}) e
          order by ${keyset(sql, request, { at: 'e.occurredAt', id: 'e.id', newestFirst: true }).order}
          limit ${request.limit}`
    }`;
  return pageOf(rows, request, ({ occurredAt, id }) => ({ at: occurredAt, id }));
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

/** Narrows `l` to what a filter lets through. */
function narrowed(sql: Sql, { units, eventTypes, reference, sign, range }: LedgerFilter) {
  return sql`
    ${units == null ? sql`` : sql`and l.unit = any(${units as string[]})`}
    ${eventTypes == null ? sql`` : sql`and l.event_type = any(${eventTypes as string[]})`}
    ${reference == null ? sql`` : sql`and l.reference = ${reference}`}
    ${sign == null ? sql`` : sign === 'EARNED' ? sql`and l.amount > 0` : sql`and l.amount < 0`}
    ${within(sql, 'l.occurred_at', range)}`;
}

/** Narrows a column to a range. */
export function within(sql: Sql, column: string, range: TimeRange | null | undefined) {
  return sql`
    ${range?.from == null ? sql`` : sql`and ${sql(column)} >= ${range.from}::timestamptz`}
    ${range?.to == null ? sql`` : sql`and ${sql(column)} < ${range.to}::timestamptz`}`;
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
