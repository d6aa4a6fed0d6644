import { describe, expect, it } from 'vitest';
import { data, type Headers, keyOf, openEvents, person, post, query, socketClient } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

const viewer = '{ viewer { apiKey { kind prefix } user { email } community { slug } scopes } }';

inBothForms('keys', (laurel) => {
  /** The credentials of a connection: in headers, and in the payload of `connection_init`. */
  const ways = {
    'HTTP headers': (text: string, credentials: Headers) => query(laurel(), text, {}, credentials),
    connection_init: async (text: string, credentials: Headers) => {
      const client = socketClient(laurel(), credentials);
      try {
        const { extensions: _, ...result } = (await client.iterate({ query: text }).next()).value;
        return result;
      } finally {
        await client.dispose();
      }
    },
  };

  describe.each(Object.entries(ways))('by %s', (_name, ask) => {
    it.each([
      ['systemKey', 'SYSTEM', null],
      ['integrationKey', 'INTEGRATION', null],
      ['personalKey', 'PERSONAL', { email: 'admin@returning.ai' }],
    ] as const)('knows the %s', async (name, kind, user) => {
      const secret = laurel().demo[name];
      const both: Headers[] = [{ 'x-api-key': secret }, { authorization: `Bearer ${secret}` }];
      for (const headers of both) {
        const result = await ask(viewer, headers);
        expect(result.errors).toBeUndefined();
        const { apiKey, scopes } = result.data.viewer;
        expect(result.data.viewer).toMatchObject({ user, community: { slug: 'demo' } });
        expect(apiKey.kind).toBe(kind);
        expect(secret.split('_')).toContain(apiKey.prefix);
        expect(apiKey.prefix.length).toBeLessThan(secret.length - 20);
        expect(scopes.length).toBeGreaterThan(0);
      }
    });

    it('shows the public part to whoever has none', async () => {
      expect(await ask('{ viewer { scopes } }', {})).toEqual({ data: { viewer: null } });
      // Over WebSocket a refusal ends the operation, and graphql-ws throws its errors.
      const asking = ask('{ users(first: 1) { nodes { id } } }', {}).then(({ errors }) =>
        Promise.reject(errors),
      );
      await expect(asking).rejects.toMatchObject([
        {
          message: expect.stringMatching(
            /^Cannot query field "users" on type "Query"\. Without a credential /,
          ),
        },
      ]);
    });

    it.each(['id', 'slug'])('takes x-community by %s', async (by) => {
      const community = by === 'id' ? laurel().demo.communityId : 'demo';
      const headers = { ...keyOf(laurel(), 'personalKey'), 'x-community': community };
      expect(await ask('{ viewer { community { id } } }', headers)).toEqual({
        data: { viewer: { community: { id: laurel().demo.communityId } } },
      });
    });
  });

  const refused = {
    'an unknown key': { 'x-api-key': 'laurel_sys_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
    'no key at all': { 'x-api-key': 'hello' },
    'an empty key': { 'x-api-key': '' },
    'another scheme': { authorization: 'Basic YWRtaW46YWRtaW4=' },
    'a scheme without a key': { authorization: 'Bearer' },
    'a key that is far too long': { authorization: `Bearer ${'a'.repeat(2_000)}` },
  };

  it.each(Object.entries(refused))('answers 401 and nothing else to %s', async (_name, headers) => {
    const response = await post(laurel(), { query: '{ viewer { scopes } }' }, headers);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toEqual({
      errors: [{ message: expect.stringMatching(/credential/i), extensions: { code: 'BAD_CREDENTIAL' } }],
    });
  });

  it('answers 401 to a key with its last letter changed', async () => {
    const { systemKey } = laurel().demo;
    const changed = systemKey.slice(0, -2) + (systemKey.at(-2) === 'A' ? 'B' : 'A') + systemKey.slice(-1);
    expect((await post(laurel(), { query: viewer }, { 'x-api-key': changed })).status).toBe(401);
  });

  it('answers 401 before a stream begins', async () => {
    const opening = openEvents(laurel(), 'subscription { xp { cursor } }', {}, { 'x-api-key': 'hello' });
    await expect(opening).rejects.toThrow(/^401 .*BAD_CREDENTIAL/);
  });

  it('closes a WebSocket that shows a wrong one', async () => {
    const client = socketClient(laurel(), { 'x-api-key': 'hello' });
    await expect(client.iterate({ query: '{ viewer { scopes } }' }).next()).rejects.toMatchObject({
      code: 4403,
      reason: expect.stringContaining('credential'),
    });
  });

  it('refuses two credentials, even when both are right', async () => {
    const both = { ...keyOf(laurel(), 'systemKey'), ...keyOf(laurel(), 'personalKey') };
    const response = await post(laurel(), { query: viewer }, both);
    expect(response.status).toBe(401);
    expect(await response.text()).toContain('Send one credential');
  });

  it("refuses a community that isn't the key's", async () => {
    for (const community of ['another', 'com_01h00000000000000000000000']) {
      const headers = { ...keyOf(laurel(), 'systemKey'), 'x-community': community };
      const response = await post(laurel(), { query: viewer }, headers);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    }
  });

  describe('hidden parts', () => {
    const hidden = ['trackEvent', 'recordFieldChange', 'awardBadge'];
    const namesIn = async (headers: Headers) => {
      const { __schema } = await data(
        laurel(),
        `{ __schema {
          types { name fields(includeDeprecated: true) { name type { name ofType { name } } } inputFields { name } }
        } }`,
        {},
        headers,
      );
      return JSON.stringify(__schema);
    };

    it("aren't in introspection", async () => {
      const [all, personal, nobody] = await Promise.all([
        namesIn(keyOf(laurel(), 'systemKey')),
        namesIn(keyOf(laurel(), 'personalKey')),
        namesIn({}),
      ]);
      for (const name of [...hidden, 'TrackEventInput', 'AwardBadgePayload']) {
        expect(all).toContain(`"${name}"`);
        expect(personal).not.toContain(`"${name}"`);
      }
      expect(personal).toContain('"sendMessage"');
      for (const name of ['sendMessage', 'users', 'displayName', 'xp', 'Message', 'Channel', 'endSession']) {
        expect(nobody).not.toContain(`"${name}"`);
      }
      expect(nobody).toContain('"viewer"');
    });

    it.each(['TrackEventInput', 'AwardBadgePayload'])("aren't a type by name: %s", async (name) => {
      const asked = 'query ($name: String!) { __type(name: $name) { name } }';
      const { __type } = await data(laurel(), asked, { name }, keyOf(laurel(), 'personalKey'));
      expect(__type).toBeNull();
    });

    // Each pair asks for something hidden and, in a name of the same length, for something that doesn't exist.
    it.each([
      ['mutation { trackEvent { replayed } }', 'trackEvent', 'trackOvunt'],
      ['mutation { trackEvent(input: {}) { replayed } }', 'trackEvent', 'trackOvunt'],
      ['mutation { awardBadge { award { id } } }', 'awardBadge', 'owardBodge'],
      ['query ($input: TrackEventInput!) { __typename }', 'TrackEventInput', 'TrackOvuntInput'],
      ['{ viewer { ... on AwardBadgePayload { replayed } } }', 'AwardBadgePayload', 'OwardBodgePayload'],
    ])('are told of as if they did not exist: %s', async (text, name, other) => {
      const told = async (query_: string) => {
        const response = await post(laurel(), { query: query_ }, keyOf(laurel(), 'personalKey'));
        return { status: response.status, text: await response.text() };
      };
      const [secret, nonsense] = [await told(text), await told(text.replaceAll(name, other))];
      // What is similar to a name differs from name to name; none of it is hidden.
      const similar = / Did you mean ([^?]*)\?/g;
      expect(secret.text.replaceAll(similar, '').replaceAll(name, other)).toBe(
        nonsense.text.replaceAll(similar, ''),
      );
      const suggested = [...secret.text.matchAll(similar)].flatMap(
        ([, names]) => names?.match(/\w{4,}/g) ?? [],
      );
      const { __schema } = await data(
        laurel(),
        '{ __schema { types { name fields { name } } } }',
        {},
        keyOf(laurel(), 'personalKey'),
      );
      const seen = JSON.stringify(__schema);
      for (const one of suggested) expect(seen).toContain(`"${one}"`);
      expect(secret.status).toBe(nonsense.status);
      expect(secret.text).toContain(name);
    });

    it.each([
      ['mutation { trackEvents { replayed } }', 'trackEvent"'],
      ['mutation { awardBadges { replayed } }', 'awardBadge"'],
      ['query ($input: TrackEventInputs) { __typename }', 'TrackEventInput"'],
    ])('are never suggested: %s', async (text, name) => {
      const response = await post(laurel(), { query: text }, keyOf(laurel(), 'personalKey'));
      expect(await response.text()).not.toContain(name);
    });

    it('are as hidden over WebSocket', async () => {
      const client = socketClient(laurel(), keyOf(laurel(), 'personalKey'));
      const asking = client.iterate({ query: 'mutation { trackEvent { replayed } }' }).next();
      await expect(asking).rejects.toMatchObject([
        { message: 'Cannot query field "trackEvent" on type "Mutation".' },
      ]);
      await client.dispose();
    });
  });

  it('lets a key do what its scopes allow', async () => {
    const { id } = await person(laurel(), 3);
    const text =
      'query ($id: ID!) { user(by: { id: $id }) { displayName xp messages(first: 1) { nodes { id } } } }';
    const { user } = await data(laurel(), text, { id }, keyOf(laurel(), 'personalKey'));
    expect(user).toMatchObject({ displayName: expect.any(String), xp: expect.any(Number) });
  });
});
