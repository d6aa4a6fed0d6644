import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { mostFailures } from '../../gateway/attempts.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import { connect } from '../../subgraphs/db.ts';
import { issueKey, revokeKeysNamed } from '../../subgraphs/identity/api-key.ts';
import { openStore } from '../../subgraphs/store.ts';
import { data, type Headers, openEvents, post, socketClient } from '../kit/client.ts';
import { newCommunity, type TestCommunity } from '../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';
import type { Handle } from '../kit/processes.ts';
import { rawSocket } from '../kit/raw-socket.ts';

// Who is let in, for how long, and what becomes of those who aren't. Each test has a gateway of its own: what one did wrong
// isn't held against the next.

let database: TestDatabase;
let gateway: Gateway;
let place: TestCommunity;
let laurel: Handle;
let system: Headers;
let logged = '';

const log = pino(
  { level: 'trace' },
  new Writable({
    write(line, _encoding, done) {
      logged += line;
      done();
    },
  }),
);

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  logged = '';
  place = await newCommunity(database.resources);
  const systemKey = await issueKey(database.sql, place.id, { kind: 'SYSTEM', name: 'System' });
  system = { 'x-api-key': systemKey };
  gateway = oneProcessGateway(database.resources, { origins: [], trustProxy: true }, log);
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  laurel = { endpoint: `http://127.0.0.1:${port}/graphql`, demo: { systemKey } } as Handle;
});
afterEach(() => gateway.close());

const viewer = '{ viewer { scopes apiKey { id } user { id } } }';
const bearer = (secret: string): Headers => ({ authorization: `Bearer ${secret}` });
const from = (address: string, headers: Headers): Headers => ({ ...headers, 'x-forwarded-for': address });
const ask = (headers: Headers) => post(laurel, { query: viewer }, headers);

const newKey = (name = 'Partner') =>
  issueKey(database.sql, place.id, { kind: 'INTEGRATION', name, scopes: ['stats:read'] });

/** What another process on the same database works with. */
async function freshResources() {
  const sql = connect(database.url);
  const store = await openStore(sql, { dataFolder: tmpdir() }, (fault) => log.error({ err: fault }, 'fault'));
  return {
    resources: store.resources,
    async close() {
      await store.close();
      await sql.end();
    },
  };
}

/** Does a mutation that has to succeed, with the system key unless headers say otherwise. */
async function mutate(name: string, input: object, selection: string, headers = system) {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const text = `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { message } } }`;
  const answer = (await data(laurel, text, { input }, headers))[name];
  expect(answer.userErrors).toEqual([]);
  return answer;
}

const newSession = (idempotencyKey: string) =>
  mutate(
    'createSession',
    { user: { id: place.memberIds[0] }, idempotencyKey },
    'session { id } accessToken refreshToken',
  );

