import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import { addChannels } from '../../subgraphs/community/channel.ts';
import { newId } from '../../subgraphs/id.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { data, type Headers, post, query, socketClient } from '../kit/client.ts';
import { founded, newCommunity, newRole, type TestCommunity } from '../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';
import type { Handle } from '../kit/processes.ts';

// What people read, by their roles, in the streams that those who read alike share.

let database: TestDatabase;
let gateway: Gateway;
let place: TestCommunity;
let laurel: Handle;
let role = '';
let room = '';

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  place = await newCommunity(database.resources, { members: 4 });
  const systemKey = await issueKey(database.sql, place.id, { kind: 'SYSTEM', name: 'System' });
  gateway = oneProcessGateway(
    database.resources,
    { origins: [], trustProxy: true },
    pino({ level: 'silent' }),
  );
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  laurel = { endpoint: `http://127.0.0.1:${port}/graphql`, demo: { systemKey } } as Handle;
  // Two people are inside, two are not.
  role = await newRole(database.resources, place.id, { holders: place.memberIds.slice(0, 2) });
  room = newId('Channel');
  const channel = { id: room, topic: { en: 'Inside' }, kind: 'OPEN', createdAt: founded, updatedAt: founded };
  await addChannels(database.sql, place.id, [{ ...channel, viewRoleIds: [role] }]);
});
afterEach(() => gateway.close());

/** The headers of a new key of a person. */
async function headersOf(n: number): Promise<Headers> {
  const scopes = ['community:read', 'messages:read', 'messages:write'] as const;
  const wish = { kind: 'PERSONAL', name: 'App', userId: place.memberIds[n] ?? '', scopes } as const;
  return { authorization: `Bearer ${await issueKey(database.sql, place.id, wish)}` };
}

async function mutate(name: string, input: object) {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const text = `mutation ($input: ${type}!) { ${name}(input: $input) { userErrors { code message } } }`;
  const answer = await data(laurel, text, { input });
  expect(answer[name].userErrors).toEqual([]);
}

const say = (body: string) =>
  mutate('sendMessage', { channelId: room, body, senderId: place.memberIds[0], idempotencyKey: body });

const following = `subscription ($channelIds: [ID!]!) {
  messages(channelIds: $channelIds) { ... on StreamReady { retentionSeconds } ... on MessagePosted { message { body } } ... on StreamEnding { reason } }
}`;

/** A person's stream of the room: its items as they come, and how it ends. */
function follow(headers: Headers) {
  const client = socketClient(laurel, headers);
  const bodies: string[] = [];
  const heard = new Map<string, () => void>();
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const ended = new Promise<unknown>((resolve) => {
    client.subscribe<{ messages: { message?: { body: string }; reason?: string } }>(
      { query: following, variables: { channelIds: [room] } },
      {
        next({ data: item }) {
          const { message, reason } = item?.messages ?? {};
          if (reason !== undefined) return resolve(reason);
          const body = message?.body;
          if (body === undefined) return open();
          bodies.push(body);
          heard.get(body)?.();
        },
        error: resolve,
        complete: () => resolve('complete'),
      },
    );
  });
  const hear = (body: string) =>
    new Promise<void>((resolve) => {
      heard.set(body, resolve);
      if (bodies.includes(body)) resolve();
    });
  return { bodies, opened, ended, hear, close: () => client.dispose() };
}

const codesOf = (failure: unknown) =>
  (failure as { extensions?: { code?: string } }[]).map(({ extensions }) => extensions?.code);

describe('a channel for a role', () => {
  it('is followed by its holders together, and by nobody else', async () => {
    const [one, other] = [follow(await headersOf(0)), follow(await headersOf(1))];
    await Promise.all([one.opened, other.opened]);
    const outside = follow(await headersOf(2));
    expect(codesOf(await outside.ended)).toEqual(['FORBIDDEN']);
    await say('hello');
    await Promise.all([one.hear('hello'), other.hear('hello')]);
    for (const stream of [one, other, outside]) await stream.close();
  });

  it('is followed no more by whoever loses the role, and goes on for the others', async () => {
    const [leaving, staying] = [follow(await headersOf(0)), follow(await headersOf(1))];
    await Promise.all([leaving.opened, staying.opened]);
    await mutate('unassignRole', { userId: place.memberIds[0], roleId: role });
    await leaving.ended;
    await say('secret');
    await staying.hear('secret');
    expect(leaving.bodies).toEqual([]);
    for (const stream of [leaving, staying]) await stream.close();
  });

  it('can be followed by whoever gets the role, with the same key', async () => {
    const headers = await headersOf(2);
    const before = follow(headers);
    expect(codesOf(await before.ended)).toEqual(['FORBIDDEN']);
    await mutate('assignRole', { userId: place.memberIds[2], roleId: role });
    const seen = async () =>
      (await query(laurel, '{ channels { nodes { id } } }', {}, headers)).data.channels.nodes;
    expect(await seen()).toContainEqual({ id: room });
    // A gateway learns of the role within a second.
    for (let tries = 0; ; tries++) {
      const stream = follow(headers);
      const first = await Promise.race([stream.opened.then(() => 'open'), stream.ended]);
      await stream.close();
      if (first === 'open') break;
      expect(tries).toBeLessThan(1_000);
    }
  });
});

describe('somebody suspended', () => {
  it('is kept out at once, streams and all, and let in again at the end', async () => {
    const headers = await headersOf(0);
    const stream = follow(headers);
    await stream.opened;
    const endsAt = new Date(Date.now() + 3_600_000);
    const userId = place.memberIds[0];
    await mutate('applyPenalty', {
      userId,
      kind: 'SUSPENSION',
      reason: 'Spam.',
      endsAt,
      idempotencyKey: 'a',
    });
    expect(await stream.ended).toBe('PERMISSION_REVOKED');
    // Each from an address of its own: who guesses from one is slowed down.
    const ask = async (n: number) => {
      const from = { ...headers, 'x-forwarded-for': `10.0.0.${n}` };
      return (await post(laurel, { query: '{ viewer { user { id } } }' }, from)).status;
    };
    expect(await ask(0)).toBe(401);
    await database.sql`
      update identity.user set suspended_until = now() where community_id = ${place.id} and id = ${userId ?? ''}`;
    let status = 401;
    for (let tries = 1; status === 401 && tries < 200; tries++) status = await ask(tries);
    expect(status).toBe(200);
    await stream.close();
  });
});
