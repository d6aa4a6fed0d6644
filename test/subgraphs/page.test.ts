import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../../subgraphs/page.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';

interface Row {
  at: Date;
  id: string;
}

let database: TestDatabase;
let sorted: string[];
beforeAll(async () => {
  database = await freshDatabase();
  // Fifty rows at five moments: nine of ten neighbours are told apart by their id alone.
  await database.sql`
    create table row as
    select timestamptz '2026-01-01T00:00:00.123Z' + (n % 5) * interval '1 ms' as at, 'row_' || lpad(n::text, 3, '0') as id
    from generate_series(0, 49) n`;
  const rows = await database.sql<Row[]>`select at, id from row order by at, id collate "C"`;
  sorted = rows.map(({ id }) => id);
});
afterAll(() => database.close());

async function page(args: PageArguments, newestFirst: boolean): Promise<Page<Row>> {
  const { sql } = database;
  const request = pageRequest('row', args);
  const { beyond, order } = keyset(sql, request, { at: 'at', id: 'id', newestFirst });
  const rows = await sql<
    Row[]
  >`select * from row where true ${beyond} order by ${order} limit ${request.limit}`;
  return pageOf(rows, request, (row) => row);
}

const idsOf = ({ edges }: Page<Row>) => edges.map(({ node }) => node.id);

describe('pages', () => {
  it.each([
    [1, false],
    [7, false],
    [50, false],
    [7, true],
  ])(
    'of %i rows give every row once and in order, in both directions; newest first: %s',
    async (size, newestFirst) => {
      const all = newestFirst ? [...sorted].reverse() : sorted;
      const forwards: string[] = [];
      for (let after: string | undefined, more = true; more; ) {
        const next = await page({ first: size, ...(after === undefined ? {} : { after }) }, newestFirst);
        forwards.push(...idsOf(next));
        after = next.edges.at(-1)?.cursor;
        more = next.hasNextPage;
        expect(next.hasPreviousPage).toBe(forwards.length > size);
      }
      expect(forwards).toEqual(all);

      const backwards: string[] = [];
      for (let before: string | undefined, more = true; more; ) {
        const next = await page({ last: size, ...(before === undefined ? {} : { before }) }, newestFirst);
        backwards.unshift(...idsOf(next));
        before = next.edges[0]?.cursor;
        more = next.hasPreviousPage;
        expect(next.hasNextPage).toBe(backwards.length > size);
      }
      expect(backwards).toEqual(all);
    },
  );

  it('hold 20 rows when no number is given, also backwards', async () => {
    expect(idsOf(await page({}, false))).toEqual(sorted.slice(0, 20));
    const end = (await page({ last: 1 }, false)).edges[0]?.cursor ?? '';
    expect(idsOf(await page({ before: end }, false))).toEqual(sorted.slice(-21, -1));
  });

  it('go on from a row that was deleted since', async () => {
    const { sql } = database;
    const [edge] = (await page({ first: 1 }, false)).edges;
    await sql`delete from row where id = ${edge?.node.id ?? ''}`;
    expect(idsOf(await page({ first: 3, after: edge?.cursor ?? '' }, false))).toEqual(sorted.slice(1, 4));
    await sql`insert into row values (${edge?.node.at ?? ''}, ${edge?.node.id ?? ''})`;
  });
});

describe('pages: refusals', () => {
  it.each<[string, PageArguments]>([
    ['no rows', { first: 0 }],
    ['fewer than no rows', { last: -1 }],
    ['more than 100 rows', { first: 101 }],
    ['both directions', { first: 1, last: 1 }],
    ['a direction and the cursor of the other', { first: 1, before: 'x' }],
    ['both cursors', { after: 'x', before: 'x' }],
  ])('BAD_PAGE: %s', (_what, args) => {
    expect(() => pageRequest('row', args)).toThrow(expect.objectContaining({ code: 'BAD_PAGE' }));
  });

  const sealed = (text: string) => Buffer.from(text).toString('base64url');
  it.each([
    '',
    'nonsense',
    sealed('row 1'),
    sealed('row x row_1'),
    sealed('row 1 row 1'),
    sealed(`row 1 ${'x'.repeat(65)}`),
    sealed('other 1 row_1'),
  ])('BAD_CURSOR: "%s"', (after) => {
    expect(() => pageRequest('row', { after })).toThrow(expect.objectContaining({ code: 'BAD_CURSOR' }));
  });
});
