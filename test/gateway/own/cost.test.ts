import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Apollo, createApollo } from '../../../gateway/apollo.ts';
import type { Gateway } from '../../../gateway/gateway.ts';
import { oneProcessGateway } from '../../../gateway/index.ts';
import { issueKey } from '../../../subgraphs/identity/api-key.ts';
import type { Scope } from '../../../subgraphs/scopes.ts';
import { type Data, openEvents, post, socketClient, take } from '../../kit/client.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import type { Handle } from '../../kit/processes.ts';

// Budgets of 30 points, of which nothing comes back while a test runs.
const budget = { points: 30, restored: 0.001 };
const log = pino({ level: 'silent' });

let database: TestDatabase;
let place: TestCommunity;
beforeAll(async () => {
  database = await freshDatabase();
  place = await newCommunity(database.resources);
});
afterAll(() => database.close());

let made = 0;
const keyWith = async (scopes: readonly Scope[] = ['users:read']) => {
  const key = { kind: 'INTEGRATION', name: `Key ${++made}`, scopes } as const;
  return { authorization: `Bearer ${await issueKey(database.sql, place.id, key)}` };
};

const users = '{ users(first: 24) { nodes { displayName } } }';
const explain = (text: string) =>
  `{ explainCost(query: ${JSON.stringify(text)}) { cost waitSeconds } rateLimit { remaining } }`;

const fronts: [string, () => Promise<Apollo | undefined>][] = [
  ['plain', async () => undefined],
  ['apollo', () => createApollo([], log)],
];

