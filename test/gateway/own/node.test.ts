import { isInterfaceType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { laurelSupergraph } from '../../../gateway/schema.ts';
import { idPrefixes, newId } from '../../../subgraphs/id.ts';
import { data, query } from '../../kit/client.ts';
import { newCommunity } from '../../kit/community.ts';
import { type TestLaurel, testLaurel } from '../../kit/laurel.ts';

let laurel: TestLaurel;
/** One of each type, by its name. */
let one: Record<string, string>;

beforeAll(async () => {
  laurel = await testLaurel();
  const { users, viewer, channels, roles, penalties, rules, tiers } = await data(
    laurel.handle,
    `{
      viewer { apiKey { id } community { id } }
      roles(first: 1) { nodes { id } }
      penalties(first: 1) { nodes { id } }
      rules(first: 1) { nodes { id } }
      tiers { id }
      users(first: 20) { nodes {
        id
        badges(first: 1) { nodes { id badge { id } } }
        ledger(first: 1) { nodes { id } }
        activity(first: 1) { nodes { id } }
        messages(first: 1) { nodes { id channel { id } } }
        fieldHistories(first: 1) { nodes { id field { id } } }
      } }
      channels { nodes { forumTopics(first: 1) { nodes { id } } } }
    }`,
  );
  const board = `mutation { createLeaderboard(input: {
    slug: "node", name: [{ lang: "en", text: "Node" }], unit: XP, windows: [ALL_TIME], idempotencyKey: "node"
  }) { leaderboard { id } } }`;
  const { createLeaderboard } = await data(laurel.handle, board);
  const of = (list: 'badges' | 'ledger' | 'activity' | 'messages' | 'fieldHistories') =>
    users.nodes.flatMap((user: Record<typeof list, { nodes: unknown[] }>) => user[list].nodes)[0];
  const topics = channels.nodes.flatMap(
    ({ forumTopics }: { forumTopics: { nodes: unknown[] } }) => forumTopics.nodes,
  );
  one = {
    Activity: of('activity').id,
    ApiKey: viewer.apiKey.id,
    Badge: of('badges').badge.id,
    BadgeAward: of('badges').id,
    Channel: of('messages').channel.id,
    Community: viewer.community.id,
    Field: of('fieldHistories').field.id,
    FieldHistory: of('fieldHistories').id,
    ForumTopic: topics[0].id,
    Leaderboard: createLeaderboard.leaderboard.id,
    LedgerEntry: of('ledger').id,
    Message: of('messages').id,
    Penalty: penalties.nodes[0].id,
    Role: roles.nodes[0].id,
    Rule: rules.nodes[0].id,
    Tier: tiers[0].id,
    User: users.nodes[0].id,
  };
});
afterAll(() => laurel?.close());

const node = 'query ($id: ID!) { node(id: $id) { __typename id } }';
const nodes = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }';

describe('node', () => {
  it('gives any entity by its id', async () => {
    for (const [type, id] of Object.entries(one))
      expect(await query(laurel.handle, node, { id })).toEqual({ data: { node: { __typename: type, id } } });
  });

  it('gives fields of every subgraph', async () => {
    const text = `query ($user: ID!, $award: ID!, $history: ID!) {
      user: node(id: $user) { ... on User { email xp fields(keys: ["deposits"]) { nodes { __typename } } } }
      award: node(id: $award) { ... on BadgeAward { awardedAt badge { id } user { displayName } } }
      history: node(id: $history) { id ... on FieldHistory { action field { id key } } }
    }`;
    const variables = { user: one.User, award: one.BadgeAward, history: one.FieldHistory };
    expect(await data(laurel.handle, text, variables)).toEqual({
      user: { email: expect.stringContaining('@'), xp: expect.any(Number), fields: expect.any(Object) },
      award: {
        awardedAt: expect.any(String),
        badge: { id: one.Badge },
        user: { displayName: expect.any(String) },
      },
      history: {
        id: one.FieldHistory,
        action: expect.any(String),
        field: { id: one.Field, key: expect.any(String) },
      },
    });
  });

  it('is there for every entity of the graph with an id', () => {
    const types = laurel.gateway.engine.schema.getTypeMap();
    const { Node } = types;
    const implementers = isInterfaceType(Node) ? laurel.gateway.engine.schema.getPossibleTypes(Node) : [];
    // Those that other subgraphs may refer to by their ids.
    const supergraph = laurelSupergraph();
    const isEntity = (name: string) =>
      new RegExp(`^type ${name} .*@join__type\\(graph: \\w+, key: "id"\\)`, 'm').test(supergraph);
    const entities = Object.keys(idPrefixes).filter(isEntity);
    expect(implementers.map(({ name }) => name).sort()).toEqual(entities.sort());
    expect(Object.keys(one).sort()).toEqual(entities.sort());
  });

  it.each([
    ['nobody has', () => newId('User')],
    ['of a type that is no node', () => newId('LedgerEvent')],
    ['of an unknown kind', () => newId('User').replace('usr', 'xyz')],
    ['without a kind', () => newId('User').slice(4)],
    ['that is no id', () => 'hello'],
    ['that is empty', () => ''],
    ['that is very long', () => `usr_${'0'.repeat(10_000)}`],
    ['with small and capital letters mixed up', () => (one.User ?? '').toUpperCase()],
  ])('is null, and no error, for an id %s', async (_what, id) => {
    expect(await query(laurel.handle, node, { id: id() })).toEqual({ data: { node: null } });
  });

  it('is null for what belongs to another community', async () => {
    const { id, memberIds, channelIds, fieldIds } = await newCommunity(laurel.database.resources);
    const ids = [id, memberIds[0], channelIds[0], fieldIds[0]];
    expect(await query(laurel.handle, nodes, { ids })).toEqual({ data: { nodes: ids.map(() => null) } });
  });
});

