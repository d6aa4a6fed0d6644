import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { messagesBy } from '../../../subgraphs/messaging/message.ts';
import { type SentMessage, sendMessages } from '../../../subgraphs/messaging/sending.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** A message of the first member in the first channel. */
function messageOf({ memberIds, channelIds }: TestCommunity, idempotencyKey: string, details = {}) {
  const [authorId = '', channelId = ''] = [memberIds[0], channelIds[0]];
  return { channelId, authorId, body: `Text ${idempotencyKey}`, replyToId: null, idempotencyKey, ...details };
}

/** Sends messages of the first member in the first channel, one after another. @returns their ids. */
async function say(place: TestCommunity, count: number, details = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const message = messageOf(place, `${n} ${JSON.stringify(details)}`, details);
    const [sent] = await sendMessages(database.sql, place.id, [message]);
    ids.push((sent as SentMessage).message.id);
  }
  return ids;
}

const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
  replayed message { id body author { id } channel { id } replyTo { id } } userErrors { code path }
} }`;
const reply = `mutation ($input: ReplyToMessageInput!) { replyToMessage(input: $input) {
  replayed message { id body channel { id } replyTo { id } } userErrors { code path }
} }`;

describe('messages: rules', () => {
  it('are sent once under 50 concurrent repeats of a key, and all get the same answer', async () => {
    const place = await newCommunity(database.resources);
    const repeats = Array.from({ length: 50 }, () => messageOf(place, 'key'));
    const answers = (
      await Promise.all(repeats.map((message) => sendMessages(database.sql, place.id, [message])))
    ).flat() as SentMessage[];
    expect(new Set(answers.map(({ message }) => message.id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const events = await eventsAfter(database.sql, { communityId: place.id, stream: 'messages' }, 0, 10);
    expect(events.map(({ kind }) => kind)).toEqual(['MessagePosted']);
  });

  it('are sent once within one batch, and another text under the same key is refused alone', async () => {
    const place = await newCommunity(database.resources);
    const answers = await sendMessages(database.sql, place.id, [
      messageOf(place, 'a'),
      messageOf(place, 'a'),
      messageOf(place, 'a', { body: 'other' }),
      messageOf(place, 'b'),
    ]);
    const told = answers.map((answer) => ('replayed' in answer ? answer.replayed : answer.code));
    expect(told).toEqual([false, true, 'IDEMPOTENCY_KEY_REUSED', false]);
  });

  it('leave no body in the log', async () => {
    const place = await newCommunity(database.resources);
    const [id] = await say(place, 1, { body: 'a secret' });
    const [event] = await eventsAfter(database.sql, { communityId: place.id, stream: 'messages' }, 0, 10);
    expect(event).toMatchObject({ channelId: place.channelIds[0], payload: { messageId: id } });
    expect(JSON.stringify(event)).not.toContain('secret');
  });

  it('come newest first in a channel, replies oldest first, page by page', async () => {
    const place = await newCommunity(database.resources);
    const ids = await say(place, 5);
    const replies = await say(place, 5, { replyToId: ids[0] });
    const [channelId = '', first = ''] = [place.channelIds[0], ids[0]];
    const pageOf = async (owner: 'channel' | 'reply', id: string, after: string | null) =>
      (await messagesBy(database.sql, place.system, owner, [id], { first: 3, after }))[0];
    for (const [owner, id, all] of [
      ['channel', channelId, [...ids, ...replies].reverse()],
      ['reply', first, replies],
    ] as const) {
      const seen: string[] = [];
      for (let after: string | null = null, more = true; more; ) {
        const page = await pageOf(owner, id, after);
        seen.push(...(page?.edges.map(({ node }) => node.id) ?? []));
        after = page?.edges.at(-1)?.cursor ?? null;
        more = page?.hasNextPage ?? false;
      }
      expect(seen).toEqual(all);
    }
  });
});

describe('messages: mutations', () => {
  it('send as the person whose key it is, and as a member with a key of the community', async () => {
    const { system, person, memberIds, channelIds } = await newCommunity(database.resources);
    const [channelId] = channelIds;
    const own = { channelId, body: 'Hello', idempotencyKey: 'a' };
    const sent = (await ask(person(0), send, { input: own })).sendMessage;
    expect(sent).toEqual({
      replayed: false,
      message: {
        id: expect.stringMatching(/^msg_/),
        body: 'Hello',
        author: { id: memberIds[0] },
        channel: { id: channelId },
        replyTo: null,
      },
      userErrors: [],
    });
    expect((await ask(person(0), send, { input: own })).sendMessage).toEqual({ ...sent, replayed: true });
    const named = { ...own, senderId: memberIds[1], idempotencyKey: 'b' };
    expect((await ask(system, send, { input: named })).sendMessage.message.author).toEqual({
      id: memberIds[1],
    });
  });

  it('reply in the channel of the message that is answered', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'FORUM'] });
    const [id = ''] = await say(place, 1, { channelId: place.channelIds[1] });
    const input = { messageId: id, body: 'Yes', idempotencyKey: 'a' };
    const { replyToMessage } = await ask(place.person(1), reply, { input });
    expect(replyToMessage.message).toMatchObject({ channel: { id: place.channelIds[1] }, replyTo: { id } });
    const sent = { channelId: place.channelIds[1], replyToId: id, body: 'No', idempotencyKey: 'b' };
    await ask(place.person(1), send, { input: sent });
    const [message] = await entities(place.system, 'Message', [id], '{ replies { nodes { body } } }');
    expect(message.replies.nodes).toEqual([{ body: 'Yes' }, { body: 'No' }]);
  });

  it('let the community speak in an announcement channel, and nobody write in a spoken one', async () => {
    const place = await newCommunity(database.resources, { channels: ['ANNOUNCEMENT', 'AUDIO'] });
    const [announcement, audio] = place.channelIds;
    const input = (channelId?: string, senderId?: string) => ({
      input: { channelId, senderId, body: 'News', idempotencyKey: `${channelId} ${senderId}` },
    });
    const [senderId] = place.memberIds;
    const codes = async (principal: Answer, variables: object) =>
      (await ask(principal, send, variables as never)).sendMessage.userErrors.map(({ code }: Answer) => code);
    expect(await codes(place.system, input(announcement, senderId))).toEqual([]);
    expect(await codes(place.person(0), input(announcement))).toEqual(['FORBIDDEN']);
    expect(await codes(place.system, input(audio, senderId))).toEqual(['FORBIDDEN']);
  });

  it('take a text of 4,000 characters, and any character but NUL', async () => {
    const { person, channelIds } = await newCommunity(database.resources);
    for (const body of ['x'.repeat(4_000), '🎉'.repeat(2_000), '\u202e <script>\n\t\u0001']) {
      const input = { channelId: channelIds[0], body, idempotencyKey: body.slice(0, 10) };
      expect((await ask(person(0), send, { input })).sendMessage.message.body).toBe(body);
    }
  });
});

describe('messages: limited keys', () => {
  it('find the messages of other channels no more than messages that do not exist', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const [reached = '', hidden = ''] = place.channelIds;
    const [secret = ''] = await say(place, 1, { channelId: hidden });
    const [open = ''] = await say(place, 1, { channelId: reached });
    const limited = place.person(0, { channelIds: [reached] });

    const ids = [secret, 'msg_none', open];
    expect(await entities(limited, 'Message', ids, '{ id }')).toEqual([null, null, { id: open }]);
    const list = '{ messages { nodes { id } } }';
    const none = { messages: { nodes: [] } };
    expect(await entities(limited, 'Channel', [hidden, 'chn_none'], list)).toEqual([none, none]);
    expect(await entities(limited, 'User', place.memberIds.slice(0, 1), list)).toEqual([
      { messages: { nodes: [{ id: open }] } },
    ]);
    const problems = async (mutation: string, input: object) => {
      const answer = await ask(limited, mutation, { input: { body: 'x', idempotencyKey: 'k', ...input } });
      return (Object.values(answer)[0] as Answer).userErrors;
    };
    for (const id of [secret, 'msg_none'])
      expect(await problems(reply, { messageId: id })).toEqual([
        { code: 'NOT_FOUND', path: ['input', 'messageId'] },
      ]);
    for (const id of [hidden, 'chn_none'])
      expect(await problems(send, { channelId: id })).toEqual([
        { code: 'NOT_FOUND', path: ['input', 'channelId'] },
      ]);
  });
});

describe('messages: who reads', () => {
  const read = 'query ($id: ID!) { message(id: $id) { id } }';

  it.each([
    ['OPEN', true],
    ['FORUM', true],
    ['ANNOUNCEMENT', true],
    ['DIRECT', false],
  ])('of a %s channel a member: %s, a key of the community: true', async (kind, readable) => {
    const place = await newCommunity(database.resources, { channels: [kind] });
    const [id] = await say(place, 1);
    const { message } = await ask(place.person(0), read, { id });
    expect(message).toEqual(readable ? { id } : null);
    // A class of members sees what every member sees, and no more.
    const { userId: _userId, ...rights } = place.person(0);
    const shared = await ask({ ...rights, kind: 'class', ofPeople: true }, read, { id });
    expect(shared.message).toEqual(readable ? { id } : null);
    expect((await ask(place.system, read, { id })).message).toEqual({ id });
  });
});

describe('messages: refusals', () => {
  it.each([
    ['NOT_FOUND', 'channelId', { channelId: 'chn_none' }],
    ['NOT_FOUND', 'senderId', { senderId: 'usr_nobody' }],
    ['NOT_FOUND', 'replyToId', { replyToId: 'msg_none' }],
    ['VALIDATION_FAILED', 'senderId', { senderId: null }],
    ['VALIDATION_FAILED', 'body', { body: '' }],
    ['VALIDATION_FAILED', 'body', { body: ' \n\t ' }],
    ['VALIDATION_FAILED', 'body', { body: '\u200b\u2060\ufe0f' }],
    ['VALIDATION_FAILED', 'body', { body: 'x'.repeat(4_001) }],
    ['VALIDATION_FAILED', 'body', { body: 'a\0b' }],
    ['VALIDATION_FAILED', 'body', { body: '\ud83c' }],
    ['VALIDATION_FAILED', 'idempotencyKey', { idempotencyKey: '' }],
    ['VALIDATION_FAILED', 'idempotencyKey', { idempotencyKey: '\0' }],
    ['IDEMPOTENCY_KEY_REUSED', 'idempotencyKey', { body: 'other' }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const { system, memberIds, channelIds } = await newCommunity(database.resources);
    const right = { channelId: channelIds[0], senderId: memberIds[0], body: 'x', idempotencyKey: 'key' };
    await ask(system, send, { input: right });
    expect((await ask(system, send, { input: { ...right, ...wrong } })).sendMessage).toEqual({
      replayed: false,
      message: null,
      userErrors: [{ code, path: ['input', name] }],
    });
  });

  it('FORBIDDEN: a person sends as another', async () => {
    const { person, memberIds, channelIds } = await newCommunity(database.resources);
    const input = { channelId: channelIds[0], senderId: memberIds[1], body: 'x', idempotencyKey: 'k' };
    expect((await ask(person(0), send, { input })).sendMessage.userErrors).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'senderId'] },
    ]);
  });

  it('NOT_FOUND: a message answered in another channel than its own', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const [replyToId] = await say(place, 1);
    const input = { channelId: place.channelIds[1], replyToId, body: 'x', idempotencyKey: 'k' };
    expect((await ask(place.person(0), send, { input })).sendMessage.userErrors).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'replyToId'] },
    ]);
  });
});

describe('messages: cost', () => {
  it('reads the messages of 100 people, and the replies to them, with the statements of one', async () => {
    const place = await newCommunity(database.resources, { members: 100 });
    const first = place.memberIds.map((authorId) => messageOf(place, authorId, { authorId }));
    await sendMessages(database.sql, place.id, first);
    const selection = '{ messages { nodes { body author { id } replyTo { id } replies { nodes { id } } } } }';
    const read = (count: number) =>
      database.statementsOf(() => entities(place.system, 'User', place.memberIds.slice(0, count), selection));
    expect(await read(1)).toEqual(['messagesBy', 'messagesBy']);
    expect(await read(100)).toEqual(await read(1));
  });

  it('reads the messages of 100 channels with the statements of one', async () => {
    const channels = Array.from({ length: 100 }, () => 'OPEN');
    const { system, channelIds } = await newCommunity(database.resources, { channels });
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(system, 'Channel', channelIds.slice(0, count), '{ messages(first: 1) { nodes { id } } }'),
      );
    expect(await read(100)).toEqual(await read(1));
  });
});
