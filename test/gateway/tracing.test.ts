import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GraphQLSchema, graphql } from 'graphql';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inProcess } from '../../gateway/engine/index.ts';
import { createTracing } from '../../gateway/tracing.ts';
import { openEvents, post, socketClient } from '../kit/client.ts';
import { compose, subgraphSchema } from '../kit/federation.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import { type Handle, laurel, stopAll } from '../kit/processes.ts';

// What OpenTelemetry is told: by a collector that is a server, of subgraphs that are servers too.

interface Span {
  name: string;
  kind: 'internal' | 'server' | 'client';
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  attributes: Record<string, string | number>;
  /** Undefined for what went well. */
  error: string | undefined;
  seconds: number;
  service: string;
}

interface Sent {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
  status: { code: number; message?: string };
}

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: number };
}

const users = {
  sdl: `
    type Query { me: User broken: String }
    type User @key(fields: "id") { id: ID! name: String! }
  `,
  resolvers: {
    Query: {
      me: () => ({ id: '1', name: 'Robin' }),
      broken() {
        throw new Error('no');
      },
    },
  },
};
const scores = {
  sdl: `
    type User @key(fields: "id") { id: ID! score: Int }
    type Query { best: User }
    type Subscription { scored: User }
  `,
  resolvers: {
    User: { __resolveReference: ({ id }: { id: string }) => ({ id, score: 7 }) },
    Subscription: {
      scored: {
        async *subscribe() {
          for (const id of ['1', '2', '3']) yield { scored: { id, score: 7 } };
        },
      },
    },
  },
};
const everybody = {
  ...users.resolvers,
  User: { __resolveReference: (user: object) => ({ ...user, name: 'R' }) },
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  vi.unstubAllEnvs();
});

/** A server that answers each body with a text. */
async function serve(
  answer: (body: Buffer, headers: IncomingHttpHeaders) => Promise<string>,
): Promise<string> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', async () => {
      const text = await answer(Buffer.concat(parts), request.headers);
      response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let received: Span[];
let contentTypes: (string | undefined)[];
let collector: string;
beforeEach(async () => {
  received = [];
  contentTypes = [];
  collector = await serve(async (body, headers) => {
    contentTypes.push(headers['content-type']);
    if (headers['content-type'] !== 'application/json') return '';
    received.push(...spansIn(String(body)));
    return '{}';
  });
});

function spansIn(body: string): Span[] {
  const { resourceSpans } = JSON.parse(body) as {
    resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Sent[] }[] }[];
  };
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        name: span.name,
        kind: (['internal', 'server', 'client'] as const)[span.kind - 1]!,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        attributes: valuesOf(span.attributes),
        error: span.status.code === 2 ? span.status.message : undefined,
        seconds: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e9,
        service: String(valuesOf(resource.attributes)['service.name']),
      })),
    ),
  );
}

function valuesOf(attributes: readonly Attribute[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
}

interface Traced extends TestGateway, Handle {
  /** The headers that the subgraph `scores` got with its calls. */
  told: IncomingHttpHeaders[];
  urls: { users: string; scores: string };
  /** Ends the gateway; what it has to tell is told then. */
  spans(): Promise<Span[]>;
}

/** A gateway over two subgraphs behind URLs; the streams of one of them come from this process. */
async function started({ documents = false, usersAt = '' } = {}): Promise<Traced> {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector);
  const told: IncomingHttpHeaders[] = [];
  const asked = (schema: GraphQLSchema, log?: IncomingHttpHeaders[]) =>
    serve(async (body, headers) => {
      log?.push(headers);
      const { query, variables } = JSON.parse(String(body));
      return JSON.stringify(await graphql({ schema, source: query, variableValues: variables }));
    });
  const schemas = {
    users: subgraphSchema({ ...users, resolvers: everybody }),
    scores: subgraphSchema(scores),
  };
  const urls = { users: await asked(schemas.users), scores: await asked(schemas.scores, told) };
  const tracing = await createTracing({ protocol: 'http/json', documents }, pino({ level: 'silent' }));
  const streams = inProcess({ name: 'scores', schema: schemas.scores, contextOf: () => ({}) });
  const gateway = await gatewayOver(
    { users, scores },
    {
      tracing,
      supergraph: compose({
        users: { ...users, url: usersAt || `${urls.users}/graphql?key=secret` },
        scores: { ...scores, url: `${urls.scores}/graphql` },
      }),
      reach: () => undefined,
    },
  );
  Object.assign(gateway.engine.subgraphs.get('scores')!, { subscribe: streams.subscribe });
  let ended = false;
  const end = async () => {
    if (ended) return;
    ended = true;
    await gateway.close();
    await tracing.close();
  };
  closing.push(end);
  const spans = async () => {
    await end();
    return received;
  };
  return Object.assign(gateway, { demo: {} as Handle['demo'], told, urls, spans });
}

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const traceparent = `00-${traceId}-${spanId}-01`;
const query = 'query Me { me { name score } }';

