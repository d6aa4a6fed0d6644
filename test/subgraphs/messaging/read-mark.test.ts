import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { manyUnread } from '../../../subgraphs/messaging/read-mark.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';
import { said } from '../../kit/talk.ts';

let database: TestDatabase;
const { ask, entities, errorsOf } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const mark = `mutation ($input: MarkReadInput!) { markRead(input: $input) {
  channel { unreadCount lastRead { id } } userErrors { code path }
} }`;
const minutes = (n: number) => ({ createdAt: new Date(Date.UTC(2026, 0, 1, 0, n)) });

describe('read marks', () => {
  it('leave unread what others said since, and move forwards only', async () => {
    const place = await newCommunity(database.resources);
    const [, reader] = place.memberIds;
    const [first = '', , third = ''] = await said(database.sql, place, ...[1, 2, 3, 4].map(minutes), {
      ...minutes(5),
      authorId: reader ?? '',
    });
    const unread = async () =>
      (await entities(place.person(1), 'Channel', place.channelIds, '{ unreadCount }'))[0];
    expect(await unread()).toEqual({ unreadCount: 4 });
    const markAs = async (messageId: string) =>
      (await ask(place.person(1), mark, { input: { messageId } })).markRead;
    const marked = { channel: { unreadCount: 1, lastRead: { id: third } }, userErrors: [] };
    expect(await markAs(third)).toEqual(marked);
    expect(await markAs(first)).toEqual(marked);
  });

  it('count neither what is deleted nor what is for somebody else', async () => {
    const place = await newCommunity(database.resources, { channels: ['WHISPER'] });
    const [author = '', reader = ''] = place.memberIds;
    const [gone = ''] = await said(database.sql, place, {}, { audienceId: author }, { audienceId: reader });
    await database.sql`update messaging.message set body = null, deleted_at = now() where id = ${gone}`;
    const [channel] = await entities(place.person(1), 'Channel', place.channelIds, '{ unreadCount }');
    expect(channel).toEqual({ unreadCount: 1 });
  });

  it(`say ${manyUnread} for all that is more`, async () => {
    const place = await newCommunity(database.resources);
    await said(database.sql, place, ...Array.from({ length: manyUnread + 5 }, () => ({})));
    const [channel] = await entities(place.person(1), 'Channel', place.channelIds, '{ unreadCount }');
    expect(channel).toEqual({ unreadCount: manyUnread });
  });

  it('are a person’s own: none of a key of the community, NEEDS_USER for a class of people', async () => {
    const place = await newCommunity(database.resources);
    const [messageId] = await said(database.sql, place, {});
    const [channel] = await entities(
      place.system,
      'Channel',
      place.channelIds,
      '{ unreadCount lastRead { id } }',
    );
    expect(channel).toEqual({ unreadCount: null, lastRead: null });
    const { markRead } = await ask(place.system, mark, { input: { messageId } });
    expect(markRead.userErrors).toEqual([{ code: 'FORBIDDEN', path: ['input', 'messageId'] }]);
    const { userId: _userId, ...rights } = place.person(0);
    const shared: Principal = { ...rights, kind: 'class', ofPeople: true };
    const query = 'query ($id: ID!) { message(id: $id) { channel { unreadCount } } }';
    expect((await errorsOf(shared, query, { id: messageId })).map(({ code }) => code)).toEqual([
      'NEEDS_USER',
    ]);
  });

  it('NOT_FOUND: a message that is not there', async () => {
    const place = await newCommunity(database.resources);
    const { markRead } = await ask(place.person(0), mark, { input: { messageId: 'msg_none' } });
    expect(markRead).toEqual({
      channel: null,
      userErrors: [{ code: 'NOT_FOUND', path: ['input', 'messageId'] }],
    });
  });

  it('read those of 100 channels with the statements of one', async () => {
    const channels = Array.from({ length: 100 }, () => 'OPEN');
    const place = await newCommunity(database.resources, { channels });
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(
          place.person(0),
          'Channel',
          place.channelIds.slice(0, count),
          '{ unreadCount lastRead { id } }',
        ),
      );
    expect(await read(1)).toEqual(['readMarks']);
    expect(await read(100)).toEqual(await read(1));
  });
});
