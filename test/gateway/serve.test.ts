import { connect as dial, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { openEvents, query, socketClient } from '../kit/client.ts';
import { newCommunity, type TestCommunity } from '../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';
import type { Handle } from '../kit/processes.ts';

// The front against those who mean it no good, or leave early.

let database: TestDatabase;
let gateway: Gateway;
let place: TestCommunity;
let port: number;
let handle: Handle;
let systemKey: string;

beforeAll(async () => {
  database = await freshDatabase();
  place = await newCommunity(database.resources);
  systemKey = await issueKey(database.sql, place.id, { kind: 'SYSTEM', name: 'System' });
  const config = { origins: ['https://app.example.org'], trustProxy: false };
  gateway = oneProcessGateway(database.resources, config, pino({ level: 'silent' }));
  ({ port } = await gateway.listen({ host: '127.0.0.1', port: 0 }));
  handle = { endpoint: `http://127.0.0.1:${port}/graphql`, demo: { systemKey } } as Handle;
});
afterAll(async () => {
  await gateway.close();
  await database.close();
});

const xp = 'subscription { xp { cursor ... on XpChanged { total } } }';

/** A connection that has sent this text. */
async function sending(text: string): Promise<Socket> {
  const socket = dial(port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  await new Promise<void>((resolve) => socket.write(text, () => resolve()));
  return socket;
}

const upgrade = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}\r\n`;

async function answerTo(text: string): Promise<string> {
  const socket = await sending(text);
  return new Promise((resolve) => socket.once('data', (data) => resolve(String(data))));
}

async function stillAnswers(): Promise<void> {
  expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(200);
}

describe('upgrades', () => {
  it.each(['//', '/x', '/%', '*'])('to %s are refused, and nothing breaks', async (path) => {
    expect(await answerTo(upgrade(path))).toMatch(/^HTTP\/1\.1 40[04] /);
    await stillAnswers();
  });

  it('whose client resets the connection break nothing', async () => {
    for (let n = 0; n < 50; n++) (await sending(upgrade('/x'))).resetAndDestroy();
    await stillAnswers();
  });

  it('come from pages of allowed origins alone', async () => {
    const from = (origin: string) => answerTo(upgrade('/graphql', `Origin: ${origin}\r\n`));
    expect(await from('https://evil.example.org')).toMatch(/^HTTP\/1\.1 403 /);
    const allowed = `Origin: https://app.example.org\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n`;
    expect(await answerTo(upgrade('/graphql', allowed))).toMatch(/^HTTP\/1\.1 101 /);
  });
});

describe('streams', () => {
  it('leave nothing behind when their client completes or goes before they are open', async () => {
    for (let n = 0; n < 20; n++) {
      const client = socketClient(handle, { 'x-api-key': systemKey });
      const dispose = client.subscribe({ query: xp }, { next() {}, error() {}, complete() {} });
      dispose();
      await client.dispose();
    }
    await expect.poll(() => gateway.live.groups, { timeout: 5_000 }).toBe(0);
  });

  it('end with word of it when their key expires', async () => {
    const expiresAt = new Date(Date.now() + 1_500);
    const key = { kind: 'INTEGRATION', name: 'Brief', expiresAt } as const;
    const headers = { 'x-api-key': await issueKey(database.sql, place.id, key) };
    const events = await openEvents(
      handle,
      'subscription { xp { cursor ... on StreamEnding { reason } } }',
      {},
      headers,
    );
    const told: string[] = [];
    for await (const { event, data } of events) if (event === 'next') told.push(JSON.stringify(data));
    expect(told[0]).toContain('cursor');
    expect(told.at(-1)).toContain('TOKEN_EXPIRING');
  });

  it('share one upstream stream when they ask and see the same', async () => {
    const headers = { 'x-api-key': systemKey };
    const readers = await Promise.all(Array.from({ length: 5 }, () => openEvents(handle, xp, {}, headers)));
    for (const reader of readers) await reader.next();
    await expect.poll(() => gateway.live.groups).toBe(1);
    for (const reader of readers) await reader.return?.();
    await expect.poll(() => gateway.live.groups, { timeout: 5_000 }).toBe(0);
  });
});

describe('shutting down', () => {
  it('lets what runs over a WebSocket finish, and says then that it closes', async () => {
    const config = { origins: [], trustProxy: false };
    const other = oneProcessGateway(database.resources, config, pino({ level: 'silent' }));
    const { port: at } = await other.listen({ host: '127.0.0.1', port: 0 });
    const client = socketClient(
      { ...handle, endpoint: `http://127.0.0.1:${at}/graphql` },
      { 'x-api-key': systemKey },
    );
    const closed = new Promise<unknown>((resolve) => client.on('closed', resolve));
    // The query waits for a lock, and so is running when the gateway is told to close.
    const lock = await database.sql.reserve();
    await lock`begin`;
    await lock`lock table community.member in access exclusive mode`;
    const asked = client.iterate({ query: '{ users(first: 1) { nodes { id } } }' }).next();
    const waiting = async () => {
      const rows = await database.sql`
        select from pg_locks join pg_stat_activity a using (pid) where not granted and a.datname = current_database()`;
      return rows.length;
    };
    await expect.poll(waiting, { timeout: 5_000 }).toBe(1);
    const closing = other.close();
    await lock`commit`;
    lock.release();
    expect((await asked).value).toMatchObject({ data: { users: { nodes: [{ id: place.memberIds[0] }] } } });
    expect(await closed).toMatchObject({ code: 1001 });
    await closing;
  });
});

describe('answers', () => {
  it('are for nobody else to keep', async () => {
    const response = await fetch(`${handle.endpoint}?query={viewer{scopes}}`);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('never come for pages inside pages by the million', async () => {
    const page = (inner: string) => `channel { messages(first: 100) { nodes { ${inner} } } }`;
    const text = `{ channels { nodes { messages(first: 100) { nodes { ${page(page('id'))} } } } } }`;
    const { data, errors } = await query(handle, text, {}, { 'x-api-key': systemKey });
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ extensions: { code: 'ROW_LIMIT_EXCEEDED', limit: 100_000 } }]);
  });
});