const portOf = (url: string) => Number(new URL(url).port);

describe('the trace of a query', () => {
  it('has the operation below its client, and below that the plan and each call', async () => {
    const gateway = await started();
    expect(await (await post(gateway, { query }, { traceparent })).json()).toEqual({
      data: { me: { name: 'Robin', score: 7 } },
    });
    const [plan, toUsers, toScores, operation, ...others] = await gateway.spans();
    expect(others).toEqual([]);
    const inTrace = { traceId, error: undefined, service: 'laurel', seconds: expect.any(Number) };
    expect(operation).toEqual({
      ...inTrace,
      name: 'query',
      kind: 'server',
      spanId: expect.any(String),
      parentSpanId: spanId,
      attributes: { 'graphql.operation.type': 'query', 'graphql.operation.name': 'Me' },
    });
    const below = { ...inTrace, spanId: expect.any(String), parentSpanId: operation?.spanId };
    expect(plan).toEqual({ ...below, name: 'plan', kind: 'internal', attributes: {} });
    const call = (name: 'users' | 'scores') => ({
      ...below,
      name: 'POST /graphql',
      kind: 'client',
      attributes: {
        'laurel.subgraph.name': name,
        'graphql.operation.type': 'query',
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'server.address': '127.0.0.1',
        'server.port': portOf(gateway.urls[name]),
        'url.full': `${gateway.urls[name]}/graphql`,
        'url.template': '/graphql',
      },
    });
    expect([toUsers, toScores]).toEqual([call('users'), call('scores')]);
    for (const { seconds } of [plan!, toUsers!, toScores!]) {
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThan(operation!.seconds);
    }
  });

  it('goes on in subgraphs, below the call', async () => {
    const gateway = await started();
    const tracestate = 'vendor=1';
    await post(gateway, { query }, { traceparent, tracestate });
    const call = (await gateway.spans()).find((span) => span.attributes['laurel.subgraph.name'] === 'scores');
    expect(gateway.told).toMatchObject([{ traceparent: `00-${traceId}-${call?.spanId}-01`, tracestate }]);
  });

  it('has a plan only where one was made', async () => {
    const gateway = await started();
    for (let times = 0; times < 3; times++) await post(gateway, { query }, {});
    const spans = await gateway.spans();
    expect(spans.filter(({ name }) => name === 'plan')).toHaveLength(1);
    expect(spans.filter(({ name }) => name === 'query')).toHaveLength(3);
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(3);
  });

  it('is not told when its client does not want it to be', async () => {
    const gateway = await started();
    await post(gateway, { query }, { traceparent: traceparent.replace(/01$/, '00') });
    expect(gateway.told[0]?.traceparent).toMatch(new RegExp(`^00-${traceId}-\\w{16}-00$`));
    expect(await gateway.spans()).toEqual([]);
  });

  it('holds texts only where that is wanted', async () => {
    const gateway = await started({ documents: true });
    await post(gateway, { query }, {});
    const texts = (await gateway.spans()).map(({ name, attributes }) => [
      name,
      attributes['graphql.document'],
    ]);
    expect(texts).toEqual([
      ['plan', undefined],
      ['POST /graphql', expect.stringContaining('me{')],
      ['POST /graphql', expect.stringContaining('_entities')],
      ['query', query],
    ]);
  });

  it('comes over WebSocket with the payload of connection_init', async () => {
    const gateway = await started();
    const client = socketClient(gateway, { traceparent });
    await client.iterate({ query }).next();
    await client.dispose();
    const operation = (await gateway.spans()).find(({ name }) => name === 'query');
    expect(operation).toMatchObject({ traceId, parentSpanId: spanId });
  });
});

