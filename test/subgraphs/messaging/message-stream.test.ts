import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteChannel } from '../../../subgraphs/community/channel-change.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { closedChannels, emptyClosedChannel } from '../../../subgraphs/messaging/closed-channel.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { messagesById } from '../../../subgraphs/messaging/message.ts';
import { addReactions } from '../../../subgraphs/messaging/reaction.ts';
import { markRead } from '../../../subgraphs/messaging/read-mark.ts';
import { type SentMessage, sendMessages } from '../../../subgraphs/messaging/sending.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';
import { said } from '../../kit/talk.ts';

let database: TestDatabase;
const { ask, errorsOf, listen } = asking(messaging, () => database.resources);
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

describe('message events by pages', () => {
  const events = `query ($channelIds: [ID!]!, $after: EventCursor) {
    messageEvents(channelIds: $channelIds, after: $after, first: 100) {
      nodes { cursor ... on MessagePosted { message { body } } }
      pageInfo { endCursor }
    }
  }`;

  it('are those of the stream, of the channels asked for', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const channelIds = place.channelIds.slice(0, 1);
    const items = await listen(place.system, subscription, { channelIds });
    for (const body of ['one', 'two']) {
      await say(place, body);
      await say(place, 'elsewhere', 1);
    }
    const [, ...told] = await take(items, 3);
    await items.return(undefined);
    const { messageEvents } = await ask(place.system, events, { channelIds });
    expect(messageEvents.nodes).toEqual(
      told.map(({ cursor, message }) => ({ cursor, message: { body: message.body } })),
    );
    const again = await ask(place.system, events, { channelIds, after: messageEvents.pageInfo.endCursor });
    expect(again.messageEvents.nodes).toEqual([]);
  });

  it('read the messages of a page in one statement', async () => {
    const place = await newCommunity(database.resources);
    for (let n = 0; n < 10; n++) await say(place, `${n}`);
    const { channelIds } = place;
    const statements = await database.statementsOf(() => ask(place.system, events, { channelIds }));
    expect(statements.filter((name) => name === 'messagesById')).toHaveLength(1);
    expect(statements.length).toBeLessThan(7);
  });

  it('FORBIDDEN: a channel that the caller does not reach', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const limited = place.person(0, { channelIds: place.channelIds.slice(0, 1) });
    const { channelIds } = place;
    expect(await errorsOf(limited, events, { channelIds })).toEqual([
      { code: 'FORBIDDEN', path: ['messageEvents'] },
    ]);
  });
});