describe('credentials that are not valid', () => {
  it('are answered by the very same, whatever is wrong with them', async () => {
    const expired = await issueKey(database.sql, place.id, {
      kind: 'INTEGRATION',
      name: 'Expired',
      expiresAt: new Date(Date.now() - 1_000),
    });
    const revoked = await newKey('Revoked');
    await revokeKeysNamed(database.sql, place.id, ['Revoked']);
    const { session, accessToken } = await newSession('a');
    await mutate('endSession', { id: session.id }, 'session { id }');
    const stale = await database.resources.tokens.sign(place.id, session.id, new Date(0));
    const wrong = [
      `laurel_int_${'0'.repeat(12)}_${'A'.repeat(43)}`,
      `${revoked.slice(0, -2)}AA`,
      'hello',
      `${'a'.repeat(3_000)}`,
      revoked,
      expired,
      accessToken,
      stale.token,
      `${accessToken.slice(0, -4)}AAAA`,
    ];
    const answers = [];
    for (const secret of wrong) {
      const response = await ask(bearer(secret));
      const { date: _, ...headers } = Object.fromEntries(response.headers);
      answers.push(JSON.stringify({ status: response.status, headers, body: await response.text() }));
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('401');
  });

  it('are refused two at a time', async () => {
    const response = await ask({ ...system, ...bearer(await newKey()) });
    expect(response.status).toBe(401);
    expect(await response.text()).toContain('Send one credential');
  });

  it.each(['/graphql?query={viewer{scopes}}', '/schema.graphql'])(
    'are refused in two lines of one header: %s',
    async (path) => {
      const socket = dial(Number(new URL(laurel.endpoint).port), '127.0.0.1');
      const key = await newKey();
      const lines = [key, key].map((one) => `Authorization: Bearer ${one}\r\n`).join('');
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines}\r\n`);
      let answer = '';
      for await (const chunk of socket) answer += chunk;
      expect(answer).toMatch(/^HTTP\/1\.1 401 /);
      expect(answer).toContain('Send one credential, in one line.');
    },
  );

  it('are refused in two lines of the header that a WebSocket is opened with', async () => {
    const { authorization } = bearer(await newKey());
    const lines = { authorization: [authorization, authorization] };
    const { send, closed } = await rawSocket(laurel.endpoint, undefined, { headers: lines as never });
    send({ type: 'connection_init' });
    expect(await closed).toBe(4403);
  });

  it('are told of with 403 when they belong to another community', async () => {
    const away = await newCommunity(database.resources);
    const { accessToken } = await newSession('a');
    for (const headers of [system, bearer(accessToken)]) {
      const response = await ask({ ...headers, 'x-community': away.slug });
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    }
  });

  it('are not even read in a megabyte of headers', async () => {
    const socket = dial(Number(new URL(laurel.endpoint).port), '127.0.0.1');
    socket.on('error', () => {});
    const received = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.endsWith('}')) resolve(text);
      });
    });
    const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ';
    socket.write(`${head}${'a'.repeat(1_048_576)}\r\n\r\n`);
    const answer = await received;
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('"All headers together have at most 16384 bytes."');
  });
});

describe('an address with too many wrong credentials', () => {
  /** Comes with so many that the address has to wait for most of a minute. */
  async function guess(address: string): Promise<void> {
    const wrong = from(address, { authorization: 'Basic YWRtaW4=' });
    const answers = Array.from({ length: 2 * mostFailures }, () => ask(wrong));
    for (const { status } of await Promise.all(answers)) expect(status).toBe(401);
  }

  it('is told when to come back with one that never worked here, others are not', async () => {
    const secret = await newKey();
    await guess('203.0.113.7');
    const response = await ask(from('203.0.113.7', bearer(secret)));
    expect(response.status).toBe(429);
    const wait = Number(response.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'THROTTLED', retryAfterSeconds: wait } }],
    });
    expect((await ask(from('203.0.113.8', bearer(secret)))).status).toBe(200);
  });

  it('goes on with one that worked before, with sessions, and with none', async () => {
    const secret = await newKey();
    expect((await ask(from('203.0.113.7', bearer(secret)))).status).toBe(200);
    const { accessToken } = await newSession('a');
    await guess('203.0.113.7');
    for (const headers of [bearer(secret), bearer(accessToken), {}])
      expect((await ask(from('203.0.113.7', headers))).status).toBe(200);
  });

  it('is as slow over WebSocket, where nothing in the payload says where one is', async () => {
    await guess('203.0.113.7');
    const secret = await newKey();
    const connect = (params: Headers, headers: Headers) => {
      const client = socketClient(laurel, params, {
        webSocketImpl: class extends WebSocket {
          constructor(url: string, protocols: string[]) {
            super(url, protocols, { headers });
          }
        },
      });
      return client.iterate({ query: viewer }).next();
    };
    const forwarded = { 'x-forwarded-for': '203.0.113.7' };
    const refused = connect({ ...bearer(secret), 'x-forwarded-for': '203.0.113.9' }, forwarded);
    await expect(refused).rejects.toMatchObject({ reason: expect.stringContaining('Too many credentials') });
    expect((await connect(bearer(secret), {})).value).toMatchObject({ data: { viewer: {} } });
  });
});

describe('streams', () => {
  const xp = 'subscription { xp { cursor ... on StreamEnding { reason reconnectAfterMs } } }';

  /** Why a stream ended, by its last item, which stands where the one before it stood. */
  async function ending(headers: Headers, end: () => Promise<unknown>): Promise<string | undefined> {
    const events = await openEvents(laurel, xp, {}, headers);
    const [ready, last] = [(await events.next()).value, events.next()];
    await end();
    const item = (await last).value?.data.data.xp;
    expect(item).toMatchObject({ cursor: ready?.id, reconnectAfterMs: 0 });
    expect((await events.next()).value?.event).toBe('complete');
    return item.reason;
  }

  const visits = ['one', 'two', 'three'].map((reference) => ({ eventType: 'visit', reference }));
  /** The place's first person earns by the n-th visit. */
  const visit = (n: number) =>
    mutate('trackEvent', { ...visits[n], user: { id: place.memberIds[0] } }, 'replayed');

  const idOf = async (secret: string): Promise<string> =>
    (await data(laurel, viewer, {}, bearer(secret))).viewer.apiKey.id;

  it('end when their key is revoked, and so do requests', async () => {
    const secret = await newKey();
    const id = await idOf(secret);
    const revoke = () => mutate('deleteApiKey', { id }, 'apiKey { id }');
    expect(await ending(bearer(secret), revoke)).toBe('PERMISSION_REVOKED');
    expect((await ask(bearer(secret))).status).toBe(401);
  });

  it('end in every process when their key is revoked in one, over any transport', async () => {
    const other = await freshResources();
    const second = oneProcessGateway(other.resources, { origins: [], trustProxy: true }, log);
    const { port } = await second.listen({ host: '127.0.0.1', port: 0 });
    const there = { ...laurel, endpoint: `http://127.0.0.1:${port}/graphql` };
    const secret = await newKey();
    const id = await idOf(secret);
    const client = socketClient(there, bearer(secret));
    const overSocket = client.iterate({ query: xp });
    await overSocket.next();
    const events = await openEvents(there, xp, {}, bearer(secret));
    await events.next();
    await mutate('deleteApiKey', { id }, 'apiKey { id }');
    const revoked = { data: { xp: { reason: 'PERMISSION_REVOKED' } } };
    expect((await events.next()).value).toMatchObject({ event: 'next', data: revoked });
    expect((await events.next()).value?.event).toBe('complete');
    expect((await overSocket.next()).value).toMatchObject(revoked);
    expect((await overSocket.next()).done).toBe(true);
    expect((await post(there, { query: viewer }, bearer(secret))).status).toBe(401);
    await client.dispose();
    await second.close();
    await other.close();
  });

  it('end when their key gets a new secret without an overlap', async () => {
    const secret = await newKey();
    const input = { id: await idOf(secret), overlapSeconds: 0, idempotencyKey: 'a' };
    expect(await ending(bearer(secret), () => mutate('rotateApiKey', input, 'secret'))).toBe(
      'PERMISSION_REVOKED',
    );
  });

  it('end when their key may not see any more what they are about, and nobody else is disturbed', async () => {
    const [secret, other] = [await newKey(), await newKey('Other')];
    const events = await openEvents(laurel, 'subscription { xp { cursor } }', {}, bearer(other));
    await events.next();
    const input = { id: await idOf(secret), scopes: ['users:read'] };
    const narrow = () => mutate('updateApiKey', input, 'apiKey { id }');
    expect(await ending(bearer(secret), narrow)).toBe('PERMISSION_REVOKED');
    await visit(0);
    expect((await events.next()).value?.event).toBe('next');
    events.close();
  });

  it('go on by what their key allows now, and miss nothing', async () => {
    const secret = await newKey();
    const text = `subscription { xp {
      __typename ... on StreamResumed { replayed } ... on XpChanged { total }
    } }`;
    const events = await openEvents(laurel, text, {}, bearer(secret));
    const next = async () => (await events.next()).value?.data.data.xp;
    expect(await next()).toEqual({ __typename: 'StreamReady' });
    const input = { id: await idOf(secret), scopes: ['stats:read', 'users:read'] };
    await mutate('updateApiKey', input, 'apiKey { id }');
    expect(await next()).toEqual({ __typename: 'StreamResumed', replayed: 0 });
    await visit(0);
    expect(await next()).toEqual({ __typename: 'XpChanged', total: 10 });
    events.close();
  });

  it('end when their session is ended, and when its person is kept out', async () => {
    const [first, second] = [await newSession('a'), await newSession('b')];
    const end = () => mutate('endSession', {}, 'session { id }', bearer(first.accessToken));
    expect(await ending(bearer(first.accessToken), end)).toBe('PERMISSION_REVOKED');
    const ban = () =>
      database.sql`update identity.user set status = 'BANNED' where community_id = ${place.id}`;
    expect(await ending(bearer(second.accessToken), async () => ban())).toBe('PERMISSION_REVOKED');
  });

  it('end when their time is over', async () => {
    const expiresAt = new Date(Date.now() + 1_500);
    const secret = await issueKey(database.sql, place.id, { kind: 'INTEGRATION', name: 'Short', expiresAt });
    expect(await ending(bearer(secret), async () => {})).toBe('TOKEN_EXPIRING');
  });
});

