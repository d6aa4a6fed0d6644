import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  createLiveClient,
  type LiveClient,
  type LiveOptions,
  memoryStore,
  type StreamResult,
  serverSentEvents,
  webSocket,
} from '../../client/index.ts';
import { type Data, data, type Headers, keyOf, person, take, unique } from '../kit/client.ts';
import { type Network, networkTo, seeded } from '../kit/drops.ts';
import { type TestLaurel, testLaurel } from '../kit/laurel.ts';

const xp =
  'subscription ($userIds: [ID!]) { xp(userIds: $userIds) { __typename ... on XpChanged { total } } }';
const transports = {
  'a WebSocket': () => webSocket({ webSocketImpl: WebSocket }),
  'server-sent events': () => serverSentEvents(),
};

let laurel: TestLaurel;
beforeAll(async () => {
  laurel = await testLaurel();
});
afterAll(() => laurel.close());

let network: Network;
let userId: string;
let people = 0;
const clients: LiveClient[] = [];
beforeEach(async () => {
  network = await networkTo(laurel.handle);
  // Each test has a person of its own.
  ({ id: userId } = await person(laurel.handle, people++));
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.dispose()));
  await network.close();
});

function liveClient(options: Partial<LiveOptions> = {}): LiveClient {
  const client = createLiveClient({
    url: network.endpoint,
    credentials: keyOf(laurel.handle, 'systemKey'),
    transport: transports['a WebSocket'](),
    retry: { firstMs: 10, longestMs: 50 },
    ...options,
  });
  clients.push(client);
  return client;
}

async function earn(): Promise<number> {
  const input = { user: { id: userId }, eventType: 'visit', reference: unique('follow') };
  const text =
    'mutation ($input: TrackEventInput!) { trackEvent(input: $input) { ledger { unit balanceAfter } } }';
  const { trackEvent } = await data(laurel.handle, text, { input });
  return trackEvent.ledger.find(({ unit }: Data) => unit === 'XP').balanceAfter;
}

async function earnTimes(count: number): Promise<number[]> {
  const totals: number[] = [];
  while (totals.length < count) totals.push(await earn());
  return totals;
}

/** Takes from a stream until so many XP were told of; what they were. */
async function totalsFrom(stream: AsyncIterator<StreamResult<Data>>, count: number): Promise<number[]> {
  const totals: number[] = [];
  while (totals.length < count) {
    const [result] = await take(1, stream);
    if (result?.data.xp.total !== undefined) totals.push(result.data.xp.total);
  }
  return totals;
}

/** A new integration key with what a stream needs. */
async function newKey(more: object = {}): Promise<{ id: string; headers: Headers }> {
  const input = { kind: 'INTEGRATION', name: 'Test', idempotencyKey: unique('key'), ...more };
  const text =
    'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret userErrors { message } } }';
  const scopes = ['stats:read', 'users:read'];
  const { createApiKey } = await data(laurel.handle, text, { input: { scopes, ...input } });
  return { id: createApiKey.apiKey.id, headers: { authorization: `Bearer ${createApiKey.secret}` } };
}

function deleteKey(id: string): Promise<Data> {
  const text = 'mutation ($input: DeleteApiKeyInput!) { deleteApiKey(input: $input) { apiKey { id } } }';
  return data(laurel.handle, text, { input: { id } });
}

/** Forgets what happened until now, as the retention does. */
async function prune(): Promise<void> {
  await laurel.database.sql`delete from log.event where stream = 'xp'`;
}

function request(more: object = {}) {
  return { query: xp, variables: { userIds: [userId] }, ...more };
}

