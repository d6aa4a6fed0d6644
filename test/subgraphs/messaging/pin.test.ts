import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { messagesById } from '../../../subgraphs/messaging/message.ts';
import { mostPins, setPinned } from '../../../subgraphs/messaging/pin.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';
import { said } from '../../kit/talk.ts';

let database: TestDatabase;
const { ask, entities, listen } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const pin = `mutation ($input: PinMessageInput!) { pinMessage(input: $input) {
  message { id pinnedAt } userErrors { code path }
} }`;
const unpin = `mutation ($input: UnpinMessageInput!) { unpinMessage(input: $input) {
  message { id pinnedAt } userErrors { code path }
} }`;
const list =
  '{ pinnedMessages(first: $first, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }';

const subscription = `subscription ($channelIds: [ID!]!) { messages(channelIds: $channelIds) {
  __typename ... on MessagePinned { pinned by { id } message { id } }
} }`;

async function pinAll(place: TestCommunity, ids: readonly string[]): Promise<void> {
  for (const message of await messagesById(database.sql, place.system, ids)) {
    if (message !== null) await setPinned(database.sql, place.system, message, true);
  }
}

describe('pins', () => {
  it('list the latest pinned first, page by page', async () => {
    const place = await newCommunity(database.resources);
    const ids = await said(database.sql, place, {}, {}, {}, {});
    const order = [2, 0, 1].map((n) => ids[n] ?? '');
    for (const id of order) await pinAll(place, [id]);
    const pageAfter = async (after?: string) =>
      (await entities(place.person(0), 'Channel', place.channelIds, list, { first: 2, after }))[0]
        .pinnedMessages;
    const page = await pageAfter();
    expect(page.nodes).toEqual([{ id: ids[1] }, { id: ids[0] }]);
    expect((await pageAfter(page.pageInfo.endCursor)).nodes).toEqual([{ id: ids[2] }]);
  });

  it('are told to those who follow the channel, once each', async () => {
    const place = await newCommunity(database.resources);
    const [admin = ''] = place.memberIds;
    await addAdministrators(database.sql, place.id, [admin]);
    const [id] = await said(database.sql, place, {});
    const items = await listen(place.person(1), subscription, { channelIds: place.channelIds.slice(0, 1) });
    const input = { messageId: id };
    for (const operation of [pin, pin]) await ask(place.person(0), operation, { input });
    const told = { __typename: 'MessagePinned', message: { id } };
    expect(await take(items, 2)).toEqual([
      { __typename: 'StreamReady' },
      { ...told, pinned: true, by: { id: admin } },
    ]);
    for (const operation of [unpin, unpin, pin]) await ask(place.system, operation, { input });
    expect(await take(items, 2)).toEqual([
      { ...told, pinned: false, by: null },
      { ...told, pinned: true, by: null },
    ]);
    await items.return(undefined);
  });

  it('stay as they are when repeated, and go when taken off or with the message', async () => {
    const place = await newCommunity(database.resources);
    const [id = '', other = ''] = await said(database.sql, place, {}, {});
    const first = (await ask(place.system, pin, { input: { messageId: id } })).pinMessage;
    expect(first).toEqual({ message: { id, pinnedAt: expect.any(String) }, userErrors: [] });
    expect((await ask(place.system, pin, { input: { messageId: id } })).pinMessage).toEqual(first);
    await ask(place.system, pin, { input: { messageId: other } });
    const { unpinMessage } = await ask(place.system, unpin, { input: { messageId: id } });
    expect(unpinMessage).toEqual({ message: { id, pinnedAt: null }, userErrors: [] });
    await ask(
      place.system,
      'mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { userErrors { code } } }',
      {
        id: other,
      },
    );
    const [channel] = await entities(place.system, 'Channel', place.channelIds, list);
    expect(channel.pinnedMessages.nodes).toEqual([]);
  });

  it('are for administrators, not for every member', async () => {
    const place = await newCommunity(database.resources);
    await addAdministrators(database.sql, place.id, place.memberIds.slice(1));
    const [messageId] = await said(database.sql, place, {});
    const codes = async (n: number) =>
      (await ask(place.person(n), pin, { input: { messageId } })).pinMessage.userErrors;
    expect(await codes(0)).toEqual([{ code: 'FORBIDDEN', path: ['input', 'messageId'] }]);
    expect(await codes(1)).toEqual([]);
  });

  it(`LIMIT_EXCEEDED: one more than ${mostPins} in a channel, also at once`, async () => {
    const place = await newCommunity(database.resources);
    const ids = await said(database.sql, place, ...Array.from({ length: mostPins + 4 }, () => ({})));
    await pinAll(place, ids.slice(0, mostPins - 1));
    const answers = await Promise.all(
      ids.slice(mostPins - 1).map((messageId) => ask(place.system, pin, { input: { messageId } })),
    );
    const codes = answers.flatMap(({ pinMessage }) =>
      pinMessage.userErrors.map((one: { code: string }) => one.code),
    );
    expect(codes).toEqual(Array.from({ length: 4 }, () => 'LIMIT_EXCEEDED'));
  });

  it.each([
    ['NOT_FOUND', 'msg_none'],
    ['CONFLICT', 'deleted'],
  ])('%s: a message that is not there', async (code, id) => {
    const place = await newCommunity(database.resources);
    const [deleted = ''] = await said(database.sql, place, {});
    await database.sql`update messaging.message set body = null, deleted_at = now() where id = ${deleted}`;
    const messageId = id === 'deleted' ? deleted : id;
    const { pinMessage } = await ask(place.system, pin, { input: { messageId } });
    expect(pinMessage).toEqual({ message: null, userErrors: [{ code, path: ['input', 'messageId'] }] });
  });

  it('read those of 100 channels with the statements of one', async () => {
    const channels = Array.from({ length: 100 }, () => 'OPEN');
    const { system, channelIds } = await newCommunity(database.resources, { channels });
    const read = (count: number) =>
      database.statementsOf(() => entities(system, 'Channel', channelIds.slice(0, count), list));
    expect(await read(100)).toEqual(await read(1));
  });
});
