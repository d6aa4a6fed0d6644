import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { worldOf } from '../kit/five-subgraphs.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import { flawsOf } from '../kit/well-formed.ts';

// Whatever a client sends, it gets a GraphQL response, and the fault is never ours.

// More of them: FUZZ_RUNS=10000 npx vitest run --testTimeout 0 test/gateway/fuzz
// Once more:    FUZZ_SEED=<as fast-check prints it>
const numRuns = Number(process.env.FUZZ_RUNS ?? 100);
const seed = process.env.FUZZ_SEED === undefined ? undefined : Number(process.env.FUZZ_SEED);

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await gatewayOver(worldOf(true).subgraphs);
});
afterAll(() => gateway.close());

/** Mostly what is right, for what is wrong beside it to be looked at. */
const mostly = <T, U>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<U>) =>
  fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: wrong });

const texts = [
  '{ leader { id name xp } }',
  'query Q($n: Int) { top(n: $n) { id stock } }',
  'mutation { count }',
];

const params = fc.record(
  {
    query: mostly(fc.constantFrom(...texts), fc.jsonValue()),
    variables: mostly(fc.constantFrom({ n: 1 }, { n: 'one' }, {}, null), fc.jsonValue()),
    operationName: mostly(fc.constantFrom('Q', '', null), fc.jsonValue()),
    documentId: mostly(fc.constant(null), fc.jsonValue()),
    extensions: mostly(
      fc.constant(null),
      fc.oneof(
        fc.record({ persistedQuery: fc.record({ version: fc.jsonValue(), sha256Hash: fc.jsonValue() }) }),
        fc.constant({ persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } }),
        fc.jsonValue(),
      ),
    ),
  },
  { requiredKeys: ['query'] },
);

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

const bodies: fc.Arbitrary<BodyInit> = fc.oneof(
  params.map((value) => JSON.stringify(value)),
  // Text with a hole in it.
  fc.tuple(params, fc.nat(), fc.nat({ max: 5 })).map(([value, at, length]) => {
    const json = JSON.stringify(value);
    const start = at % (json.length + 1);
    return json.slice(0, start) + json.slice(start + length);
  }),
  fc.array(params, { maxLength: 3 }).map((batch) => JSON.stringify(batch)),
  fc.json(),
  fc.string({ unit: 'binary' }),
  fc.uint8Array().map((bytes) => new Uint8Array(bytes).buffer),
  fc.constantFrom(
    '\ufeff{"query":"{ ranks }"}',
    '{"query":"{ ranks }","query":1}',
    '{"query":"{ ranks }","__proto__":{"x":1}}',
    '{"query":"{ ranks }","variables":{"constructor":{"prototype":1}}}',
    '{"query":"{ ranks }","variables":1e400}',
    `{"query":"query($v: JSON) { echo(value: $v) }","variables":{"v":${nested(100_000)}}}`,
    `{"query":"{ ranks }","extensions":${nested(100_000).replace('[]', '{}')}}`,
    `{"query":"${'#'.repeat(2_000_000)}"}`,
  ),
);

const headers = fc.record({
  'content-type': mostly(
    fc.constantFrom('application/json', 'application/json; charset=utf-8'),
    fc.constantFrom(
      'application/graphql',
      'text/plain',
      'multipart/form-data',
      'x',
      'application/json; charset=x',
    ),
  ),
  accept: mostly(
    fc.constantFrom('*/*', 'application/json', 'application/graphql-response+json'),
    fc.constantFrom(
      'application/graphql-response+json;q=0.5, */*',
      'image/png',
      'application/json;q=x',
      ',;,',
      '',
    ),
  ),
});

async function check(request: RequestInit, query = ''): Promise<void> {
  const response = await fetch(`${gateway.endpoint}${query}`, request);
  const text = await response.text();
  expect(response.status, text).toBeLessThan(500);
  expect(response.headers.get('content-type')).toMatch(/^application\/(graphql-response\+)?json/);
  expect(flawsOf(text)).toEqual([]);
}

describe('the gateway answers', () => {
  it('bodies of every kind', () =>
    fc.assert(
      fc.asyncProperty(bodies, headers, (body, given) => check({ method: 'POST', body, headers: given })),
      { numRuns, seed },
    ));

  it('query strings of every kind', () => {
    const values = fc.oneof(fc.constantFrom(...texts, '{"n":1}', 'Q'), fc.string(), fc.json());
    const names = fc.constantFrom(
      'query',
      'variables',
      'operationName',
      'extensions',
      'documentId',
      '__proto__',
      '',
    );
    const strings = fc.oneof(
      fc
        .array(fc.tuple(names, values), { maxLength: 6 })
        .map((pairs) => new URLSearchParams(pairs).toString()),
      fc.webQueryParameters(),
      fc.constantFrom(
        '%',
        'query=%ff',
        'query[]=1',
        'query=%7B%20ranks%20%7D&query=1',
        `query=${'a'.repeat(10_000)}`,
      ),
    );
    return fc.assert(
      fc.asyncProperty(strings, headers, (query, { accept }) => check({ headers: { accept } }, `?${query}`)),
      { numRuns, seed },
    );
  });
});
