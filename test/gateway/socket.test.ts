import { EventEmitter, on } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSockets } from '../../gateway/socket.ts';
import { Refusal } from '../../subgraphs/errors.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import { acknowledged, type RawSocket, rawSocket, upgraded } from '../kit/raw-socket.ts';

// graphql-transport-ws to the letter, phase by phase: what a client may send, what it gets, and how it is closed.
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

/** Ticks for whoever listens, and whoever asks for `slow` until a test lets it go. */
const source = new EventEmitter();
let greetings = 0;

const subgraphs = {
  greetings: {
    sdl: `type Query { hello(to: Int): String fails: String slow: String }
          type Mutation { greet: String }
          type Subscription { tick: Int three: Int refused: Int breaks: Int }`,
    resolvers: {
      Query: {
        hello: () => 'Hello',
        fails() {
          throw Object.assign(new Error('No.'), { extensions: { code: 'NO' } });
        },
        slow: () => new Promise((resolve) => source.emit('slow', resolve)),
      },
      Mutation: { greet: () => `Greeted ${++greetings}` },
      Subscription: {
        tick: { subscribe: () => on(source, 'tick'), resolve: ([tick]: [number]) => tick },
        three: {
          async *subscribe() {
            for (const three of [1, 2, 3]) yield { three };
          },
        },
        refused: {
          subscribe() {
            throw Object.assign(new Error('Not you.'), { extensions: { code: 'NOT_YOU' } });
          },
        },
        breaks: {
          async *subscribe() {
            yield { breaks: 1 };
            throw new Error('secret');
          },
        },
      },
    },
  },
};

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await gatewayOver(subgraphs);
});
afterAll(() => gateway.close());

const opened: RawSocket[] = [];
afterEach(() => {
  for (const { socket } of opened.splice(0)) socket.terminate();
});

async function open(...options: [protocols?: string | string[]]): Promise<RawSocket> {
  const socket = await rawSocket(gateway.endpoint, ...options);
  opened.push(socket);
  return socket;
}

async function ready(): Promise<RawSocket> {
  const socket = await acknowledged(gateway.endpoint);
  opened.push(socket);
  return socket;
}

const subscribe = (id: string, query: string, more: object = {}) => ({
  id,
  type: 'subscribe',
  payload: { query, ...more },
});

/** A subscription to ticks, once the subgraph has it. */
async function ticking({ send }: RawSocket, id: string): Promise<void> {
  const before = source.listenerCount('tick');
  send(subscribe(id, `subscription { ${id}: tick }`));
  await expect.poll(() => source.listenerCount('tick')).toBe(before + 1);
}

const asksForSlow = (): Promise<(text: string) => void> =>
  new Promise((resolve) => source.once('slow', resolve));

describe('opening', () => {
  it('without a protocol is closed with 4406', async () => {
    expect(await (await open([])).closed).toBe(4406);
  });

  it('by a protocol of old is closed with 4406', async () => {
    // Clients refuse a server that takes none of their protocols, so this one looks at the bytes.
    const socket = await upgraded(gateway.endpoint, 'graphql-ws');
    const frame = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect([frame[0], frame.readUInt16BE(2)]).toEqual([0x88, 4406]);
    socket.destroy();
  });

  it('takes the one protocol among several', async () => {
    const { socket } = await open(['graphql-ws', 'graphql-transport-ws']);
    expect(socket.protocol).toBe('graphql-transport-ws');
  });
});

describe('connection_init', () => {
  it('is acknowledged, with or without a payload', async () => {
    for (const payload of [undefined, null, {}, { any: 'thing' }]) {
      const socket = await open();
      socket.send({ type: 'connection_init', payload });
      expect(await socket.next()).toEqual({ type: 'connection_ack' });
    }
  });

  it('a second time is closed with 4429, whether the first is acknowledged or not', async () => {
    const hasty = await open();
    hasty.send({ type: 'connection_init' }, { type: 'connection_init' });
    expect(await hasty.closed).toBe(4429);
    const socket = await ready();
    socket.send({ type: 'connection_init' });
    expect(await socket.closed).toBe(4429);
  });
});

