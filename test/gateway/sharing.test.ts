import { EventEmitter, once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createMetrics } from '../../gateway/metrics.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import { acknowledged, type RawSocket } from '../kit/raw-socket.ts';

// Those who subscribe to the same share the work for it: an event is executed once, however many get it.

const source = new EventEmitter().setMaxListeners(0);
let written = 0;
let open = 0;
const executions = { source: 0, people: 0 };

const log = {
  sdl: `extend schema
          @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@composeDirective"])
          @link(url: "https://example.test/stream/v1.0", import: ["@resumable"])
          @composeDirective(name: "@resumable")
        directive @resumable(cursor: String!, after: String!, live: [String!]) on FIELD_DEFINITION
        type Query { ok: Boolean }
        type Subscription {
          log(of: ID, after: String): Item! @resumable(cursor: "cursor", after: "after", live: ["Ready"])
        }
        interface Item { cursor: String! }
        type Ready implements Item { cursor: String! }
        type Entry implements Item { cursor: String! at: Int! by: User! text(size: Int!): String! }
        type User @key(fields: "id") { id: ID! }`,
  resolvers: {
    Entry: {
      at({ at }: { at: number }) {
        executions.source++;
        return at;
      },
      text: (_: unknown, { size }: { size: number }) => 'x'.repeat(size),
    },
    Subscription: {
      log: {
        subscribe: (_: unknown, { after }: { after?: string }) => {
          open++;
          const over = new AbortController();
          const items = (async function* () {
            let at = Number(after ?? written);
            let isLive = false;
            while (true) {
              for (; at < written; at++) {
                const entry = { cursor: `${at + 1}`, at: at + 1, by: { id: 'a' } };
                yield { log: { __typename: 'Entry', ...entry } };
              }
              if (!isLive) yield { log: { __typename: 'Ready', cursor: `${at}` } };
              isLive = true;
              if (at < written) continue;
              await once(source, 'written', { signal: over.signal });
            }
          })();
          return {
            next: () => items.next(),
            async return() {
              open--;
              over.abort();
              return { done: true, value: undefined };
            },
            [Symbol.asyncIterator]() {
              return this;
            },
          };
        },
      },
    },
  },
};
const people = {
  sdl: 'type User @key(fields: "id") { id: ID! name: String }',
  resolvers: {
    User: {
      name({ id }: { id: string }) {
        executions.people++;
        return `name of ${id}`;
      },
    },
  },
};

let gateway: TestGateway;
const sockets: RawSocket[] = [];
beforeAll(async () => {
  gateway = await gatewayOver({ log, people });
});
afterAll(async () => {
  for (const { socket } of sockets) socket.terminate();
  await gateway.close();
});

const query = 'subscription { log { __typename ... on Entry { at by { name } } } }';

describe('a thousand identical subscriptions', () => {
  it('cause one execution an event, and each gets it', async () => {
    for (let n = 0; n < 5; n++) sockets.push(await acknowledged(gateway.endpoint));
    for (const { send } of sockets)
      for (let n = 0; n < 200; n++) send({ id: `${n}`, type: 'subscribe', payload: { query } });
    const next = async (count: number) => {
      const items = sockets.map(async (socket) => {
        const taken = [];
        for (let n = 0; n < 200 * count; n++) taken.push((await socket.next()).payload.data.log);
        return taken;
      });
      return (await Promise.all(items)).flat();
    };
    const ready = await next(1);
    expect(ready.every(({ __typename }) => __typename === 'Ready')).toBe(true);
    // Each began with a stream of its own; one is left of them.
    await expect.poll(() => open, { timeout: 20_000 }).toBe(1);
    expect(gateway.live.groups).toBe(1);

    Object.assign(executions, { source: 0, people: 0 });
    for (let n = 0; n < 5; n++) {
      written++;
      source.emit('written');
    }
    const told = await next(5);
    expect(told).toHaveLength(5_000);
    for (const at of [1, 2, 3, 4, 5]) expect(told.filter((entry) => entry.at === at)).toHaveLength(1_000);
    expect(told[0]).toEqual({ __typename: 'Entry', at: 1, by: { name: 'name of a' } });
    expect(executions).toEqual({ source: 5, people: 5 });
  });
});

