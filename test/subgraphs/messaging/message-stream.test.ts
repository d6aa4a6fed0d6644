import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { addReactions } from '../../../subgraphs/messaging/reaction.ts';
import { type SentMessage, sendMessages } from '../../../subgraphs/messaging/sending.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { listen } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const subscription = `subscription ($channelIds: [ID!]!, $after: EventCursor) {
  messages(channelIds: $channelIds, after: $after) {
    __typename cursor
    ... on MessagePosted { occurredAt message { body author { id } channel { id } } }
    ... on MessageReacted { emoji by { id } message { id reactions { count } } }
    ... on StreamResumed { replayed }
  }
}`;

/** Says something in the n-th channel. @returns the id of the message. */
async function say({ id, memberIds, channelIds }: TestCommunity, body: string, channel = 0): Promise<string> {
  const [authorId = '', channelId = ''] = [memberIds[0], channelIds[channel]];
  const message = { channelId, authorId, body, replyToId: null, idempotencyKey: `${channel} ${body}` };
  const [sent] = await sendMessages(database.sql, id, [message]);
  database.resources.tail.wake();
  return (sent as SentMessage).message.id;
}

describe('message stream', () => {
  it('tells what is said and how others react, in order', async () => {
    const place = await newCommunity(database.resources);
    const [channelId = '', author = '', reader = ''] = [place.channelIds[0], ...place.memberIds];
    const items = await listen(place.system, subscription, { channelIds: [channelId] });
    const messageId = await say(place, 'one');
    await addReactions(database.sql, place.id, [{ messageId, channelId, userId: reader, emoji: '🎉' }]);
    await say(place, 'two');
    expect(await take(items, 4)).toEqual([
      { __typename: 'StreamReady', cursor: expect.any(String) },
      {
        __typename: 'MessagePosted',
        cursor: expect.any(String),
        occurredAt: expect.stringMatching(/Z$/),
        message: { body: 'one', author: { id: author }, channel: { id: channelId } },
      },
      {
        __typename: 'MessageReacted',
        cursor: expect.any(String),
        emoji: '🎉',
        by: { id: reader },
        message: { id: messageId, reactions: [{ count: 1 }] },
      },
      expect.objectContaining({ message: expect.objectContaining({ body: 'two' }) }),
    ]);
    await items.return(undefined);
  });

  it('reads each event anew: a later event shows what is true then', async () => {
    const place = await newCommunity(database.resources);
    const [channelId = '', first = '', second = ''] = [place.channelIds[0], ...place.memberIds];
    const items = await listen(place.system, subscription, { channelIds: [channelId] });
    const messageId = await say(place, 'one');
    await take(items, 2);
    for (const [userId, count] of [
      [first, 1],
      [second, 2],
    ] as const) {
      await addReactions(database.sql, place.id, [{ messageId, channelId, userId, emoji: '🎉' }]);
      database.resources.tail.wake();
      expect(await take(items, 1)).toMatchObject([{ message: { reactions: [{ count }] } }]);
    }
    await items.return(undefined);
  });

  it('tells only of the channels asked for', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const items = await listen(place.system, subscription, { channelIds: place.channelIds.slice(1) });
    await say(place, 'elsewhere', 0);
    await say(place, 'here', 1);
    const [, first] = await take(items, 2);
    expect(first.message.body).toBe('here');
    await items.return(undefined);
  });

  it('resumes: what was missed in these channels, and nothing else', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const channelIds = place.channelIds.slice(0, 1);
    const before = await listen(place.system, subscription, { channelIds });
    const [ready] = await take(before, 1);
    await before.return(undefined);
    await say(place, 'one');
    await say(place, 'elsewhere', 1);
    await say(place, 'two');
    const items = await listen(place.system, subscription, { channelIds, after: ready.cursor });
    const missed = await take(items, 3);
    expect(missed.map(({ message }) => message?.body)).toEqual(['one', 'two', undefined]);
    expect(missed[2]).toMatchObject({ __typename: 'StreamResumed', replayed: 2 });
    await items.return(undefined);
  });

  it('gives null for a message that was erased since', async () => {
    const place = await newCommunity(database.resources);
    const variables = { channelIds: place.channelIds };
    const before = await listen(place.system, subscription, variables);
    const [{ cursor }] = await take(before, 1);
    await before.return(undefined);
    const id = await say(place, 'one');
    await database.sql`delete from messaging.message where id = ${id}`;
    const items = await listen(place.system, subscription, { ...variables, after: cursor });
    expect(await take(items, 1)).toMatchObject([{ __typename: 'MessagePosted', message: null }]);
    await items.return(undefined);
  });
});

describe('message stream: refusals', () => {
  it('FORBIDDEN: a channel that the key does not reach, whether or not it exists', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const [reached = '', hidden = ''] = place.channelIds;
    const limited = place.person(0, { channelIds: [reached] });
    for (const channelId of [hidden, 'chn_none']) {
      const listening = listen(limited, subscription, { channelIds: [reached, channelId] });
      await expect(listening).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });

  it('BAD_ARGUMENT: no channel, or more than 100', async () => {
    const { system } = await newCommunity(database.resources);
    for (const channelIds of [[], Array.from({ length: 101 }, (_, n) => `chn_${n}`)]) {
      const listening = listen(system, subscription, { channelIds });
      await expect(listening).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    }
  });

  it('BAD_CURSOR: a cursor of the XP stream of the same community', async () => {
    const { id, system, channelIds } = await newCommunity(database.resources);
    const after = database.resources.cursors.seal({ communityId: id, stream: 'xp' }, 0);
    const listening = listen(system, subscription, { channelIds, after });
    await expect(listening).rejects.toMatchObject({ code: 'BAD_CURSOR' });
  });
});
