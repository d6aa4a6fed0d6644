import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPersisted, readTrusted } from '../../gateway/persisted.ts';
import { checked } from '../../gateway/request.ts';
import { type Data, post, socketClient } from '../kit/client.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import type { Handle } from '../kit/processes.ts';

// Operations that are named by their hash: registered by clients, or trusted by the operator.

const greetings = {
  sdl: 'type Query { hello(name: String): String } type Subscription { count: Int }',
  resolvers: {
    Query: { hello: (_: unknown, { name }: { name?: string }) => `Hello ${name ?? 'you'}` },
    Subscription: {
      count: {
        async *subscribe() {
          yield { count: 1 };
        },
      },
    },
  },
};

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const named = (text: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256(text) } });
const told = (code: string) => ({ errors: [{ extensions: { code } }] });

const handleOf = ({ endpoint }: TestGateway) => ({ endpoint, demo: {} }) as Handle;
const ask = async (gateway: TestGateway, body: object): Promise<Data> =>
  (await post(handleOf(gateway), body, {})).json();
const get = async ({ endpoint }: TestGateway, params: Record<string, string>, accept = 'application/json') =>
  fetch(`${endpoint}?${new URLSearchParams(params)}`, { headers: { accept } });

/** The first result, or the errors, of an operation over WebSocket. */
async function overSocket(gateway: TestGateway, payload: object): Promise<Data> {
  const client = socketClient(handleOf(gateway), {});
  try {
    return await new Promise((resolve) => {
      const error = (errors: unknown) => resolve({ errors });
      client.subscribe({ query: '', ...payload }, { next: resolve, error, complete() {} });
    });
  } finally {
    await client.dispose();
  }
}

describe('a registered operation', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await gatewayOver({ greetings });
  });
  afterAll(() => gateway.close());

  it('is asked for, sent once, and from then on named', async () => {
    const query = '{ hello }';
    const extensions = named(query);
    const unknown = await ask(gateway, { extensions });
    expect(unknown).toMatchObject(told('PERSISTED_QUERY_NOT_FOUND'));
    expect(unknown.errors[0].message).toBe('PersistedQueryNotFound');
    expect(await ask(gateway, { query, extensions })).toEqual({ data: { hello: 'Hello you' } });
    expect(await ask(gateway, { extensions })).toEqual({ data: { hello: 'Hello you' } });
  });

  it('is known by GET, POST, server-sent events and WebSocket, whichever brought it', async () => {
    const query = 'query ($name: String) { hello(name: $name) }';
    const extensions = named(query);
    const variables = { name: 'Ada' };
    const url = { extensions: JSON.stringify(extensions), variables: JSON.stringify(variables) };
    expect(await overSocket(gateway, { query, variables, extensions })).toEqual({
      data: { hello: 'Hello Ada' },
    });
    expect(await (await get(gateway, url)).json()).toEqual({ data: { hello: 'Hello Ada' } });
    expect(await ask(gateway, { variables, extensions })).toEqual({ data: { hello: 'Hello Ada' } });
    expect(await (await get(gateway, url, 'text/event-stream')).text()).toContain('Hello Ada');
    expect(await overSocket(gateway, { variables, extensions })).toEqual({ data: { hello: 'Hello Ada' } });
  });

  it('may be a subscription', async () => {
    const query = 'subscription { count }';
    expect(await overSocket(gateway, { query, extensions: named(query) })).toEqual({ data: { count: 1 } });
    const url = { extensions: JSON.stringify(named(query)) };
    expect(await (await get(gateway, url, 'text/event-stream')).text()).toContain('"count":1');
  });

  it('is refused under the hash of another', async () => {
    const extensions = named('{ hello }');
    const query = '{ __typename hello }';
    expect(await ask(gateway, { query, extensions })).toMatchObject(told('PERSISTED_QUERY_MISMATCH'));
    expect(await overSocket(gateway, { query, extensions })).toMatchObject(told('PERSISTED_QUERY_MISMATCH'));
  });

  it('is not registered when it is none', async () => {
    const query = '{ unknownField }';
    expect(await ask(gateway, { query, extensions: named(query) })).toMatchObject(
      told('GRAPHQL_VALIDATION_FAILED'),
    );
    expect(await ask(gateway, { extensions: named(query) })).toMatchObject(told('PERSISTED_QUERY_NOT_FOUND'));
  });

  it.each([
    { version: 2, sha256Hash: sha256('') },
    { version: 1, sha256Hash: 'abc' },
    { version: 1 },
    [],
    'x',
    7,
  ])('has a well-formed name, unlike %j', async (persistedQuery) => {
    const response = await post(
      handleOf(gateway),
      { query: '{ hello }', extensions: { persistedQuery } },
      {},
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject(told('BAD_REQUEST'));
  });

  it('is forgotten when too many others came after it', () => {
    const persisted = createPersisted();
    const of = (query: string | undefined, text: string) => checked({ query, extensions: named(text) });
    const long = `{ a } # ${'x'.repeat(100_000)}`;
    persisted.remember(of('{ first }', '{ first }'));
    expect(persisted.textOf(of(undefined, '{ first }'))).toBe('{ first }');
    for (let n = 0; n < 200; n++) persisted.remember(of(`${long}${n}`, `${long}${n}`));
    expect(persisted.textOf(of(undefined, '{ first }'))).toMatchObject(told('PERSISTED_QUERY_NOT_FOUND'));
    expect(persisted.textOf(of(undefined, `${long}199`))).toBe(`${long}199`);
  });
});