describe.each(fronts)('the budget, told by the %s front', (_front, front) => {
  let gateway: Gateway;
  let handle: Handle;
  const calls: string[] = [];
  beforeAll(async () => {
    gateway = oneProcessGateway(
      database.resources,
      { origins: [], trustProxy: false, budgets: { known: budget, anonymous: budget } },
      log,
      (subgraph) => calls.push(subgraph),
      { apollo: await front() },
    );
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    handle = { endpoint: `http://127.0.0.1:${port}/graphql`, demo: {} } as Handle;
  });
  afterAll(() => gateway.close());

  const fields = 'rateLimit { cost limit remaining restorePerSecond resetAt }';
  /** What the extension says, in the field's words. */
  const saidOf = ({ rateLimit, extensions: { cost } }: Data) => ({
    field: [rateLimit.cost, rateLimit.limit, rateLimit.remaining, rateLimit.restorePerSecond],
    extension: [
      cost.requestedQueryCost,
      cost.throttleStatus.maximumAvailable,
      cost.throttleStatus.currentlyAvailable,
      cost.throttleStatus.restoreRate,
    ],
  });

  it('is the same in the field, the extension and the headers, by JSON and by events', async () => {
    const key = await keyWith();
    for (const [accept, remaining] of [
      ['application/json', 26],
      ['text/event-stream', 22],
    ] as const) {
      const text = `{ users(first: 3) { nodes { id } } ${fields} }`;
      const response = await post(handle, { query: text }, { ...key, accept });
      const body = await response.text();
      const { data, extensions } = JSON.parse(/\{.*\}/.exec(body)?.[0] ?? '') as Data;
      const { field, extension } = saidOf({ ...data, extensions });
      expect(field).toEqual([4, 30, remaining, 0.001]);
      expect(extension).toEqual(field);
      const told = (name: string) => Number(response.headers.get(`ratelimit-${name}`));
      expect([told('limit'), told('remaining')]).toEqual([30, remaining]);
      const seconds = (Date.parse(data.rateLimit.resetAt) - Date.now()) / 1_000;
      expect(Math.abs(seconds - told('reset'))).toBeLessThan(60);
    }
  });

  it('is the same in the field and the extension over WebSocket', async () => {
    const client = socketClient(handle, await keyWith());
    try {
      const text = `{ users(first: 3) { nodes { id } } ${fields} }`;
      const { data, extensions } = (await client.iterate({ query: text }).next()).value as Data;
      const { field, extension } = saidOf({ ...data, extensions });
      expect(field).toEqual([4, 30, 26, 0.001]);
      expect(extension).toEqual(field);
    } finally {
      await client.dispose();
    }
  });

  it('can be asked for when it is spent, for nothing, and what else would cost too', async () => {
    const key = await keyWith();
    const ask = async (query: string) => (await post(handle, { query }, key)).json() as Promise<Data>;
    await ask(users);
    await ask('{ users(first: 4) { nodes { id } } }');
    expect(await ask(users)).toMatchObject({ errors: [{ extensions: { code: 'THROTTLED' } }] });
    calls.length = 0;
    for (const _ of [1, 2]) {
      expect(await ask(explain(users))).toMatchObject({
        data: { explainCost: { cost: 25, waitSeconds: 25_000 }, rateLimit: { remaining: 0 } },
        extensions: { cost: { requestedQueryCost: 0 } },
      });
    }
    expect(calls).toEqual(['laurel', 'laurel']);
  });

  it('tells of what is never affordable, of mutations and of events, and does none of it', async () => {
    const key = await keyWith(['users:read', 'stats:read', 'events:write']);
    const costOf = async (text: string) =>
      ((await (await post(handle, { query: explain(text) }, key)).json()) as Data).data.explainCost;
    calls.length = 0;
    expect(await costOf('{ users(first: 100) { nodes { id } } }')).toEqual({ cost: 101, waitSeconds: null });
    const track = `mutation { trackEvent(input: { user: { id: "${place.memberIds[0]}" }, eventType: "visit" }) { replayed } }`;
    expect(await costOf(track)).toEqual({ cost: 10, waitSeconds: 0 });
    expect(await costOf('subscription { xp { cursor ... on XpChanged { user { id } } } }')).toEqual({
      cost: 2,
      waitSeconds: 0,
    });
    expect(calls).toEqual(['laurel', 'laurel', 'laurel']);
  });

  it('costs an event of a stream what was explained', async () => {
    const key = await keyWith(['stats:read']);
    const text = 'subscription { xp { cursor ... on XpChanged { user { id } } } }';
    const items = await openEvents(handle, text, {}, key);
    await take(1, items);
    items.close();
    const response = await post(handle, { query: '{ rateLimit { remaining } }' }, key);
    // Opening the stream cost as much as its first item.
    expect(await response.json()).toMatchObject({ data: { rateLimit: { remaining: 26 } } });
  });

  it('knows no more of hidden fields than of those that do not exist', async () => {
    const key = await keyWith([]);
    const refusalOf = async (text: string) =>
      ((await (await post(handle, { query: explain(text) }, key)).json()) as Data).errors;
    const [hidden] = await refusalOf('{ auditEntries { nodes { id } } }');
    const [unknown] = await refusalOf('{ auditEntrees { nodes { id } } }');
    expect(hidden.message.replace('auditEntries', 'auditEntrees')).toBe(unknown.message);
    expect(hidden).toMatchObject({ path: ['explainCost'], extensions: { code: 'BAD_ARGUMENT' } });
  });

  it.each([
    ['a syntax error', 'query: "{"', /^query: Syntax Error/],
    [
      'a variable of the wrong type',
      'query: "query ($n: Int!) { users(first: $n) { nodes { id } } }", variables: { n: "x" }',
      /^variables: Variable "\$n"/,
    ],
    ['variables that are no object', 'query: "{ __typename }", variables: [1]', /^variables: an object/],
    [
      'several operations',
      'query: "query A { __typename } query B { __typename }"',
      /^query: .*operationName/,
    ],
  ])('refuses to explain %s', async (_, given, message) => {
    const response = await post(handle, { query: `{ explainCost(${given}) { cost } }` }, await keyWith());
    expect(await response.json()).toMatchObject({
      data: { explainCost: null },
      errors: [{ message: expect.stringMatching(message), extensions: { code: 'BAD_ARGUMENT' } }],
    });
  });
});

describe('the budget of callers without bounds', () => {
  it('is null, and everything has room in it', async () => {
    const gateway = oneProcessGateway(
      database.resources,
      { origins: [], trustProxy: false, budgets: { known: undefined, anonymous: undefined } },
      log,
    );
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    try {
      const handle = { endpoint: `http://127.0.0.1:${port}/graphql` } as Handle;
      const text = `{ rateLimit { cost } explainCost(query: ${JSON.stringify(users)}) { cost waitSeconds } }`;
      const response = await post(handle, { query: text }, await keyWith());
      expect(await response.json()).toEqual({
        data: { rateLimit: null, explainCost: { cost: 25, waitSeconds: 0 } },
      });
    } finally {
      await gateway.close();
    }
  });
});