describe('subscribe', () => {
  it('before the acknowledgement is closed with 4401', async () => {
    const early = await open();
    early.send(subscribe('1', '{ hello }'));
    expect(await early.closed).toBe(4401);
    const hasty = await open();
    hasty.send({ type: 'connection_init' }, subscribe('1', '{ hello }'));
    expect(await hasty.closed).toBe(4401);
  });

  it('with the id of another that runs is closed with 4409, however long the id', async () => {
    for (const id of ['a', 'ü'.repeat(500)]) {
      const socket = await ready();
      socket.send(subscribe(id, 'subscription { tick }'), subscribe(id, '{ hello }'));
      expect(await socket.closed).toBe(4409);
    }
  });

  it('may use an id again that is over', async () => {
    const socket = await ready();
    for (let n = 0; n < 2; n++) {
      socket.send(subscribe('1', '{ hello }'));
      expect(await socket.next()).toEqual({ id: '1', type: 'next', payload: { data: { hello: 'Hello' } } });
      expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
    }
    socket.send(subscribe('1', '{ nothing }'));
    expect(await socket.next()).toMatchObject({ id: '1', type: 'error' });
    socket.send(subscribe('1', '{ hello }'));
    expect(await socket.next()).toMatchObject({ id: '1', type: 'next' });
  });

  it('runs mutations, with the operation that is named', async () => {
    const socket = await ready();
    const before = greetings;
    socket.send(subscribe('1', 'query A { hello } mutation B { greet }', { operationName: 'B' }));
    expect(await socket.next()).toEqual({
      id: '1',
      type: 'next',
      payload: { data: { greet: `Greeted ${before + 1}` } },
    });
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
  });

  it('gives what failed in part as next', async () => {
    const socket = await ready();
    socket.send(subscribe('1', '{ hello fails }'));
    expect(await socket.next()).toMatchObject({
      type: 'next',
      payload: { data: { hello: 'Hello', fails: null }, errors: [{ path: ['fails'] }] },
    });
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
  });

  it.each([
    ['no GraphQL', '{', {}, 'GRAPHQL_PARSE_FAILED'],
    ['empty', '', {}, 'GRAPHQL_PARSE_FAILED'],
    ['not valid', '{ nothing }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    ['not there', 'query A { hello }', { operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
    [
      'with wrong variables',
      'query ($to: Int) { hello(to: $to) }',
      { variables: { to: 'x' } },
      'BAD_USER_INPUT',
    ],
    ['refused by its subgraph', 'subscription { refused }', {}, 'NOT_YOU'],
  ])('whose operation is %s gets an error, no next and no complete', async (_what, query, more, code) => {
    const socket = await ready();
    socket.send(subscribe('1', query, more));
    expect(await socket.next()).toEqual({
      id: '1',
      type: 'error',
      payload: [
        expect.objectContaining({
          message: expect.any(String),
          extensions: expect.objectContaining({ code }),
        }),
      ],
    });
    socket.send({ type: 'ping' });
    expect(await socket.next()).toEqual({ type: 'pong' });
  });

  it('gives each event of a stream, then says that it is complete', async () => {
    const socket = await ready();
    socket.send(subscribe('1', 'subscription { three }'));
    for (const three of [1, 2, 3])
      expect(await socket.next()).toMatchObject({ payload: { data: { three } } });
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
  });

  it('tells a stream that broke off by an error, and never by complete', async () => {
    const socket = await ready();
    socket.send(subscribe('1', 'subscription { breaks }'));
    expect(await socket.next()).toMatchObject({ type: 'next', payload: { data: { breaks: 1 } } });
    const last = await socket.next();
    expect(last).toMatchObject({ id: '1', type: 'error', payload: [{ message: expect.any(String) }] });
    expect(JSON.stringify(last)).not.toContain('secret');
    socket.send({ type: 'ping' });
    expect(await socket.next()).toEqual({ type: 'pong' });
  });

  it('runs up to 200 operations at a time, and refuses one more', async () => {
    const socket = await ready();
    for (let n = 0; n < 200; n++) socket.send(subscribe(`${n}`, `subscription { a${n}: tick }`));
    socket.send(subscribe('more', '{ hello }'));
    expect(await socket.next()).toMatchObject({
      id: 'more',
      type: 'error',
      payload: [{ extensions: { code: 'OPERATION_LIMIT_EXCEEDED' } }],
    });
    socket.send({ id: '7', type: 'complete' }, subscribe('more', '{ hello }'));
    expect(await socket.next()).toMatchObject({ id: 'more', type: 'next' });
    socket.socket.close();
    await expect.poll(() => source.listenerCount('tick')).toBe(0);
  });
});

describe('complete', () => {
  it('ends the stream, its source too, and nothing of it follows', async () => {
    const socket = await ready();
    await ticking(socket, 'one');
    await ticking(socket, 'two');
    source.emit('tick', 1);
    expect([(await socket.next()).id, (await socket.next()).id].sort()).toEqual(['one', 'two']);
    socket.send({ id: 'one', type: 'complete' });
    await expect.poll(() => source.listenerCount('tick')).toBe(1);
    source.emit('tick', 2);
    expect(await socket.next()).toEqual({ id: 'two', type: 'next', payload: { data: { two: 2 } } });
    socket.send({ type: 'ping' });
    expect(await socket.next()).toEqual({ type: 'pong' });
  });

  it('of a query that runs keeps its answer back, and its id may be used at once', async () => {
    const socket = await ready();
    const reached = asksForSlow();
    socket.send(subscribe('1', '{ slow }'));
    const answer = await reached;
    socket.send({ id: '1', type: 'complete' }, subscribe('1', '{ hello }'));
    expect(await socket.next()).toEqual({ id: '1', type: 'next', payload: { data: { hello: 'Hello' } } });
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
    answer('late');
    socket.send({ type: 'ping' });
    expect(await socket.next()).toEqual({ type: 'pong' });
  });

  it('before there is anything to complete leaves nothing running', async () => {
    const socket = await ready();
    socket.send(subscribe('1', 'subscription { tick }'), { id: '1', type: 'complete' });
    socket.send(subscribe('1', '{ hello }'));
    expect(await socket.next()).toMatchObject({
      id: '1',
      type: 'next',
      payload: { data: { hello: 'Hello' } },
    });
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
    await expect.poll(() => source.listenerCount('tick')).toBe(0);
  });

  it('of something unknown, or over, changes nothing', async () => {
    const socket = await ready();
    socket.send({ id: 'x', type: 'complete' }, subscribe('1', '{ hello }'));
    expect(await socket.next()).toMatchObject({ type: 'next' });
    expect(await socket.next()).toMatchObject({ type: 'complete' });
    socket.send({ id: '1', type: 'complete' }, { type: 'ping' });
    expect(await socket.next()).toEqual({ type: 'pong' });
  });
});

describe('ping and pong', () => {
  it('answer each other at any time, with the payload of the ping', async () => {
    const socket = await open();
    socket.send({ type: 'ping' }, { type: 'ping', payload: { at: 1 } });
    expect(await socket.next()).toEqual({ type: 'pong' });
    expect(await socket.next()).toEqual({ type: 'pong', payload: { at: 1 } });
    socket.send({ type: 'pong' }, { type: 'pong', payload: { at: 2 } }, { type: 'connection_init' });
    expect(await socket.next()).toEqual({ type: 'connection_ack' });
  });
});

describe('messages', () => {
  it.each([
    ['no JSON', '{"type":'],
    ['empty', ''],
    ['no object', '"ping"'],
    ['null', 'null'],
    ['a list', '[{"type":"ping"}]'],
    ['without a type', {}],
    ['of an unknown type', { type: 'start' }],
    ['of a type that is no text', { type: 7 }],
    ["of the server's own types", { id: '1', type: 'next', payload: {} }],
    ['an acknowledgement', { type: 'connection_ack' }],
    ['a ping whose payload is no object', { type: 'ping', payload: 'x' }],
    ['a subscribe without an id', { type: 'subscribe', payload: { query: '{ hello }' } }],
    ['a subscribe with an empty id', subscribe('', '{ hello }')],
    ['a subscribe whose id is a number', { id: 1, type: 'subscribe', payload: { query: '{ hello }' } }],
    ['a subscribe without a payload', { id: '1', type: 'subscribe' }],
    ['a subscribe without a query', { id: '1', type: 'subscribe', payload: {} }],
    ['a subscribe whose variables are a list', subscribe('1', '{ hello }', { variables: [] })],
    ['a subscribe whose operation name is a number', subscribe('1', '{ hello }', { operationName: 1 })],
    ['a complete without an id', { type: 'complete' }],
  ])('that are %s close with 4400', async (_what, message) => {
    const socket = await ready();
    socket.send(message);
    expect(await socket.closed).toBe(4400);
    expect(socket.unread).toEqual([]);
  });

  it('that are binary close with 4400', async () => {
    const socket = await ready();
    socket.socket.send(Buffer.from('{"type":"ping"}'));
    expect(await socket.closed).toBe(4400);
  });

  it('that are no UTF-8 close with 1007', async () => {
    const socket = await ready();
    socket.socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false });
    expect(await socket.closed).toBe(1007);
  });

  it('larger than a megabyte close with 1009, in one frame or in many', async () => {
    const whole = await ready();
    whole.send(subscribe('1', `{ hello } #${'x'.repeat(1_100_000)}`));
    expect(await whole.closed).toBe(1009);
    const pieces = await ready();
    for (let n = 0; n < 20; n++) pieces.socket.send('x'.repeat(100_000), { fin: false });
    expect(await pieces.closed).toBe(1009);
  });

  it('behind one that closes the socket change nothing', async () => {
    const socket = await ready();
    const before = greetings;
    socket.send({ type: 'nonsense' }, subscribe('1', 'mutation { greet }'), { type: 'ping' });
    expect(await socket.closed).toBe(4400);
    expect(greetings).toBe(before);
    expect(socket.unread).toEqual([]);
  });

  it('are read no further while their client does not read the answers', async () => {
    const { socket, send, next } = await ready();
    const payload = { text: 'x'.repeat(100_000) };
    socket.pause();
    for (let n = 0; n < 500; n++) send({ type: 'ping', payload });
    // Somebody who reads is served as much meanwhile.
    const other = await ready();
    for (let n = 0; n < 500; n++) {
      other.send({ type: 'ping', payload });
      await other.next();
    }
    expect(socket.bufferedAmount).toBeGreaterThan(0);
    socket.resume();
    for (let n = 0; n < 500; n++) expect(await next()).toEqual({ type: 'pong', payload });
  });
});

