import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { useServer } from 'graphql-ws/use/ws';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { overHttp, type Stream, type StreamEvent } from '../../../gateway/engine/index.ts';
import { federate, subgraphSchema } from '../../kit/federation.ts';

const link = `extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@composeDirective"])
  @link(url: "https://example.test/stream/v1.0", import: ["@resumable"])
  @composeDirective(name: "@resumable")
  directive @resumable(cursor: String!, after: String!) on FIELD_DEFINITION`;

const gameSdl = `${link}
  type Query { ok: Boolean }
  type Subscription {
    xp(userId: ID, after: String): Item! @resumable(cursor: "cursor", after: "after")
    plain: Int
    refused: Int
    broken: Int!
  }
  interface Item { cursor: String! }
  type XpChanged implements Item { cursor: String! total: Int user: User }
  type StreamReady implements Item { cursor: String! }
  type User @key(fields: "id") { id: ID! }`;

const gameResolvers = (seen: unknown[] = []) => ({
  Subscription: {
    xp: {
      async *subscribe(_: unknown, args: { userId: string; after?: string }) {
        seen.push({ ...args });
        const from = Number(args.after ?? 0);
        yield { xp: { __typename: 'StreamReady', cursor: `${from}` } };
        for (let at = from + 1; at <= from + 2; at += 1) {
          yield {
            xp: {
              __typename: 'XpChanged',
              cursor: `${at}`,
              total: at * 10,
              user: { id: args.userId ?? 'u1' },
            },
          };
        }
      },
    },
    plain: {
      async *subscribe() {
        yield { plain: 1 };
        await new Promise(() => {});
      },
    },
    refused: {
      subscribe() {
        throw new Error('secret');
      },
    },
    broken: {
      async *subscribe() {
        yield { broken: 1 };
        yield { broken: null };
        yield { broken: 3 };
      },
    },
  },
});

const identity = {
  sdl: 'type User @key(fields: "id") { id: ID! name: String! }',
  resolvers: { User: { name: ({ id }: { id: string }) => `name of ${id}` } },
};

const live = (reach?: ReturnType<typeof overHttp>, seen?: unknown[]) =>
  federate({ game: { sdl: gameSdl, resolvers: gameResolvers(seen), reach }, identity });

async function all(stream: Stream): Promise<{ events: StreamEvent[]; answers: unknown[] }> {
  const events: StreamEvent[] = [];
  const answers: unknown[] = [];
  for await (const event of stream.events) {
    events.push(event);
    answers.push(JSON.parse((await stream.answer(event)).json));
  }
  return { events, answers };
}

const document = 'subscription { xp { ... on XpChanged { total user { name } } } }';