describe('an error', () => {
  it('of a subgraph marks the call and the operation', async () => {
    const gateway = await started();
    await post(gateway, { query: '{ broken me { id } }' }, {});
    const spans = await gateway.spans();
    expect(spans.find(({ name }) => name === 'POST /graphql')).toMatchObject({
      error: 'no',
      attributes: { 'error.type': '_OTHER', 'http.response.status_code': 200 },
    });
    expect(spans.find(({ name }) => name === 'query')).toMatchObject({
      error: 'Subgraph "users" failed to answer this field.',
      attributes: { 'error.type': 'SUBGRAPH_ERROR' },
    });
  });

  it('that keeps a subgraph from answering does too', async () => {
    const gateway = await started({ usersAt: 'http://127.0.0.1:1/graphql' });
    await post(gateway, { query }, {});
    const spans = await gateway.spans();
    for (const name of ['POST /graphql', 'query'])
      expect(spans.find((span) => span.name === name)).toMatchObject({
        error: 'Subgraph "users" is unavailable.',
        attributes: { 'error.type': 'SUBGRAPH_UNAVAILABLE' },
      });
  });

  it('that keeps an operation from being executed is an operation that failed', async () => {
    const gateway = await started();
    await post(gateway, { query: '{ nothing }' }, { traceparent });
    expect(await gateway.spans()).toMatchObject([
      {
        name: 'GraphQL Operation',
        kind: 'server',
        parentSpanId: spanId,
        error: expect.stringContaining('Cannot query field "nothing"'),
        attributes: { 'error.type': 'GRAPHQL_VALIDATION_FAILED' },
      },
    ]);
  });
});

describe('a subscription', () => {
  it('is a span when it is opened, and one for each event with the calls for it', async () => {
    const gateway = await started();
    const events = await openEvents(
      gateway,
      'subscription Scored { scored { score name } }',
      {},
      { traceparent },
    );
    for await (const { event } of events) if (event === 'complete') break;
    const spans = await gateway.spans();
    expect(spans.filter(({ name }) => name === 'subscription')).toMatchObject([
      {
        traceId,
        parentSpanId: spanId,
        kind: 'server',
        attributes: { 'graphql.operation.type': 'subscription', 'graphql.operation.name': 'Scored' },
      },
    ]);
    const answered = spans.filter(({ name }) => name === 'subscription event');
    expect(new Set(answered.map((span) => span.traceId)).size).toBe(3);
    const calls = spans.filter(({ name }) => name === 'POST /graphql');
    expect(calls.map((span) => span.parentSpanId)).toEqual(answered.map((span) => span.spanId));
  });
});

describe('the environment', () => {
  it('names the service, and what is sampled', async () => {
    vi.stubEnv('OTEL_SERVICE_NAME', 'our-graph');
    vi.stubEnv('OTEL_TRACES_SAMPLER', 'parentbased_always_off');
    const gateway = await started();
    await post(gateway, { query }, {});
    await post(gateway, { query }, { traceparent });
    const spans = await gateway.spans();
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
    expect(new Set(spans.map((span) => span.service))).toEqual(new Set(['our-graph']));
  });

  it('is all that `laurel gateway` needs; the last spans are sent when it ends', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'laurel-tracing-'));
    closing.push(() => rm(folder, { recursive: true }), stopAll);
    const file = join(folder, 'supergraph.graphql');
    await writeFile(file, compose({ users }));
    const run = async (variables: Record<string, string>) => {
      const words = ['gateway', '--supergraph', file, '--auth', 'none', '--port', '0'];
      const running = laurel(words, { OTEL_EXPORTER_OTLP_ENDPOINT: collector, ...variables });
      const [, endpoint = ''] = await running.says(/ready at (\S+)$/m);
      await post({ endpoint, demo: {} as Handle['demo'] }, { query: '{ __typename }' }, {});
      expect(await running.stop()).toMatchObject({ code: 0, stderr: '' });
    };
    await run({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' });
    expect(received.map(({ name }) => name)).toEqual(['query']);
    await run({});
    expect(contentTypes).toEqual(['application/json', 'application/x-protobuf']);
    await run({ OTEL_SDK_DISABLED: 'true' });
    expect(contentTypes).toHaveLength(2);
  });
});
