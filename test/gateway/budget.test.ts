import type { ApolloServerPlugin } from '@apollo/server';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../../gateway/access.ts';
import { addressOf, networkOf } from '../../gateway/address.ts';
import { type ApolloContext, createApollo } from '../../gateway/apollo.ts';
import { type BudgetOptions, type Budgets, createBudgets } from '../../gateway/budget.ts';
import { explainCost } from '../../gateway/charge.ts';
import type { Gateway, GatewayOptions } from '../../gateway/gateway.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import { trackEvents } from '../../subgraphs/gamification/event.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { settleSpendings } from '../../subgraphs/identity/budget.ts';
import type { Principal } from '../../subgraphs/principal.ts';
import { openEvents, post, socketClient, take } from '../kit/client.ts';
import { newCommunity, type TestCommunity } from '../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';
import { federate } from '../kit/federation.ts';
import { gatewayOver } from '../kit/gateway.ts';
import type { Handle } from '../kit/processes.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const { engine } = federate({
  shop: {
    sdl: 'type Query { things(first: Int!): [Thing!] free: Int } type Thing { id: ID }',
    resolvers: { Query: { free: () => 1 } },
  },
});
const view = { key: 'all', schema: engine.schema };
const callerOf = (principal: Principal): Caller => ({ principal, token: '', view, seesPart: false });

const keyOf = (keyId: string, communityId = 'com_a') =>
  callerOf({ kind: 'integration', communityId, keyId, scopes: [] });
const stranger = callerOf({ kind: 'anonymous', scopes: [] });

/** Budgets of 100 points that come back by ten a second, and the clock that they live by. */
function counting(options: Partial<BudgetOptions> = {}) {
  const clock = { seconds: 0 };
  const budgets = createBudgets({
    known: { points: 100, restored: 10 },
    anonymous: { points: 20, restored: 1 },
    clock: () => clock.seconds * 1_000,
    ...options,
  });
  return { budgets, clock };
}

/** Charges so many points; what is left. */
function spend(budgets: Budgets, caller: Caller, points: number, address = '192.0.2.1'): number | undefined {
  const text = points === 0 ? '{ free }' : 'query ($n: Int!) { things(first: $n) { id } }';
  const operation = engine.prepare(view, text);
  if ('errors' in operation) throw new Error(operation.answer.json);
  return budgets.charged(caller, operation, { n: points }, address).charge?.remaining;
}

const throttled = (retryAfterSeconds: number) =>
  expect.objectContaining({ code: 'THROTTLED', details: { retryAfterSeconds } });
const refusalOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('a budget', () => {
  it('is spent by what operations cost, and comes back with time', () => {
    const { budgets, clock } = counting();
    expect(spend(budgets, keyOf('a'), 30)).toBe(70);
    expect(spend(budgets, keyOf('a'), 30)).toBe(40);
    clock.seconds = 2;
    expect(spend(budgets, keyOf('a'), 10)).toBe(50);
    clock.seconds = 1_000;
    expect(spend(budgets, keyOf('a'), 1)).toBe(99);
  });

  it('that has no room says when to come back, and takes nothing', () => {
    const { budgets, clock } = counting();
    spend(budgets, keyOf('a'), 95);
    expect(refusalOf(() => spend(budgets, keyOf('a'), 30))).toEqual(throttled(3));
    expect(refusalOf(() => spend(budgets, keyOf('a'), 30))).toEqual(throttled(3));
    clock.seconds = 3;
    expect(spend(budgets, keyOf('a'), 30)).toBe(5);
  });

  it('lets through what is free, also when it has no room', () => {
    const { budgets } = counting();
    spend(budgets, keyOf('a'), 100);
    expect(spend(budgets, keyOf('a'), 0)).toBe(0);
  });

  it('never has room for more than it holds, and says so', () => {
    const { budgets } = counting();
    expect(() => spend(budgets, keyOf('a'), 101)).toThrow('more than the 100 of the whole budget');
    expect(spend(budgets, keyOf('a'), 1)).toBe(99);
  });

  it('is of a key, of a person whatever they send, or of an address', () => {
    const { budgets } = counting();
    const personal = { kind: 'personal', communityId: 'com_a', userId: 'usr_a', scopes: [] } as const;
    expect(spend(budgets, keyOf('a'), 10)).toBe(90);
    expect(spend(budgets, keyOf('b'), 10)).toBe(90);
    expect(spend(budgets, keyOf('a', 'com_b'), 10)).toBe(90);
    expect(spend(budgets, callerOf({ ...personal, keyId: 'key_1' }), 10)).toBe(90);
    expect(spend(budgets, callerOf({ ...personal, keyId: 'key_2' }), 10)).toBe(80);
    expect(spend(budgets, stranger, 5, '192.0.2.1')).toBe(15);
    expect(spend(budgets, stranger, 5, '192.0.2.2')).toBe(15);
    expect(spend(budgets, stranger, 5, '2001:db8::1')).toBe(15);
    expect(spend(budgets, stranger, 5, '2001:db8::2')).toBe(10);
  });

  it('is ten times as large for the key of a whole community', () => {
    const { budgets } = counting();
    const system = callerOf({ kind: 'system', communityId: 'com_a', keyId: 'key_s', scopes: [] });
    expect(spend(budgets, system, 100)).toBe(900);
  });

  it('is not there for callers without bounds', () => {
    const { budgets } = counting({ known: undefined });
    expect(spend(budgets, keyOf('a'), 10)).toBeUndefined();
    expect(spend(budgets, stranger, 10)).toBe(10);
  });

  it('takes nothing for wrong variables', () => {
    const { budgets } = counting();
    const operation = engine.prepare(view, 'query ($n: Int!) { things(first: $n) { id } }');
    if ('errors' in operation) throw new Error(operation.answer.json);
    expect(budgets.charged(keyOf('a'), operation, { n: 'x' }, '').charge).toBeUndefined();
    expect(spend(budgets, keyOf('a'), 1)).toBe(99);
  });
});

