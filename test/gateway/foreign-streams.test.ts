import { EventEmitter, on, once } from 'node:events';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { openEvents, take } from '../kit/client.ts';
import { compose } from '../kit/federation.ts';
import { type ForeignServer, foreignServer, serving, type Transport } from '../kit/foreign-stream.ts';
import { gatewayOptions, gatewayOver, type TestGateway } from '../kit/gateway.ts';
import type { Handle } from '../kit/processes.ts';
import { acknowledged, type RawSocket } from '../kit/raw-socket.ts';

// Streams of subgraphs that others run: what a client of the gateway sees of them, whatever becomes of them.

/** What the foreign subgraph has to tell; ends its streams well by `close`, badly by `error`. */
const source = new EventEmitter();
afterEach(() => void source.removeAllListeners());

const listeners = () => source.listenerCount('scored');
const scored = (...ids: (string | null)[]) => {
  for (const id of ids) source.emit('scored', id);
};

/** Entries of a log that can be resumed. */
let written = 0;
const write = () => {
  written++;
  source.emit('written');
};

const league = {
  sdl: `extend schema
          @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@composeDirective"])
          @link(url: "https://example.test/stream/v1.0", import: ["@resumable"])
          @composeDirective(name: "@resumable")
        directive @resumable(cursor: String!, after: String!) on FIELD_DEFINITION
        type Query { ok: Boolean }
        type Subscription {
          scored(team: ID): Score
          refused: Int
          missing: Int
          log(after: String): Entry! @resumable(cursor: "cursor", after: "after")
        }
        type Entry { cursor: String! at: Int! }
        type Score { points: Int! by: User! }
        type User @key(fields: "id") { id: ID! }`,
  resolvers: {
    Subscription: {
      scored: {
        subscribe: () => on(source, 'scored', { close: ['close'] }),
        // Without an id the score has no points, which it may not lack.
        resolve: ([id]: [string | null]) => ({ points: id && 3, by: { id } }),
      },
      log: {
        async *subscribe(_: unknown, { after }: { after?: string }) {
          let at = Number(after ?? written);
          // The first item of a live stream says where it stands.
          if (after === undefined) yield { log: { cursor: `${at}`, at } };
          while (true) {
            while (at < written) yield { log: { cursor: `${++at}`, at } };
            await once(source, 'written');
          }
        },
      },
      refused: {
        subscribe() {
          throw Object.assign(new Error('Not you.'), { extensions: { code: 'NOT_YOU' } });
        },
      },
    },
  },
};
/** The league as it is served: it lacks a field that the supergraph thinks it has. */
const served = { ...league, sdl: league.sdl.replace('missing: Int', '') };

