import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApolloServerPlugin } from '@apollo/server';
import { GraphQLError } from 'graphql';
import { serverAudits } from 'graphql-http';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ApolloContext, createApollo, openApollo } from '../../gateway/apollo.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { openEvents, post } from '../kit/client.ts';
import { newCommunity } from '../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';
import { compose } from '../kit/federation.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import type { Handle } from '../kit/processes.ts';

// Apollo Server as the front: its plugins have their say, and nothing else about an answer is another than without it.

type Plugin = ApolloServerPlugin<ApolloContext>;

const log = pino({ level: 'silent' });
const greetings = {
  sdl: `
    type Query { hello(to: String! = "you"): String broken: String count: Int! never: Int! }
    type Mutation { greet: String }
    type Subscription { tick: Int }
  `,
  resolvers: {
    Query: {
      count: () => 1,
      hello: (_: unknown, { to }: { to: string }) => `Hello ${to}`,
      broken() {
        throw new GraphQLError('It is broken.', { extensions: { code: 'BROKEN', http: { status: 418 } } });
      },
    },
    Mutation: { greet: () => 'Hello' },
    Subscription: {
      tick: {
        async *subscribe() {
          yield { tick: 1 };
        },
      },
    },
  },
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function started(...plugins: Plugin[]): Promise<TestGateway & Handle> {
  const gateway = await gatewayOver({ greetings }, { apollo: await createApollo(plugins, log) });
  closing.push(() => gateway.close());
  return Object.assign(gateway, { demo: {} as Handle['demo'] });
}

/** What is asked, and how, of each front. */
const requests: readonly [string, RequestInit & { search?: string }][] = [
  ['a query', posted({ query: '{ hello }' })],
  ['a query by GET', { search: '?query={hello}' }],
  ['one of several operations', posted({ query: 'query A { hello } query B { count }', operationName: 'A' })],
  ['variables', posted({ query: 'query ($to: String!) { hello(to: $to) }', variables: { to: 'me' } })],
  ['variables that are wrong', posted({ query: 'query ($to: String!) { hello(to: $to) }' })],
  ['introspection', posted({ query: '{ __schema { queryType { name } } hello }' })],
  ['a field that fails', posted({ query: '{ hello broken }' })],
  ['a field that is null and may not be', posted({ query: '{ never }' })],
  ['a mutation', posted({ query: 'mutation { greet }' })],
  ['a mutation by GET', { search: '?query=mutation{greet}' }],
  ['a subscription without a stream', posted({ query: 'subscription { tick }' })],
  ['a document that is no GraphQL', posted({ query: '{' })],
  ['no operation', posted({ query: 'fragment F on Query { hello }' })],
  ['fields that are not there', posted({ query: '{ helo hallo }' })],
  ['aliases without end', posted({ query: `{${Array.from({ length: 1_000 }, (_, n) => `a${n}: hello `)}}` })],
  ['an unknown persisted operation', posted({ extensions: persisted('{ hello }') })],
  ['a list of operations', posted([{ query: '{ hello }' }])],
  ['a form', { method: 'POST', body: 'query={hello}', headers: { 'content-type': 'text/plain' } }],
  ['a body that is no JSON', posted('{')],
  ['an answer in a type that is not ours', { search: '?query={hello}', headers: { accept: 'image/png' } }],
];

function posted(body: unknown): RequestInit {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { method: 'POST', body: text, headers: { 'content-type': 'application/json' } };
}

function persisted(text: string) {
  return { persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(text).digest('hex') } };
}

/** Status, headers and body of an answer, without what differs from run to run. */
async function answerOf(endpoint: string, { search = '', ...init }: RequestInit & { search?: string }) {
  const response = await fetch(endpoint + search, init);
  const { date: _, ...headers } = Object.fromEntries(response.headers);
  return { status: response.status, headers, body: (await response.text()).replace(/"id":"\w+"/, '') };
}

