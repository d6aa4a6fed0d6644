import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../subgraphs/id.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import {
  addReactions,
  emojiOf,
  mostEmojis,
  reactionsByMessage,
} from '../../../subgraphs/messaging/reaction.ts';
import { addMessages } from '../../../subgraphs/messaging/sending.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities, errorsOf } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** Messages of the first member in the first channel. @returns their ids. */
async function someMessages({ id, memberIds, channelIds }: TestCommunity, count = 1): Promise<string[]> {
  const common = { channelId: channelIds[0] ?? '', authorId: memberIds[0] ?? '', body: 'x', replyToId: null };
  const messages = Array.from({ length: count }, () => ({ ...common, id: newId('Message') }));
  await addMessages(
    database.sql,
    id,
    messages.map((one) => ({ ...one, idempotencyKey: one.id })),
  );
  return messages.map((message) => message.id);
}

async function reactionEvents({ id }: TestCommunity) {
  const events = await eventsAfter(database.sql, { communityId: id, stream: 'messages' }, 0, 100);
  return events.filter(({ kind }) => kind === 'MessageReacted');
}

const react = `mutation ($input: ReactInput!) { react(input: $input) {
  message { id reactions { emoji count } } userErrors { code path }
} }`;

describe('reactions: rules', () => {
  it('count once a person and emoji, however often they are given', async () => {
    const place = await newCommunity(database.resources);
    const [messageId = ''] = await someMessages(place);
    const [userId = '', other = ''] = place.memberIds;
    const reaction = { messageId, channelId: place.channelIds[0] ?? '', userId, emoji: '🎉' };
    await Promise.all(Array.from({ length: 20 }, () => addReactions(database.sql, place.id, [reaction])));
    await addReactions(database.sql, place.id, [
      { ...reaction, userId: other },
      { ...reaction, emoji: '👍' },
    ]);
    expect(await reactionsByMessage(database.sql, place.id, [messageId, 'msg_none'])).toMatchObject([
      [
        { emoji: '🎉', count: 2 },
        { emoji: '👍', count: 1 },
      ],
      [],
    ]);
    expect(await reactionEvents(place)).toHaveLength(3);
  });

  it('tell the log once when one is given twice in one batch', async () => {
    const place = await newCommunity(database.resources);
    const [messageId = ''] = await someMessages(place);
    const [userId = '', channelId = ''] = [place.memberIds[0], place.channelIds[0]];
    const reaction = { messageId, channelId, userId, emoji: '🎉' };
    expect(await addReactions(database.sql, place.id, [reaction, reaction])).toHaveLength(1);
    expect(await reactionEvents(place)).toHaveLength(1);
  });
});

describe('reactions: mutation', () => {
  it('puts an emoji on a message, and a repeat changes nothing', async () => {
    const place = await newCommunity(database.resources);
    const [id = ''] = await someMessages(place);
    const input = { messageId: id, emoji: ':tada:' };
    const answer = { message: { id, reactions: [{ emoji: ':tada:', count: 1 }] }, userErrors: [] };
    expect((await ask(place.person(0), react, { input })).react).toEqual(answer);
    expect((await ask(place.person(0), react, { input })).react).toEqual(answer);
  });

  it.each([
    ['NOT_FOUND', 'messageId', { messageId: 'msg_none' }],
    ['NOT_FOUND', 'senderId', { senderId: 'usr_nobody' }],
    ['VALIDATION_FAILED', 'senderId', { senderId: null }],
    ['VALIDATION_FAILED', 'emoji', { emoji: '' }],
    ['VALIDATION_FAILED', 'emoji', { emoji: 'two words' }],
    ['VALIDATION_FAILED', 'emoji', { emoji: 'x'.repeat(33) }],
    ['VALIDATION_FAILED', 'emoji', { emoji: '\0' }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const place = await newCommunity(database.resources);
    const [messageId] = await someMessages(place);
    const input = { messageId, emoji: '🎉', senderId: place.memberIds[0], ...wrong };
    expect((await ask(place.system, react, { input })).react).toEqual({
      message: null,
      userErrors: [{ code, path: ['input', name] }],
    });
  });

  it('NOT_FOUND: a message of a channel that the key does not reach', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const [messageId] = await someMessages(place);
    const limited = place.person(0, { channelIds: place.channelIds.slice(1) });
    expect((await ask(limited, react, { input: { messageId, emoji: '🎉' } })).react.userErrors).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'messageId'] },
    ]);
  });

  it('FORBIDDEN: a person reacts as another', async () => {
    const place = await newCommunity(database.resources);
    const [messageId] = await someMessages(place);
    const input = { messageId, emoji: '🎉', senderId: place.memberIds[1] };
    expect((await ask(place.person(0), react, { input })).react.userErrors).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'senderId'] },
    ]);
  });
});

