import { afterAll, beforeAll, expect, it } from 'vitest';
import { gamification } from '../../subgraphs/gamification/index.ts';
import { keepReading } from '../../subgraphs/log-reader.ts';
import { type Data, data, person, socketClient, take, unique } from '../kit/client.ts';
import { type TestLaurel, testLaurel } from '../kit/laurel.ts';

// What becomes of a message: it is counted, a rule rewards it, a level is reached and a badge with it, the feed and the
// day tell of it, and whoever follows sees it happen; and what becomes of all that when the message is deleted.

let laurel: TestLaurel;
let reading: { stop(): Promise<void> };
let userId: string;
let channelId: string;
beforeAll(async () => {
  laurel = await testLaurel();
  const { sql, tail } = laurel.database.resources;
  reading = keepReading(sql, tail, gamification.readers(laurel.database.resources), (error) => {
    throw error;
  });
  userId = (await person(laurel.handle, 50)).id;
  channelId = laurel.demo.channelId;
}, 60_000);
afterAll(async () => {
  await reading.stop();
  await laurel.close();
});

const ask = (operation: string, input: object) =>
  data(laurel.handle, operation, { input }).then((answer) => {
    const [payload] = Object.values<Data>(answer);
    expect(payload.userErrors).toEqual([]);
    return payload;
  });

const whole = `query ($id: ID!) { user(by: { id: $id }) {
  xp points
  level { number }
  dailyStats(last: 1) { totals { xp } }
  activity(first: 10, types: [EVENT, CHALLENGE], lang: "de") { nodes { type points title { text } } }
  activityPage(limit: 1) { total }
  ledger(first: 10, filter: { eventTypes: ["message"] }) { nodes { unit amount reference } }
  badges(first: 100) { nodes { badge { title { text } } } }
} }`;
const standing = async () => {
  const [counted] = await laurel.database.sql<{ messages: number }[]>`
    select messages from gamification.profile where user_id = ${userId}`;
  return { ...(await data(laurel.handle, whole, { id: userId })).user, messages: counted?.messages ?? 0 };
};
const titles = ({ badges }: Data) => badges.nodes.map(({ badge }: Data) => badge.title.text);

it('is counted, rewarded, shown and told, and all of it is taken back with the message', async () => {
  const before = await standing();
  await ask('mutation ($input: CreateRuleInput!) { createRule(input: $input) { userErrors { code } } }', {
    ...{ eventType: 'message', activityType: 'CHALLENGE', idempotencyKey: unique('rule') },
    title: [
      { lang: 'en', text: 'Spoke up' },
      { lang: 'de', text: 'Zu Wort gemeldet' },
    ],
    awards: [
      { unit: 'XP', amount: '100000' },
      { unit: 'POINTS', amount: '25' },
    ],
    conditions: [{ field: 'metadata.channelId', operator: 'EQUALS', values: [channelId] }],
  });
  await ask('mutation ($input: CreateBadgeInput!) { createBadge(input: $input) { userErrors { code } } }', {
    ...{ title: [{ lang: 'en', text: 'Heard' }], idempotencyKey: unique('badge') },
    criterion: { measure: 'MESSAGES', atLeast: before.messages + 1 },
  });
  const client = socketClient(laurel.handle);
  const items = client.iterate({
    query: `subscription ($userIds: [ID!]) { xp(userIds: $userIds) {
      __typename
      ... on XpChanged { total entry { eventType reference } }
      ... on BadgeAwarded { award { badge { title { text } } } }
    } }`,
    variables: { userIds: [userId] },
  });
  const next = async (count: number) =>
    (await take(count, items)).map(({ data: item, errors }) => {
      expect(errors).toBeUndefined();
      return (item as Data).xp;
    });
  expect(await next(1)).toMatchObject([{ __typename: 'StreamReady' }]);

  const { message } = await ask(
    'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } userErrors { code message } } }',
    { channelId, body: 'Here I am.', senderId: userId, idempotencyKey: unique('message') },
  );
  expect(await next(3)).toMatchObject([
    {
      __typename: 'XpChanged',
      total: before.xp + 100_000,
      entry: { eventType: 'message', reference: message.id },
    },
    { __typename: 'LevelChanged' },
    { __typename: 'BadgeAwarded', award: { badge: { title: { text: 'Heard' } } } },
  ]);
  const after = await standing();
  expect(after.messages).toBe(before.messages + 1);
  expect(after.points).toBe(before.points + 25);
  expect(after.level.number).toBeGreaterThan(before.level.number);
  expect(after.dailyStats.totals).toEqual({
    xp: before.dailyStats.totals.xp + 100_000,
  });
  // The badge may have brought another, for holding so many.
  expect(after.activity.nodes).toContainEqual({ type: 'EVENT', points: 0, title: { text: 'Heard' } });
  const spoken = { type: 'CHALLENGE', points: 25, title: { text: 'Zu Wort gemeldet' } };
  expect(after.activity.nodes).toContainEqual(spoken);
  const more = after.badges.nodes.length - before.badges.nodes.length;
  await next(more - 1);
  expect(after.activityPage.total).toBe(before.activityPage.total + 1 + more);
  expect(after.ledger.nodes).toContainEqual({ unit: 'POINTS', amount: 25, reference: message.id });
  expect(titles(after)).toContain('Heard');

  await ask(
    'mutation ($input: DeleteMessageInput!) { deleteMessage(input: $input) { userErrors { code message } } }',
    { messageId: message.id },
  );
  expect(await next(2)).toMatchObject([
    { __typename: 'XpChanged', total: before.xp, entry: { eventType: 'reversal' } },
    { __typename: 'LevelChanged' },
  ]);
  const { ledger, ...back } = await standing();
  const { ledger: _, ...first } = before;
  expect(back).toEqual(first);
  expect(ledger.nodes).toHaveLength(after.ledger.nodes.length);
  await client.dispose();
});
