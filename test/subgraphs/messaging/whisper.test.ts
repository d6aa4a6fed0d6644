import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking, take } from '../../kit/subgraph.ts';

// In a whisper channel members don't see each other: each sees what they say and what those who moderate say to them or
// to all. The first member administers the community.

let database: TestDatabase;
const { ask, entities, errorsOf, listen } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

async function whisperChannel(): Promise<TestCommunity> {
  const place = await newCommunity(database.resources, { members: 4, channels: ['WHISPER'] });
  await addAdministrators(database.sql, place.id, place.memberIds.slice(0, 1));
  return place;
}

const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id } userErrors { code path }
} }`;

async function say(place: TestCommunity, who: Principal, body: string, more: Answer = {}): Promise<string> {
  const input = { channelId: place.channelIds[0], body, idempotencyKey: `${body} ${who.userId}`, ...more };
  const { message } = (await ask(who, send, { input })).sendMessage;
  database.resources.tail.wake();
  return message?.id;
}

/** Who said what to whom: a question of each of two members, an answer to the first, and a word to all. */
async function talk(place: TestCommunity) {
  const [admin, ada, ben] = [place.person(0), place.person(1), place.person(2)];
  const question = await say(place, ada, 'A asks');
  const other = await say(place, ben, 'B asks');
  const answer = await say(place, admin, 'to A', { replyToId: question });
  const all = await say(place, admin, 'to all');
  return { question, other, answer, all };
}

const everything = ['A asks', 'B asks', 'to A', 'to all'];
const readers: [string, (place: TestCommunity) => Principal, string[]][] = [
  ['the one who asked', (place) => place.person(1), ['A asks', 'to A', 'to all']],
  ['another who asked', (place) => place.person(2), ['B asks', 'to all']],
  ['a third', (place) => place.person(3), ['to all']],
  ['an administrator', (place) => place.person(0), everything],
  ['a key of the community', (place) => place.system, everything],
];

describe('whisper channels', () => {
  it.each(readers)(
    'show to %s by list, by person, by id and by search what is theirs',
    async (_who, of, bodies) => {
      const place = await whisperChannel();
      const ids = Object.values(await talk(place));
      const who = of(place);
      const list = '{ messages { nodes { body } } }';
      const textsOf = (nodes: Answer[]) => nodes.map(({ body }) => body).toSorted();
      const [channel] = await entities(who, 'Channel', place.channelIds, list);
      expect(textsOf(channel.messages.nodes)).toEqual(bodies);
      const people = await entities(who, 'User', place.memberIds, list);
      expect(textsOf(people.flatMap(({ messages }) => messages.nodes))).toEqual(bodies);
      const search = '{ searchMessages(query: "a or b or to") { nodes { body } } }';
      expect(textsOf((await ask(who, search)).searchMessages.nodes)).toEqual(bodies);
      const byId = await entities(who, 'Message', ids, '{ body }');
      expect(textsOf(byId.filter((one) => one !== null))).toEqual(bodies);
    },
  );

  it.each(readers)('stream to %s what is theirs, reactions too', async (_who, of, bodies) => {
    const place = await whisperChannel();
    const items = await listen(
      of(place),
      `subscription ($ids: [ID!]!) { messages(channelIds: $ids) {
        __typename ... on MessagePosted { message { body } } ... on MessageReacted { message { body } }
      } }`,
      { ids: place.channelIds },
    );
    const { other, all } = await talk(place);
    for (const messageId of [other, all]) {
      const input = { messageId, emoji: '👍' };
      await ask(
        place.person(0),
        'mutation ($input: ReactInput!) { react(input: $input) { userErrors { code } } }',
        {
          input,
        },
      );
    }
    const reacted = bodies.filter((body) => ['B asks', 'to all'].includes(body));
    const told = (await take(items, 1 + bodies.length + reacted.length)).slice(1);
    expect(
      told
        .slice(0, bodies.length)
        .map(({ message }) => message.body)
        .toSorted(),
    ).toEqual(bodies);
    expect(told.slice(bodies.length).map(({ message }) => message.body)).toEqual(reacted);
    await items.return(undefined);
  });

  it('are read by each person alone, never by a class of them', async () => {
    const place = await whisperChannel();
    const { userId: _userId, ...rights } = place.person(1);
    const shared: Principal = { ...rights, kind: 'class', ofPeople: true };
    const listening = listen(
      shared,
      'subscription ($ids: [ID!]!) { messages(channelIds: $ids) { cursor } }',
      {
        ids: place.channelIds,
      },
    );
    await expect(listening).rejects.toMatchObject({ code: 'NEEDS_USER' });
  });

  it('let nobody react to, or answer, what is not theirs', async () => {
    const place = await whisperChannel();
    const { other } = await talk(place);
    const react = `mutation ($input: ReactInput!) { react(input: $input) { userErrors { code } } }`;
    const input = { messageId: other, emoji: '👍' };
    expect((await ask(place.person(1), react, { input })).react.userErrors).toEqual([{ code: 'NOT_FOUND' }]);
    expect(await say(place, place.person(1), 'to B', { replyToId: other })).toBeUndefined();
    expect(await errorsOf(place.person(1), react, { input })).toEqual([]);
  });

  it('keep what a key of the community says for a member to that member', async () => {
    const place = await whisperChannel();
    const id = await say(place, place.system, 'relayed', { senderId: place.memberIds[1] });
    const seenBy = async (n: number) => (await entities(place.person(n), 'Message', [id], '{ body }'))[0];
    expect(await seenBy(1)).toEqual({ body: 'relayed' });
    expect(await seenBy(2)).toBeNull();
  });
});