describe('reactions: taking back', () => {
  const unreact = `mutation ($input: UnreactInput!) { unreact(input: $input) {
    message { reactions { emoji count viewerReacted } } userErrors { code path }
  } }`;

  it('takes off what the person put there, once, and tells the log', async () => {
    const place = await newCommunity(database.resources);
    const [messageId = ''] = await someMessages(place);
    for (const n of [0, 1]) await ask(place.person(n), react, { input: { messageId, emoji: '🎉' } });
    const answer = {
      message: { reactions: [{ emoji: '🎉', count: 1, viewerReacted: false }] },
      userErrors: [],
    };
    expect((await ask(place.person(0), unreact, { input: { messageId, emoji: '🎉' } })).unreact).toEqual(
      answer,
    );
    expect((await ask(place.person(0), unreact, { input: { messageId, emoji: '🎉' } })).unreact).toEqual(
      answer,
    );
    const [message] = await entities(
      place.person(1),
      'Message',
      [messageId],
      '{ reactions { viewerReacted } }',
    );
    expect(message.reactions).toEqual([{ viewerReacted: true }]);
    const [authorId] = place.memberIds;
    expect((await reactionEvents(place)).map(({ userId, payload }) => ({ userId, payload }))).toMatchObject([
      { userId: place.memberIds[0], payload: { messageId, authorId, emoji: '🎉', added: true } },
      { userId: place.memberIds[1], payload: { messageId, authorId, emoji: '🎉', added: true } },
      { userId: place.memberIds[0], payload: { messageId, authorId, emoji: '🎉', added: false } },
    ]);
  });

  it('NEEDS_USER: whether a class of people reacted', async () => {
    const place = await newCommunity(database.resources);
    const [id = ''] = await someMessages(place);
    await ask(place.person(0), react, { input: { messageId: id, emoji: '🎉' } });
    const { userId: _userId, ...rights } = place.person(0);
    const query = 'query ($id: ID!) { message(id: $id) { reactions { viewerReacted } } }';
    const errors = await errorsOf({ ...rights, kind: 'class', ofPeople: true }, query, { id });
    expect(errors.map(({ code }) => code)).toEqual(['NEEDS_USER']);
  });
});

describe('reactions: bounds', () => {
  const emojis = (count: number) => Array.from({ length: count }, (_, n) => `:e${n}:`);

  it(`LIMIT_EXCEEDED: more than ${mostEmojis} different ones, also at once; more of those there are welcome`, async () => {
    const place = await newCommunity(database.resources);
    const [messageId = ''] = await someMessages(place);
    const codesOf = async (n: number, emoji: string) =>
      (await ask(place.person(n), react, { input: { messageId, emoji } })).react.userErrors;
    const answers = await Promise.all(emojis(mostEmojis + 3).map((emoji) => codesOf(0, emoji)));
    const refused = { code: 'LIMIT_EXCEEDED', path: ['input', 'emoji'] };
    expect(answers.flat()).toEqual([refused, refused, refused]);
    const counts = (await reactionsByMessage(database.sql, place.id, [messageId]))[0] ?? [];
    expect(counts).toHaveLength(mostEmojis);
    expect(await codesOf(1, counts[0]?.emoji ?? '')).toEqual([]);
  });

  it('CONFLICT: a reaction to what is deleted', async () => {
    const place = await newCommunity(database.resources);
    const [messageId = ''] = await someMessages(place);
    await database.sql`update messaging.message set body = null, deleted_at = now() where id = ${messageId}`;
    expect(
      (await ask(place.person(0), react, { input: { messageId, emoji: '🎉' } })).react.userErrors,
    ).toEqual([{ code: 'CONFLICT', path: ['input', 'messageId'] }]);
  });

  it.each([
    ['🎉', '🎉'],
    ['❤', '❤️'],
    ['👨‍👩‍👧', '👨‍👩‍👧'],
    ['🇩🇪', '🇩🇪'],
    [':+1:', ':+1:'],
    ['a', null],
    ['🎉🎉', null],
    ['<b>', null],
    [':two words:', null],
  ])('reads %s as %s', (text, emoji) => {
    expect(emojiOf(text)).toBe(emoji);
  });
});

describe('reactions: cost', () => {
  it('reads the reactions to 100 messages with the statements of one', async () => {
    const place = await newCommunity(database.resources);
    const ids = await someMessages(place, 100);
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(place.system, 'Message', ids.slice(0, count), '{ reactions { emoji count } }'),
      );
    expect(await read(1)).toEqual(['messagesById', 'reactionsByMessage']);
    expect(await read(100)).toEqual(await read(1));
  });
});