describe('node, for whom it is not', () => {
  const needed = {
    Activity: 'stats:read',
    Badge: 'stats:read',
    BadgeAward: 'stats:read',
    Channel: 'community:read',
    Community: 'community:read',
    Field: 'fields:read',
    FieldHistory: 'fields:read',
    Leaderboard: 'stats:read',
    LedgerEntry: 'stats:read',
    ForumTopic: 'messages:read',
    Message: 'messages:read',
    Penalty: 'penalties:read',
    Role: 'community:read',
    Rule: 'stats:read',
    Tier: 'stats:read',
    User: 'users:read',
  } as const;

  it.each(Object.entries(needed))(
    'tells whether there is a %s to holders of %s alone',
    async (type, scope) => {
      const ids = [one[type], newId(type as keyof typeof needed)];
      const text = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';
      const others = Object.values(needed).filter((other) => other !== scope);
      expect(await query(laurel.handle, text, { ids }, await laurel.keyWith([scope]))).toEqual({
        data: { nodes: [{ id: one[type] }, null] },
      });
      expect(await query(laurel.handle, text, { ids }, await laurel.keyWith(others))).toEqual({
        data: { nodes: [null, null] },
      });
    },
  );

  it('tells nobody without a credential anything', async () => {
    const ids = Object.values(one);
    const text = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';
    expect(await query(laurel.handle, text, { ids }, {})).toEqual({ data: { nodes: ids.map(() => null) } });
  });

  it('shows a key to itself alone', async () => {
    const other = await laurel.keyWith(['users:read']);
    const { viewer } = await data(laurel.handle, '{ viewer { apiKey { id } } }', {}, other);
    const ids = [one.ApiKey, viewer.apiKey.id];
    expect((await data(laurel.handle, nodes, { ids }, other)).nodes).toEqual([
      null,
      { __typename: 'ApiKey', id: ids[1] },
    ]);
  });

  it('hides channels, and what is said there, from a key that is limited to others', async () => {
    const { channels } = await data(laurel.handle, '{ channels(first: 5) { nodes { id } } }');
    const allowed = channels.nodes.find(({ id }: { id: string }) => id !== one.Channel).id;
    const limited = await laurel.keyWith(['community:read', 'messages:read'], { channelIds: [allowed] });
    expect(await query(laurel.handle, nodes, { ids: [one.Channel, one.Message, allowed] }, limited)).toEqual({
      data: { nodes: [null, null, { __typename: 'Channel', id: allowed }] },
    });
  });
});

describe('nodes', () => {
  it('gives as many as were asked for, in their order, duplicates and unknown ones too', async () => {
    const ids = [one.Message, newId('Message'), one.User, one.Message, 'hello'];
    expect((await data(laurel.handle, nodes, { ids })).nodes).toEqual([
      { __typename: 'Message', id: one.Message },
      null,
      { __typename: 'User', id: one.User },
      { __typename: 'Message', id: one.Message },
      null,
    ]);
  });

  it('takes 1 to 100 ids, and says so', async () => {
    const people = Array.from({ length: 101 }, () => newId('User'));
    expect((await data(laurel.handle, nodes, { ids: people.slice(1) })).nodes).toHaveLength(100);
    for (const ids of [people, []]) {
      expect(await query(laurel.handle, nodes, { ids })).toEqual({
        data: null,
        errors: [
          {
            message: `ids: 1-100 ids at a time, got ${ids.length}.`,
            path: ['nodes'],
            extensions: { code: 'BAD_ARGUMENT' },
          },
        ],
      });
    }
  });

  it('finds out with one statement a table whether they are there', async () => {
    const { users } = await data(laurel.handle, '{ users(first: 20) { nodes { id } } }');
    const ids = [...users.nodes.map(({ id }: { id: string }) => id), one.Message, one.Channel];
    const statements = await laurel.database.statementsOf(() =>
      data(
        laurel.handle,
        'query ($ids: [ID!]!, $id: ID!) { nodes(ids: $ids) { id } node(id: $id) { __typename } }',
        { ids, id: one.User },
      ),
    );
    // What a gateway asks of itself, now and then.
    const others =
      /^(authenticate|principal|keyOf|apiKey|credentialChanges|settleSpendings|KeyUses|readGrowth|readersBehind|catchUp|handleSome)/i;
    expect(statements.filter((name) => !others.test(name)).sort()).toEqual([
      'channelsById',
      'messagesById',
      'usersById',
    ]);
  });
});
