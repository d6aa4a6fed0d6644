import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayOptions } from '../../gateway/gateway.ts';
import { createMetrics, createMetricsServer, type Metrics } from '../../gateway/metrics.ts';
import { openEvents, post, socketClient } from '../kit/client.ts';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';
import type { Handle } from '../kit/processes.ts';

// What Prometheus is told, and who is told it.

let end = () => {};
let quiet: Promise<void>;
beforeEach(() => {
  quiet = new Promise((resolve) => {
    end = resolve;
  });
});
const greetings = {
  sdl: 'type Query { hello: String broken: String } type Mutation { greet: String } type Subscription { tick: Int }',
  resolvers: {
    Query: {
      hello: () => 'Hello',
      broken() {
        throw new Error('no');
      },
    },
    Mutation: { greet: () => 'Hello' },
    Subscription: {
      tick: {
        async *subscribe() {
          yield { tick: 1 };
          await quiet;
        },
      },
    },
  },
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  end();
  for (const close of closing.splice(0).reverse()) await close();
});

async function started(options: Partial<GatewayOptions>): Promise<TestGateway & Handle> {
  const gateway = await gatewayOver({ greetings }, options);
  closing.push(() => gateway.close());
  return Object.assign(gateway, { demo: {} as Handle['demo'] });
}

/** The value of one line; 0 when it isn't there. */
async function value(metrics: Metrics, line: string): Promise<number> {
  const found = (await metrics.text()).split('\n').find((one) => one.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1) ?? 0);
}

describe('metrics', () => {
  it('count operations by kind and outcome, calls by subgraph, and what the caches spared', async () => {
    const metrics = createMetrics();
    const gateway = await started({ metrics });
    for (const query of [
      '{ hello }',
      '{ hello }',
      '{ broken }',
      '{ nothing }',
      'mutation { greet }',
      'subscription',
    ]) {
      await (await post(gateway, { query }, {})).text();
    }
    await (await post(gateway, '{', {})).text();
    const told = (line: string) => value(metrics, line);
    expect(await told('laurel_operations_total{kind="query",outcome="ok"}')).toBe(2);
    expect(await told('laurel_operations_total{kind="query",outcome="partial"}')).toBe(1);
    expect(await told('laurel_operations_total{kind="mutation",outcome="ok"}')).toBe(1);
    expect(await told('laurel_operations_total{kind="unknown",outcome="refused"}')).toBe(3);
    expect(await told('laurel_operation_duration_seconds_count{kind="query"}')).toBe(3);
    expect(await told('laurel_operation_cache_total{result="hit"}')).toBe(1);
    expect(await told('laurel_operation_cache_total{result="miss"}')).toBe(5);
    expect(await told('laurel_plan_cache_total{result="hit"}')).toBe(1);
    expect(await told('laurel_plan_cache_total{result="miss"}')).toBe(3);
    const calls = 'laurel_subgraph_calls_total{subgraph="greetings"';
    expect(await told(`${calls},kind="query",outcome="ok"}`)).toBe(2);
    expect(await told(`${calls},kind="query",outcome="errors"}`)).toBe(1);
    expect(await told(`${calls},kind="mutation",outcome="ok"}`)).toBe(1);
    expect(await told('laurel_subgraph_call_duration_seconds_count{subgraph="greetings"}')).toBe(4);
    expect(await told('process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
  });

  it('count streams and sockets while they are open', async () => {
    const metrics = createMetrics();
    const gateway = await started({ metrics });
    const events = await openEvents(gateway, 'subscription { tick }', {}, {});
    await events.next();
    const client = socketClient(gateway, {});
    client.subscribe({ query: 'subscription { tick }' }, { next() {}, error() {}, complete() {} });
    await expect.poll(() => value(metrics, 'laurel_streams')).toBe(2);
    expect(await value(metrics, 'laurel_upstream_streams')).toBe(1);
    expect(await value(metrics, 'laurel_sockets')).toBe(1);
    expect(await value(metrics, 'laurel_operations_total{kind="subscription",outcome="ok"}')).toBe(2);
    await client.dispose();
    events.close();
    await expect.poll(() => value(metrics, 'laurel_streams')).toBe(0);
    await expect.poll(() => value(metrics, 'laurel_sockets')).toBe(0);
  });

  it('tell a subgraph that is down, or too slow, from one that answers', async () => {
    const metrics = createMetrics();
    const failing = (code: string) => ({
      execute: () => Promise.reject(Object.assign(new Error('no'), { code })),
      subscribe: () => Promise.reject(new Error('no')),
    });
    const gateway = await started({ metrics, reach: () => failing('SUBGRAPH_TIMEOUT') });
    await (await post(gateway, { query: '{ hello }' }, {})).text();
    await (await post(gateway, { query: 'subscription { tick }' }, { accept: 'text/event-stream' })).text();
    const calls = 'laurel_subgraph_calls_total{subgraph="greetings"';
    expect(await value(metrics, `${calls},kind="query",outcome="timeout"}`)).toBe(1);
    // A stream is asked for three times more before its client is told.
    expect(await value(metrics, `${calls},kind="subscription",outcome="unavailable"}`)).toBe(4);
  });

  it('are told at the port of the graph only when that is wanted', async () => {
    const metrics = createMetrics();
    const config = { origins: [], trustProxy: false };
    const hidden = await started({ metrics, config });
    const shown = await started({ metrics, config: { ...config, metrics: true } });
    const at = ({ endpoint }: TestGateway) => fetch(endpoint.replace(/graphql$/, 'metrics'));
    expect((await at(hidden)).status).toBe(404);
    const response = await at(shown);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await response.text()).toContain('# TYPE laurel_operations_total counter');
  });

  it('are told at a port of their own, and nothing else is', async () => {
    const server = createMetricsServer(createMetrics());
    closing.push(() => server.close());
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    const told = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(await told.text()).toContain('laurel_operations_total');
    expect((await fetch(`http://127.0.0.1:${port}/graphql`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status).toBe(404);
  });
});
