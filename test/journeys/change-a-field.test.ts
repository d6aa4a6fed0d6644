import { beforeAll, expect, it } from 'vitest';
import { data, person, query, unique } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

const recordFieldChange = `mutation ($input: RecordFieldChangeInput!) {
  recordFieldChange(input: $input) {
    history { id action value resultingSum field { key } user { id displayName } }
    replayed
    userErrors { code message path }
  }
}`;

inBothForms("changing a person's field", (laurel) => {
  let userId: string;
  const key = unique('change');
  const change = async (action: string, value: string, idempotencyKey = unique('change')) => {
    const input = { fieldId: laurel().demo.fieldId, userId, action, value, idempotencyKey };
    return (await data(laurel(), recordFieldChange, { input })).recordFieldChange;
  };
  beforeAll(async () => {
    userId = (await person(laurel(), 40)).id;
  });

  it('overwrites, increases and decreases, and keeps a running sum', async () => {
    expect(await change('OVERWRITE', '10')).toMatchObject({
      history: { resultingSum: '10', field: { key: 'deposits' }, user: { id: userId } },
      replayed: false,
      userErrors: [],
    });
    expect(await change('INCREASE', '5.5', key)).toMatchObject({ history: { resultingSum: '15.5' } });
    expect(await change('DECREASE', '2.25')).toMatchObject({ history: { resultingSum: '13.25' } });
  });

  it('shows the new value to whoever looks at the person', async () => {
    const { user } = await data(
      laurel(),
      `query ($id: ID!) {
        user(by: { id: $id }) {
          fields(keys: ["deposits"]) { nodes { field { key } ... on NumberFieldValue { number } } }
        }
      }`,
      { id: userId },
    );
    expect(user.fields.nodes).toEqual([{ field: { key: 'deposits' }, number: '13.25' }]);
  });

  it.each([
    ['by person', () => ({ userIds: [userId], fieldIds: null })],
    ['by both', () => ({ userIds: [userId], fieldIds: [laurel().demo.fieldId] })],
    ['by field', () => ({ userIds: null, fieldIds: [laurel().demo.fieldId] })],
  ])('lists the changes %s, newest first', async (_name, filter) => {
    const { fieldHistories } = await data(
      laurel(),
      `query ($filter: FieldHistoryFilter) {
        fieldHistories(first: 3, filter: $filter) { nodes { action value resultingSum user { id } } }
      }`,
      { filter: filter() },
    );
    expect(fieldHistories.nodes).toEqual([
      { action: 'DECREASE', value: '2.25', resultingSum: '13.25', user: { id: userId } },
      { action: 'INCREASE', value: '5.5', resultingSum: '15.5', user: { id: userId } },
      { action: 'OVERWRITE', value: '10', resultingSum: '10', user: { id: userId } },
    ]);
  });

  it('gives the first answer to a repeat', async () => {
    const repeat = await change('INCREASE', '5.5', key);
    expect(repeat).toMatchObject({ history: { resultingSum: '15.5' }, replayed: true, userErrors: [] });
  });

  it('refuses the key of another change', async () => {
    const { history, userErrors } = await change('INCREASE', '6', key);
    expect(history).toBeNull();
    expect(userErrors).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }]);
  });

  it('says which input is wrong before anything is changed', async () => {
    const { errors } = await query(laurel(), recordFieldChange, { input: { fieldId: 1 } });
    expect(errors?.[0]?.message).toContain('$input');
  });
});
