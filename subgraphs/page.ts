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

/** How the place of a row is written into a cursor, as words of letters, digits, `_` and `-`. */
export interface Places<P> {
  words(place: P): string[];
  /** undefined when these are not the words of a place. */
  place(words: readonly string[]): P | undefined;
}

/** A checked page request: `limit` is one more row than the page holds, to know whether more follows. */
export interface PageRequest<P = Place> {
  /** The list that cursors are issued for; those of another are refused. */
  list: string;
  size: number;
  limit: number;
  backwards: boolean;
  beyond: P | undefined;
  places: Places<P>;
}

export interface Page<Row> {
  edges: { cursor: string; node: Row }[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

export const pageSize = { default: 20, max: 100 } as const;

const moments: Places<Place> = {
  words: ({ at, id }) => [String(at.getTime()), id],
  place: ([at = '', id = '', ...rest]) =>
    /^\d{1,15}$/.test(at) && /^\w{1,64}$/.test(id) && rest.length === 0
      ? { at: new Date(Number(at)), id }
      : undefined,
};

/** Checks paging arguments. @param list  a word for the list, one its cursors carry. @throws BAD_PAGE, BAD_CURSOR */
export function pageRequest(list: string, page: PageArguments): PageRequest {
  return pageRequestBy(moments, list, page);
}

/** The same for a list in another order than by moment and id. */
export function pageRequestBy<P>(
  places: Places<P>,
  list: string,
  { first, after, last, before }: PageArguments,
): PageRequest<P> {
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
  const beyond = cursor == null ? undefined : openCursor(places, list, cursor);
  return { list, size, limit: size + 1, backwards, beyond, places };
}

/**
 * The SQL of a page request: `and (at, id) > (…)`, empty on the first page, and `at, id` for `order by`.
 * @param columns  the two columns of the list's order, `at` then `id`, both indexed together; `at` is a moment, or with
 *   `isNumber` a number, whose place has it as milliseconds.
 */
export function keyset(
  sql: Sql,
  { beyond, backwards }: PageRequest,
  columns: { at: string; id: string; newestFirst: boolean; isNumber?: boolean },
) {
  const descending = columns.newestFirst !== backwards;
  const [at, id] = [sql(columns.at), sql(columns.id)];
  const start = (place: Place) =>
    columns.isNumber ? sql`${place.at.getTime()}::bigint` : sql`${place.at}::timestamptz`;
  return {
    beyond:
      beyond === undefined
        ? sql``
        : sql`and (${at}, ${id}) ${descending ? sql`<` : sql`>`} (${start(beyond)}, ${beyond.id})`,
    order: descending ? sql`${at} desc, ${id} desc` : sql`${at}, ${id}`,
  };
}

/** Makes a page of the rows that `limit` brought, given in the order they were read. */
export function pageOf<Row, P = Place>(
  rows: readonly Row[],
  { list, size, backwards, beyond, places }: PageRequest<P>,
  placeOf: (row: Row) => P,
): Page<Row> {
  const more = rows.length > size;
  const kept = rows.slice(0, size);
  if (backwards) kept.reverse();
  return {
    edges: kept.map((node) => ({ cursor: sealCursor(places, list, placeOf(node)), node })),
    hasNextPage: backwards ? beyond !== undefined : more,
    hasPreviousPage: backwards ? more : beyond !== undefined,
  };
}

/** The paging arguments of a list by numbers, for callers that count pages. */
export interface NumberedArguments {
  offset: number;
  limit: number;
}

/** Some rows of a list, and how many it has in all. */
export interface NumberedPage<Row> {
  rows: Row[];
  total: number;
  offset: number;
}

/** How deep a list can be paged by numbers: what is skipped is read all the same. */
export const deepest = 10_000;

/** Checks paging by numbers. @throws BAD_PAGE */
export function numberedRequest({ offset, limit }: NumberedArguments): NumberedArguments {
  if (limit < 1 || limit > pageSize.max)
    throw new Refusal('BAD_PAGE', `\`limit\` is 1 to ${pageSize.max}, got ${limit}.`);
  if (offset < 0) throw new Refusal('BAD_PAGE', `\`offset\` is 0 or more, got ${offset}.`);
  if (offset + limit > deepest) {
    const message = `\`offset\` and \`limit\` come to at most ${deepest}, got ${offset + limit}: go on by cursor, or narrow the range.`;
    throw new Refusal('BAD_PAGE', message);
  }
  return { offset, limit };
}

/** Makes a numbered page of what one list brought: at least one row with its `total`, and of its rows those with an id. */
export function numberedPage<Row extends { id: string }>(
  rows: readonly (Partial<Row> & { total: bigint })[],
  offset: number,
): NumberedPage<Row> {
  const found = rows.filter(({ id }) => id != null) as unknown as Row[];
  return { rows: found, total: Number(rows[0]?.total ?? 0n), offset };
}

/** The cursor of a row of a list. */
export function sealCursor<P>(places: Places<P>, list: string, place: P): string {
  return Buffer.from([list, ...places.words(place)].join(' ')).toString('base64url');
}

function openCursor<P>(places: Places<P>, list: string, cursor: string): P {
  const [issuedFor, ...words] = Buffer.from(cursor, 'base64url').toString().split(' ');
  const place = issuedFor === list ? places.place(words) : undefined;
  if (place !== undefined) return place;
  throw new Refusal('BAD_CURSOR', 'The cursor was not issued for this list: take one of its `pageInfo`.');
}
