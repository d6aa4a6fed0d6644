import { buildSchema, graphql } from 'graphql';
import { describe, expect, it } from 'vitest';
import { resolveEntities } from '../../subgraphs/entities.ts';

const schema = buildSchema(`
  scalar _Any
  union _Entity = User | Badge | Team
  type Query { _entities(representations: [_Any!]!): [_Entity]! }
  type User { id: ID! name: String }
  type Badge { key: ID! title: String }
  type Team { id: ID! }
`);
const shared = Object.freeze({ key: 'gold', title: 'Gold' });
resolveEntities(schema, {
  User: async ({ id }: { id: string }) => {
    if (id === 'broken') throw new Error('no such row');
    return id === 'nobody' ? null : { id, name: `User ${id}` };
  },
  Badge: ({ key }: { key: string }) => {
    if (key === 'broken') throw new Error('no such badge');
    return shared;
  },
});

const ask = (...representations: unknown[]) =>
  graphql({
    schema,
    source: `query ($representations: [_Any!]!) {
      _entities(representations: $representations) {
        __typename ... on User { name } ... on Badge { title } ... on Team { id }
      }
    }`,
    variableValues: { representations },
  });

describe('entities', () => {
  it('come in the order of their references, found at once or later', async () => {
    const { data, errors } = await ask(
      { __typename: 'Badge', key: 'gold' },
      { __typename: 'User', id: '1' },
      { __typename: 'User', id: 'nobody' },
      { __typename: 'Badge', key: 'gold' },
    );
    expect(errors).toBeUndefined();
    const gold = { __typename: 'Badge', title: 'Gold' };
    expect(data?._entities).toEqual([gold, { __typename: 'User', name: 'User 1' }, null, gold]);
  });

  it('are their references where nothing has to be found', async () => {
    const { data } = await ask({ __typename: 'Team', id: 't1' });
    expect(data?._entities).toEqual([{ __typename: 'Team', id: 't1' }]);
  });

  it('that fail cost only themselves', async () => {
    const { data, errors } = await ask(
      { __typename: 'User', id: 'broken' },
      { __typename: 'Badge', key: 'broken' },
      { __typename: 'constructor' },
      'not a reference',
      { __typename: 'User', id: '2' },
    );
    expect(data?._entities).toEqual([null, null, null, null, { __typename: 'User', name: 'User 2' }]);
    expect(errors?.map(({ path }) => path).sort()).toEqual([0, 1, 2, 3].map((at) => ['_entities', at]));
  });
});