describe('budgets of several processes', () => {
  /** Two processes on one database. */
  const two = () => {
    const settle: BudgetOptions['settle'] = (spendings) => settleSpendings(database.sql, spendings);
    const one = counting({ settle });
    return { one: one.budgets, other: counting({ settle }).budgets, clock: one.clock };
  };

  it('know of each other once they settled', async () => {
    const { one, other } = two();
    const caller = keyOf('shared', 'com_shared');
    spend(one, caller, 60);
    // Not heard of yet: this is the most that two can let through at once.
    expect(spend(other, caller, 90)).toBe(10);
    await one.close();
    await other.close();
    expect(refusalOf(() => spend(other, caller, 1))).toMatchObject({ code: 'THROTTLED' });
  });

  it('settle all callers in one call', async () => {
    const { one } = two();
    for (let n = 0; n < 50; n++) spend(one, keyOf(`many_${n}`, 'com_many'), 1 + (n % 3));
    expect(await database.statementsOf(() => one.close())).toEqual(['settleSpendings']);
  });

  it('keep what could not be settled for the next time', async () => {
    const told: number[] = [];
    const faults: unknown[] = [];
    let down = true;
    const { budgets } = counting({
      onFault: (fault) => faults.push(fault),
      settle: async (spendings) => {
        if (down) throw new Error('down');
        told.push(...spendings.map(({ points }) => points));
        return told;
      },
    });
    spend(budgets, keyOf('a'), 7);
    await budgets.close();
    expect(faults).toHaveLength(1);
    down = false;
    expect(spend(budgets, keyOf('a'), 5)).toBe(88);
    await budgets.close();
    expect(told).toEqual([12]);
  });

  it('never hear of strangers', async () => {
    const told: unknown[] = [];
    const { budgets } = counting({
      settle: async (spendings) => {
        told.push(...spendings);
        return [];
      },
    });
    spend(budgets, stranger, 5);
    await budgets.close();
    expect(told).toEqual([]);
  });
});

