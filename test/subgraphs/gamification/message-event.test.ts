import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { spendBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { createBadge } from '../../../subgraphs/gamification/badge-change.ts';
import { badgeReached } from '../../../subgraphs/gamification/badge-reached.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { balancesByUser, entriesByUser } from '../../../subgraphs/gamification/ledger.ts';
import { messageEvents } from '../../../subgraphs/gamification/message-event.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { type NewRule, plainRule, setRules } from '../../../subgraphs/gamification/rule.ts';
import { books } from '../../../subgraphs/gamification/verify.ts';
import { newId } from '../../../subgraphs/id.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { addReactions } from '../../../subgraphs/messaging/reaction.ts';
import { addMessages } from '../../../subgraphs/messaging/sending.ts';
import { verify } from '../../../subgraphs/verify.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

// The log of messages, as messaging writes it, or as it may stand there; and what gamification makes of it.

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const heard = () => catchUp(database.sql, messageEvents);

async function say(
  { id, channelIds, memberIds }: TestCommunity,
  details: { by?: number; replyToId?: string; at?: Date } = {},
) {
  const { by = 0, replyToId = null, at } = details;
  const messageId = newId('Message');
  await addMessages(database.sql, id, [
    {
      ...{
        id: messageId,
        channelId: channelIds[0] ?? '',
        authorId: memberIds[by] ?? '',
        body: 'Hello.',
        replyToId,
      },
      ...{ idempotencyKey: messageId, ...(at !== undefined && { createdAt: at }) },
    },
  ]);
  return messageId;
}

async function react({ id, channelIds, memberIds }: TestCommunity, messageId: string, emoji = '🎉') {
  const reaction = { messageId, channelId: channelIds[0] ?? '', userId: memberIds[0] ?? '', emoji };
  await addReactions(database.sql, id, [reaction]);
}

async function append({ id }: TestCommunity, kind: string, userId: string | null, payload: object) {
  const event = [{ kind, user_id: userId, channel_id: 'chn_a', payload }];
  await database.sql`select log.append(${id}, 'messages', ${database.sql.json(event as never)})`;
}

async function reward({ id }: TestCommunity, details: Partial<NewRule> = {}) {
  const rule = plainRule('message', { en: 'Wrote' }, { XP: 5, COINS: 2 });
  await setRules(database.sql, id, [{ id: newId('Rule'), ...rule, ...details }]);
}

const noCounts = { messages: 0, replies: 0, reactions: 0 };

async function standing({ id, memberIds }: TestCommunity) {
  const rows = await database.sql<({ userId: string } & typeof noCounts)[]>`
    select user_id as "userId", messages, replies, reactions from gamification.profile where community_id = ${id}`;
  const [{ XP, COINS } = { XP: 0n, COINS: 0n }] = await balancesByUser(database.sql, id, memberIds);
  const { messages, replies, reactions } = rows.find(({ userId }) => userId === memberIds[0]) ?? noCounts;
  return { messages, replies, reactions, XP, COINS };
}

describe('events of messages', () => {
  it('count messages, replies and reactions of each person, without any rule', async () => {
    const place = await newCommunity(database.resources);
    const first = await say(place, { by: 1 });
    await say(place, { replyToId: first });
    await say(place);
    await react(place, first);
    await react(place, first, '👍');
    await react(place, first, '👍');
    await heard();
    expect(await standing(place)).toEqual({ messages: 1, replies: 1, reactions: 2, XP: 0n, COINS: 0n });
  });

  it('earn by rules at the moment that they were said, each under the id of its message', async () => {
    const place = await newCommunity(database.resources, { timeZone: 'Asia/Kathmandu' });
    await reward(place);
    const at = new Date('2026-03-01T18:20:00Z');
    const messageId = await say(place, { at });
    await heard();
    const [page] = await entriesByUser(database.sql, place.id, place.memberIds.slice(0, 1), {}, {});
    expect(page?.edges.map(({ node }) => node)).toMatchObject([
      { unit: 'COINS', reference: messageId, occurredAt: at, metadata: { channelId: place.channelIds[0] } },
      { unit: 'XP', amount: 5n, eventType: 'message' },
    ]);
    const [day] = await database.sql`
      select date, messages, xp from gamification.daily_stat where community_id = ${place.id}`;
    expect(day).toEqual({ date: '2026-03-02', messages: 1, xp: 5n });
  });

  it('bring a person who is new the badges of the level that they begin with', async () => {
    const place = await newCommunity(database.resources);
    await createBadge(database.sql, place.system, {
      ...{ title: { en: 'Badge' }, description: null, imageUrl: null, darkImageUrl: null, quantity: null },
      ...{ enabled: true, requiresAttachment: false, xpReward: 0n, coinsReward: 0n },
      ...{ measure: 'LEVEL', atLeast: 1n, idempotencyKey: 'b' },
    });
    for (let n = 0; n < 2; n++) await catchUp(database.sql, badgeReached);
    // Of the other's nothing is posted yet.
    await append(place, 'MessageDeleted', null, {
      messageId: 'msg_a',
      authorId: place.memberIds[1],
    });
    await say(place);
    await heard();
    const badgesOf = async () => {
      const rows = await database.sql<{ userId: string; badges: number }[]>`
        select user_id as "userId", badges from gamification.profile where community_id = ${place.id}`;
      return place.memberIds.map((id) => rows.find(({ userId }) => userId === id)?.badges);
    };
    expect(await badgesOf()).toEqual([1, 0]);
    expect(await verify(database.sql, [books], { only: [place.id] })).toMatchObject({ discrepancies: [] });
    await trackEvents(database.sql, place.id, [eventOf(place.memberIds[1] ?? '')]);
    expect(await badgesOf()).toEqual([1, 1]);
  });

  it('can be rewarded in one channel alone', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const [, other = ''] = place.channelIds;
    await reward(place, {
      conditions: [{ field: 'metadata.channelId', operator: 'EQUALS', values: [other] }],
    });
    await say(place);
    await say({ ...place, channelIds: [other] });
    await heard();
    expect(await standing(place)).toMatchObject({ messages: 2, XP: 5n });
  });

  it('count once, though the log is read again from the beginning, or by two at a time', async () => {
    const place = await newCommunity(database.resources);
    await reward(place);
    const messageId = await say(place);
    await react(place, messageId);
    await Promise.all([heard(), heard()]);
    const before = await standing(place);
    expect(before).toEqual({ messages: 1, replies: 0, reactions: 1, XP: 5n, COINS: 2n });
    await database.sql`delete from log.reader where name = ${messageEvents.name}`;
    await heard();
    expect(await standing(place)).toEqual(before);
  });

  it('count what others told of by the same reference before', async () => {
    const place = await newCommunity(database.resources);
    const messageId = await say(place);
    const event = eventOf(place.memberIds[0] ?? '', { eventType: 'message', reference: messageId });
    await trackEvents(database.sql, place.id, [event]);
    await heard();
    expect(await standing(place)).toMatchObject({ messages: 1 });
  });

  it('are taken back when the message is deleted, by whomever, and its rule may pay again', async () => {
    const place = await newCommunity(database.resources);
    await reward(place, { dayCap: 1 });
    const messageId = await say(place);
    await heard();
    expect(await standing(place)).toMatchObject({ messages: 1, XP: 5n });
    const [authorId, moderator = ''] = place.memberIds;
    await append(place, 'MessageDeleted', moderator, { messageId, authorId });
    await append(place, 'MessageDeleted', moderator, { messageId, authorId });
    await heard();
    expect(await standing(place)).toMatchObject({ messages: 0, XP: 0n, COINS: 0n });
    await say(place);
    await say(place);
    await heard();
    expect(await standing(place)).toMatchObject({ messages: 2, XP: 5n });
  });

  it('that were deleted before anybody looked never counted', async () => {
    const place = await newCommunity(database.resources);
    await reward(place);
    const messageId = await say(place);
    await append(place, 'MessageDeleted', null, { messageId, authorId: place.memberIds[0] });
    await heard();
    const events = await database.sql`select from gamification.event where community_id = ${place.id}`;
    expect(events).toHaveLength(0);
  });

  it('of a reaction are taken back with it, and count anew when it is put back', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    const messageId = await say(place, { by: 1 });
    const change = async (added: boolean) => {
      await append(place, 'MessageReacted', userId, { messageId, emoji: '🎉', added });
      await heard();
      return (await standing(place)).reactions;
    };
    await react(place, messageId);
    await heard();
    expect(await change(false)).toBe(0);
    expect(await change(true)).toBe(1);
    expect(await change(true)).toBe(1);
    expect(await change(false)).toBe(0);
    expect(await change(false)).toBe(0);
  });

  it('stay where what they earned is spent', async () => {
    const place = await newCommunity(database.resources);
    await reward(place, { awards: [{ unit: 'POINTS', amount: '5', perUnit: false }], dayCap: 1 });
    const messageId = await say(place);
    await heard();
    const [userId = ''] = place.memberIds;
    const spending = {
      userId,
      unit: 'POINTS' as const,
      amount: 3n,
      item: null,
      reason: null,
      metadata: null,
    };
    await spendBalance(database.sql, place.id, {
      ...{ ...spending, reference: 'a', origin: ownOrigin, occurredAt: null },
    });
    await append(place, 'MessageDeleted', userId, { messageId, authorId: userId });
    await say(place);
    await heard();
    expect(await standing(place)).toMatchObject({ messages: 2 });
    const [{ POINTS } = { POINTS: 0n }] = await balancesByUser(database.sql, place.id, [userId]);
    expect(POINTS).toBe(2n);
  });

  it('of people who are no more, and of kinds not known here, are passed over', async () => {
    const place = await newCommunity(database.resources);
    await append(place, 'MessagePosted', newId('User'), { messageId: newId('Message') });
    await append(place, 'MessagePinned', place.memberIds[0] ?? '', { messageId: newId('Message') });
    await append(place, 'SomethingElse', null, {});
    await say(place);
    await heard();
    expect(await standing(place)).toMatchObject({ messages: 1 });
    const people = await database.sql`select from gamification.profile where community_id = ${place.id}`;
    expect(people).toHaveLength(1);
  });

  it('of 300 messages are posted together', async () => {
    const place = await newCommunity(database.resources);
    await reward(place);
    await addMessages(
      database.sql,
      place.id,
      Array.from({ length: 300 }, (_, n) => ({
        ...{
          id: newId('Message'),
          channelId: place.channelIds[0] ?? '',
          authorId: place.memberIds[n % 2] ?? '',
        },
        ...{ body: 'Hello.', replyToId: null, idempotencyKey: String(n) },
      })),
    );
    const statements = await database.statementsOf(heard);
    expect(statements.filter((name) => name === 'writePostings')).toHaveLength(1);
    expect(await standing(place)).toMatchObject({ messages: 150, XP: 750n });
  });
});