describe('a trusted document', () => {
  const query = 'query Greet($name: String) { hello(name: $name) }';
  const trusted = new Map([[sha256(query), query]]);
  let gateway: TestGateway;
  let strict: TestGateway;
  beforeAll(async () => {
    gateway = await gatewayOver({ greetings }, { documents: { trusted } });
    strict = await gatewayOver({ greetings }, { documents: { trusted, only: true } });
  });
  afterAll(() => Promise.all([gateway.close(), strict.close()]));

  it('is picked by documentId or by its hash, with and without the mode that allows nothing else', async () => {
    const documentId = sha256(query);
    const answer = { data: { hello: 'Hello you' } };
    for (const one of [gateway, strict]) {
      expect(await ask(one, { documentId })).toEqual(answer);
      expect(await ask(one, { documentId: `sha256:${documentId}` })).toEqual(answer);
      expect(await (await get(one, { documentId })).json()).toEqual(answer);
      expect(await overSocket(one, { documentId })).toEqual(answer);
      expect(await ask(one, { extensions: named(query) })).toEqual(answer);
      expect(await ask(one, { query })).toEqual(answer);
    }
  });

  it('is not found under an id that nobody trusts', async () => {
    expect(await ask(gateway, { documentId: sha256('x') })).toMatchObject(told('DOCUMENT_NOT_FOUND'));
    const both = await ask(gateway, { documentId: sha256(query), query });
    expect(both).toMatchObject(told('BAD_REQUEST'));
  });

  it('leaves other texts alone unless the mode is on', async () => {
    const other = '{ hello }';
    expect(await ask(gateway, { query: other })).toEqual({ data: { hello: 'Hello you' } });
    const refused = {
      errors: [
        {
          message: 'This gateway runs trusted documents only: send the `documentId` of one of them.',
          extensions: { code: 'OPERATION_NOT_TRUSTED' },
        },
      ],
    };
    expect(await ask(strict, { query: other })).toEqual(refused);
    expect(await ask(strict, { query: other, extensions: named(other) })).toEqual(refused);
    expect(await ask(strict, { extensions: named(other) })).toEqual(refused);
    expect(await (await get(strict, { query: other })).json()).toEqual(refused);
    expect(await overSocket(strict, { query: other })).toEqual(refused);
    expect(await ask(strict, { query: '{ __schema { types { name } } }' })).toEqual(refused);
  });
});

describe('the file of trusted documents', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'laurel-trusted-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const reading = async (text: string) => {
    await writeFile(join(folder, 'trusted.json'), text);
    return readTrusted(join(folder, 'trusted.json'));
  };

  it('holds documents by their SHA-256', async () => {
    const text = '{ hello }';
    expect([...(await reading(JSON.stringify({ [sha256(text)]: text })))]).toEqual([[sha256(text), text]]);
  });

  it.each([
    ['{', /trusted\.json is not JSON: /],
    ['{\n\n"a"\n}', /is not JSON: /],
    ['[]', /is not an object of documents/],
    ['{"x":"{ a }"}', /the key "x", which is not a SHA-256/],
    [JSON.stringify({ [sha256('a')]: '{ a }' }), /a document at "ca97.*" whose SHA-256 is "/],
    [JSON.stringify({ [sha256('{')]: '{' }), /has no GraphQL at "021f.*": Syntax Error/],
    [JSON.stringify({ [sha256('{')]: 1 }), /something else than a document at "021f/],
  ])('is refused in one line: %s', async (text, message) => {
    await expect(reading(text)).rejects.toThrow(message);
    await expect(reading(text)).rejects.toThrow(/^LAUREL_TRUSTED_DOCUMENTS: [^\n]*\.$/);
  });

  it('is refused when it is not there', async () => {
    await expect(readTrusted(join(folder, 'none.json'))).rejects.toThrow(/none\.json can't be read: ENOENT/);
  });
});