describe('addresses', () => {
  const request = (forwarded: string | undefined) =>
    ({ headers: { 'x-forwarded-for': forwarded }, socket: { remoteAddress: '10.0.0.1' } }) as never;

  it('are those of the first proxy only if proxies are believed', () => {
    expect(addressOf(request('192.0.2.7, 10.0.0.9'), true)).toBe('192.0.2.7');
    expect(addressOf(request('192.0.2.7'), false)).toBe('10.0.0.1');
    expect(addressOf(request('nonsense'), true)).toBe('10.0.0.1');
    expect(addressOf(request(undefined), true)).toBe('10.0.0.1');
  });

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:0:1::5', '2001:db8:0:1'],
    ['2001:0DB8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1:2:3:4:5%eth0', 'fe80:0:0:1'],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('what an operation would cost', () => {
  const text = 'query ($n: Int!) { things(first: $n) { id } } query Free { free }';
  const explained = (caller: Caller, points: unknown, operationName = '', query = text) =>
    explainCost(engine as never, caller, query, operationName, { n: points });
  const charged = (points: number) => {
    const operation = engine.prepare(view, 'query ($n: Int!) { things(first: $n) { id } }');
    if ('errors' in operation) throw new Error(operation.answer.json);
    return counting().budgets.charged(keyOf('a'), operation, { n: points }, '');
  };
  const one = 'query ($n: Int!) { things(first: $n) { id } }';

  it('is told with when there is room for it: now, in so many seconds, or never', () => {
    const caller = charged(70);
    expect(explained(caller, 30, '', one)).toEqual({ cost: 30, waitSeconds: 0 });
    expect(explained(caller, 55, '', one)).toEqual({ cost: 55, waitSeconds: 3 });
    expect(explained(caller, 101, '', one)).toEqual({ cost: 101, waitSeconds: null });
  });

  it('has room at once for callers without bounds', () => {
    expect(explained(stranger, 9, '', one)).toEqual({ cost: 9, waitSeconds: 0 });
  });

  it('is that of the operation that is named', () => {
    expect(explained(stranger, 9, 'Free', `query Paid${text.slice(5)}`)).toEqual({ cost: 0, waitSeconds: 0 });
  });

  it.each([
    ['wrong variables', one, 'x', /^variables: Variable "\$n"/],
    ['too many rows', one, 100_001, /^variables: .*100,?000/],
    ['unknown fields', '{ nothing }', 1, /^query: Cannot query field "nothing"/],
    ['what is no GraphQL', '{', 1, /^query: Syntax Error/],
  ])('is not known of %s', (_, query, points, message) => {
    expect(() => explained(stranger, points, '', query)).toThrow(message);
  });
});

describe('over its budget', () => {
  let gateway: Gateway;
  let place: TestCommunity;
  let handle: Handle;
  const calls: string[] = [];

  beforeAll(async () => {
    place = await newCommunity(database.resources);
    gateway = oneProcessGateway(
      database.resources,
      {
        origins: [],
        trustProxy: false,
        // What is spent doesn't come back while a test runs.
        budgets: { known: { points: 30, restored: 0.001 }, anonymous: { points: 30, restored: 0.001 } },
      },
      pino({ level: 'silent' }),
      (subgraph) => calls.push(subgraph),
    );
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    handle = { endpoint: `http://127.0.0.1:${port}/graphql`, demo: {} } as Handle;
  });
  afterAll(() => gateway.close());

  let made = 0;
  /** The headers of a new key, and with them a budget of 30 points. */
  const newKey = async () => {
    const key = { kind: 'INTEGRATION', name: `Key ${++made}`, scopes: ['users:read', 'stats:read'] } as const;
    return { authorization: `Bearer ${await issueKey(database.sql, place.id, key)}` };
  };
  const users = '{ users(first: 24) { nodes { displayName } } }';
  const ask = (headers: Record<string, string>, text = users, more = {}) =>
    post(handle, { query: text }, { ...headers, ...more });

  it('a caller is answered 429 with when to come back, and no subgraph is called', async () => {
    const key = await newKey();
    expect((await ask(key)).status).toBe(200);
    calls.length = 0;
    for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
      const response = await ask(key, users, { accept });
      expect(response.status).toBe(429);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'retry-after': '20000',
        'ratelimit-limit': '30',
        'ratelimit-remaining': '5',
        'ratelimit-reset': '25000',
      });
      expect(await response.json()).toEqual({
        errors: [
          {
            message: expect.stringContaining('no room for 25 points now: come back in 20000 s'),
            extensions: { code: 'THROTTLED', retryAfterSeconds: 20_000 },
          },
        ],
        extensions: {
          cost: {
            requestedQueryCost: 25,
            throttleStatus: { maximumAvailable: 30, currentlyAvailable: 5, restoreRate: 0.001 },
          },
        },
      });
    }
    expect(calls).toEqual([]);
  });

  it('nobody pays for another', async () => {
    const [spent, whole] = [await newKey(), await newKey()];
    await ask(spent);
    expect((await ask(spent)).status).toBe(429);
    expect((await ask(whole)).status).toBe(200);
  });

  it('an operation that no budget has room for is refused for good', async () => {
    const response = await ask(await newKey(), '{ users(first: 30) { nodes { id } } }');
    expect(response.status).toBe(400);
    expect(response.headers.get('retry-after')).toBeNull();
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'COST_LIMIT_EXCEEDED' } }],
    });
  });

  it('headers and extensions agree, on answers with errors too', async () => {
    const key = await newKey();
    for (const [text, remaining] of [
      ['{ users(first: 2) { nodes { displayName } } }', 27],
      ['{ users(first: 3, last: 3) { nodes { id } } }', 23],
      ['{ __typename }', 23],
    ] as const) {
      const response = await ask(key, text);
      const { extensions } = (await response.json()) as { extensions: { cost: object } };
      expect(extensions.cost).toMatchObject({ throttleStatus: { currentlyAvailable: remaining } });
      expect(response.headers.get('ratelimit-remaining')).toBe(String(remaining));
    }
  });

  it('a WebSocket operation ends with the same error', async () => {
    const client = socketClient(handle, await newKey());
    try {
      const first = (await client.iterate({ query: users }).next()).value;
      expect(first).toMatchObject({ extensions: { cost: { requestedQueryCost: 25 } } });
      await expect(client.iterate({ query: users }).next()).rejects.toMatchObject([
        { extensions: { code: 'THROTTLED', retryAfterSeconds: 20_000 } },
      ]);
    } finally {
      await client.dispose();
    }
  });

  it('a stream ends after the events that there was room for, and its cursor stays good', async () => {
    const text =
      'subscription ($after: EventCursor) { xp(after: $after) { cursor ... on XpChanged { user { displayName } entry { amount } } ... on StreamEnding { reason reconnectAfterMs } } }';
    const key = await newKey();
    const items = await openEvents(handle, text, {}, key);
    await take(1, items);
    const events = Array.from({ length: 20 }, (_, n) => ({
      user: { id: place.memberIds[0]! },
      eventType: 'visit',
      amount: null,
      metadata: null,
      occurredAt: null,
      reference: `budget-${n}`,
    }));
    await trackEvents(database.sql, place.id, events);
    database.resources.tail.wake();
    const rest = [];
    for await (const item of items) rest.push(item);
    const [throttled, complete] = rest.splice(-2);
    expect(throttled).toMatchObject({
      id: rest.at(-1)?.id,
      data: { data: { xp: { reason: 'BUDGET_EXHAUSTED', reconnectAfterMs: 3_000_000 } } },
    });
    expect(complete?.event).toBe('complete');
    // 30 points: 3 for opening it, 3 for StreamReady, 3 for each event.
    expect(rest.map(({ data }) => data.data.xp.user.displayName)).toHaveLength(8);
    const later = await openEvents(handle, text, { after: rest.at(-1)?.id }, await newKey());
    const missed = await take(8, later);
    later.close();
    const cursors = new Set([...rest, ...missed].map(({ id }) => id));
    expect(cursors.size).toBe(16);
  });

  it('what was spent is settled by identity', async () => {
    const key = await newKey();
    const other = oneProcessGateway(
      database.resources,
      { origins: [], trustProxy: false },
      pino({ level: 'silent' }),
    );
    const { port } = await other.listen({ host: '127.0.0.1', port: 0 });
    const endpoint = `http://127.0.0.1:${port}/graphql`;
    const response = await post({ ...handle, endpoint }, { query: users }, key);
    expect(response.headers.get('ratelimit-remaining')).toBe('39975');
    await other.close();
    const [row] = await database.sql`
      select spent, restored from identity.budget b join identity.api_key k using (community_id)
      where k.id = b.holder and k.name = ${`Key ${made}`}`;
    expect(row).toEqual({ spent: 25, restored: 2_000 });
  });

  it('whoever sends no credential has the budget of its address', async () => {
    const bare = '{ __schema { queryType { name } } }';
    for (const status of [200, 200, 200, 429]) expect((await ask({}, bare)).status).toBe(status);
  });
});