describe('those who come back with the same cursor', () => {
  it('cause one execution for each event that they missed, and each gets all of them, then what is new', async () => {
    const socket = await acknowledged(gateway.endpoint);
    sockets.push(socket);
    const resumed = `subscription ($after: String) {
      log(after: $after) { __typename cursor ... on Entry { at by { id name } } }
    }`;
    const last = written;
    written += 3;
    source.emit('written');
    Object.assign(executions, { source: 0, people: 0 });
    const payload = { query: resumed, variables: { after: `${last}` } };
    for (let n = 0; n < 100; n++) socket.send({ id: `${n}`, type: 'subscribe', payload });
    const told = new Map<string, string[]>();
    const take = async (count: number) => {
      for (let n = 0; n < 100 * count; n++) {
        const message = await socket.next();
        const { __typename, cursor } = message.payload.data.log;
        told.set(message.id, [...(told.get(message.id) ?? []), `${__typename} ${cursor}`]);
      }
    };
    await take(4);
    const missed = [1, 2, 3].map((n) => `Entry ${last + n}`);
    const ready = `Ready ${last + 3}`;
    expect([...told.values()]).toEqual(Array.from({ length: 100 }, () => [...missed, ready]));
    // The first thousand had theirs too.
    expect(executions).toEqual({ source: 6, people: 6 });

    written++;
    source.emit('written');
    await take(1);
    const all = [...missed, ready, `Entry ${last + 4}`];
    expect([...told.values()]).toEqual(Array.from({ length: 100 }, () => all));
  });
});

describe('what is held for many', () => {
  beforeAll(async () => {
    for (const { socket } of sockets.splice(0)) socket.terminate();
    // What was missed is kept for two seconds, for others who missed it.
    await vi.waitFor(() => expect(open).toBe(0), 5_000);
  });

  const write = () => {
    written++;
    source.emit('written');
  };

  it('who do not read has a bound over all of them; they miss nothing, and nobody waits for them', async () => {
    const unread = { each: 200_000, all: 400_000, least: 1_000 };
    const metrics = createMetrics();
    await using own = await closing(gatewayOver({ log, people }, { bounds: { unread }, metrics }));
    const long = 'subscription { log { __typename ... on Entry { at text(size: 8000) } } }';
    const all = await Promise.all(Array.from({ length: 5 }, () => acknowledged(own.endpoint)));
    for (const { send, next } of all) {
      send({ id: '1', type: 'subscribe', payload: { query: long } });
      await next();
    }
    const [fast, ...slow] = all as [RawSocket, ...RawSocket[]];
    for (const { socket } of slow) socket.pause();
    const [first, count] = [written + 1, 1_500];
    const expected = Array.from({ length: count }, (_, n) => first + n);
    let most = 0;
    const read = async ({ next }: RawSocket) => (await next()).payload.data.log.at;
    for (const at of expected) {
      write();
      expect(await read(fast)).toBe(at);
      if (at % 50 === 0) most = Math.max(most, await unreadBytes(metrics));
    }
    // The buffers of the system are full, and no more than the bound and a frame each is behind them.
    expect(most).toBeGreaterThan(unread.all / 2);
    expect(most).toBeLessThan(unread.all + all.length * 9_000);
    for (const one of slow) {
      one.socket.resume();
      for (const at of expected) if ((await read(one)) !== at) throw new Error(`Number ${at} is missing.`);
    }
    for (const { socket } of all) socket.terminate();
  });

  it('streams that are shared has a bound over all of them, and is given back', async () => {
    const memory = { each: 5_000, all: 20_000, least: 1_000, held: 0 };
    await using own = await closing(gatewayOver({ log, people }, { bounds: { memory } }));
    const socket = await acknowledged(own.endpoint);
    const groups = 50;
    for (let n = 0; n < groups; n++) {
      const of = `subscription { log(of: "${n}") { __typename ... on Entry { at by { name } } } }`;
      socket.send({ id: `${n}`, type: 'subscribe', payload: { query: of } });
    }
    for (let n = 0; n < groups; n++) await socket.next();
    expect(own.live.groups).toBe(groups);
    const told = new Map<string, number[]>();
    const [first, count] = [written + 1, 70];
    let most = 0;
    for (let n = 0; n < count; n++) {
      write();
      for (let one = 0; one < groups; one++) {
        const { id, payload } = await socket.next();
        told.set(id, [...(told.get(id) ?? []), payload.data.log.at]);
      }
      most = Math.max(most, memory.held);
    }
    const expected = Array.from({ length: count }, (_, n) => first + n);
    expect([...told.values()]).toEqual(Array.from({ length: groups }, () => expected));
    expect(most).toBeGreaterThan(memory.all);
    expect(most).toBeLessThan(memory.all + groups * (memory.least + 100));
    socket.socket.terminate();
    await expect.poll(() => own.live.groups).toBe(0);
    expect(memory.held).toBe(0);
  });

  async function closing(starting: Promise<TestGateway>) {
    const own = await starting;
    return Object.assign(own, { [Symbol.asyncDispose]: () => own.close() });
  }

  async function unreadBytes(metrics: ReturnType<typeof createMetrics>): Promise<number> {
    return Number(/^laurel_socket_unread_bytes (\d+)$/m.exec(await metrics.text())?.[1]);
  }
});