describe('the log and the audit', () => {
  it('hold no secret, whatever was done with it', async () => {
    const secrets: string[] = Object.values(system);
    const key = { kind: 'PERSONAL', name: 'App', scopes: ['users:read'], userId: place.memberIds[0] };
    const made = await mutate('createApiKey', { ...key, idempotencyKey: 'a' }, 'apiKey { id } secret');
    const { id } = made.apiKey;
    const rotated = await mutate('rotateApiKey', { id, idempotencyKey: 'b' }, 'secret');
    await mutate('updateApiKey', { id, name: 'Other' }, 'apiKey { id }');
    const begun = await newSession('c');
    const refreshing = 'accessToken refreshToken';
    const refreshed = await mutate('refreshSession', { refreshToken: begun.refreshToken }, refreshing, {});
    secrets.push(made.secret, rotated.secret, begun.accessToken, begun.refreshToken);
    secrets.push(refreshed.accessToken, refreshed.refreshToken);
    for (const secret of secrets) {
      await ask(bearer(secret));
      await ask(bearer(`${secret}A`));
      await ask({ ...bearer(secret), 'x-community': 'nowhere' });
    }
    // Faults while a secret is at hand: each is logged.
    await database.sql`alter table identity.session rename to session_away`;
    await database.sql`alter table identity.former_secret rename to former_secret_away`;
    for (const secret of secrets) {
      await ask(from('203.0.113.7', bearer(secret)));
      const input = { refreshToken: secret };
      const text =
        'mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { accessToken } }';
      await post(laurel, { query: text, variables: { input } }, {});
    }
    await database.sql`alter table identity.session_away rename to session`;
    await database.sql`alter table identity.former_secret_away rename to former_secret`;
    await mutate('endSession', { id: begun.session.id }, 'session { id }');
    await mutate('deleteApiKey', { id }, 'apiKey { id }');

    const [{ text: audit } = { text: '' }] = await database.sql<{ text: string }[]>`
      select string_agg(a::text, ' ') as text from identity.audit_entry a where community_id = ${place.id}`;
    const [{ text: events } = { text: '' }] = await database.sql<{ text: string }[]>`
      select string_agg(e::text, ' ') as text from log.event e`;
    expect(logged).toContain('does not exist');
    expect(audit).toContain('KEY_ROTATED');
    // The last 30 letters of each are its own alone.
    for (const secret of secrets)
      for (const text of [logged, audit, events]) expect(text).not.toContain(secret.slice(-30));
  });
});