const people = {
  sdl: 'type User @key(fields: "id") { id: ID! name: String }',
  resolvers: {
    User: {
      name({ id }: { id: string }) {
        if (id === 'x') throw Object.assign(new Error('Nobody.'), { extensions: { code: 'NOBODY' } });
        return `name of ${id}`;
      },
    },
  },
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function started(server: Promise<ForeignServer>): Promise<ForeignServer> {
  const foreign = await server;
  closing.push(() => foreign.crash());
  return foreign;
}

const startLeague = (transport: Transport, port?: number) => started(foreignServer(served, transport, port));

/** A gateway over the league at this address and people in its own process. */
async function gatewayTo(url: string, timeoutMs = 2_000): Promise<TestGateway & Handle> {
  const { reach } = gatewayOptions({ league, people });
  const gateway = await gatewayOver(
    { league, people },
    {
      supergraph: compose({ league: { ...league, url }, people }),
      reach: (name) => (name === 'league' ? undefined : reach?.(name)),
      config: {
        origins: [],
        trustProxy: false,
        forwardHeaders: ['x-tenant'],
        timeouts: { league: timeoutMs },
      },
    },
  );
  closing.push(() => gateway.close());
  return Object.assign(gateway, { demo: {} as Handle['demo'] });
}

async function client({ endpoint }: TestGateway): Promise<RawSocket> {
  const socket = await acknowledged(endpoint);
  closing.push(async () => socket.socket.terminate());
  return socket;
}

/** More than sockets hold when it comes a thousand times. */
const long = 'x'.repeat(20_000);
const scores = 'subscription { scored { points by { name } } }';
const event = (id: string) => ({ scored: { points: 3, by: { name: `name of ${id}` } } });

/** Subscribes, and waits until the foreign subgraph has the stream. */
async function subscribed(socket: RawSocket, id = '1', query = scores): Promise<void> {
  const before = listeners();
  socket.send({ id, type: 'subscribe', payload: { query } });
  await expect.poll(listeners).toBe(before + 1);
}

/** Nothing more is sent about an operation that is over. */
async function isQuiet({ send, next }: RawSocket): Promise<void> {
  send({ type: 'ping' });
  expect(await next()).toEqual({ type: 'pong' });
}

const unavailable = (message: string) => ({
  id: '1',
  type: 'error',
  payload: [{ message, extensions: expect.objectContaining({ code: 'SUBGRAPH_UNAVAILABLE' }) }],
});

describe.each(['graphql-ws', 'graphql-sse'] as const)('a stream of a foreign subgraph by %s', (transport) => {
  it('has each event enriched by other subgraphs, and ends when its own ends', async () => {
    const socket = await client(await gatewayTo((await startLeague(transport)).url));
    await subscribed(socket);
    scored('a', 'b');
    for (const id of ['a', 'b'])
      expect(await socket.next()).toEqual({ id: '1', type: 'next', payload: { data: event(id) } });
    source.emit('close');
    expect(await socket.next()).toEqual({ id: '1', type: 'complete' });
    await isQuiet(socket);
  });

  it('gives each event its own errors and no others, and goes on', async () => {
    const socket = await client(await gatewayTo((await startLeague(transport)).url));
    await subscribed(socket);
    scored('x', null, 'a');
    expect((await socket.next()).payload).toEqual({
      data: { scored: { points: 3, by: { name: null } } },
      errors: [{ message: 'Nobody.', path: ['scored', 'by', 'name'], extensions: { code: 'NOBODY' } }],
    });
    expect((await socket.next()).payload).toMatchObject({
      data: { scored: null },
      errors: [{ path: ['scored', 'points'], extensions: { code: 'SUBGRAPH_ERROR' } }],
    });
    expect((await socket.next()).payload).toEqual({ data: event('a') });
  });

  it('is told to clients of server-sent events just so', async () => {
    const gateway = await gatewayTo((await startLeague(transport)).url);
    const events = await openEvents(gateway, scores, {}, {});
    await expect.poll(listeners).toBe(1);
    scored('a');
    expect(await take(1, events)).toEqual([{ event: 'next', id: undefined, data: { data: event('a') } }]);
    source.emit('close');
    expect(await take(1, events)).toMatchObject([{ event: 'complete' }]);
  });

  it('that breaks off is an error, and never complete', async () => {
    const foreign = await startLeague(transport);
    const gateway = await gatewayTo(foreign.url);
    const socket = await client(gateway);
    const events = await openEvents(gateway, 'subscription { scored { points } }', {}, {});
    await expect.poll(listeners).toBe(1);
    await subscribed(socket);
    scored('a');
    expect(await socket.next()).toMatchObject({ type: 'next' });
    expect(await take(1, events)).toMatchObject([{ data: { data: { scored: { points: 3 } } } }]);
    await foreign.crash();
    const message = 'Subgraph "league" broke off its stream.';
    expect(await socket.next()).toEqual(unavailable(message));
    await isQuiet(socket);
    expect(await take(1, events)).toMatchObject([{ event: 'next', data: { errors: [{ message }] } }]);
  });

  it('that its resolver breaks off is an error too, which tells nothing of the inside', async () => {
    const socket = await client(await gatewayTo((await startLeague(transport)).url));
    await subscribed(socket);
    source.emit('error', new Error('secret'));
    const last = await socket.next();
    expect(last).toMatchObject({ id: '1', type: 'error', payload: [{ message: expect.any(String) }] });
    expect(JSON.stringify(last)).not.toContain('secret');
    await isQuiet(socket);
  });

  it('opens again as soon as its subgraph is back, also when it is asked for before', async () => {
    const foreign = await startLeague(transport);
    const socket = await client(await gatewayTo(foreign.url));
    await subscribed(socket);
    await foreign.crash();
    expect(await socket.next()).toMatchObject({ type: 'error' });
    source.removeAllListeners();
    socket.send({ id: '2', type: 'subscribe', payload: { query: scores } });
    await startLeague(transport, foreign.port);
    await expect.poll(listeners).toBe(1);
    scored('b');
    expect(await socket.next()).toEqual({ id: '2', type: 'next', payload: { data: event('b') } });
  });

  it('that can be resumed goes on where it was when its subgraph is back, and misses nothing', async () => {
    const foreign = await startLeague(transport);
    const socket = await client(await gatewayTo(foreign.url));
    const entry = async () => (await socket.next()).payload.data.log.at;
    socket.send({ id: '1', type: 'subscribe', payload: { query: 'subscription { log { at } }' } });
    const start = await entry();
    write();
    expect(await entry()).toBe(start + 1);
    await foreign.crash();
    write();
    await startLeague(transport, foreign.port);
    expect(await entry()).toBe(start + 2);
    write();
    expect(await entry()).toBe(start + 3);
  });

  it('that is refused is an error, no event', async () => {
    const socket = await client(await gatewayTo((await startLeague(transport)).url));
    for (const [field, code] of [
      ['refused', 'NOT_YOU'],
      ['missing', 'SUBGRAPH_ERROR'],
    ]) {
      socket.send({ id: '1', type: 'subscribe', payload: { query: `subscription { ${field} }` } });
      expect(await socket.next()).toMatchObject({
        id: '1',
        type: 'error',
        payload: [{ extensions: { code } }],
      });
      await isQuiet(socket);
    }
  });

  it('is cancelled when its last client leaves, and not before', async () => {
    const gateway = await gatewayTo((await startLeague(transport)).url);
    const [one, two] = [await client(gateway), await client(gateway)];
    await subscribed(one);
    two.send({ id: '1', type: 'subscribe', payload: { query: scores } });
    await isQuiet(two);
    expect(gateway.live.groups).toBe(1);
    one.socket.terminate();
    scored('a');
    expect(await two.next()).toMatchObject({ payload: { data: event('a') } });
    two.send({ id: '1', type: 'complete' });
    await expect.poll(listeners).toBe(0);
    expect(gateway.live.groups).toBe(0);
  });

  it('that is cancelled while it is silent ends at once in the subgraph', async () => {
    const gateway = await gatewayTo((await startLeague(transport)).url);
    const events = await openEvents(gateway, scores, {}, {});
    await expect.poll(listeners).toBe(1);
    events.close();
    await expect.poll(listeners).toBe(0);
  });

  it('that comes faster than its client reads ends with an error that says so', async () => {
    const gateway = await gatewayTo((await startLeague(transport)).url);
    const [slow, other] = [await client(gateway), await client(gateway)];
    const query = 'subscription { scored { by { id } } }';
    await subscribed(slow, '1', query);
    other.send({ id: '1', type: 'subscribe', payload: { query } });
    await isQuiet(other);
    slow.socket.pause();
    for (let n = 0; n < 2_000; n++) {
      scored(long);
      // The other reads each event before the next comes.
      expect(await other.next()).toMatchObject({ type: 'next' });
    }
    slow.socket.resume();
    let last = await slow.next();
    while (last.type === 'next') last = await slow.next();
    expect(last).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'SLOW_CONSUMER' } }] });
  });
});