describe('leaving', () => {
  it('ends what runs, however the client leaves', async () => {
    for (const leave of ['close', 'terminate'] as const) {
      const socket = await ready();
      await ticking(socket, 'one');
      socket.socket[leave]();
      await expect.poll(() => source.listenerCount('tick')).toBe(0);
    }
  });
});

describe('a server that is impatient', () => {
  /** Sockets over a server of their own. */
  async function impatient(patience: { initWithinMs?: number; pingEveryMs?: number }) {
    const sockets = createSockets({
      run: async () => ({ errors: [{ message: 'No.' }] }),
      async authenticate(credentials) {
        if (credentials['x-api-key'] === 'bad')
          throw new Refusal('BAD_CREDENTIAL', `This key is not known: ${'ü'.repeat(200)}`);
        if (credentials['x-api-key'] === 'fault') throw new Error('secret');
        return () => {};
      },
      isAllowedOrigin: () => true,
      errorsOf: (error) =>
        error instanceof Refusal
          ? [{ message: error.message, extensions: error.extensions }]
          : [{ message: 'A fault.', extensions: { code: 'INTERNAL' } }],
      ...patience,
    });
    const server = createServer();
    server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
    return {
      sockets,
      endpoint,
      async [Symbol.asyncDispose]() {
        await sockets.close();
        server.close();
      },
    };
  }

  it('closes a connection with a bad credential with 4403, and after a fault of its own with 1011', async () => {
    await using server = await impatient({});
    for (const [key, code] of [
      ['bad', 4403],
      ['fault', 1011],
    ] as const) {
      const socket = await rawSocket(server.endpoint);
      socket.send({ type: 'connection_init', payload: { 'X-API-Key': key } });
      expect(await socket.closed).toBe(code);
      expect(socket.unread).toEqual([]);
    }
  });

  it('closes a connection without connection_init in time with 4408', async () => {
    await using server = await impatient({ initWithinMs: 30 });
    expect(await (await rawSocket(server.endpoint)).closed).toBe(4408);
  });

  it('drops a peer that answers no ping, and one that sends half a frame and falls silent', async () => {
    await using server = await impatient({ pingEveryMs: 30 });
    for (const bytes of [[], [0x81, 0xff], [0x01, 0x85, 0, 0, 0, 0, 0x7b]]) {
      const socket = await upgraded(server.endpoint);
      socket.resume();
      const gone = new Promise((resolve) => socket.once('close', resolve));
      socket.write(Buffer.from(bytes));
      await gone;
    }
    await expect.poll(() => server.sockets.count).toBe(0);
  });
});
