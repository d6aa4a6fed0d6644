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

/** Checks paging arguments. @throws BAD_PAGE, BAD_CURSOR */
export function pageRequest({ first, after, last, before }: PageArguments): PageRequest {
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
  return { size, limit: size + 1, backwards, beyond: cursor == null ? undefined : openCursor(cursor) };
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
  { size, backwards, beyond }: PageRequest,
  placeOf: (row: Row) => Place,
): Page<Row> {
  const more = rows.length > size;
  const kept = rows.slice(0, size);
  if (backwards) kept.reverse();
  return {
    edges: kept.map((node) => ({ cursor: sealCursor(placeOf(node)), node })),
    hasNextPage: backwards ? beyond !== undefined : more,
    hasPreviousPage: backwards ? more : beyond !== undefined,
  };
}

function sealCursor({ at, id }: Place): string {
  return Buffer.from(`${at.getTime()} ${id}`).toString('base64url');
}

function openCursor(cursor: string): Place {
  const place = /^(\d{1,15}) (\w{1,64})$/.exec(Buffer.from(cursor, 'base64url').toString());
  if (place === null) {
    throw new Refusal('BAD_CURSOR', 'The cursor was not issued for this list: take one of its `pageInfo`.');
  }
  return { at: new Date(Number(place[1])), id: place[2] ?? '' };
}