describe('message stream: permission', () => {
  const withEnding = subscription.replace(
    '... on StreamResumed',
    '... on StreamEnding { reason } ... on StreamResumed',
  );
  const hide = (channelId = '') =>
    database.sql`update community.channel set kind = 'DIRECT' where id = ${channelId}`;

  it('that is gone ends the stream before the next event, and nobody else is disturbed', async () => {
    const place = await newCommunity(database.resources);
    const { channelIds } = place;
    const person = await listen(place.person(0), withEnding, { channelIds });
    const system = await listen(place.system, withEnding, { channelIds });
    await say(place, 'one');
    const [, one] = await take(person, 2);
    await hide(channelIds[0]);
    await say(place, 'two');
    const last = { __typename: 'StreamEnding', cursor: one.cursor, reason: 'PERMISSION_REVOKED' };
    expect(await take(person, 2)).toEqual([last]);
    const bodies = (await take(system, 3)).map(({ message }) => message?.body);
    expect(bodies).toEqual([undefined, 'one', 'two']);
    await system.return(undefined);
  });

  it('for one of several channels that is gone ends the stream too', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const { channelIds } = place;
    const items = await listen(place.person(0), withEnding, { channelIds });
    await take(items, 1);
    await hide(channelIds[0]);
    await say(place, 'seen', 1);
    expect(await take(items, 2)).toMatchObject([{ reason: 'PERMISSION_REVOKED' }]);
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

  it('BAD_ARGUMENT: no channel, more than 100, or an id with NUL', async () => {
    const { system } = await newCommunity(database.resources);
    for (const channelIds of [[], Array.from({ length: 101 }, (_, n) => `chn_${n}`), ['chn_\0']]) {
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

describe('a deleted channel', () => {
  const noFiles = async () => {};
  /** All steps there are, of whichever channel. */
  const empty = async (now = new Date()) => {
    for (let more = true; more; ) more = await emptyClosedChannel(database.sql, noFiles, now);
  };
  const typing = 'subscription ($channelIds: [ID!]!) { typing(channelIds: $channelIds) { until } }';

  async function newForum() {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'FORUM'] });
    const [closing = '', staying = ''] = place.channelIds;
    const close = async () => {
      await deleteChannel(database.sql, place.system, closing);
      await catchUp(database.sql, closedChannels);
      database.resources.tail.wake();
    };
    return { ...place, closing, staying, close };
  }

  it('ends the streams on it, and no others', async () => {
    const place = await newForum();
    const [ends, both, stays] = [[place.closing], [place.closing, place.staying], [place.staying]];
    const items = [];
    for (const who of [place.system, place.person(0)])
      for (const channelIds of [ends, both, stays])
        items.push(await listen(who, subscription, { channelIds }));
    const heard = await listen(place.person(0), typing, { channelIds: ends });
    await Promise.all(items.map((one) => take(one, 1)));
    await place.close();
    await say(place, 'after', 1);
    const next = (await Promise.all(items.map((one) => take(one, 1)))).flat();
    const [ending, posted] = [{ __typename: 'StreamEnding' }, { message: { body: 'after' } }];
    expect(next).toMatchObject([ending, ending, posted, ending, ending, posted]);
    await expect(take(heard, 1)).rejects.toThrow('GraphQLError');
    for (const one of items) await one.return(undefined);
  });

  it('takes what was said there with it, step by step, and nothing else', async () => {
    await empty();
    const place = await newForum();
    const { id, closing, staying, memberIds } = place;
    const { sql } = database;
    const [kept = ''] = await said(sql, place, { channelId: staying });
    const gone = await said(sql, place, ...Array.from({ length: 501 }, () => ({ channelId: closing })));
    for (const messageId of [kept, gone[0] ?? '', gone[500] ?? '']) {
      await sql`
        insert into messaging.attachment
          (community_id, id, owner_id, file_name, max_bytes, bytes, content_type, message_id, expires_at)
        values (${id}, ${`att_${messageId}`}, ${memberIds[0] ?? ''}, 'a.png', 1, 1, 'image/png', ${messageId}, now())`;
      const channelId = messageId === kept ? staying : closing;
      await addReactions(sql, id, [{ messageId, channelId, userId: memberIds[1] ?? '', emoji: '🎉' }]);
      const [message] = await messagesById(sql, place.system, [messageId]);
      if (message != null) await markRead(sql, place.person(1), message);
    }
    await sql`
      insert into messaging.forum_topic (community_id, id, channel_id, author_id, title, idempotency_key)
      select ${id}, 'top_' || c.id, c.id, ${memberIds[0] ?? ''}, 'Topic', c.id from unnest(${[closing, staying]}::text[]) c(id)`;
    await place.close();
    // Nobody reads what is still there: a key of the community neither.
    expect(await messagesById(sql, place.system, [kept, gone[0] ?? ''])).toMatchObject([{ id: kept }, null]);

    const removed: string[] = [];
    const step = (now = new Date()) => emptyClosedChannel(sql, async (key) => void removed.push(key), now);
    const left = async () => {
      const [row] = await sql<{ messages: number }[]>`
        select count(*)::int as messages from messaging.message where community_id = ${id} and channel_id = ${closing}`;
      return row?.messages;
    };
    expect([await step(), await left()]).toEqual([true, 1]);
    expect([await step(), await left()]).toEqual([true, 0]);
    expect(await step()).toBe(false);
    expect(removed.sort()).toEqual([gone[0], gone[500]].map((one) => `${id}/att_${one}`).sort());
    const rest = await sql`
      select 'message' as kind, id from messaging.message where community_id = ${id}
      union all select 'reaction', message_id from messaging.reaction where community_id = ${id}
      union all select 'attachment', message_id from messaging.attachment where community_id = ${id}
      union all select 'topic', channel_id from messaging.forum_topic where community_id = ${id}
      union all select 'mark', channel_id from messaging.read_mark where community_id = ${id}
      order by kind`;
    expect(rest).toEqual([
      { kind: 'attachment', id: kept },
      { kind: 'mark', id: staying },
      { kind: 'message', id: kept },
      { kind: 'reaction', id: kept },
      { kind: 'topic', id: staying },
    ]);
  });

  it('takes with it what was being sent while it was deleted', async () => {
    const place = await newForum();
    const isKnown = async () =>
      (await database.sql`select from messaging.closed_channel where community_id = ${place.id}`).length > 0;
    await place.close();
    await empty();
    expect(await isKnown()).toBe(true);
    await said(database.sql, place, { channelId: place.closing });
    await empty(new Date(Date.now() + 120_000));
    expect(await isKnown()).toBe(false);
    const messages = await database.sql`select from messaging.message where community_id = ${place.id}`;
    expect(messages).toHaveLength(0);
  });

  it('keeps everything where taking away a file fails', async () => {
    await empty();
    const place = await newForum();
    const [messageId = ''] = await said(database.sql, place, { channelId: place.closing });
    await database.sql`
      insert into messaging.attachment (community_id, id, owner_id, file_name, max_bytes, bytes, message_id, expires_at)
      values (${place.id}, 'att_1', ${place.memberIds[0] ?? ''}, 'a.png', 1, 1, ${messageId}, now())`;
    await place.close();
    const full = async () => {
      throw new Error('The disk does not answer.');
    };
    await expect(emptyClosedChannel(database.sql, full, new Date())).rejects.toThrow('The disk');
    const files = await database.sql`select from messaging.attachment where community_id = ${place.id}`;
    expect(files).toHaveLength(1);
    await empty();
    expect(
      await database.sql`select from messaging.attachment where community_id = ${place.id}`,
    ).toHaveLength(0);
  });
});
