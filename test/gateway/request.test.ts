import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';

// Requests over HTTP that are none, each with what would be right.

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await gatewayOver({
    greetings: {
      sdl: 'type Query { hello(to: String): String }',
      resolvers: { Query: { hello: (_: unknown, { to }: { to?: string }) => `Hello ${to}` } },
    },
  });
});
afterAll(() => gateway.close());

const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(gateway.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
const get = (parameters: string) => fetch(`${gateway.endpoint}?${parameters}`);
const hello = '{"query":"{ hello }"}';

type Refused = [
  what: string,
  ask: () => Promise<Response>,
  status: number,
  code: string,
  message: string | RegExp,
];

describe('a request', () => {
  it.each<Refused>([
    [
      'half of a JSON text',
      () => post('{"query":'),
      400,
      'BAD_REQUEST',
      /^The body is not valid JSON: .*end of JSON input\.$/,
    ],
    [
      'JSON with a slip',
      () => post('{"query": hello}'),
      400,
      'BAD_REQUEST',
      /^The body is not valid JSON: .*"\{"query": hello\}"/,
    ],
    ['nothing', () => post(''), 400, 'BAD_REQUEST', 'The body is a JSON object with `query`.'],
    ['null', () => post('null'), 400, 'BAD_REQUEST', 'The body is a JSON object with `query`.'],
    ['a text', () => post('"{ hello }"'), 400, 'BAD_REQUEST', 'The body is a JSON object with `query`.'],
    ['no query', () => post('{}'), 400, 'BAD_REQUEST', '`query` is a string and required.'],
    [
      'a query that is a number',
      () => post('{"query":1}'),
      400,
      'BAD_REQUEST',
      '`query` is a string and required.',
    ],
    [
      'two queries by GET',
      () => get('query={hello}&query={hello}'),
      400,
      'BAD_REQUEST',
      '`query` is a string and required.',
    ],
    [
      'variables that are a text',
      () => post('{"query":"{ hello }","variables":"{}"}'),
      400,
      'BAD_REQUEST',
      '`variables` is an object or null.',
    ],
    [
      'variables by GET that are no JSON',
      () => get('query={hello}&variables={'),
      400,
      'BAD_REQUEST',
      /^`variables` is not valid JSON: .+\.$/,
    ],
    [
      'an operation name that is a number',
      () => post('{"query":"{ hello }","operationName":1}'),
      400,
      'BAD_REQUEST',
      '`operationName` is a string or null.',
    ],
    [
      'keys that mean to change prototypes',
      () => post('{"query":"{ hello }","variables":{"__proto__":{"a":1}}}'),
      400,
      'BAD_REQUEST',
      'The body has a key `__proto__` or `constructor.prototype`, which no object may have.',
    ],
    [
      'a list of operations',
      () => post(`[${hello},${hello}]`),
      400,
      'BATCH_LIMIT_EXCEEDED',
      'Send one operation a request, not a list of them.',
    ],
    [
      'a megabyte and more',
      () => post(`{"query":"{ hello }${' '.repeat(1_048_576)}"}`),
      413,
      'BODY_LIMIT_EXCEEDED',
      'The body has at most 1048576 bytes.',
    ],
    [
      'no UTF-8',
      () => post(Buffer.from([0x22, 0xff, 0x22])),
      400,
      'BAD_REQUEST',
      'The body is not valid UTF-8.',
    ],
    [
      'another charset',
      () => post(Buffer.from(hello, 'utf16le'), { 'content-type': 'application/json; charset=utf-16' }),
      415,
      'BAD_REQUEST',
      'Send the request as application/json in UTF-8.',
    ],
    [
      'another type',
      () => post(hello, { 'content-type': 'application/graphql' }),
      415,
      'BAD_REQUEST',
      'Send the request as application/json in UTF-8.',
    ],
    [
      'a type that is none',
      () => post(hello, { 'content-type': '/' }),
      415,
      'BAD_REQUEST',
      'Send the request as application/json in UTF-8.',
    ],
    [
      'a compressed body',
      () => post(gzipSync(hello), { 'content-encoding': 'gzip' }),
      415,
      'BAD_REQUEST',
      'Send the body as it is, without content-encoding.',
    ],
  ])('with %s is refused', async (_what, ask, status, code, message) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const { errors, ...rest } = (await response.json()) as { errors: { message: string }[] };
    expect(rest).toEqual({});
    expect(errors).toMatchObject([{ extensions: { code } }]);
    expect(errors[0]?.message).toEqual(message instanceof RegExp ? expect.stringMatching(message) : message);
  });

  it('is told which encodings are read when it comes in another', async () => {
    const response = await post(gzipSync(hello), { 'content-encoding': 'gzip' });
    expect(response.headers.get('accept-encoding')).toBe('identity');
  });

  it.each<[string, () => Promise<Response>, string]>([
    ['an empty query', () => post('{"query":""}'), 'GRAPHQL_PARSE_FAILED'],
    ['a query of comments', () => post('{"query":"# none"}'), 'GRAPHQL_PARSE_FAILED'],
    ['no operation', () => post('{"query":"fragment F on Query { hello }"}'), 'OPERATION_RESOLUTION_FAILURE'],
  ])('with %s is answered with an error of the document', async (_what, ask, code) => {
    expect(await (await ask()).json()).toMatchObject({ errors: [{ extensions: { code } }] });
  });

  it.each<[string, () => Promise<Response>]>([
    ['a charset in other words', () => post(hello, { 'content-type': 'Application/JSON ; charset="UTF8"' })],
    ['the mark of UTF-8', () => post(`\ufeff${hello}`)],
    ['an encoding that is none', () => post(hello, { 'content-encoding': 'identity' })],
    ['keys that nobody knows', () => post('{"query":"{ hello }","id":7}')],
    ['nulls', () => post('{"query":"{ hello }","variables":null,"operationName":null,"extensions":null}')],
    ['empty parameters by GET', () => get('query={hello}&variables=&operationName=&extensions=')],
  ])('with %s is answered', async (_what, ask) => {
    expect(await (await ask()).json()).toEqual({ data: { hello: 'Hello undefined' } });
  });

  it('by another method is refused with those that would do', async () => {
    for (const method of ['HEAD', 'PUT', 'PATCH', 'DELETE']) {
      const response = await fetch(`${gateway.endpoint}?query={hello}`, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST']);
    }
  });
});
