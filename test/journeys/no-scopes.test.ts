import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { data, type Headers, keyOf, openEvents, person, post, socketClient, unique } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

// A key without any scope sees what is public, and its own person's id, whichever way it asks.

inBothForms('a key without scopes', (laurel) => {
  let headers: Headers;
  let userId: string;
  beforeAll(async () => {
    ({ id: userId } = await person(laurel(), 9));
    const input = { kind: 'PERSONAL', name: 'Nothing', scopes: [], userId, idempotencyKey: unique('key') };
    const { createApiKey } = await data(
      laurel(),
      'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }',
      { input },
    );
    headers = { authorization: `Bearer ${createApiKey.secret}` };
  });

  /** The whole answer to a request that must not bring data. */
  async function refusal(body: object): Promise<string> {
    const text = await (await post(laurel(), body, headers)).text();
    expect(text).toMatch(/^\{"errors":\[/);
    return text;
  }

  const asked = [
    '{ viewer { user { displayName } } }',
    '{ viewer { user { id: email } } }',
    '{ viewer { user { ...Known } } } fragment Known on User { xp }',
    '{ viewer { user { ... on User { messages { nodes { body } } } } } }',
    '{ viewer { user { id @include(if: true) badges @skip(if: true) { nodes { id } } } } }',
    '{ viewer { community { name { text } } } }',
    '{ viewer { apiKeys { nodes { id } } } }',
    '{ users { nodes { id } } }',
    '{ all: users { edges { node { id } } } }',
    '{ viewer { scopes } users { nodes { id } } }',
    '{ user(by: { username: "admin" }) { id } }',
    '{ apiKeys { nodes { id } } auditEntries { nodes { id } } }',
    '{ _service { sdl } }',
    '{ _entities(representations: [{ __typename: "User", id: "usr_x" }]) { ... on User { displayName } } }',
    '{ _authenticate(secret: "x") }',
    '{ _credentialChanges }',
    'mutation { sendMessage(input: { channelId: "c", body: "b", idempotencyKey: "k" }) { replayed } }',
    'mutation { createApiKey(input: { kind: PERSONAL, name: "n", idempotencyKey: "k" }) { secret } }',
    'mutation { createSession(input: { user: { id: "u" }, idempotencyKey: "k" }) { accessToken } }',
    'subscription { xp { cursor } }',
    'subscription { messages(channelIds: ["c"]) { cursor } }',
  ];

  it.each(asked)('gets nothing by %s, nor hears of anything', async (query) => {
    const text = await refusal({ query });
    const suggested = [...text.matchAll(/Did you mean ([^?]*)\?/g)].flatMap(([, names = '']) =>
      [...names.matchAll(/\w+(?=\\")/g)].map(([name]) => name),
    );
    expect(['apiKey', 'endSession', 'refreshSession']).toEqual(expect.arrayContaining(suggested));
  });

  it('sees its person by the id alone, and what it is itself', async () => {
    const { viewer } = await data(
      laurel(),
      '{ viewer { scopes user { id } apiKey { name scopes } } }',
      {},
      headers,
    );
    expect(viewer).toEqual({ scopes: [], user: { id: userId }, apiKey: { name: 'Nothing', scopes: [] } });
  });

  it('gets nothing by the hash of what another has sent', async () => {
    const query = '{ users(first: 1) { nodes { displayName } } }';
    const sha256Hash = createHash('sha256').update(query).digest('hex');
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    const known = await post(laurel(), { query, extensions }, keyOf(laurel(), 'systemKey'));
    expect((await known.json()).data.users.nodes).toHaveLength(1);
    const text = await refusal({ extensions });
    expect(text).toContain('Cannot query field \\"users\\"');
  });

  it('gets nothing by sending several at a time', async () => {
    await refusal([{ query: '{ users { nodes { id } } }' }, { query: '{ viewer { scopes } }' }]);
  });

  it('finds nobody by an id', async () => {
    const { id } = await person(laurel(), 10);
    const text = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on User { __typename } } }';
    const { nodes } = await data(laurel(), text, { ids: [id, laurel().demo.channelId, 'key_x'] }, headers);
    expect(nodes).toEqual([null, null, null]);
  });

  it('is sent nothing by a stream of events', async () => {
    for (const text of ['subscription { xp { cursor } }', '{ users { nodes { id } } }']) {
      const answers: unknown[] = [];
      for await (const event of await openEvents(laurel(), text, {}, headers))
        if (event.event === 'next') answers.push(event.data);
      expect(answers).toEqual([
        { errors: [expect.objectContaining({ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } })] },
      ]);
    }
  });

  it('gets nothing over WebSocket', async () => {
    const client = socketClient(laurel(), headers);
    for (const query of ['{ users { nodes { id } } }', 'subscription { xp { cursor } }'])
      await expect(client.iterate({ query }).next()).rejects.toMatchObject([
        { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
      ]);
    await client.dispose();
  });

  describe('introspection', () => {
    it('names nothing that is hidden', async () => {
      const text = '{ __schema { types { name fields { name } inputFields { name } enumValues { name } } } }';
      const shown = JSON.stringify(await data(laurel(), text, {}, headers));
      for (const name of [
        'displayName',
        'email',
        'xp',
        'Message',
        'Badge',
        'AuditEntry',
        'trackEvent',
        '_entities',
      ])
        expect(shown).not.toContain(`"${name}"`);
      for (const name of ['viewer', 'refreshSession', 'endSession']) expect(shown).toContain(`"${name}"`);
    });
  });
});