const servers: { close(): unknown }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** The game subgraph as a server of streams; `sockets` are its ends of the connections. */
async function serveGame(seen?: unknown[]) {
  const http: Server = createServer();
  const sockets = new WebSocketServer({ server: http });
  const extensions: unknown[] = [];
  useServer(
    {
      schema: subgraphSchema({ sdl: gameSdl, resolvers: gameResolvers(seen) }),
      onSubscribe: (_context, _id, payload) => {
        extensions.push(payload.extensions);
      },
    },
    sockets,
  );
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const reach = overHttp<unknown>({
    name: 'game',
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/graphql`,
    streamExtensionsOf: () => ({ principal: 'signed' }),
  });
  servers.push({
    async close() {
      await reach.dispose?.();
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      http.closeAllConnections();
      http.close();
    },
  });
  return { reach, sockets, extensions };
}

describe.each(['in process', 'over a socket'])('a subscription %s', (where) => {
  const open = async (seen?: unknown[]) =>
    live(where === 'in process' ? undefined : (await serveGame(seen)).reach, seen);

  it('enriches each event from other subgraphs', async () => {
    const stream = await (await open()).stream(document);
    expect((await all(stream)).answers).toEqual([
      { data: { xp: {} } },
      { data: { xp: { total: 10, user: { name: 'name of u1' } } } },
      { data: { xp: { total: 20, user: { name: 'name of u1' } } } },
    ]);
  });

  it('knows the cursor of each event that the client did not select', async () => {
    const stream = await (await open()).stream(document);
    expect((await all(stream)).events.map((event) => event.cursor)).toEqual(['0', '1', '2']);
  });

  it('resumes after the cursor it is told, whatever the operation says', async () => {
    const seen: unknown[] = [];
    const federation = await open(seen);
    const text = 'subscription($from: String) { xp(userId: "u9", after: $from) { cursor } }';
    await all(await federation.stream(text, { from: '3' }));
    await all(await federation.stream(text, { from: '3' }, '7'));
    expect(seen).toEqual([
      { userId: 'u9', after: '3' },
      { userId: 'u9', after: '7' },
    ]);
  });

  it('gives each event only its own errors', async () => {
    const stream = await (await open()).stream('subscription { broken }');
    const { answers } = await all(stream);
    expect(answers[0]).toEqual({ data: { broken: 1 } });
    expect(answers[1]).toMatchObject({ data: null, errors: [{ path: ['broken'] }] });
    expect(answers[2]).toEqual({ data: { broken: 3 } });
  });

  it('ends at once when it is cancelled, even while the subgraph is silent', async () => {
    const stream = await (await open()).stream('subscription { plain }');
    const events = stream.events[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ data: { plain: 1 } });
    const next = events.next();
    await stream.cancel();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

describe('a subscription', () => {
  it('answers an event the same as often as it is asked', async () => {
    const stream = await live().stream(document);
    for await (const event of stream.events) {
      expect((await stream.answer(event)).json).toBe((await stream.answer(event)).json);
    }
  });

  it('shares one key with others that differ only in where they resume', () => {
    const { engine } = live();
    const key = (text: string, variables?: Record<string, unknown>) => {
      const operation = engine.prepare({ key: 'all', schema: engine.schema }, text);
      return 'answer' in operation ? operation.answer.json : operation.streamKey(variables);
    };
    const one = 'subscription($a: String, $u: ID) { xp(userId: $u, after: $a) { cursor } }';
    expect(key(one, { a: '1', u: 'u1' })).toBe(key(one, { a: '2', u: 'u1' }));
    expect(key(one, { a: '1', u: 'u1' })).not.toBe(key(one, { a: '1', u: 'u2' }));
    expect(key('subscription { xp(after: "1") { cursor } }')).toBe(
      key('subscription { xp(after: "2") { cursor } }'),
    );
    expect(key('subscription { xp { c: __typename } }')).not.toBe(
      key('subscription { xp { d: __typename } }'),
    );
  });

  it('is refused with an answer, without what went wrong inside', async () => {
    const { engine } = live();
    const operation = engine.prepare({ key: 'all', schema: engine.schema }, 'subscription { refused }');
    if ('answer' in operation) throw new Error(operation.answer.json);
    const answer = await engine.subscribe(operation, { caller: {} });
    expect(answer).toMatchObject({ hasData: false, errors: [{ extensions: { code: 'SUBGRAPH_ERROR' } }] });
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  it('has one root field', () => {
    const { engine } = live();
    const operation = engine.prepare({ key: 'all', schema: engine.schema }, 'subscription { plain refused }');
    expect(operation).toMatchObject({ errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] });
  });
});

describe('a subgraph behind a socket', () => {
  it.each([
    ['closes normally', 1000],
    ['goes away', 1001],
    ['fails', 1011],
    ['is cut off', undefined],
  ])('that %s ends its streams with an error', async (_, code) => {
    const { reach, sockets } = await serveGame();
    const federation = live(reach);
    const stream = await federation.stream('subscription { plain }');
    const events = stream.events[Symbol.asyncIterator]();
    await events.next();
    const next = events.next();
    for (const socket of sockets.clients) {
      if (code === undefined) socket.terminate();
      else socket.close(code);
    }
    await expect(next).rejects.toThrow('Subgraph "game" broke off its stream.');
    expect(federation.faults).toHaveLength(1);
  });

  it('is told who asks in the extensions of the subscription', async () => {
    const { reach, extensions } = await serveGame();
    await all(await live(reach).stream(document));
    expect(extensions).toEqual([{ principal: 'signed' }]);
  });

  it('serves all streams over one connection', async () => {
    const { reach, sockets } = await serveGame();
    const federation = live(reach);
    const streams = await Promise.all([1, 2, 3].map(() => federation.stream('subscription { plain }')));
    await Promise.all(streams.map((stream) => stream.events[Symbol.asyncIterator]().next()));
    expect(sockets.clients.size).toBe(1);
    for (const stream of streams) await stream.cancel();
  });
});