describe('the Apollo front', () => {
  let plain: TestGateway;
  let apollo: TestGateway;
  beforeAll(async () => {
    plain = await gatewayOver({ greetings });
    apollo = await gatewayOver({ greetings }, { apollo: await createApollo([], log) });
  });
  afterAll(async () => {
    await plain.close();
    await apollo.close();
  });

  it.each(requests)('answers as the plain one does: %s', async (_what, init) => {
    const accepts = ['application/json', 'application/graphql-response+json'].map((accept) => ({
      ...init,
      headers: { accept, ...init.headers },
    }));
    // The second time the operation is known.
    for (const one of accepts)
      for (let times = 0; times < 2; times++)
        expect(await answerOf(apollo.endpoint, one)).toEqual(await answerOf(plain.endpoint, one));
  });

  it('knows persisted operations', async () => {
    const extensions = persisted('{ hello }');
    const ask = async (body: object) => (await answerOf(apollo.endpoint, posted(body))).body;
    expect(await ask({ query: '{ hello }', extensions })).toBe('{"data":{"hello":"Hello you"}}');
    expect(await ask({ extensions })).toBe('{"data":{"hello":"Hello you"}}');
  });

  const audits = serverAudits({ url: () => apollo.endpoint });

  it('passes all of the 61 audits of GraphQL over HTTP', async () => {
    const failed: string[] = [];
    for (const audit of audits) {
      const result = await audit.fn();
      if (result.status !== 'ok') failed.push(`${audit.name}: ${result.reason}`);
    }
    expect(audits).toHaveLength(61);
    expect(failed).toEqual([]);
  });
});