describe('the audience of a key', () => {
  const text = 'subscription { xp { __typename cursor } }';
  const holders = async (audience: 'partner' | undefined) => {
    const secret = await issueKey(database.sql, place.id, {
      kind: 'INTEGRATION',
      name: 'Reader',
      scopes: ['stats:read', 'keys:read'],
      ...(audience === undefined ? {} : { audience }),
    });
    return bearer(secret);
  };

  it('shares no stream with keys of another', async () => {
    const streams = [];
    for (const audience of ['partner', undefined, 'partner'] as const)
      streams.push(await openEvents(laurel, text, {}, await holders(audience)));
    for (const stream of streams) await stream.next();
    await expect.poll(() => gateway.live.groups).toBe(2);
    for (const stream of streams) stream.close();
  });

  it('counts within a second of its change, for streams too', async () => {
    const headers = await holders(undefined);
    const keyId = (await data(laurel, '{ viewer { apiKey { id } } }', {}, headers)).viewer.apiKey.id;
    const stream = await openEvents(laurel, text, {}, headers);
    await stream.next();
    const asked = async () =>
      (await post(laurel, { query: '{ apiKeys(first: 1) { nodes { id } } }' }, headers)).text();
    // The scope is there; that an integration doesn't administer is told by the subgraph.
    expect(await asked()).toContain('FORBIDDEN');
    await mutate('updateApiKey', { id: keyId, audience: 'PARTNER' }, 'apiKey { audience }');
    await expect.poll(asked).toContain('Cannot query field \\"apiKeys\\"');
    // What it is about is for partners too, so it goes on, among those of that audience.
    expect((await stream.next()).value?.data.data.xp.__typename).toBe('StreamResumed');
    stream.close();
  });
});