describe('without keys', () => {
  const shop = { shop: { sdl: 'type Query { a: A } type A { b: Int }' } };
  const sent = async (config: object, more: Partial<GatewayOptions> = {}) => {
    const gateway = await gatewayOver(shop, {
      config: { origins: [], trustProxy: false, ...config },
      ...more,
    });
    try {
      const response = await post(gateway as never, { query: '{ a { b } }' }, {});
      return {
        remaining: response.headers.get('ratelimit-remaining'),
        ...((await response.json()) as object),
      };
    } finally {
      await gateway.close();
    }
  };

  it('nothing is counted, nor told', async () => {
    expect(await sent({})).toEqual({ remaining: null, data: { a: null } });
  });

  it.each([
    ['its data', async () => {}],
    [
      'data of its own',
      async ({ response }: { response: { body: object } }) => {
        Object.assign((response.body as { singleResult: object }).singleResult, { data: { a: null } });
      },
    ],
  ])('the cost stands beside what a plugin of Apollo adds to %s', async (_, change) => {
    const plugin: ApolloServerPlugin<ApolloContext> = {
      async requestDidStart() {
        return {
          async willSendResponse(context) {
            await change(context as never);
            const { body } = context.response;
            if (body.kind === 'single') body.singleResult.extensions = { of: 'a plugin' };
          },
        };
      },
    };
    const anonymous = { points: 20, restored: 1 };
    const apollo = await createApollo([plugin], pino({ level: 'silent' }));
    expect(await sent({ budgets: { known: undefined, anonymous } }, { apollo })).toMatchObject({
      data: { a: null },
      extensions: { of: 'a plugin', cost: { requestedQueryCost: 1 } },
    });
  });

  it('addresses are counted if that is wanted', async () => {
    const anonymous = { points: 20, restored: 1 };
    expect(await sent({ budgets: { known: undefined, anonymous } })).toEqual({
      remaining: '19',
      data: { a: null },
      extensions: {
        cost: {
          requestedQueryCost: 1,
          throttleStatus: { maximumAvailable: 20, currentlyAvailable: 19, restoreRate: 1 },
        },
      },
    });
  });
});