describe.each(Object.entries(transports))('a stream over %s', (_name, transport) => {
  const client = (options: Partial<LiveOptions> = {}) => liveClient({ transport: transport(), ...options });

  it('gives each event once and in order, wherever its connections are cut', async () => {
    const random = seeded(7);
    network.carries(() => 500 + Math.floor(random() * 900));
    const stream = client().iterate<Data>(request());
    await take(1, stream);
    const earned = earnTimes(40);
    expect(await totalsFrom(stream, 40)).toEqual(await earned);
    expect(network.cuts).toBeGreaterThan(5);
  });

  it('goes on when the network is back, however often it was tried', async () => {
    const lost: string[] = [];
    const stream = client({ on: { lost: ({ code }) => lost.push(code) } }).iterate<Data>(request());
    await take(1, stream);
    network.carries(() => 0);
    network.cut();
    const missed = await earnTimes(3);
    const totals = totalsFrom(stream, 3);
    await until(() => lost.length >= 4);
    network.carries(() => Number.POSITIVE_INFINITY);
    expect(await totals).toEqual(missed);
    expect(new Set(lost)).toEqual(new Set(['CONNECTION_LOST']));
  });

  it('waits in the log while the app is busy, and loses nothing', async () => {
    const stream = client().iterate<Data>(request());
    await take(1, stream);
    const earned = await earnTimes(30);
    expect(await totalsFrom(stream, 30)).toEqual(earned);
  });

  it('says what the log has forgotten, reads there what it has, and goes on', async () => {
    const gaps: unknown[] = [];
    const followed = client({ on: { gap: (gap) => gaps.push(gap) } });
    const [ready] = await take(1, followed.iterate<Data>(request()));
    await earn();
    await prune();
    const kept = await earnTimes(2);
    const variables = { userIds: [userId], after: ready?.cursor };
    const query = xp.replace('($', '($after: EventCursor, $').replace('(userIds', '(after: $after, userIds');
    const stream = followed.iterate<Data>({ query, variables });
    const [gap] = await take(1, stream);
    expect(gap).toMatchObject({ item: 'StreamGap', data: { xp: { __typename: 'StreamGap' } } });
    expect(gaps).toEqual([{ reason: 'RETENTION_EXCEEDED', from: ready?.cursor }]);
    expect(await totalsFrom(stream, 2)).toEqual(kept);
    const total = await earn();
    expect(await totalsFrom(stream, 1)).toEqual([total]);
    expect(gaps).toHaveLength(1);
  });

  it('goes on at another process when its own shuts down', async () => {
    const lost: string[] = [];
    const [first, second] = [await laurel.another(), await laurel.another()];
    network.leadTo(first.endpoint);
    const stream = client({ on: { lost: ({ code }) => lost.push(code) } }).iterate<Data>(request());
    await take(1, stream);
    network.leadTo(second.endpoint);
    const totals = totalsFrom(stream, 2);
    await first.close();
    const earned = await earnTimes(2);
    expect(await totals).toEqual(earned);
    expect(lost).toEqual(['DRAINING']);
    await second.close();
  });

  it('goes on with new credentials when those it had are over', async () => {
    const keys = [
      await newKey({ expiresAt: new Date(Date.now() + 2_000).toISOString() }),
      await newKey(),
      await newKey(),
    ];
    const asked: boolean[] = [];
    let key = keys.shift();
    const stream = client({
      credentials: ({ renew }) => {
        asked.push(renew);
        if (renew) key = keys.shift();
        return key?.headers ?? {};
      },
    }).iterate<Data>(request());
    await take(1, stream);
    // The first ends by itself, the second is revoked.
    await take(1, stream);
    const second = key;
    const total = await earn();
    expect(await totalsFrom(stream, 1)).toEqual([total]);
    await deleteKey(second?.id ?? '');
    await take(1, stream);
    expect(asked.filter((renew) => renew)).toHaveLength(2);
    const last = await earn();
    expect(await totalsFrom(stream, 1)).toEqual([last]);
  });

  it('ends when new credentials are refused as well', async () => {
    let asked = 0;
    const stream = client({
      credentials: () => {
        asked++;
        return { authorization: 'Bearer nothing' };
      },
    }).iterate(request());
    await expect(stream.next()).rejects.toMatchObject({ message: expect.stringContaining('credential') });
    expect(asked).toBe(2);
  });

  it('ends when it has no others', async () => {
    const { id, headers } = await newKey();
    const stream = client({ credentials: headers }).iterate(request());
    await take(1, stream);
    await deleteKey(id);
    await expect(stream.next()).rejects.toMatchObject({ code: 'PERMISSION_REVOKED' });
  });

  it('tries again when the credentials could not be had', async () => {
    let asked = 0;
    const lost: string[] = [];
    const stream = client({
      credentials: async () => {
        if (asked++ === 0) throw new Error('no network');
        return keyOf(laurel.handle, 'systemKey');
      },
      on: { lost: ({ code }) => lost.push(code) },
    }).iterate(request());
    await take(1, stream);
    expect(lost).toEqual(['CREDENTIALS_FAILED']);
  });

  it('ends with what is wrong with the document', async () => {
    const stream = client().iterate({ query: 'subscription { xp { colour } }' });
    await expect(stream.next()).rejects.toMatchObject({
      code: 'GRAPHQL_VALIDATION_FAILED',
      message: expect.stringContaining('colour'),
    });
  });

  it('ends when it was tried often enough', async () => {
    network.carries(() => 0);
    const stream = client({ retry: { firstMs: 1, attempts: 3 } }).iterate(request());
    await expect(stream.next()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('ends with its client', async () => {
    const followed = client();
    const stream = followed.iterate(request());
    await take(1, stream);
    const next = stream.next();
    await followed.dispose();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

describe('a stream over a WebSocket', () => {
  it('finds out that the other end is gone, and goes on', async () => {
    const transport = webSocket({ webSocketImpl: WebSocket, pingEveryMs: 20, pongWithinMs: 200 });
    const stream = liveClient({ transport }).iterate<Data>(request());
    await take(1, stream);
    network.freeze();
    const total = await earn();
    expect(await totalsFrom(stream, 1)).toEqual([total]);
  });

  it('finds it out at once when it is woken', async () => {
    const transport = webSocket({ webSocketImpl: WebSocket, pongWithinMs: 200 });
    const client = liveClient({ transport });
    const stream = client.iterate<Data>(request());
    await take(1, stream);
    network.freeze();
    const total = await earn();
    client.wake();
    expect(await totalsFrom(stream, 1)).toEqual([total]);
  });

  it('is left when the app lags far behind, and read on from the log', async () => {
    const sent: string[] = [];
    class Watched extends WebSocket {
      override send(text: string) {
        sent.push(JSON.parse(text).type);
        super.send(text);
      }
    }
    const transport = webSocket({ webSocketImpl: Watched, longestQueue: 5 });
    const stream = liveClient({ transport }).iterate<Data>(request());
    await take(1, stream);
    const earned = await earnTimes(12);
    expect(await totalsFrom(stream, 12)).toEqual(earned);
    expect(sent.filter((type) => type === 'complete').length).toBeGreaterThan(0);
  });

  it('shares its connection with the others', async () => {
    let connections = 0;
    class Counted extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        connections++;
      }
    }
    const client = liveClient({ transport: webSocket({ webSocketImpl: Counted }) });
    await Promise.all(['a', 'b', 'c'].map((name) => take(1, client.iterate(request({ name })))));
    expect(connections).toBe(1);
  });
});

describe('a stored cursor', () => {
  it('is where the next stream goes on, and is stored when the app has the item', async () => {
    const store = memoryStore();
    const first = liveClient({ store, storeEveryMs: 0 }).iterate<Data>(request({ name: 'mine' }));
    const [ready] = await take(1, first);
    const before = await earnTimes(2);
    expect(store.getItem('laurel:mine')).toBeUndefined();
    expect(await totalsFrom(first, 1)).toEqual([before[0]]);
    expect(store.getItem('laurel:mine')).toBe(ready?.cursor);
    await first.return();
    const missed = await earnTimes(2);

    const next = liveClient({ store }).iterate<Data>(request({ name: 'mine' }));
    expect(await totalsFrom(next, 3)).toEqual([before[1], ...missed]);
  });

  it('is written once in a while, and when the client ends', async () => {
    const written: string[] = [];
    const store = { ...memoryStore(), setItem: (_key: string, cursor: string) => written.push(cursor) };
    const client = liveClient({ store, storeEveryMs: 60_000 });
    const stream = client.iterate<Data>(request());
    await earnTimes(0);
    const results = await take(1, stream);
    await earnTimes(3);
    await totalsFrom(stream, 3);
    expect(written).toEqual([]);
    await client.dispose();
    expect(written).toHaveLength(1);
    expect(written).not.toEqual([results[0]?.cursor]);
  });

  it('that the server never issued begins anew, and says so', async () => {
    const gaps: unknown[] = [];
    const store = memoryStore();
    store.setItem('laurel:mine', 'AAAAAAAAAAAAAAAAAAAAAA');
    const client = liveClient({ store, on: { gap: (gap) => gaps.push(gap) } });
    const [result] = await take(1, client.iterate(request({ name: 'mine' })));
    expect(result?.item).toBe('StreamReady');
    expect(gaps).toEqual([{ reason: 'BAD_CURSOR', from: 'AAAAAAAAAAAAAAAAAAAAAA' }]);
  });

  it('costs the stream nothing when the store fails', async () => {
    const faults: unknown[] = [];
    const broken = () => {
      throw new Error('the disk is full');
    };
    const client = liveClient({
      store: { getItem: broken, setItem: broken, removeItem: broken },
      storeEveryMs: 0,
      on: { fault: (error) => faults.push(error) },
    });
    const stream = client.iterate<Data>(request());
    await take(1, stream);
    const total = await earn();
    expect(await totalsFrom(stream, 1)).toEqual([total]);
    expect(faults).toHaveLength(2);
  });
});

describe('a sink', () => {
  it('gets one result after the other, and none once it has left', async () => {
    const client = liveClient();
    const seen: number[] = [];
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    let busy = 0;
    const stop = client.subscribe<Data>(request(), {
      async next({ item, data: got }) {
        expect(busy++).toBe(0);
        if (item === 'StreamReady') open();
        else seen.push(got.xp.total);
        await new Promise(setImmediate);
        busy--;
        if (seen.length === 3) stop();
      },
      error: (error) => expect(error).toBeUndefined(),
      complete: () => {},
    });
    await opened;
    const earned = await earnTimes(4);
    await until(() => seen.length === 3);
    expect(seen).toEqual(earned.slice(0, 3));
  });

  it('hears of a document that is no subscription', async () => {
    const error = await new Promise((resolve) =>
      liveClient().subscribe({ query: '{ viewer { id } }' }, { next() {}, error: resolve, complete() {} }),
    );
    expect(error).toEqual(new TypeError('Expected a subscription, got a query.'));
  });
});

describe('a client', () => {
  it('says what its address should be', () => {
    const expected = new TypeError('Expected `url` to be https://…, but got: wss://example.org/graphql');
    expect(() => createLiveClient({ url: 'wss://example.org/graphql' })).toThrow(expected);
  });
});

/** Lets others work until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}
