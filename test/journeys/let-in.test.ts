import { describe, expect, it } from 'vitest';
import { type Data, data, type Headers, openEvents, person, post, query, unique } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

const xp = 'subscription { xp { cursor ... on StreamEnding { reason } } }';

inBothForms('letting in', (laurel) => {
  const bearer = (secret: string): Headers => ({ authorization: `Bearer ${secret}` });
  const createSession = `mutation ($input: CreateSessionInput!) { createSession(input: $input) {
    session { id } accessToken refreshToken userErrors { message }
  } }`;
  const createApiKey = `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
    apiKey { id } secret userErrors { message }
  } }`;

  /** A session of the n-th person, begun by the community's own back end. */
  async function begin(n: number) {
    const { id } = await person(laurel(), n);
    const input = { user: { id }, idempotencyKey: unique('session') };
    return { userId: id, ...(await data(laurel(), createSession, { input })).createSession };
  }

  /** Reads a stream to its end; the code it ended with. */
  async function ending(events: AsyncIterable<{ data: Data }>): Promise<string | undefined> {
    let reason: string | undefined;
    for await (const { data: told } of events) reason = told?.data?.xp.reason ?? reason;
    return reason;
  }

  it('a person reads, writes and listens with a session, and no more once it has ended', async () => {
    const { userId, accessToken } = await begin(5);
    const headers = bearer(accessToken);
    const text = '{ viewer { user { id displayName xp } sessions { nodes { isCurrent } } } }';
    const { viewer } = await data(laurel(), text, {}, headers);
    expect(viewer.user).toMatchObject({ id: userId, xp: expect.any(Number) });
    expect(viewer.sessions.nodes).toContainEqual({ isCurrent: true });

    const events = await openEvents(laurel(), xp, {}, headers);
    await events.next();
    const end = 'mutation { endSession(input: {}) { session { endedAt } userErrors { message } } }';
    expect((await data(laurel(), end, {}, headers)).endSession.userErrors).toEqual([]);
    expect(await ending(events)).toBe('PERMISSION_REVOKED');
    expect((await post(laurel(), { query: text }, headers)).status).toBe(401);
  });

  it('an app goes on with a session by itself, and a copied token ends it', async () => {
    const { refreshToken } = await begin(6);
    const refresh = async (token: string) => {
      const refreshing = `mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) {
        accessToken refreshToken userErrors { code }
      } }`;
      return (await data(laurel(), refreshing, { input: { refreshToken: token } }, {})).refreshSession;
    };
    const next = await refresh(refreshToken);
    const whoami = async (): Promise<number> =>
      (await post(laurel(), { query: '{ viewer { scopes } }' }, bearer(next.accessToken))).status;
    const events = await openEvents(laurel(), xp, {}, bearer(next.accessToken));
    await events.next();
    expect(await whoami()).toBe(200);
    expect((await refresh(refreshToken)).userErrors).toEqual([{ code: 'SESSION_ENDED' }]);
    expect(await ending(events)).toBe('PERMISSION_REVOKED');
    expect(await whoami()).toBe(401);
  });

  it('a person makes a key of its own, and an administrator revokes it', async () => {
    const { accessToken } = await begin(7);
    const input = { kind: 'PERSONAL', name: 'App', scopes: ['stats:read'], idempotencyKey: unique('key') };
    const made = (await data(laurel(), createApiKey, { input }, bearer(accessToken))).createApiKey;
    const events = await openEvents(laurel(), xp, {}, bearer(made.secret));
    await events.next();
    const administrator = await begin(0);
    const revoke = `mutation ($id: ID!) { deleteApiKey(input: { id: $id }) {
      apiKey { revokedAt } userErrors { message }
    } }`;
    const { id } = made.apiKey;
    const { deleteApiKey } = await data(laurel(), revoke, { id }, bearer(administrator.accessToken));
    expect(deleteApiKey).toEqual({ apiKey: { revokedAt: expect.any(String) }, userErrors: [] });
    expect(await ending(events)).toBe('PERMISSION_REVOKED');
    expect((await post(laurel(), { query: '{ viewer { scopes } }' }, bearer(made.secret))).status).toBe(401);

    const audit = `query ($id: ID!) { auditEntries(filter: { keyIds: [$id] }) {
      nodes { action actorKind actor { displayName } }
    } }`;
    const { auditEntries } = await data(laurel(), audit, { id });
    const [revoker, maker] = await Promise.all([0, 7].map((n) => person(laurel(), n)));
    expect(auditEntries.nodes).toEqual([
      { action: 'KEY_REVOKED', actorKind: 'SESSION', actor: { displayName: revoker?.displayName } },
      { action: 'KEY_CREATED', actorKind: 'SESSION', actor: { displayName: maker?.displayName } },
    ]);
  });

  describe('what is for others', () => {
    it.each([
      ['createSession', createSession, { user: { id: 'usr_x' } }],
      ['auditEntries', '{ auditEntries { nodes { id } } }', undefined],
    ])('is in the one schema of all sessions, and forbidden: %s', async (name, text, input) => {
      const { accessToken } = await begin(8);
      const variables = input && { input: { ...input, idempotencyKey: 'a' } };
      const { data: nothing, errors } = await query(laurel(), text, variables, bearer(accessToken));
      expect(nothing ?? null).toBeNull();
      expect(errors).toMatchObject([{ path: [name], extensions: { code: 'FORBIDDEN' } }]);
    });

    it('is null in the middle of what is not', async () => {
      const { id } = await person(laurel(), 9);
      const input = { user: { id }, scopes: ['users:read'], idempotencyKey: unique('session') };
      const { accessToken } = (await data(laurel(), createSession, { input })).createSession;
      const text = '{ viewer { user { id points: xp } } }';
      expect(await query(laurel(), text, {}, bearer(accessToken))).toMatchObject({
        data: { viewer: { user: { id, points: null } } },
        errors: [
          {
            message: 'User.xp needs the scope stats:read.',
            path: ['viewer', 'user', 'points'],
            extensions: { code: 'FORBIDDEN' },
          },
        ],
      });
    });
  });
});
