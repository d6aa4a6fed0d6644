import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { useServer } from 'graphql-ws/use/ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { type Caller, openAccess } from '../../gateway/access.ts';
import { forwarding } from '../../gateway/forward.ts';
import { post, socketClient } from '../kit/client.ts';
import { compose, subgraphSchema } from '../kit/federation.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import type { Handle } from '../kit/processes.ts';

// What subgraphs in other processes get of their callers, and how long they may take.

const echo = { sdl: 'type Query { tenant: String never: String } type Subscription { tenant: String }' };

let gateway: TestGateway & Handle;
const closing: (() => unknown)[] = [];

/** A subgraph that answers with the tenant it was told of. */
async function startEcho(): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      if (body.includes('never')) return;
      const { 'x-tenant': tenant = null, 'x-other': other = null } = request.headers;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ data: { tenant: other ?? tenant } }));
    });
  });
  const sockets = new WebSocketServer({ server });
  const schema = subgraphSchema({
    ...echo,
    resolvers: {
      Subscription: {
        tenant: {
          async *subscribe(_: unknown, _args: unknown, context: { tenant: string }) {
            yield { tenant: context.tenant };
          },
        },
      },
    },
  });
  useServer(
    {
      schema,
      context: (_context, _id, { extensions }) => ({
        tenant: (extensions?.headers as Record<string, string> | undefined)?.['x-tenant'],
      }),
    },
    sockets,
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    sockets.close();
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}

beforeAll(async () => {
  const url = await startEcho();
  const started = await gatewayOver(
    { echo },
    {
      reach: () => undefined,
      supergraph: compose({ echo: { ...echo, url } }),
      config: {
        origins: [],
        trustProxy: false,
        forwardHeaders: ['x-tenant'],
        timeouts: { echo: 100 },
      },
    },
  );
  gateway = Object.assign(started, { demo: {} as Handle['demo'] });
});
afterAll(async () => {
  await gateway.close();
  for (const close of closing) close();
});

describe('headers', () => {
  it('are forwarded when they are named, and only then', async () => {
    const asked = { query: '{ tenant }' };
    const told = async (headers: Record<string, string>) => (await post(gateway, asked, headers)).json();
    expect(await told({ 'X-Tenant': 'acme' })).toEqual({ data: { tenant: 'acme' } });
    expect(await told({ 'x-other': 'x' })).toEqual({ data: { tenant: null } });
    expect(await told({ 'x-tenant': 'acme', 'x-other': 'x' })).toEqual({ data: { tenant: 'acme' } });
  });

  it('are forwarded from the payload of connection_init, and with streams', async () => {
    const ask = (tenant: string, query: string) =>
      new Promise((resolve) => {
        const client = socketClient(gateway, { 'X-Tenant': tenant });
        closing.push(() => client.dispose());
        client.subscribe({ query }, { next: resolve, error: resolve, complete() {} });
      });
    expect(await ask('acme', '{ tenant }')).toEqual({ data: { tenant: 'acme' } });
    const streams = ['acme', 'other'].map((tenant) => ask(tenant, 'subscription { tenant }'));
    expect(await Promise.all(streams)).toEqual([{ data: { tenant: 'acme' } }, { data: { tenant: 'other' } }]);
  });

  it('keep streams apart that differ in them', async () => {
    const access = forwarding(openAccess({ key: 'all', schema: gateway.engine.schema }), ['x-tenant']);
    const keyOf = async (headers: Record<string, unknown>) => {
      const { key, caller } = await access.classOf(await access.callerOf(headers));
      return { key, headers: (caller as Caller).headers };
    };
    const acme = await keyOf({ 'x-tenant': 'acme', 'x-other': '1' });
    expect(acme).toEqual(await keyOf({ 'x-tenant': 'acme', 'x-other': '2' }));
    expect(acme.headers).toEqual({ 'x-tenant': 'acme' });
    expect((await keyOf({ 'x-tenant': 'other' })).key).not.toBe(acme.key);
  });

  it.each([
    ['a number', 7],
    ['null', null],
    ['a list', ['a']],
    ['two lines', 'a\r\nx-laurel-principal: b'],
    ['too long', 'x'.repeat(10_000)],
  ])('that are none are left out: %s', async (_what, value) => {
    const access = forwarding(openAccess({ key: 'all', schema: gateway.engine.schema }), ['x-tenant']);
    expect((await access.callerOf({ 'x-tenant': value })).headers).toEqual({});
  });
});

describe('a subgraph', () => {
  it('that takes longer than its timeout costs its fields', async () => {
    expect(await (await post(gateway, { query: '{ never }' }, {})).json()).toMatchObject({
      data: { never: null },
      errors: [{ path: ['never'], extensions: { code: 'SUBGRAPH_TIMEOUT' } }],
    });
  });
});
