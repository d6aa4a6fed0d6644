import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { valuesByUser } from '../../../subgraphs/community/field.ts';
import {
  changesByUser,
  changesPage,
  type FieldAction,
  recordChange,
} from '../../../subgraphs/community/field-history.ts';
import { community } from '../../../subgraphs/community/index.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(community, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** Records changes of the first member's first field, under the keys "0", "1" … */
function recorder({ id, memberIds, fieldIds }: TestCommunity) {
  let key = 0;
  return (action: FieldAction, value: string, idempotencyKey = String(key++)) =>
    recordChange(database.sql, id, {
      fieldId: fieldIds[0] ?? '',
      userId: memberIds[0] ?? '',
      action,
      value,
      idempotencyKey,
    });
}

async function sumOf({ id, memberIds }: TestCommunity): Promise<string | null | undefined> {
  const [values] = await valuesByUser(database.sql, id, memberIds.slice(0, 1), null, {});
  return values?.edges[0]?.node.number;
}

describe('field history: rules', () => {
  it('adds up: each change gives the sum after it, and the last sum is the value', async () => {
    const place = await newCommunity(database.resources);
    const record = recorder(place);
    const sums: string[] = [];
    const changes = [
      ['INCREASE', '10'],
      ['INCREASE', '0.1'],
      ['DECREASE', '20.35'],
      ['OVERWRITE', '7'],
      ['INCREASE', '-2.5'],
    ] as const;
    for (const [action, value] of changes) sums.push((await record(action, value)).change.resultingSum);
    expect(sums).toEqual(['10', '10.1', '-10.25', '7', '4.5']);
    expect(await sumOf(place)).toBe('4.5');
  });

  it('is exact where floats are not', async () => {
    const place = await newCommunity(database.resources);
    const record = recorder(place);
    for (const value of ['99999999999999999999', '0.1', '0.2', '-99999999999999999999', '-0.3'])
      await record('INCREASE', value);
    expect(await sumOf(place)).toBe('0');
  });

  it('adds up concurrent changes of one value, and lists them in the order of their sums', async () => {
    const place = await newCommunity(database.resources);
    const record = recorder(place);
    await Promise.all(Array.from({ length: 30 }, () => record('INCREASE', '1')));
    expect(await sumOf(place)).toBe('30');
    const page = await changesPage(database.sql, place.id, {}, { first: 100 });
    const sums = page.edges.map(({ node }) => Number(node.resultingSum));
    expect(sums).toEqual(Array.from({ length: 30 }, (_, n) => 30 - n));
  });

  it('counts a change once under 50 concurrent repeats, and gives all the same answer', async () => {
    const place = await newCommunity(database.resources);
    const record = recorder(place);
    const answers = await Promise.all(Array.from({ length: 50 }, () => record('INCREASE', '3', 'once')));
    expect(await sumOf(place)).toBe('3');
    expect(new Set(answers.map(({ change }) => JSON.stringify(change))).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  });

  it('gives the first answer to a repeat, whatever came between', async () => {
    const place = await newCommunity(database.resources);
    const record = recorder(place);
    const first = await record('INCREASE', '5', 'key');
    await record('INCREASE', '1');
    expect(await record('INCREASE', '5.0', 'key')).toEqual({ change: first.change, replayed: true });
    expect(await sumOf(place)).toBe('6');
  });

  it('is kept by member and by field: one value never changes another', async () => {
    const { id, memberIds, fieldIds } = await newCommunity(database.resources, {
      fields: ['NUMBER', 'NUMBER'],
    });
    let key = 0;
    for (const userId of memberIds) {
      for (const fieldId of fieldIds) {
        const value = String(++key);
        await recordChange(database.sql, id, {
          userId,
          fieldId,
          action: 'INCREASE',
          value,
          idempotencyKey: value,
        });
      }
    }
    const values = await valuesByUser(database.sql, id, memberIds, null, {});
    expect(values.map(({ edges }) => edges.map(({ node }) => node.number))).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
    const pages = await changesByUser(database.sql, id, memberIds, { fieldIds: fieldIds.slice(1) }, {});
    expect(pages.map(({ edges }) => edges.map(({ node }) => node.value))).toEqual([['2'], ['4']]);
  });
});

describe('field history: query', () => {
  it('lists by member, by field, by both and by action, newest first', async () => {
    const place = await newCommunity(database.resources);
    const record = recorder(place);
    for (const [action, value] of [
      ['INCREASE', '1'],
      ['DECREASE', '2'],
      ['INCREASE', '3'],
    ] as const)
      await record(action, value);
    const list =
      'query ($filter: FieldHistoryFilter) { fieldHistories(filter: $filter) { nodes { value } } }';
    const of = async (filter: object) =>
      (await ask(place.system, list, { filter })).fieldHistories.nodes.map(
        (node: { value: string }) => node.value,
      );
    const [userIds, fieldIds] = [place.memberIds.slice(0, 1), place.fieldIds];
    for (const filter of [{}, { userIds }, { fieldIds }, { userIds, fieldIds }])
      expect(await of(filter)).toEqual(['3', '2', '1']);
    expect(await of({ actions: ['DECREASE'] })).toEqual(['2']);
    expect(await of({ userIds: place.memberIds.slice(1) })).toEqual([]);
  });

  it('records a change and shows it at the member and at the field', async () => {
    const { system, memberIds, fieldIds } = await newCommunity(database.resources);
    const { recordFieldChange } = await ask(
      system,
      `mutation ($input: RecordFieldChangeInput!) { recordFieldChange(input: $input) {
        replayed userErrors { code }
        history { action value resultingSum idempotencyKey user { id } field { key } }
      } }`,
      { input: { userId: memberIds[0], fieldId: fieldIds[0], value: 2.5, idempotencyKey: 'k' } },
    );
    expect(recordFieldChange).toEqual({
      replayed: false,
      userErrors: [],
      history: {
        action: 'INCREASE',
        value: '2.5',
        resultingSum: '2.5',
        idempotencyKey: 'k',
        user: { id: memberIds[0] },
        field: { key: 'number' },
      },
    });
    const shown = [{ value: '2.5' }];
    expect(await entities(system, 'User', memberIds, '{ fieldHistories { nodes { value } } }')).toEqual([
      { fieldHistories: { nodes: shown } },
      { fieldHistories: { nodes: [] } },
    ]);
    expect(await entities(system, 'Field', fieldIds, '{ histories { nodes { value } } }')).toEqual([
      { histories: { nodes: shown } },
    ]);
  });
});

describe('field history: refusals', () => {
  const record = `mutation ($input: RecordFieldChangeInput!) { recordFieldChange(input: $input) {
    history { id } userErrors { code path }
  } }`;
  const fields = ['NUMBER', 'TEXT'] as const;

  it.each([
    ['NOT_FOUND', 'userId', { userId: 'usr_nobody' }],
    ['NOT_FOUND', 'fieldId', { fieldId: 'fld_none' }],
    ['VALIDATION_FAILED', 'fieldId', { fieldId: 'the TEXT field' }],
    ['VALIDATION_FAILED', 'idempotencyKey', { idempotencyKey: '' }],
    ['VALIDATION_FAILED', 'idempotencyKey', { idempotencyKey: 'k'.repeat(201) }],
    ['IDEMPOTENCY_KEY_REUSED', 'idempotencyKey', { value: '2' }],
    ['IDEMPOTENCY_KEY_REUSED', 'idempotencyKey', { action: 'OVERWRITE' }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const place = await newCommunity(database.resources, { fields });
    const right = { userId: place.memberIds[0], fieldId: place.fieldIds[0], value: '1', idempotencyKey: 'k' };
    await ask(place.system, record, { input: right });
    const input = { ...right, ...wrong };
    if (input.fieldId === 'the TEXT field') input.fieldId = place.fieldIds[1];
    const answer = await ask(place.system, record, { input });
    expect(answer.recordFieldChange).toEqual({
      history: null,
      userErrors: [{ code, path: ['input', name] }],
    });
    expect(await sumOf(place)).toBe('1');
  });

  it('FIELD_LOCKED: a field that takes no changes', async () => {
    const place = await newCommunity(database.resources, { fields });
    await database.sql`update community.field set locked = true where community_id = ${place.id}`;
    const input = { userId: place.memberIds[0], fieldId: place.fieldIds[0], value: '1', idempotencyKey: 'k' };
    const { recordFieldChange } = await ask(place.system, record, { input });
    expect(recordFieldChange.userErrors).toEqual([{ code: 'FIELD_LOCKED', path: ['input', 'fieldId'] }]);
  });

  it('LIMIT_EXCEEDED: a sum larger than a field holds, which leaves the value as it was', async () => {
    const place = await newCommunity(database.resources);
    const most = '9'.repeat(20);
    await recorder(place)('OVERWRITE', most);
    const [userId, fieldId] = [place.memberIds[0], place.fieldIds[0]];
    const input = { userId, fieldId, value: '1', idempotencyKey: 'over' };
    const answer = await ask(place.system, record, { input });
    expect(answer.recordFieldChange.userErrors).toEqual([
      { code: 'LIMIT_EXCEEDED', path: ['input', 'value'] },
    ]);
    expect(await sumOf(place)).toBe(most);
  });

  it('takes no value that is no decimal number', async () => {
    const { system } = await newCommunity(database.resources);
    for (const value of ['1e3', 'NaN', '1,5', '', '1'.repeat(21), '0.12345678901']) {
      const input = { userId: 'usr', fieldId: 'fld', value, idempotencyKey: 'k' };
      expect(await errorsOf(system, record, { input })).toHaveLength(1);
    }
  });

  it('BAD_ARGUMENT: a filter of more than 100 fields', async () => {
    const { system } = await newCommunity(database.resources);
    const list = 'query ($ids: [ID!]) { fieldHistories(filter: { fieldIds: $ids }) { nodes { id } } }';
    const ids = Array.from({ length: 101 }, (_, n) => `fld_${n}`);
    expect(await errorsOf(system, list, { ids })).toEqual([
      { code: 'BAD_ARGUMENT', path: ['fieldHistories'] },
    ]);
  });
});

describe('field history: cost', () => {
  it('reads the changes of 100 members with the statements of one', async () => {
    const place = await newCommunity(database.resources, { members: 100 });
    for (const userId of place.memberIds) {
      const change = { userId, fieldId: place.fieldIds[0] ?? '', action: 'INCREASE', value: '1' } as const;
      await recordChange(database.sql, place.id, { ...change, idempotencyKey: userId });
    }
    const selection = '{ fieldHistories(first: 5) { nodes { value user { id } field { key } } } }';
    const read = (count: number) =>
      database.statementsOf(() => entities(place.system, 'User', place.memberIds.slice(0, count), selection));
    expect(await read(1)).toEqual(['changesBy', 'fieldsById']);
    expect(await read(100)).toEqual(await read(1));
  });

  it('reads the changes of 50 fields with the statements of one', async () => {
    const fields = Array.from({ length: 50 }, () => 'NUMBER' as const);
    const { system, fieldIds } = await newCommunity(database.resources, { fields });
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(system, 'Field', fieldIds.slice(0, count), '{ histories { nodes { value } } }'),
      );
    expect(await read(50)).toEqual(await read(1));
  });
});
