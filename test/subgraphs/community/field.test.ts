import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldByKey, fieldsById, setValues, valuesByUser } from '../../../subgraphs/community/field.ts';
import { recordChange } from '../../../subgraphs/community/field-history.ts';
import { community } from '../../../subgraphs/community/index.ts';
import { founded, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(community, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const fields = ['NUMBER', 'TEXT', 'BOOLEAN', 'DATE', 'SELECT'] as const;

/** Gives each member a value of each field: 12.5, "n", true, a day and an option. */
async function setAll({ id, memberIds, fieldIds }: TestCommunity): Promise<void> {
  const [number = '', ...others] = fieldIds;
  const columns = [
    (userId: string) => ({ text: userId, boolean: null, date: null }),
    () => ({ text: null, boolean: true, date: null }),
    () => ({ text: null, boolean: null, date: '2026-02-28' }),
    () => ({ text: 'gold', boolean: null, date: null }),
  ];
  for (const userId of memberIds) {
    const change = { userId, fieldId: number, action: 'OVERWRITE', value: '12.5' } as const;
    await recordChange(database.sql, id, { ...change, idempotencyKey: userId });
  }
  const rows = memberIds.flatMap((userId) =>
    columns.map((makeValue, n) => ({
      userId,
      fieldId: others[n] ?? '',
      updatedAt: founded,
      ...makeValue(userId),
    })),
  );
  await setValues(database.sql, id, rows);
}

describe('fields: rules', () => {
  it('are found by id and by key, in their own community only', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    expect((await fieldByKey(database.sql, home.id, 'number'))?.id).toBe(home.fieldIds[0]);
    expect(await fieldByKey(database.sql, home.id, 'NUMBER')).toBeNull();
    expect(await fieldsById(database.sql, away.id, home.fieldIds)).toEqual([null]);
  });

  it('have values by member, in the order of the fields', async () => {
    const place = await newCommunity(database.resources, { fields });
    await setAll(place);
    const [second = '', first = ''] = [...place.memberIds].reverse();
    const values = await valuesByUser(database.sql, place.id, [second, 'usr_nobody', first], null, {});
    expect(values.map(({ edges }) => edges.map(({ node }) => node.fieldId))).toEqual([
      place.fieldIds,
      [],
      place.fieldIds,
    ]);
    expect(values[0]?.edges[1]?.node.text).toBe(second);
  });

  it('take a new value in place of the old one', async () => {
    const { id, memberIds, fieldIds } = await newCommunity(database.resources, { fields: ['TEXT'] });
    const value = { userId: memberIds[0] ?? '', fieldId: fieldIds[0] ?? '', boolean: null, date: null };
    await setValues(database.sql, id, [{ ...value, text: 'old', updatedAt: founded }]);
    await setValues(database.sql, id, [{ ...value, text: 'new', updatedAt: founded }]);
    const [values] = await valuesByUser(database.sql, id, memberIds, null, {});
    expect(values?.edges.map(({ node }) => node.text)).toEqual(['new']);
  });
});

describe('fields: query', () => {
  const values = `{ fields { nodes {
    __typename updatedAt field { key }
    ... on NumberFieldValue { number } ... on TextFieldValue { text } ... on BooleanFieldValue { boolean }
    ... on DateFieldValue { date } ... on SelectFieldValue { option }
  } } }`;

  it('gives a value of each type', async () => {
    const place = await newCommunity(database.resources, { fields, members: 1 });
    await setAll(place);
    const [user] = await entities(place.system, 'User', place.memberIds, values);
    const updatedAt = founded.toISOString();
    expect(user.fields.nodes).toEqual([
      {
        __typename: 'NumberFieldValue',
        number: '12.5',
        field: { key: 'number' },
        updatedAt: expect.stringMatching(/Z$/),
      },
      { __typename: 'TextFieldValue', text: place.memberIds[0], field: { key: 'text1' }, updatedAt },
      { __typename: 'BooleanFieldValue', boolean: true, field: { key: 'boolean2' }, updatedAt },
      { __typename: 'DateFieldValue', date: '2026-02-28', field: { key: 'date3' }, updatedAt },
      { __typename: 'SelectFieldValue', option: 'gold', field: { key: 'select4' }, updatedAt },
    ]);
  });

  it('gives only the values of the keys asked for', async () => {
    const place = await newCommunity(database.resources, { fields, members: 1 });
    await setAll(place);
    const selection =
      '{ a: fields(keys: ["date3", "none"]) { nodes { field { key } } } b: fields(keys: []) { nodes { __typename } } }';
    expect(await entities(place.system, 'User', place.memberIds, selection)).toEqual([
      { a: { nodes: [{ field: { key: 'date3' } }] }, b: { nodes: [] } },
    ]);
  });

  it("gives a member's values page by page", async () => {
    const place = await newCommunity(database.resources, { fields, members: 1 });
    await setAll(place);
    const selection =
      '{ fields(first: $first, after: $after) { nodes { field { key } } pageInfo { endCursor } } }';
    const [one] = await entities(place.system, 'User', place.memberIds, selection, { first: 3 });
    const after = one.fields.pageInfo.endCursor;
    const [two] = await entities(place.system, 'User', place.memberIds, selection, { first: 3, after });
    const keys = [one, two].map((user) => user.fields.nodes.map((value: Answer) => value.field.key));
    expect(keys).toEqual([
      ['number', 'text1', 'boolean2'],
      ['date3', 'select4'],
    ]);
  });

  it('gives the fields themselves, oldest first', async () => {
    const { system, fieldIds } = await newCommunity(database.resources, { fields });
    const answer = await ask(
      system,
      '{ fields { nodes { id key type numeric required options name { text } } } }',
    );
    expect(answer.fields.nodes.map(({ id }: { id: string }) => id)).toEqual(fieldIds);
    expect(answer.fields.nodes[0]).toEqual({
      id: fieldIds[0],
      key: 'number',
      type: 'NUMBER',
      numeric: true,
      required: false,
      options: null,
      name: { text: 'number' },
    });
    expect(answer.fields.nodes[4]).toMatchObject({ numeric: false, options: ['gold', 'silver'] });
  });

  it('gives one field by id or by key, null when there is none', async () => {
    const { system, fieldIds } = await newCommunity(database.resources);
    const one = 'query ($id: ID, $key: String) { field(id: $id, key: $key) { id } }';
    for (const by of [{ id: fieldIds[0] }, { key: 'number' }])
      expect(await ask(system, one, by)).toEqual({ field: { id: fieldIds[0] } });
    for (const by of [{ id: 'fld_none' }, { key: 'none' }])
      expect(await ask(system, one, by)).toEqual({ field: null });
  });
});

describe('fields: refusals', () => {
  it.each([
    ['BAD_PAGE', 'fields(first: -1)'],
    ['BAD_CURSOR', 'fields(after: "")'],
  ])('%s: %s', async (code, field) => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, `{ ${field} { nodes { id } } }`)).toEqual([{ code, path: ['fields'] }]);
  });
});

describe('one field: refusals', () => {
  it.each(['{ field { id } }', '{ field(id: "fld_x", key: "x") { id } }'])(
    'BAD_ARGUMENT: %s',
    async (text) => {
      const { system } = await newCommunity(database.resources);
      expect(await errorsOf(system, text)).toEqual([{ code: 'BAD_ARGUMENT', path: ['field'] }]);
    },
  );
});

describe('fields: cost', () => {
  it('reads the values of 100 members with the statements of one', async () => {
    const place = await newCommunity(database.resources, { fields, members: 100 });
    await setAll({ ...place, memberIds: place.memberIds.slice(0, 40) });
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(
          place.system,
          'User',
          place.memberIds.slice(0, count),
          '{ fields { nodes { field { key } } } }',
        ),
      );
    expect(await read(1)).toEqual(['valuesByUser', 'fieldsById']);
    expect(await read(100)).toEqual(await read(1));
  });
});
