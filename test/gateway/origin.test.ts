import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { gatewayOptions, gatewayOver, type TestGateway } from '../kit/gateway.ts';
import { rawSocket } from '../kit/raw-socket.ts';

// Web pages that call the graph: those of configured origins may, others learn nothing and change nothing.

const allowed = 'https://app.example.org';
const strangers = [
  'https://evil.example.org',
  'https://app.example.org.evil.example',
  'http://app.example.org',
  'null',
];

let gateway: TestGateway;
let greetings = 0;
beforeAll(async () => {
  const subgraphs = {
    greetings: {
      sdl: 'type Query { hello: String } type Mutation { greet: String } type Subscription { one: Int }',
      resolvers: {
        Query: { hello: () => 'Hello' },
        Mutation: { greet: () => `Greeted ${++greetings}` },
        Subscription: {
          one: {
            async *subscribe() {
              yield { one: 1 };
            },
          },
        },
      },
    },
  };
  const config = { origins: [allowed, 'http://localhost:3000'], trustProxy: false };
  gateway = await gatewayOver(subgraphs, { ...gatewayOptions(subgraphs), config });
});
afterAll(() => gateway.close());

const preflight = (origin: string, headers: Record<string, string> = {}) =>
  fetch(gateway.endpoint, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,x-api-key',
      ...headers,
    },
  });
const from = (origin: string, body: string, headers: Record<string, string> = {}) =>
  fetch(gateway.endpoint, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json', ...headers },
    body,
  });
const letIn = (response: Response) => response.headers.get('access-control-allow-origin');
const hello = '{"query":"{ hello }"}';

describe('a page of an allowed origin', () => {
  it('may send JSON and a key, and need not ask again for ten minutes', async () => {
    const response = await preflight(allowed);
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': allowed,
      'access-control-allow-methods': 'GET, POST, PUT',
      'access-control-allow-headers': 'content-type,x-api-key',
      'access-control-max-age': '600',
    });
  });

  it('reads answers, and when to try again', async () => {
    const response = await from(allowed, hello);
    expect(letIn(response)).toBe(allowed);
    expect(response.headers.get('access-control-expose-headers')).toBe(
      'retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset',
    );
    expect(await response.json()).toEqual({ data: { hello: 'Hello' } });
  });

  it.each<[string, number, () => Promise<Response>]>([
    ['half of a JSON text', 400, () => from(allowed, '{"query":')],
    ['another type', 415, () => from(allowed, hello, { 'content-type': 'text/plain' })],
    ['nothing that we can write', 406, () => from(allowed, hello, { accept: 'image/png' })],
    ['a body too large', 413, () => from(allowed, ' '.repeat(1_100_000))],
    ['another path', 404, () => fetch(`${gateway.endpoint}s`, { headers: { origin: allowed } })],
  ])('reads what is wrong with %s', async (_what, status, ask) => {
    const response = await ask();
    expect([response.status, letIn(response)]).toEqual([status, allowed]);
  });

  it('reads streams, by GET as EventSource asks', async () => {
    const url = `${gateway.endpoint}?query=${encodeURIComponent('subscription { one }')}`;
    const response = await fetch(url, { headers: { origin: allowed, accept: 'text/event-stream' } });
    expect(letIn(response)).toBe(allowed);
    expect(await response.text()).toContain('data: {"data":{"one":1}}');
  });

  it('connects by WebSocket, as pages of the graph itself and programs without an origin do', async () => {
    const { origin: own } = new URL(gateway.endpoint);
    for (const options of [{ origin: allowed }, { origin: own }, {}]) {
      const { socket } = await rawSocket(gateway.endpoint, undefined, options);
      socket.close();
    }
  });

  it('sends no cookies, since nothing here reads them', async () => {
    for (const response of [await preflight(allowed), await from(allowed, hello)])
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
  });

  it('is told apart from others by every cache between', async () => {
    for (const origin of [allowed, 'https://evil.example.org'])
      expect((await from(origin, hello)).headers.get('vary')).toMatch(/\borigin\b/i);
  });
});

describe.each(strangers)('a page of %s', (origin) => {
  it('is let in by no preflight', async () => {
    expect(letIn(await preflight(origin))).toBeNull();
  });

  it('reads no answer and no stream', async () => {
    expect(letIn(await from(origin, hello))).toBeNull();
    expect(letIn(await from(origin, hello, { accept: 'text/event-stream' }))).toBeNull();
  });

  it('connects by no WebSocket', async () => {
    const socket = new WebSocket(gateway.endpoint.replace('http', 'ws'), 'graphql-transport-ws', { origin });
    const problem = await new Promise<Error>((resolve) => socket.once('error', resolve));
    expect(problem.message).toBe('Unexpected server response: 403');
  });

  it('changes nothing by what it may send without a preflight', async () => {
    const before = greetings;
    const body = JSON.stringify({ query: 'mutation { greet }' });
    const simple = [
      'text/plain',
      'text/plain; charset=application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ];
    for (const type of simple) expect((await from(origin, body, { 'content-type': type })).status).toBe(415);
    // A blob without a type comes without the header.
    const untyped = await fetch(gateway.endpoint, {
      method: 'POST',
      headers: { origin },
      body: Buffer.from(body),
    });
    expect(untyped.status).toBe(415);
    for (const accept of ['*/*', 'application/json', 'text/event-stream']) {
      const url = `${gateway.endpoint}?query=${encodeURIComponent('mutation { greet }')}`;
      expect((await fetch(url, { headers: { origin, accept } })).status).toBe(405);
    }
    expect(greetings).toBe(before);
  });
});
