import { EventEmitter, on } from 'node:events';
import { type Client, createClient } from 'graphql-sse';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';

// Server-sent events as graphql-sse has them in distinct connections: one response is one operation.
// https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

const source = new EventEmitter();

const link = `extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@composeDirective"])
  @link(url: "https://example.test/stream/v1.0", import: ["@resumable"])
  @composeDirective(name: "@resumable")
  directive @resumable(cursor: String!, after: String!) on FIELD_DEFINITION`;

const counter = {
  sdl: `${link}
        type Query { hello(to: Int): String fails: String }
        type Mutation { greet: String }
        type Subscription {
          tick: Int
          refused: Int
          breaks: Int
          log(after: String): Entry! @resumable(cursor: "cursor", after: "after")
        }
        type Entry { cursor: String! at: Int! }`,
  resolvers: {
    Query: {
      hello: () => 'Hello\nagain',
      fails() {
        throw Object.assign(new Error('No.'), { extensions: { code: 'NO' } });
      },
    },
    Mutation: { greet: () => 'Greeted' },
    Subscription: {
      tick: {
        subscribe: () => on(source, 'tick', { close: ['close'] }),
        resolve: ([tick]: [number]) => tick,
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
      log: {
        async *subscribe(_: unknown, { after = '0' }: { after?: string }) {
          for (let at = Number(after); at < 3; at++) yield { log: { cursor: `${at}`, at } };
        },
      },
    },
  },
};

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await gatewayOver({ counter });
});
afterAll(() => gateway.close());

const ticking = () => source.listenerCount('tick');

const stream = (body: object, headers: Record<string, string> = {}) =>
  fetch(gateway.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify(body),
  });
const streamByGet = (parameters: Record<string, string>, headers: Record<string, string> = {}) =>
  fetch(`${gateway.endpoint}?${new URLSearchParams(parameters)}`, {
    headers: { accept: 'text/event-stream', ...headers },
  });

/** A whole response of one event, byte by byte. */
const oneEvent = (result: object) =>
  `:\n\nevent: next\ndata: ${JSON.stringify(result)}\n\nevent: complete\ndata:\n\n`;

describe('a client of graphql-sse', () => {
  let client: Client;
  afterEach(() => client.dispose());
  const connect = () => {
    client = createClient({ url: gateway.endpoint, singleConnection: false, retryAttempts: 0 });
    return client;
  };
  const all = async (query: string, variables?: Record<string, unknown>) => {
    const results: unknown[] = [];
    for await (const result of connect().iterate({ query, ...(variables && { variables }) }))
      results.push(result);
    return results;
  };

  it('follows a subscription to its end', async () => {
    const results = connect().iterate({ query: 'subscription { tick }' });
    const first = results.next();
    await expect.poll(ticking).toBe(1);
    source.emit('tick', 1);
    expect((await first).value).toEqual({ data: { tick: 1 } });
    const last = results.next();
    source.emit('close');
    expect(await last).toEqual({ done: true, value: undefined });
  });

  it('ends a subscription in its subgraph when it leaves', async () => {
    const results = connect().iterate({ query: 'subscription { tick }' });
    void results.next();
    await expect.poll(ticking).toBe(1);
    await results.return?.();
    await expect.poll(ticking).toBe(0);
  });

  it('asks queries and mutations too', async () => {
    expect(await all('{ hello }')).toEqual([{ data: { hello: 'Hello\nagain' } }]);
    expect(await all('mutation { greet }')).toEqual([{ data: { greet: 'Greeted' } }]);
    expect(await all('{ hello fails }')).toMatchObject([
      { data: { hello: 'Hello\nagain', fails: null }, errors: [{ path: ['fails'] }] },
    ]);
  });

  it.each([
    ['is no GraphQL', '{', {}, 'GRAPHQL_PARSE_FAILED'],
    ['is not valid', 'subscription { nothing }', {}, 'GRAPHQL_VALIDATION_FAILED'],
    ['has wrong variables', 'query ($to: Int) { hello(to: $to) }', { to: 'x' }, 'BAD_USER_INPUT'],
    ['is refused by its subgraph', 'subscription { refused }', {}, 'NOT_YOU'],
  ])('is told by an event why an operation %s', async (_what, query, variables, code) => {
    const [result, ...more] = await all(query, variables);
    expect(result).toEqual({
      errors: [expect.objectContaining({ extensions: expect.objectContaining({ code }) })],
    });
    expect(more).toEqual([]);
  });

  it('is told by an event that a stream broke off, and nothing of the inside', async () => {
    const [first, last, ...more] = await all('subscription { breaks }');
    expect(first).toEqual({ data: { breaks: 1 } });
    expect(last).toMatchObject({ errors: [{ message: expect.any(String) }] });
    expect(JSON.stringify(last)).not.toContain('secret');
    expect(more).toEqual([]);
  });
});

describe('a response', () => {
  it('has events that name what they are, in one line each, after a comment', async () => {
    const response = await stream({ query: '{ hello }' });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    expect(await response.text()).toBe(oneEvent({ data: { hello: 'Hello\nagain' } }));
  });

  it('has the cursor of a resumable stream as its id', async () => {
    const response = await stream({ query: 'subscription { log { at } }' });
    const events = [0, 1, 2].map(
      (at) => `event: next\nid: ${at}\ndata: ${JSON.stringify({ data: { log: { at } } })}\n\n`,
    );
    expect(await response.text()).toBe(`:\n\n${events.join('')}event: complete\ndata:\n\n`);
  });

  it('begins after Last-Event-ID, whatever the operation says', async () => {
    const response = await stream(
      { query: 'subscription { log(after: "1") { at } }' },
      { 'last-event-id': '2' },
    );
    expect(await response.text()).toBe(
      `:\n\nevent: next\nid: 2\ndata: {"data":{"log":{"at":2}}}\n\nevent: complete\ndata:\n\n`,
    );
  });

  it('comes by GET as well, as EventSource asks', async () => {
    const response = await streamByGet({
      query: 'query Q($to: Int) { hello(to: $to) }',
      operationName: 'Q',
      variables: '{"to":1}',
    });
    expect(await response.text()).toBe(oneEvent({ data: { hello: 'Hello\nagain' } }));
  });

  it('is open before there is an event', async () => {
    const response = await stream({ query: 'subscription { tick }' });
    const { value } = (await response.body?.getReader().read()) ?? {};
    expect(String(Buffer.from(value ?? []))).toBe(':\n\n');
    await expect.poll(ticking).toBe(1);
    source.emit('close');
  });

  it.each<[string, number, () => Promise<Response>]>([
    ['a mutation by GET', 405, () => streamByGet({ query: 'mutation { greet }' })],
    ['no query', 400, () => stream({})],
    ['variables that are a list', 400, () => stream({ query: '{ hello }', variables: [] })],
    ['another content type', 415, () => stream({ query: '{ hello }' }, { 'content-type': 'text/plain' })],
    ['single connections', 405, () => fetch(gateway.endpoint, { method: 'PUT' })],
  ])('to %s is no stream, but %d', async (_what, status, ask) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });
});
