import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { authenticateSession } from '../../../subgraphs/identity/authentication.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import {
  beginSession,
  endSession,
  mostSessions,
  pruneSessions,
  refreshSession,
  type SessionWish,
  sessionsPage,
} from '../../../subgraphs/identity/session.ts';
import { anonymous, gatewayPrincipal, type Principal } from '../../../subgraphs/principal.ts';
import { personScopes } from '../../../subgraphs/scopes.ts';
import { accessSeconds, sessionTokens } from '../../../subgraphs/session-token.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

let begun = 0;
/** Lets the n-th member in. */
async function begin({ system, memberIds }: TestCommunity, n = 0, wish: Partial<SessionWish> = {}) {
  begun++;
  const whole = { user: { id: memberIds[n] ?? '' }, idempotencyKey: `begin ${begun}`, ...wish };
  const { session, refreshToken } = await beginSession(database.sql, system, whole);
  return { session, refreshToken: refreshToken ?? '' };
}

/** The principal of a session; null when it has ended. */
function principalOf({ id: communityId }: TestCommunity, { id: sessionId }: { id: string }) {
  const claims = { communityId, sessionId, expiresAt: Date.now() + 60_000 };
  return authenticateSession(database.sql, claims, null);
}

const refresh = (refreshToken: string) => refreshSession(database.sql, refreshToken);
const refused = { code: 'SESSION_ENDED' };

