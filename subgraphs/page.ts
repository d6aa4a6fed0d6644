import type { Sql } from './db.ts';
import { Refusal } from './errors.ts';

// Keyset paging: every list is sorted by a moment, then by id, and a cursor holds that pair of its row, so page 10,000
// costs what page 1 costs.

/** The paging arguments of a Relay connection: `first`/`after` forwards or `last`/`before` backwards. */
export interface PageArguments {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
}

/** Where a row stands in its list. Moments are stored to the millisecond, as a cursor holds them. */
export interface Place {
  at: Date;
  id: string;
}

/** A checked page request: `limit` is one more row than the page holds, to know whether more follows. */
export interface PageRequest {
  /** The list that cursors are issued for; those of another are refused. */
  list: string;
  size: number;
  limit: number;
  backwards: boolean;
  beyond: Place | undefined;
}

export interface Page<Row> {
  edges: { cursor: string; node: Row }[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

export const pageSize = { default: 20, max: 100 } as const;

/** Checks paging arguments. @param list  a word for the list, one its cursors carry. @throws BAD_PAGE, BAD_CURSOR */
export function pageRequest(list: string, { first, after, last, before }: PageArguments): PageRequest {
  if ((first != null || after != null) && (last != null || before != null)) {
    throw new Refusal(
      'BAD_PAGE',
      'Page by `first` and `after`, or backwards by `last` and `before`, not both.',
    );
  }
  const backwards = last != null || before != null;
  const size = first ?? last ?? pageSize.default;
  if (size < 1 || size > pageSize.max) {
    throw new Refusal(
      'BAD_PAGE',
      `\`${backwards ? 'last' : 'first'}\` is 1 to ${pageSize.max}, got ${size}.`,
    );
  }
  const cursor = backwards ? before : after;
  const beyond = cursor == null ? undefined : openCursor(list, cursor);
  return { list, size, limit: size + 1, backwards, beyond };
}

/**
 * The SQL of a page request: `and (at, id) > (…)`, empty on the first page, and `at, id` for `order by`.
 * @param columns  the two columns of the list's order, `at` then `id`, both indexed together.
 */
export function keyset(
  sql: Sql,
  { beyond, backwards }: PageRequest,
  columns: { at: string; id: string; newestFirst: boolean },
) {
  const descending = columns.newestFirst !== backwards;
  const [at, id] = [sql(columns.at), sql(columns.id)];
  return {
    beyond:
      beyond === undefined
        ? sql``
        : sql`and (${at}, ${id}) ${descending ? sql`<` : sql`>`} (${beyond.at}::timestamptz, ${beyond.id})`,
    order: descending ? sql`${at} desc, ${id} desc` : sql`${at}, ${id}`,
  };
}

/** Makes a page of the rows that `limit` brought, given in the order they were read. */
export function pageOf<Row>(
  rows: readonly Row[],
  { list, size, backwards, beyond }: PageRequest,
  placeOf: (row: Row) => Place,
): Page<Row> {
  const more = rows.length > size;
  const kept = rows.slice(0, size);
  if (backwards) kept.reverse();
  return {
    edges: kept.map((node) => ({ cursor: sealCursor(list, placeOf(node)), node })),
    hasNextPage: backwards ? beyond !== undefined : more,
    hasPreviousPage: backwards ? more : beyond !== undefined,
  };
}

function sealCursor(list: string, { at, id }: Place): string {
  return Buffer.from(`${list} ${at.getTime()} ${id}`).toString('base64url');
}

function openCursor(list: string, cursor: string): Place {
  const [issuedFor, at = '', id = '', ...rest] = Buffer.from(cursor, 'base64url').toString().split(' ');
  if (issuedFor !== list || !/^\d{1,15}$/.test(at) || !/^\w{1,64}$/.test(id) || rest.length > 0) {
    throw new Refusal('BAD_CURSOR', 'The cursor was not issued for this list: take one of its `pageInfo`.');
  }
  return { at: new Date(Number(at)), id };
}