describe('an Apollo plugin', () => {
  it('is told of each step of an operation, and of parsing and validating the first time', async () => {
    const steps: string[] = [];
    const step =
      <Result>(name: string, result?: Result) =>
      async (): Promise<Result> => {
        steps.push(name);
        return result as Result;
      };
    const gateway = await started({
      requestDidStart: step('requestDidStart', {
        didResolveSource: step('didResolveSource'),
        parsingDidStart: step('parsingDidStart'),
        validationDidStart: step('validationDidStart'),
        didResolveOperation: step('didResolveOperation'),
        responseForOperation: step('responseForOperation', null),
        executionDidStart: step('executionDidStart', { executionDidEnd: step('executionDidEnd') }),
        willSendResponse: step('willSendResponse'),
      }),
    });
    await post(gateway, { query: '{ hello }' }, {});
    const first = steps.splice(0);
    expect(first).toEqual([
      'requestDidStart',
      'didResolveSource',
      'parsingDidStart',
      'validationDidStart',
      'didResolveOperation',
      'responseForOperation',
      'executionDidStart',
      'executionDidEnd',
      'willSendResponse',
    ]);
    await post(gateway, { query: '{ hello }' }, {});
    expect(steps).toEqual(first.filter((name) => !/^(parsing|validation)/.test(name)));
  });

  it('sees what was asked, by whom, and the answer', async () => {
    let seen: object = {};
    const gateway = await started({
      async requestDidStart({ request }) {
        return {
          async willSendResponse({ response, operation, operationName, document, contextValue, source }) {
            const { http, query, variables } = request;
            seen = {
              asked: [http?.method, http?.search, http?.headers.get('x-trace'), query === source, variables],
              operation: [operation?.operation, operationName, document?.definitions.length],
              caller: contextValue.caller.principal.kind,
              answer: response.body,
            };
          },
        };
      },
    });
    const query = 'query Greet($to: String!) { hello(to: $to) }';
    await post(gateway, { query, variables: { to: 'me' } }, { 'x-trace': '7' });
    expect(seen).toEqual({
      asked: ['POST', '', '7', true, { to: 'me' }],
      operation: ['query', 'Greet', 1],
      caller: 'anonymous',
      answer: { kind: 'single', singleResult: { data: { hello: 'Hello me' } } },
    });
  });

  it('changes variables, though what they cost was taken before', async () => {
    const plugin: Plugin = {
      async requestDidStart() {
        return {
          async didResolveOperation({ request }) {
            if (request.variables !== undefined) request.variables.to = 'you';
          },
        };
      },
    };
    const budget = { points: 100, restored: 1 };
    const made = await gatewayOver(
      { greetings },
      {
        apollo: await createApollo([plugin], log),
        config: { origins: [], trustProxy: false, budgets: { known: budget, anonymous: budget } },
      },
    );
    closing.push(() => made.close());
    const gateway = Object.assign(made, { demo: {} as Handle['demo'] });
    const query = 'query Greet($to: String!) { hello(to: $to) }';
    const response = await post(gateway, { query, variables: { to: 'me' } }, {});
    expect(await response.json()).toMatchObject({ data: { hello: 'Hello you' } });
  });

  it('sets headers, a status and an extension', async () => {
    const gateway = await started({
      async requestDidStart() {
        return {
          async willSendResponse({ response: { http, body } }) {
            http.headers.set('x-took', '1 ms');
            http.headers.set('cache-control', 'max-age=5');
            http.status = 202;
            if (body.kind === 'single') body.singleResult.extensions = { took: 1 };
          },
        };
      },
    });
    const response = await post(gateway, { query: '{ hello }' }, {});
    const { headers } = response;
    expect([response.status, headers.get('x-took'), headers.get('cache-control')]).toEqual([
      202,
      '1 ms',
      'max-age=5',
    ]);
    expect(await response.text()).toBe('{"data":{"hello":"Hello you"},"extensions":{"took":1}}');
  });

  type Body = { data?: Record<string, unknown> | null };
  const other = { hello: 'Changed' };
  it.each<[string, (result: Body) => Body, string]>([
    ['changes', ({ data }) => ({ data: Object.assign(data!, other) }), '{"hello":"Changed","count":1}'],
    ['replaces', (result) => Object.assign(result, { data: other }), '{"hello":"Changed"}'],
    ['copies', ({ data }) => ({ data: { ...data, ...other } }), '{"hello":"Changed","count":1}'],
    ['only reads', (result) => (result.data?.hello ? result : {}), '{"hello":"Hello you","count":1}'],
  ])('%s data', async (_how, change, expected) => {
    const gateway = await started({
      async requestDidStart() {
        return {
          async willSendResponse({ response: { body } }) {
            if (body.kind === 'single') Object.assign(body, { singleResult: change(body.singleResult) });
          },
        };
      },
    });
    const response = await post(gateway, { query: '{ hello count }' }, {});
    expect(await response.text()).toBe(`{"data":${expected}}`);
  });

  it('sees and changes errors: of a field, and of a document that is not run', async () => {
    const seen: unknown[] = [];
    const gateway = await started({
      async requestDidStart() {
        return {
          async didEncounterErrors({ errors }) {
            seen.push(errors.map(({ message, path }) => ({ message, path })));
          },
          async willSendResponse({ response: { body } }) {
            if (body.kind !== 'single') return;
            for (const error of body.singleResult.errors ?? []) Object.assign(error, { message: 'Sorry.' });
          },
        };
      },
    });
    const answer = async (query: string) => (await post(gateway, { query }, {})).json();
    for (let times = 0; times < 2; times++) {
      expect(await answer('{ hello broken }')).toMatchObject({
        errors: [{ message: 'Sorry.', path: ['broken'], extensions: { code: 'BROKEN' } }],
        data: { hello: 'Hello you', broken: null },
      });
      expect(await answer('{ helo hallo }')).toMatchObject({
        errors: Array(2).fill({ message: 'Sorry.', extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }),
      });
      expect(seen.splice(0)).toEqual([
        [{ message: 'It is broken.', path: ['broken'] }],
        ['helo', 'hallo'].map((name) => ({
          message: expect.stringContaining(`Cannot query field "${name}"`),
        })),
      ]);
    }
  });

  it('refuses an operation', async () => {
    const gateway = await started({
      async requestDidStart() {
        return {
          async didResolveOperation() {
            throw new GraphQLError('Not today.', { extensions: { code: 'CLOSED', http: { status: 403 } } });
          },
        };
      },
    });
    const response = await post(gateway, { query: '{ hello }' }, {});
    expect(response.status).toBe(403);
    expect(await response.json()).toEqual({
      errors: [{ message: 'Not today.', extensions: { code: 'CLOSED' } }],
    });
  });

  it('answers instead of the graph', async () => {
    const gateway = await started({
      async requestDidStart() {
        return {
          async responseForOperation() {
            return {
              http: { status: undefined, headers: new Map() as never },
              body: { kind: 'single', singleResult: { data: { hello: 'From memory' } } },
            };
          },
        };
      },
    });
    const response = await post(gateway, { query: '{ hello }' }, {});
    expect(await response.text()).toBe('{"data":{"hello":"From memory"}}');
  });

  it('that throws costs its answer, and tells nobody why', async () => {
    const gateway = await started({
      async requestDidStart() {
        return {
          async willSendResponse() {
            throw new Error('secret');
          },
        };
      },
    });
    const response = await post(gateway, { query: '{ hello }' }, {});
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).toContain('"code":"INTERNAL"');
    expect(text).not.toMatch(/secret|stack/);
  });

  it('has no part in streams', async () => {
    let told = 0;
    const gateway = await started({
      async requestDidStart() {
        told += 1;
      },
    });
    const events = await openEvents(gateway, 'subscription { tick }', {}, {});
    expect((await events.next()).value).toMatchObject({ data: { data: { tick: 1 } } });
    expect(told).toBe(0);
  });

  it('is started with the gateway, told of a new supergraph, and stopped', async () => {
    const told: string[] = [];
    const gateway = await started({
      async serverWillStart() {
        return {
          schemaDidLoadOrUpdate({ apiSchema }) {
            told.push(Object.keys(apiSchema.getQueryType()!.getFields()).join());
          },
          async serverWillStop() {
            told.push('stopped');
          },
        };
      },
    });
    gateway.replace(compose({ greetings: { sdl: 'type Query { bye: String }' } }));
    expect(await (await post(gateway, { query: '{ hello }' }, {})).text()).toContain('Cannot query field');
    await gateway.close();
    expect(told).toEqual(['hello,broken,count,never', 'bye', 'stopped']);
  });
});