describe('a subgraph without graphql-transport-ws', () => {
  const asksForStream = ({ headers }: IncomingMessage) => headers.accept === 'text/event-stream';

  /** Answers upgrades in its way, and streams with the tenant it is told of. */
  async function refusing(refuse: (server: Server) => void): Promise<{ url: string; upgrades(): number }> {
    let upgrades = 0;
    const { url } = await started(
      serving(
        (request, response) => {
          const tenant = request.headers['x-tenant'] ?? 'nobody';
          const score = { scored: { points: 3, by: { __typename: 'User', id: tenant } } };
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.end(`event: next\ndata: ${JSON.stringify({ data: score })}\n\nevent: complete\n\n`);
        },
        0,
        (server) => {
          refuse(server);
          server.prependListener('upgrade', () => void upgrades++);
          return () => {};
        },
      ),
    );
    return { url, upgrades: () => upgrades };
  }

  const answering = (status: string) => (server: Server) =>
    server.on('upgrade', (_request, socket) => socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`));

  it.each<[string, (server: Server) => void]>([
    ['answers 400', answering('400 Bad Request')],
    ['answers 404', answering('404 Not Found')],
    ['answers 405', answering('405 Method Not Allowed')],
    ['answers 426', answering('426 Upgrade Required')],
    ['answers 200', answering('200 OK')],
    ['hangs up', (server) => server.on('upgrade', (_request, socket) => socket.destroy())],
    [
      'speaks another protocol',
      (server) => new WebSocketServer({ server, handleProtocols: () => 'graphql-ws' }),
    ],
    ['speaks none', (server) => new WebSocketServer({ server, handleProtocols: () => false })],
    [
      'closes with 4406',
      (server) => new WebSocketServer({ server }).on('connection', (socket) => socket.close(4406)),
    ],
  ])(
    'that %s is asked by server-sent events, with the headers of the caller, and once only',
    async (_how, refuse) => {
      const { url, upgrades } = await refusing(refuse);
      const gateway = await gatewayTo(url);
      for (const tenant of ['acme', 'other']) {
        const events = await openEvents(gateway, scores, {}, { 'x-tenant': tenant });
        expect(await take(2, events)).toMatchObject([
          { data: { data: event(tenant) } },
          { event: 'complete' },
        ]);
      }
      expect(upgrades()).toBe(1);
    },
  );

  it('is asked for a socket again when it has no server-sent events any more', async () => {
    const bySse = await startLeague('graphql-sse');
    const gateway = await gatewayTo(bySse.url);
    const events = await openEvents(gateway, scores, {}, {});
    await expect.poll(listeners).toBe(1);
    events.close();
    await bySse.crash();
    source.removeAllListeners();
    await startLeague('graphql-ws', bySse.port);
    const socket = await client(gateway);
    // The first finds out that there are none.
    socket.send({ id: '1', type: 'subscribe', payload: { query: scores } });
    expect(await socket.next()).toMatchObject({ type: 'error' });
    await subscribed(socket);
    scored('a');
    expect(await socket.next()).toMatchObject({ payload: { data: event('a') } });
  });

  it.each<[string, RequestListener, object]>([
    [
      'offers no streams at all',
      (_request, response) => response.writeHead(404).end('<html>'),
      {
        message:
          'Subgraph "league" offers no streams, neither by graphql-transport-ws nor by server-sent events.',
        extensions: { code: 'SUBGRAPH_ERROR', subgraph: 'league' },
      },
    ],
    [
      'answers with JSON that is no refusal',
      (_request, response) => response.writeHead(200).end('{"data":{"scored":null}}'),
      { extensions: { code: 'SUBGRAPH_ERROR' } },
    ],
    [
      'refuses in JSON',
      (_request, response) =>
        response.writeHead(400).end('{"errors":[{"message":"Not you.","extensions":{"code":"NOT_YOU"}}]}'),
      { message: 'Not you.', extensions: { code: 'NOT_YOU' } },
    ],
    [
      'fails',
      (_request, response) => response.writeHead(503).end('stack trace'),
      { message: 'Subgraph "league" is unavailable.', extensions: { code: 'SUBGRAPH_UNAVAILABLE' } },
    ],
    ['never answers', () => {}, { extensions: { code: 'SUBGRAPH_TIMEOUT' } }],
  ])('that %s is an error that says so', async (_how, answer, error) => {
    const { url } = await started(serving(answer));
    const socket = await client(await gatewayTo(url, 500));
    socket.send({ id: '1', type: 'subscribe', payload: { query: scores } });
    expect(await socket.next()).toMatchObject({ id: '1', type: 'error', payload: [error] });
  });

  it('that is down is unavailable', async () => {
    const { url, crash } = await startLeague('graphql-sse');
    await crash();
    const socket = await client(await gatewayTo(url));
    socket.send({ id: '1', type: 'subscribe', payload: { query: scores } });
    expect(await socket.next()).toEqual(unavailable('Subgraph "league" is unavailable.'));
  });

  /** What a client is told of a stream that comes in these pieces. */
  async function toldOf(...pieces: (string | Uint8Array)[]): Promise<unknown[]> {
    const { url } = await started(
      serving((request, response) => {
        if (!asksForStream(request)) return response.writeHead(404).end();
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        const send = () => {
          const piece = pieces.shift();
          if (piece === undefined) return response.end();
          response.write(piece, () => setImmediate(send));
        };
        send();
      }),
    );
    const events = await openEvents(await gatewayTo(url), 'subscription { scored { points } }', {}, {});
    const told: unknown[] = [];
    for await (const { event: name, data } of events) told.push(data ?? name);
    return told;
  }

  const points = (count: number) => JSON.stringify({ data: { scored: { points: count } } });
  const told = (count: number) => ({ data: { scored: { points: count } } });

  it.each<[string, (string | Uint8Array)[]]>([
    ['with carriage returns', [`:\r\n\r\nevent: next\r\ndata: ${points(1)}\r\n\r\nevent: complete\r\n\r\n`]],
    [
      'without spaces, and other fields',
      [`id:1\nretry:5\nevent:next\ndata:${points(1)}\n\nevent:complete\ndata:\n\n`],
    ],
    ['in lines', ['event: next\ndata: {"data":\ndata: {"scored":{"points":1}}}\n\nevent: complete\n\n']],
    [
      'with pings between',
      [`event: ping\ndata: {}\n\nevent: next\ndata: ${points(1)}\n\n:\n\nevent: complete\n\n`],
    ],
    ['without the name of the event', [`data: ${points(1)}\n\nevent: complete\n\n`]],
    [
      'byte by byte',
      [...Buffer.from(`\ufeffevent: next\r\ndata: ${points(1)} \r\n\r\nevent: complete\r\n\r\n`)].map(
        (byte) => Buffer.from([byte]),
      ),
    ],
  ])('is understood %s', async (_how, pieces) => {
    expect(await toldOf(...pieces)).toEqual([told(1), 'complete']);
  });

  it.each([
    ['ends without complete', ''],
    ['sends no JSON', 'event: next\ndata: {\n\n'],
  ])('that %s has broken off', async (_how, rest) => {
    expect(await toldOf(`event: next\ndata: ${points(1)}\n\n${rest}`)).toEqual([
      told(1),
      { errors: [expect.objectContaining({ message: 'Subgraph "league" broke off its stream.' })] },
      'complete',
    ]);
  });

  it('that sends events without data goes on', async () => {
    const errors = JSON.stringify({ errors: [{ message: 'x', extensions: { code: 'ONCE' } }] });
    expect(
      await toldOf(
        `data: ${points(1)}\n\ndata: ${errors}\n\ndata: 7\n\ndata: ${points(2)}\n\nevent: complete\n\n`,
      ),
    ).toMatchObject([
      told(1),
      { data: null, errors: [{ extensions: { code: 'ONCE' } }] },
      { data: null, errors: [{ extensions: { code: 'SUBGRAPH_ERROR' } }] },
      told(2),
      'complete',
    ]);
  });
});