describe('sessions: rules', () => {
  it('act as their person, with what people do by themselves', async () => {
    const place = await newCommunity(database.resources);
    const { session } = await begin(place, 1);
    expect(await principalOf(place, session)).toEqual({
      kind: 'session',
      communityId: place.id,
      userId: place.memberIds[1],
      sessionId: session.id,
      scopes: personScopes,
      readsAs: '',
      expiresAt: expect.any(Number),
    });
  });

  it('have the scopes and channels they were begun with, for the person any identifier names', async () => {
    const place = await newCommunity(database.resources);
    const { channelIds } = place;
    const wish = { user: { email: 'person1@example.org' }, scopes: ['users:read'], channelIds };
    const { session } = await begin(place, 0, wish);
    const userId = place.memberIds[1];
    expect(await principalOf(place, session)).toMatchObject({ userId, scopes: ['users:read'], channelIds });
  });

  it('go on by refreshing, each time with another token', async () => {
    const place = await newCommunity(database.resources);
    const first = await begin(place);
    const second = await refresh(first.refreshToken);
    const third = await refresh(second.refreshToken);
    expect(new Set([first, second, third].map(({ refreshToken }) => refreshToken)).size).toBe(3);
    expect(third.session.id).toBe(first.session.id);
    expect(third.session.expiresAt.getTime()).toBeGreaterThanOrEqual(first.session.expiresAt.getTime());
  });

  it('end whole when a token of before comes again', async () => {
    const place = await newCommunity(database.resources);
    const { session, refreshToken } = await begin(place);
    const next = await refresh(refreshToken);
    await expect(refresh(refreshToken)).rejects.toMatchObject(refused);
    await expect(refresh(next.refreshToken)).rejects.toMatchObject(refused);
    expect(await principalOf(place, session)).toBeNull();
  });

  it('end when one token comes twice at the same moment', async () => {
    const place = await newCommunity(database.resources);
    const { session, refreshToken } = await begin(place);
    const outcomes = await Promise.allSettled([refresh(refreshToken), refresh(refreshToken)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await principalOf(place, session)).toBeNull();
  });

  it('are begun once for an idempotency key, whose repeat shows no refresh token', async () => {
    const place = await newCommunity(database.resources);
    const wish = { user: { id: place.memberIds[0] ?? '' }, idempotencyKey: 'a' };
    const [first, second] = [
      await beginSession(database.sql, place.system, wish),
      await beginSession(database.sql, place.system, wish),
    ];
    expect(second).toEqual({ session: first.session, refreshToken: null, replayed: true });
  });

  it('end the one refreshed longest ago when a person would have too many', async () => {
    const place = await newCommunity(database.resources);
    const [first, second] = [await begin(place), await begin(place)];
    await refresh(first.refreshToken);
    for (let n = 0; n < mostSessions - 1; n++) await begin(place);
    expect(await principalOf(place, second.session)).toBeNull();
    expect(await principalOf(place, first.session)).not.toBeNull();
    const page = { first: 100 };
    const { edges } = await sessionsPage(database.sql, place.id, place.memberIds[0] ?? '', page);
    expect(edges).toHaveLength(mostSessions);
  });

  it('are ended by their person, by the system key, and by administrators with the scope', async () => {
    const place = await newCommunity(database.resources);
    await addAdministrators(database.sql, place.id, place.memberIds.slice(0, 1));
    const [mine, other] = [await begin(place, 1), await begin(place, 1)];
    const principal = (await principalOf(place, mine.session)) as Principal;
    await endSession(database.sql, principal, other.session.id);
    await endSession(database.sql, principal, null);
    for (const caller of [place.system, place.person(0)]) {
      const { session } = await begin(place, 1);
      expect((await endSession(database.sql, caller, session.id)).endedAt).toEqual(expect.any(Date));
      expect(await principalOf(place, session)).toBeNull();
    }
    for (const { session } of [mine, other]) expect(await principalOf(place, session)).toBeNull();
  });

  it('that were ended stay as they are', async () => {
    const place = await newCommunity(database.resources);
    const { session } = await begin(place);
    const { endedAt } = await endSession(database.sql, place.system, session.id);
    expect((await endSession(database.sql, place.system, session.id)).endedAt).toEqual(endedAt);
  });

  it('stop while their person is kept out, and go on after', async () => {
    const place = await newCommunity(database.resources);
    const { session, refreshToken } = await begin(place);
    const standing = (status: string) =>
      database.sql`update identity.user set status = ${status} where community_id = ${place.id}`;
    await standing('SUSPENDED');
    expect(await principalOf(place, session)).toBeNull();
    await expect(refresh(refreshToken)).rejects.toMatchObject(refused);
    await standing('ACTIVE');
    expect(await principalOf(place, session)).not.toBeNull();
    await refresh(refreshToken);
  });

  it('give no access beyond their own end', async () => {
    const place = await newCommunity(database.resources);
    const { session } = await begin(place);
    const soon = new Date(Date.now() + 5_000);
    await database.sql`update identity.session set expires_at = ${soon} where id = ${session.id}`;
    expect(await principalOf(place, session)).toMatchObject({ expiresAt: soon.getTime() });
  });

  it('are forgotten a month after they ended', async () => {
    const place = await newCommunity(database.resources);
    const [old, going] = [await begin(place), await begin(place)];
    await database.sql`
      update identity.session set ended_at = now() - interval '31 days'
      where community_id = ${place.id} and id = ${old.session.id}`;
    await pruneSessions(database.sql);
    const rows = await database.sql`select id from identity.session where community_id = ${place.id}`;
    expect([...rows]).toEqual([{ id: going.session.id }]);
  });
});

describe('access tokens', () => {
  const keys = [
    { id: 'new', secret: Buffer.alloc(32, 1) },
    { id: 'old', secret: Buffer.alloc(32, 2) },
  ];
  const now = new Date('2026-03-01T12:00:00Z');
  const later = (seconds: number) => new Date(now.getTime() + seconds * 1_000);

  it('tell their session until they end', async () => {
    const tokens = sessionTokens(() => keys);
    const { token, expiresAt } = await tokens.sign('com_1', 'ses_1', now);
    expect(expiresAt).toEqual(later(accessSeconds));
    const claims = { communityId: 'com_1', sessionId: 'ses_1', expiresAt: expiresAt.getTime() };
    expect(await tokens.read(token, later(accessSeconds - 1))).toEqual(claims);
    expect(await tokens.read(token, later(accessSeconds))).toBeNull();
  });

  it('of an older key are read on, those of no key never', async () => {
    const { token } = await sessionTokens(() => keys.slice(1)).sign('com_1', 'ses_1', now);
    expect(await sessionTokens(() => keys).read(token, now)).not.toBeNull();
    expect(await sessionTokens(() => keys.slice(0, 1)).read(token, now)).toBeNull();
  });

  it('that are forged in any part are none', async () => {
    const tokens = sessionTokens(() => keys);
    const { token } = await tokens.sign('com_1', 'ses_1', now);
    const [head = '', body = '', signature = ''] = token.split('.');
    const unsigned = Buffer.from('{"alg":"none","kid":"new"}').toString('base64url');
    const other = Buffer.from('{"com":"com_2","sid":"ses_1","exp":9999999999}').toString('base64url');
    const forged = [
      `${unsigned}.${body}.`,
      `${unsigned}.${body}.${signature}`,
      `${head}.${other}.${signature}`,
      `${head}.${body}.${signature.slice(0, -2)}AA`,
      `${head}.${body}`,
      '',
    ];
    for (const one of forged) expect(await tokens.read(one, now)).toBeNull();
  });

  it('fit in what a credential may be long', async () => {
    const place = await newCommunity(database.resources);
    const { session } = await begin(place);
    const { token } = await database.resources.tokens.sign(place.id, session.id, now);
    expect(token.length).toBeLessThan(400);
  });
});

const session = 'session { id user { id } scopes channelIds endedAt isCurrent }';
const create = `mutation ($input: CreateSessionInput!) { createSession(input: $input) {
  ${session} accessToken accessTokenExpiresAt refreshToken replayed userErrors { code path }
} }`;
const refreshing = `mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) {
  accessToken refreshToken userErrors { code path }
} }`;
const end =
  'mutation ($input: EndSessionInput!) { endSession(input: $input) { session { id endedAt } userErrors { code } } }';
const authenticate = 'query ($secret: String!) { _authenticate(secret: $secret) }';

describe('sessions: query', () => {
  it('begins, shows, refreshes and ends', async () => {
    const { system, memberIds } = await newCommunity(database.resources);
    const input = { user: { id: memberIds[0] }, idempotencyKey: 'a' };
    const { createSession } = await ask(system, create, { input });
    const whole = { user: { id: memberIds[0] }, scopes: personScopes, channelIds: null, endedAt: null };
    expect(createSession).toMatchObject({
      session: { ...whole, isCurrent: false },
      replayed: false,
      userErrors: [],
    });

    const whoHas = async (secret: string): Promise<Principal> =>
      (await ask(gatewayPrincipal, authenticate, { secret }))._authenticate;
    const principal = await whoHas(createSession.accessToken);
    expect(principal.expiresAt).toBe(Date.parse(createSession.accessTokenExpiresAt));
    const text = '{ viewer { user { id } apiKey { id } sessions { nodes { id isCurrent } } } }';
    expect((await ask(principal, text)).viewer).toEqual({
      user: { id: memberIds[0] },
      apiKey: null,
      sessions: { nodes: [{ id: createSession.session.id, isCurrent: true }] },
    });

    const token = { refreshToken: createSession.refreshToken };
    const { refreshSession } = await ask(anonymous, refreshing, { input: token });
    expect(refreshSession).toMatchObject({ refreshToken: expect.any(String), userErrors: [] });
    expect(await whoHas(refreshSession.accessToken)).toMatchObject({ userId: memberIds[0] });

    const { endSession } = await ask(principal, end, { input: {} });
    expect(endSession.session).toEqual({ id: principal.sessionId, endedAt: expect.any(String) });
    expect(await whoHas(refreshSession.accessToken)).toBeNull();
  });

  it('shows sessions to sessions alone', async () => {
    const place = await newCommunity(database.resources);
    await begin(place);
    for (const principal of [place.person(0), place.system])
      expect((await ask(principal, '{ viewer { sessions { nodes { id } } } }')).viewer.sessions).toBeNull();
  });

  it('tells the audit who began and ended which, and why', async () => {
    const place = await newCommunity(database.resources);
    const { session, refreshToken } = await begin(place);
    await refresh(refreshToken);
    await refresh(refreshToken).catch(() => {});
    const text = '{ auditEntries { nodes { action actorKind sessionId user { id } details } } }';
    const common = { sessionId: session.id, user: { id: place.memberIds[0] } };
    expect((await ask(place.system, text)).auditEntries.nodes).toEqual([
      {
        ...common,
        action: 'SESSION_ENDED',
        actorKind: 'ANONYMOUS',
        details: { reason: 'REFRESH_TOKEN_REUSED' },
      },
      {
        ...common,
        action: 'SESSION_BEGUN',
        actorKind: 'SYSTEM',
        details: { scopes: personScopes, channelIds: null },
      },
    ]);
  });
});

describe('sessions: refusals', () => {
  it('FORBIDDEN: begun by anything but the system key', async () => {
    const place = await newCommunity(database.resources);
    await addAdministrators(database.sql, place.id, place.memberIds.slice(0, 1));
    const integration: Principal = { ...place.system, kind: 'integration' };
    const wish = { user: { id: place.memberIds[0] ?? '' }, idempotencyKey: 'a' };
    for (const caller of [place.person(0), integration])
      await expect(beginSession(database.sql, caller, wish)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('NOT_FOUND: of nobody, of somebody elsewhere, of somebody kept out', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const userId = home.memberIds[0] ?? '';
    await database.sql`update identity.user set status = 'BANNED' where community_id = ${home.id} and id = ${userId}`;
    for (const id of ['usr_none', away.memberIds[0] ?? '', userId])
      await expect(begin(home, 0, { user: { id } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it("NOT_FOUND: another person's session ended, also by an administrator without the scope", async () => {
    const place = await newCommunity(database.resources);
    await addAdministrators(database.sql, place.id, place.memberIds.slice(0, 1));
    const { session } = await begin(place, 1);
    const mine = (await principalOf(place, (await begin(place, 0)).session)) as Principal;
    const ownKey = place.person(1, { scopes: personScopes });
    for (const caller of [mine, place.person(0, { scopes: personScopes }), ownKey])
      await expect(endSession(database.sql, caller, session.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await principalOf(place, session)).not.toBeNull();
  });

  it.each([
    ['VALIDATION_FAILED', { scopes: ['users:eat'] }],
    ['VALIDATION_FAILED', { user: { username: 'n'.repeat(101) } }],
    ['VALIDATION_FAILED', { channelIds: [] }],
    ['NOT_FOUND', { channelIds: ['chn_none'] }],
    ['VALIDATION_FAILED', { idempotencyKey: '' }],
  ])('%s: %o', async (code, details) => {
    const { system, memberIds } = await newCommunity(database.resources);
    const input = { user: { id: memberIds[0] }, idempotencyKey: 'a', ...details };
    const path = ['input', Object.keys(details)[0]];
    const { createSession } = await ask(system, create, { input });
    expect(createSession.userErrors).toMatchObject([{ code, path: expect.arrayContaining(path) }]);
  });

  it('VALIDATION_FAILED: no session is named, and the caller has none', async () => {
    const { system } = await newCommunity(database.resources);
    expect((await ask(system, end, { input: {} })).endSession.userErrors).toEqual([
      { code: 'VALIDATION_FAILED' },
    ]);
  });

  it('SESSION_ENDED: whatever is wrong with a refresh token, in the same words', async () => {
    const place = await newCommunity(database.resources);
    const { session, refreshToken } = await begin(place);
    await endSession(database.sql, place.system, session.id);
    const unknown = `laurel_ref_${'A'.repeat(22)}_${'A'.repeat(43)}`;
    const answers = [];
    for (const token of ['', 'nonsense', unknown, refreshToken])
      answers.push(await ask(anonymous, refreshing, { input: { refreshToken: token } }));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0].refreshSession.userErrors).toEqual([{ code: 'SESSION_ENDED', path: null }]);
  });

  it('FORBIDDEN: a session in a community that it does not belong to', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const { session } = await begin(home);
    const { token } = await database.resources.tokens.sign(home.id, session.id, new Date());
    const text =
      'query ($secret: String!, $community: String) { _authenticate(secret: $secret, community: $community) }';
    const elsewhere = { secret: token, community: away.slug };
    expect(await errorsOf(gatewayPrincipal, text, elsewhere)).toMatchObject([{ code: 'FORBIDDEN' }]);
    const here = await ask(gatewayPrincipal, text, { secret: token, community: home.slug });
    expect(here._authenticate).toMatchObject({ sessionId: session.id });
  });
});

describe('sessions: cost', () => {
  it('take one statement to authenticate, and two to refresh', async () => {
    const place = await newCommunity(database.resources);
    const { session, refreshToken } = await begin(place);
    expect(await database.statementsOf(() => principalOf(place, session))).toEqual(['authenticateSession']);
    const statements = await database.statementsOf(() => refresh(refreshToken));
    expect(statements.filter((name) => name.startsWith('refresh'))).toEqual([
      'refreshSession: lock',
      'refreshSession',
    ]);
    expect(await database.statementsOf(() => refresh('nonsense').catch(() => {}))).toEqual([]);
  });
});
