import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayOptions } from '../../gateway/gateway.ts';
import { createMetrics } from '../../gateway/metrics.ts';
import { keepReloaded, type Reload } from '../../gateway/reload.ts';
import { data, openEvents, query, socketClient } from '../kit/client.ts';
import { compose } from '../kit/federation.ts';
import { gatewayOptions, gatewayOver, type TestGateway } from '../kit/gateway.ts';
import { type Handle, laurel, stopAll } from '../kit/processes.ts';

// A new supergraph is served, whatever is under way; a broken one never is.

const older = { sdl: 'type Query { hello: String slow: String } type Subscription { tick: Int }' };
const newer = {
  sdl: 'type Query { hello: String slow: String bye: String } type Subscription { tick: Int }',
};
const [before, after] = [compose({ greetings: older }), compose({ greetings: newer })];

/** Gives what is pushed to whoever reads. */
function pushed<T>() {
  let give: (value: T) => void = () => {};
  let next = new Promise<T>((resolve) => {
    give = resolve;
  });
  return {
    push(value: T) {
      give(value);
      next = new Promise((resolve) => {
        give = resolve;
      });
    },
    next: () => next,
  };
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A gateway over the older supergraph whose subgraph can do all of the newer, and what happens inside it. */
async function started(options: Partial<GatewayOptions> = {}) {
  const slow = pushed<string>();
  const ticks = pushed<number>();
  const asked = pushed<void>();
  let disposals = 0;
  const resolvers = {
    Query: {
      hello: () => 'Hello',
      bye: () => 'Bye',
      slow() {
        asked.push();
        return slow.next();
      },
    },
    Subscription: {
      tick: {
        async *subscribe() {
          yield { tick: 0 };
          while (true) yield { tick: await ticks.next() };
        },
      },
    },
  };
  const { reach } = gatewayOptions({ greetings: { ...newer, resolvers } });
  const gateway = await gatewayOver(
    { greetings: { ...newer, resolvers } },
    {
      supergraph: before,
      reach(name) {
        const subgraph = reach?.(name);
        const dispose = async () => void disposals++;
        return subgraph && { ...subgraph, dispose };
      },
      ...options,
    },
  );
  closing.push(() => gateway.close());
  const handle: TestGateway & Handle = Object.assign(gateway, { demo: {} as Handle['demo'] });
  return { gateway: handle, slow, ticks, asked, disposals: () => disposals };
}

describe('a new supergraph', () => {
  it('serves new requests while those under way finish on the old one', async () => {
    const { gateway, slow, asked, disposals } = await started();
    expect(await query(gateway, '{ bye }', {}, {})).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
    const reached = asked.next();
    const underWay = data(gateway, '{ slow }', {}, {});
    await reached;
    gateway.replace(after);
    expect(await data(gateway, '{ hello bye }', {}, {})).toEqual({ hello: 'Hello', bye: 'Bye' });
    expect(disposals()).toBe(0);
    slow.push('Done');
    expect(await underWay).toEqual({ slow: 'Done' });
    await expect.poll(disposals).toBe(1);
  });

  it('leaves streams on the old one, which goes with the last of them', async () => {
    const { gateway, ticks, disposals } = await started();
    const events = await openEvents(gateway, 'subscription { tick }', {}, {});
    expect((await events.next()).value).toMatchObject({ data: { data: { tick: 0 } } });
    const client = socketClient(gateway, {});
    const heard: unknown[] = [];
    const next = (result: unknown) => heard.push(result);
    client.subscribe({ query: 'subscription { tick }' }, { next, error() {}, complete() {} });
    // The socket's stream is open when its query is answered behind it.
    await new Promise<void>((complete) => {
      client.subscribe({ query: '{ hello }' }, { next() {}, error() {}, complete });
    });
    gateway.replace(after);
    expect(await data(gateway, '{ bye }', {}, {})).toEqual({ bye: 'Bye' });
    ticks.push(1);
    expect((await events.next()).value).toMatchObject({ data: { data: { tick: 1 } } });
    await expect.poll(() => heard).toContainEqual({ data: { tick: 1 } });
    events.close();
    await expect.poll(() => disposals()).toBe(0);
    await client.dispose();
    await expect.poll(disposals).toBe(1);
  });

  it('serves the sockets that are open already', async () => {
    const { gateway, disposals } = await started();
    const client = socketClient(gateway, {});
    const ask = (text: string) =>
      new Promise((resolve) => {
        client.subscribe({ query: text }, { next: resolve, error: resolve, complete() {} });
      });
    client.subscribe({ query: 'subscription { tick }' }, { next() {}, error() {}, complete() {} });
    expect(await ask('{ hello }')).toEqual({ data: { hello: 'Hello' } });
    gateway.replace(after);
    expect(await ask('{ bye }')).toEqual({ data: { bye: 'Bye' } });
    await client.dispose();
    await expect.poll(disposals).toBe(1);
  });

  it('goes on with the counts of the old one', async () => {
    const metrics = createMetrics();
    const { gateway } = await started({ metrics });
    const misses = async () =>
      /^laurel_plan_cache_total\{result="miss"\} (\d+)$/m.exec(await metrics.text())?.[1];
    await data(gateway, '{ hello }', {}, {});
    expect(await misses()).toBe('1');
    gateway.replace(after);
    await data(gateway, '{ hello }', {}, {});
    expect(await misses()).toBe('2');
  });

  it.each([
    ['broken', 'type Query {'],
    ['empty', ''],
    ['no supergraph', 'type Query { hello: String }'],
  ])('is refused when it is %s, and the old one serves on', async (_what, text) => {
    const { gateway, disposals } = await started();
    expect(() => gateway.replace(text)).toThrow();
    expect(await data(gateway, '{ hello }', {}, {})).toEqual({ hello: 'Hello' });
    expect(disposals()).toBe(0);
  });
});

describe('the file of the supergraph', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'laurel-reload-'));
    file = join(folder, 'supergraph.graphql');
    await writeFile(file, 'one');
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Follows the file; `bad` can't be served. */
  async function following(): Promise<{ taken: string[]; lines: string[]; reload: Reload }> {
    const taken: string[] = [];
    const lines: string[] = [];
    const reload = keepReloaded({
      file,
      text: 'one',
      replace(text) {
        if (text === 'bad') throw new Error('it is\nbad');
        taken.push(text);
      },
      log: pino({ base: null, timestamp: false }, { write: (line) => void lines.push(line) }),
      replaced() {},
      everyMs: 20,
    });
    closing.push(async () => reload.stop());
    // The first look is over before the file is written: it could fall between its emptying and its filling.
    await reload.now();
    return { taken, lines, reload };
  }

  it('is taken when it is written or renamed into place, each time', async () => {
    const { taken, lines } = await following();
    await writeFile(file, 'two');
    await expect.poll(() => taken).toEqual(['two']);
    await writeFile(join(folder, 'part'), 'three');
    await rename(join(folder, 'part'), file);
    await expect.poll(() => taken).toEqual(['two', 'three']);
    await rm(file);
    await expect.poll(() => lines.join('')).toContain('ENOENT');
    await writeFile(file, 'four');
    await expect.poll(() => taken).toEqual(['two', 'three', 'four']);
  });

  it('is refused in one line when it can not be served', async () => {
    const { taken, lines } = await following();
    await writeFile(file, 'bad');
    await expect.poll(() => lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 50,
      file,
      reason: 'it is bad',
      msg: 'the new supergraph is refused, the old one is served on',
    });
    await writeFile(file, 'two');
    await expect.poll(() => taken).toEqual(['two']);
  });

  it('is read at once when that is wanted', async () => {
    const { taken, reload } = await following();
    await writeFile(file, 'two');
    await reload.now();
    expect(taken).toEqual(['two']);
    await reload.now();
    expect(taken).toEqual(['two']);
  });
});

describe('laurel gateway', () => {
  afterEach(stopAll);

  it('serves the file as it is, and hears SIGHUP', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'laurel-reload-'));
    closing.push(() => rm(folder, { recursive: true }));
    const file = join(folder, 'supergraph.graphql');
    await writeFile(file, before);
    const running = laurel(['gateway', '--supergraph', file, '--auth', 'none', '--port', '0']);
    const [, endpoint = ''] = await running.says(/ready at (\S+)$/m);
    const handle = { endpoint, demo: {} } as Handle;
    const fields = async () => {
      const { __type } = await data(handle, '{ __type(name: "Query") { fields { name } } }', {}, {});
      return __type.fields.map(({ name }: { name: string }) => name);
    };
    expect(await fields()).toEqual(['hello', 'slow']);
    await writeFile(file, after);
    await running.says(/^The new supergraph .* is served$/m);
    expect(await fields()).toEqual(['hello', 'slow', 'bye']);
    await writeFile(file, 'type Query {');
    running.kill('SIGHUP');
    await expect.poll(() => running.output().stderr).toMatch(/"reason":"Syntax Error/);
    expect(await fields()).toEqual(['hello', 'slow', 'bye']);
    expect((await running.stop()).code).toBe(0);
  });
});