describe('behind the Apollo front', () => {
  let database: TestDatabase;
  let gateway: Handle;
  let key: string;
  beforeAll(async () => {
    database = await freshDatabase();
    const place = await newCommunity(database.resources);
    key = await issueKey(database.sql, place.id, { kind: 'SYSTEM', name: 'System' });
  });
  afterAll(() => database.close());

  const start = async () => {
    const apollo = await createApollo([], log);
    const config = { origins: [], trustProxy: false };
    const made = oneProcessGateway(database.resources, config, log, undefined, { apollo });
    closing.push(() => made.close());
    const { port } = await made.listen({ host: '127.0.0.1', port: 0 });
    gateway = { endpoint: `http://127.0.0.1:${port}/graphql`, demo: {} as Handle['demo'] };
  };

  it('what a caller does not see is in no answer, and nothing hints at it', async () => {
    await start();
    const ask = async (query: string, headers = {}) => (await post(gateway, { query }, headers)).text();
    // It is known to Apollo, once somebody was allowed to ask it.
    expect(await ask('{ users(first: 1) { nodes { id } } }', { 'x-api-key': key })).toContain('"data"');
    for (const query of ['{ users(first: 1) { nodes { id } } }', '{ user { id } }', '{ use }']) {
      const text = await ask(query);
      expect(text).toContain('Cannot query field');
      expect(text).not.toMatch(/Did you mean|users\(|"data"/);
    }
    expect(await ask('{ __type(name: "Query") { fields { name } } }')).not.toContain('"users"');
  });

  it('a credential that is not valid is answered by 401', async () => {
    await start();
    const response = await post(gateway, { query: '{ viewer { scopes } }' }, { 'x-api-key': 'nonsense' });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_CREDENTIAL' } }] });
  });
});

describe('the plugins of the configuration', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'laurel-plugins-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const module = async (name: string, text: string) => {
    const file = join(folder, name);
    await writeFile(file, text);
    return file;
  };
  const opened = (...apolloPlugins: string[]) => openApollo({ front: 'apollo', apolloPlugins }, log);

  it('are loaded from modules that export one, or a list', async () => {
    const plugin = (name: string) => `{ requestDidStart: async () => ({
      willSendResponse: async ({ response }) => { response.http.headers.set('x-${name}', 'here') }
    }) }`;
    const apollo = await opened(
      await module('one.mjs', `export default ${plugin('one')}`),
      await module('list.cjs', `module.exports = [${plugin('two')}, ${plugin('three')}]`),
    );
    const gateway = await gatewayOver({ greetings }, { apollo });
    closing.push(() => gateway.close());
    const { headers } = await fetch(`${gateway.endpoint}?query={hello}`);
    expect(['x-one', 'x-two', 'x-three'].map((name) => headers.get(name))).toEqual(['here', 'here', 'here']);
  });

  it('are refused in one line when they are none', async () => {
    await expect(opened('./nowhere.js')).rejects.toThrow(
      /^LAUREL_APOLLO_PLUGINS: \.\/nowhere\.js can't be loaded: .*nowhere\.js.*$/,
    );
    const file = await module('none.mjs', 'export default 7');
    await expect(opened(file)).rejects.toThrow(
      `LAUREL_APOLLO_PLUGINS: the default export of ${file} is a plugin, or a list of plugins.`,
    );
  });

  it('that do not start are told in one line', async () => {
    const serverWillStart = () => Promise.reject(new Error('no port'));
    const apollo = await createApollo([{ serverWillStart }], log);
    await expect(gatewayOver({ greetings }, { apollo })).rejects.toThrow(
      'Apollo Server could not start: no port',
    );
  });
});