describe('one caller at a time', () => {
  const sizes = { known: 3, system: 50, anonymous: 2 };
  let bounded: Gateway;
  let there: Handle;
  beforeEach(async () => {
    const config = { origins: [], trustProxy: true };
    const bounds = { streams: sizes, sockets: sizes };
    bounded = oneProcessGateway(database.resources, config, log, undefined, { bounds });
    const { port } = await bounded.listen({ host: '127.0.0.1', port: 0 });
    there = { ...laurel, endpoint: `http://127.0.0.1:${port}/graphql` };
  });
  afterEach(() => bounded.close());

  const xp = 'subscription { xp { cursor } }';
  const opened = async (payload: object) => {
    const socket = await rawSocket(there.endpoint);
    socket.send({ type: 'connection_init', payload });
    return socket;
  };

  it.each(['a key', 'nobody'])('has so many WebSockets, for %s; others have theirs', async (who) => {
    const credential = who === 'nobody' ? {} : bearer(await newKey());
    const most = who === 'nobody' ? sizes.anonymous : sizes.known;
    const held = await Promise.all(Array.from({ length: most }, () => opened(credential)));
    for (const { next } of held) expect(await next()).toEqual({ type: 'connection_ack' });
    expect(await (await opened(credential)).closed).toBe(1013);
    const other = await opened(bearer(await newKey('Other')));
    expect(await other.next()).toEqual({ type: 'connection_ack' });
    held[0]?.socket.close();
    await held[0]?.closed;
    const next = await opened(credential);
    expect(await next.next()).toEqual({ type: 'connection_ack' });
    for (const { socket } of [...held, other, next]) socket.terminate();
  });

  it('has so many streams, over both transports together; others have theirs', async () => {
    const secret = await newKey();
    const socket = await opened(bearer(secret));
    await socket.next();
    const follow = (id: string) => socket.send({ id, type: 'subscribe', payload: { query: xp } });
    for (const id of ['a', 'b']) {
      follow(id);
      expect(await socket.next()).toMatchObject({ id, type: 'next' });
    }
    const events = await openEvents(there, xp, {}, bearer(secret));
    await events.next();
    const code = 'STREAM_LIMIT_EXCEEDED';
    follow('c');
    expect(await socket.next()).toMatchObject({
      id: 'c',
      type: 'error',
      payload: [{ extensions: { code } }],
    });
    await expect(openEvents(there, xp, {}, bearer(secret))).rejects.toThrow(code);
    const other = await openEvents(there, xp, {}, bearer(await newKey('Other')));
    expect((await other.next()).value).toMatchObject({ event: 'next' });
    other.close();
    socket.send({ id: 'a', type: 'complete' });
    follow('d');
    expect(await socket.next()).toMatchObject({ id: 'd', type: 'next' });
    events.close();
    socket.socket.terminate();
  });
});
