import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { runningDatabaseUrl } from '../../subgraphs/embedded.ts';
import { data, keyOf, openEvents, person, post, socketClient, take, unique } from '../kit/client.ts';
import {
  dataFolder,
  type Handle,
  isRunning,
  type LaurelProcess,
  laurel,
  serverOf,
  startOn,
  stopAll,
} from '../kit/processes.ts';

// One data folder, three lives: ended in good order, killed, and started again.

let folder: Awaited<ReturnType<typeof dataFolder>>;
let running: (LaurelProcess & Handle) | undefined;
beforeAll(async () => {
  folder = await dataFolder();
});
afterAll(async () => {
  await stopAll();
  await folder.remove();
});

const sendMessage = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }';
const messageBy = async (laurel: Handle) => ({
  channelId: laurel.demo.channelId,
  senderId: laurel.demo.userId,
  body: 'Did you get this?',
  idempotencyKey: unique('shutdown'),
});

describe('a folder in use', () => {
  beforeAll(async () => {
    running = await startOn(folder.path);
  });

  it('keeps its secrets for its user', async () => {
    for (const file of ['demo.json', 'database.url']) {
      expect((await stat(join(folder.path, file))).mode & 0o777).toBe(0o600);
    }
  });

  it('is refused to a second Laurel, and the first still answers', async () => {
    const second = await laurel(['start'], { PORT: '0', LAUREL_DATA: folder.path }).ended;
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toMatch(/^Another Laurel \(process \d+\) already runs on the data folder .*\n$/);
    expect(await data(running as Handle, '{ viewer { community { slug } } }')).toEqual({
      viewer: { community: { slug: 'demo' } },
    });
  });
});

describe('SIGTERM', () => {
  it('lets the running request finish, ends streams with a word, and ends PostgreSQL', async () => {
    const first = running as LaurelProcess & Handle;
    const server = await serverOf(folder.path);
    const sql = postgres((await runningDatabaseUrl(folder.path)) ?? '', { max: 1, onnotice: () => {} });
    const text = 'subscription { xp { __typename ... on StreamEnding { reason reconnectAfterMs } } }';
    const stream = await openEvents(first, text);
    await take(1, stream);
    const socket = socketClient(first);
    const closed = new Promise<unknown>((resolve) => socket.on('closed', resolve));
    const items = socket.iterate({ query: text });
    await items.next();
    const idle = new WebSocket(first.endpoint.replace('http', 'ws'), 'graphql-transport-ws');
    await new Promise((resolve) => idle.once('open', resolve));
    const idleClosed = new Promise<number>((resolve) => idle.once('close', resolve));

    // The request waits for a lock, and so is running when the signal comes.
    const input = await messageBy(first);
    const lock = await sql.reserve();
    await lock`begin`;
    await lock`lock table messaging.message in access exclusive mode`;
    const request = post(first, { query: sendMessage, variables: { input } }, keyOf(first, 'systemKey'));
    await expect.poll(() => waitingIn(folder.path), { timeout: 10_000 }).toBe(true);
    first.kill('SIGTERM');

    const rest: unknown[] = [];
    for await (const { event, data } of stream) rest.push({ event, data });
    const xp = { __typename: 'StreamEnding', reason: 'DRAINING', reconnectAfterMs: expect.any(Number) };
    expect(rest).toEqual([
      { event: 'next', data: { data: { xp } } },
      { event: 'complete', data: undefined },
    ]);
    expect(await items.next()).toEqual({ done: false, value: { data: { xp } } });
    expect(await items.next()).toEqual({ done: true, value: undefined });
    await closed;
    expect(await idleClosed).toBe(1001);

    await lock`commit`;
    lock.release();
    const response = await request;
    expect(response.status).toBe(200);
    expect(response.headers.get('connection')).toBe('close');
    expect(await response.json()).toMatchObject({
      data: { sendMessage: { message: { id: expect.stringMatching(/^msg_/) } } },
    });
    await sql.end({ timeout: 5 });
    const { code, stderr } = await first.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(server !== undefined && isRunning(server)).toBe(false);
    expect(await runningDatabaseUrl(folder.path)).toBeUndefined();
  });
});

describe('kill -9', () => {
  it('loses no acknowledged write, and the next start leaves no other PostgreSQL behind', async () => {
    const { demo } = running as Handle;
    const second = await startOn(folder.path);
    running = second;
    expect(second.demo).toEqual({ ...demo, endpoint: second.endpoint });
    const orphan = await serverOf(folder.path);
    const { id } = await person(second, 50);

    const acknowledged: string[] = [];
    const writing = Array.from({ length: 4 }, async () => {
      while (true) {
        const input = { ...(await messageBy(second)), senderId: id };
        const { sendMessage: sent } = await data(second, sendMessage, { input });
        acknowledged.push(sent.message.id);
        if (acknowledged.length === 30) second.kill('SIGKILL');
      }
    });
    await Promise.allSettled(writing);
    expect(await second.ended).toMatchObject({ signal: 'SIGKILL' });
    expect(acknowledged.length).toBeGreaterThanOrEqual(30);

    const third = await startOn(folder.path);
    running = third;
    const asked = acknowledged.map((message, n) => `m${n}: message(id: "${message}") { id author { id } }`);
    for (let from = 0; from < asked.length; from += 10) {
      const found = await data(third, `{ ${asked.slice(from, from + 10).join('\n')} }`);
      expect(Object.values(found)).toEqual(
        acknowledged.slice(from, from + 10).map((message) => ({ id: message, author: { id } })),
      );
    }
    expect(orphan !== undefined && isRunning(orphan)).toBe(false);
    expect(await serverOf(folder.path)).not.toBe(orphan);
  });

  it('keeps the demo as it was', async () => {
    const third = running as LaurelProcess & Handle;
    const { users } = await data(third, '{ users(first: 100) { nodes { id } } }');
    expect(users.nodes).toHaveLength(64);
    expect((await third.stop()).code).toBe(0);
    expect(await serverOf(folder.path)).toBeUndefined();
  });
});

/** Whether a statement waits for a lock in the folder's database. */
async function waitingIn(path: string): Promise<boolean> {
  const sql = postgres((await runningDatabaseUrl(path)) ?? '', { max: 1 });
  try {
    const [row] = await sql`select exists (select from pg_locks where not granted) as waiting`;
    return row?.waiting;
  } finally {
    await sql.end();
  }
}
