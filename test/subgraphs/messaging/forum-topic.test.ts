import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';
import { said } from '../../kit/talk.ts';

let database: TestDatabase;
const { ask, entities } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const create = `mutation ($input: CreateForumTopicInput!) { createForumTopic(input: $input) {
  replayed forumTopic { id title author { id } channel { id } } userErrors { code path }
} }`;
const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id body forumTopic { id title } } userErrors { code path }
} }`;
const reply = `mutation ($input: ReplyToMessageInput!) { replyToMessage(input: $input) {
  message { forumTopic { id } } userErrors { code }
} }`;

const forum = () => newCommunity(database.resources, { channels: ['FORUM', 'OPEN', 'FORUM'] });

let made = 0;
async function topicOf(place: TestCommunity, details: Answer = {}): Promise<string> {
  made++;
  const input = {
    channelId: place.channelIds[0],
    title: `Topic ${made}`,
    idempotencyKey: `key ${made}`,
    ...details,
  };
  return (await ask(place.person(0), create, { input })).createForumTopic.forumTopic.id;
}

describe('forum topics', () => {
  it('gather messages and the answers to them', async () => {
    const place = await forum();
    const [id, other] = [await topicOf(place), await topicOf(place)];
    const input = { channelId: place.channelIds[0], forumTopicId: id, body: 'one', idempotencyKey: 'a' };
    const { message } = (await ask(place.person(1), send, { input })).sendMessage;
    expect(message.forumTopic).toEqual({ id, title: expect.stringMatching(/^Topic/) });
    const answer = { messageId: message.id, body: 'two', idempotencyKey: 'b' };
    expect((await ask(place.person(0), reply, { input: answer })).replyToMessage.message).toEqual({
      forumTopic: { id },
    });
    const found = await entities(
      place.person(0),
      'ForumTopic',
      [id, other],
      '{ messages { nodes { body } } }',
    );
    expect(found.map(({ messages }) => messages.nodes)).toEqual([[{ body: 'two' }, { body: 'one' }], []]);
  });

  it('are listed newest first, page by page', async () => {
    const place = await forum();
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(await topicOf(place));
    const list = '{ forumTopics(first: $first, after: $after) { nodes { id } pageInfo { endCursor } } }';
    const pageAfter = async (after?: string) =>
      (await entities(place.person(1), 'Channel', place.channelIds.slice(0, 1), list, { first: 2, after }))[0]
        .forumTopics;
    const page = await pageAfter();
    const rest = await pageAfter(page.pageInfo.endCursor);
    expect([...page.nodes, ...rest.nodes].map(({ id }: Answer) => id).toSorted()).toEqual(ids.toSorted());
  });

  it('are begun once, and as the person whose key it is', async () => {
    const place = await forum();
    const input = { channelId: place.channelIds[0], title: 'A', idempotencyKey: 'a' };
    const first = (await ask(place.person(0), create, { input })).createForumTopic;
    expect(first).toEqual({
      replayed: false,
      forumTopic: {
        id: expect.stringMatching(/^top_/),
        title: 'A',
        author: { id: place.memberIds[0] },
        channel: { id: place.channelIds[0] },
      },
      userErrors: [],
    });
    expect((await ask(place.person(0), create, { input })).createForumTopic).toEqual({
      ...first,
      replayed: true,
    });
  });

  it('are not there for a key that does not reach their channel', async () => {
    const place = await forum();
    const id = await topicOf(place);
    const limited = place.person(0, { channelIds: place.channelIds.slice(1) });
    expect(await entities(limited, 'ForumTopic', [id, 'top_none'], '{ id }')).toEqual([null, null]);
    const { forumTopic } = await ask(limited, 'query ($id: ID!) { forumTopic(id: $id) { id } }', { id });
    expect(forumTopic).toBeNull();
  });
});

describe('forum topics: refusals', () => {
  it.each([
    ['NOT_FOUND', 'channelId', { channelId: 'chn_none' }],
    ['NOT_FOUND', 'senderId', { senderId: 'usr_none' }],
    ['VALIDATION_FAILED', 'senderId', { senderId: null }],
    ['VALIDATION_FAILED', 'title', { title: ' ' }],
    ['VALIDATION_FAILED', 'title', { title: 'x'.repeat(201) }],
    ['VALIDATION_FAILED', 'idempotencyKey', { idempotencyKey: '' }],
    ['CONFLICT', 'channelId', { channelId: 'open' }],
    ['IDEMPOTENCY_KEY_REUSED', 'idempotencyKey', { title: 'other' }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const place = await forum();
    const right = {
      channelId: place.channelIds[0],
      senderId: place.memberIds[0],
      title: 'A',
      idempotencyKey: 'k',
    };
    await ask(place.system, create, { input: right });
    const input: Answer = { ...right, ...wrong };
    if (input.channelId === 'open') input.channelId = place.channelIds[1];
    const { createForumTopic } = await ask(place.system, create, { input });
    expect(createForumTopic).toEqual({
      replayed: false,
      forumTopic: null,
      userErrors: [{ code, path: ['input', name] }],
    });
  });

  it('VALIDATION_FAILED: a message in a forum without a topic', async () => {
    const place = await forum();
    const input = { channelId: place.channelIds[0], body: 'x', idempotencyKey: 'k' };
    const { sendMessage } = await ask(place.person(0), send, { input });
    expect(sendMessage.userErrors).toEqual([{ code: 'VALIDATION_FAILED', path: ['input', 'forumTopicId'] }]);
  });

  it('NOT_FOUND: a topic of another channel, or of none', async () => {
    const place = await forum();
    const elsewhere = await topicOf(place, { channelId: place.channelIds[2] });
    for (const forumTopicId of [elsewhere, 'top_none']) {
      const input = { channelId: place.channelIds[0], forumTopicId, body: 'x', idempotencyKey: forumTopicId };
      const { sendMessage } = await ask(place.person(0), send, { input });
      expect(sendMessage.userErrors).toEqual([{ code: 'NOT_FOUND', path: ['input', 'forumTopicId'] }]);
    }
  });
});

describe('forum topics: cost', () => {
  it('reads those of 50 channels and messages with the statements of one', async () => {
    const channels = Array.from({ length: 50 }, () => 'FORUM');
    const place = await newCommunity(database.resources, { channels });
    for (const channelId of place.channelIds.slice(0, 2)) {
      await said(database.sql, place, { channelId, forumTopicId: await topicOf(place, { channelId }) });
    }
    const list = '{ forumTopics { nodes { messages { nodes { forumTopic { title } } } } } }';
    const read = (count: number) =>
      database.statementsOf(() => entities(place.system, 'Channel', place.channelIds.slice(0, count), list));
    expect(await read(1)).toEqual(['forumTopicsByChannel', 'messagesBy', 'forumTopicsById']);
    expect(await read(50)).toEqual(await read(1));
  });
});
