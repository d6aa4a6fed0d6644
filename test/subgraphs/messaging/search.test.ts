import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';
import { said } from '../../kit/talk.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const search = `query ($query: String!, $channelIds: [ID!], $authorId: ID, $first: Int, $after: String, $last: Int) {
  searchMessages(query: $query, channelIds: $channelIds, authorId: $authorId, first: $first, after: $after, last: $last) {
    nodes { id body } pageInfo { endCursor hasNextPage }
  }
}`;
const found = async (who: Principal, query: string, more: Answer = {}): Promise<string[]> =>
  (await ask(who, search, { query, ...more })).searchMessages.nodes.map(({ body }: Answer) => body);

const at = (n: number) => ({ createdAt: new Date(Date.UTC(2026, 0, 1, n)) });

describe('searching messages', () => {
  it.each(['secret', 'alert', 'script', '<secret>', '"secret plan"', 'b secret'])(
    'finds words in markup, which is text: %s',
    async (query) => {
      const place = await newCommunity(database.resources);
      const body = 'a<b <secret plan> and <script>alert(1)</script>';
      await said(database.sql, place, { body }, { body: 'nothing of it' });
      expect(await found(place.system, query)).toEqual([body]);
    },
  );

  it.each([
    ['stop loss', ['A stop-loss order', 'A stop without loss']],
    ['"without loss"', ['A stop without loss']],
    ['loss -order', ['A stop without loss']],
    ['banana or ORDER', ['A stop-loss order']],
    ['größe', ['Die Größe']],
    ['-loss', ['Die Größe']],
    ['!!! ( & |', []],
    ["'; drop table messaging.message; --", []],
    ['com_x', []],
  ])('finds by %s', async (query, bodies) => {
    const place = await newCommunity(database.resources);
    const texts = ['A stop without loss', 'A stop-loss order', 'Die Größe'];
    await said(database.sql, place, ...texts.map((body, n) => ({ body, ...at(n) })));
    expect(await found(place.person(1), query)).toEqual(bodies);
  });

  it('finds the newest first, page by page, both ways', async () => {
    const place = await newCommunity(database.resources);
    await said(database.sql, place, ...[1, 2, 3].map((n) => ({ body: `word ${n}`, ...at(n) })));
    const { searchMessages } = await ask(place.system, search, { query: 'word', first: 2 });
    expect(searchMessages.nodes.map(({ body }: Answer) => body)).toEqual(['word 3', 'word 2']);
    const { endCursor: after } = searchMessages.pageInfo;
    expect(await found(place.system, 'word', { first: 2, after })).toEqual(['word 1']);
    expect(await found(place.system, 'word', { last: 1 })).toEqual(['word 1']);
  });

  it('finds in the channels and of the person asked for', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const [, channelId] = place.channelIds;
    const [, authorId] = place.memberIds;
    await said(
      database.sql,
      place,
      { body: 'word here' },
      { body: 'word there', channelId },
      { body: 'word B', authorId },
    );
    expect(await found(place.system, 'word', { channelIds: [channelId] })).toEqual(['word there']);
    expect(await found(place.system, 'word', { authorId })).toEqual(['word B']);
  });

  it('finds nothing that is deleted, in another community, or not for the caller', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'DIRECT', 'WHISPER'] });
    const other = await newCommunity(database.resources);
    const [open = '', direct = '', whisper = ''] = place.channelIds;
    const [author = '', reader = ''] = place.memberIds;
    const [gone] = await said(
      database.sql,
      place,
      { body: 'word gone' },
      { body: 'word open', channelId: open },
      { body: 'word direct', channelId: direct },
      { body: 'word of A', channelId: whisper, audienceId: author },
      { body: 'word of B', channelId: whisper, authorId: reader, audienceId: reader },
    );
    await said(database.sql, other, { body: 'word elsewhere' });
    const remove = 'mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { userErrors { code } } }';
    await ask(place.system, remove, { id: gone });
    expect((await found(place.person(1), 'word')).toSorted()).toEqual(['word of B', 'word open']);
    expect((await found(place.system, 'word')).toSorted()).toEqual([
      'word direct',
      'word of A',
      'word of B',
      'word open',
    ]);
    expect(await found(place.person(1, { channelIds: [direct] }), 'word')).toEqual([]);
  });

  it('shows another text at once under its new words, and no more under the old ones', async () => {
    const place = await newCommunity(database.resources);
    const [messageId] = await said(database.sql, place, { body: 'before' });
    const edit =
      'mutation ($input: EditMessageInput!) { editMessage(input: $input) { userErrors { code } } }';
    await ask(place.system, edit, { input: { messageId, body: 'after' } });
    expect(await found(place.system, 'before or after')).toEqual(['after']);
  });

  it.each([
    ['an empty query', { query: ' ' }],
    ['a long query', { query: 'x'.repeat(201) }],
    ['no channel', { query: 'x', channelIds: [] }],
  ])('BAD_ARGUMENT: %s', async (_what, variables) => {
    const { system } = await newCommunity(database.resources);
    expect((await errorsOf(system, search, variables)).map(({ code }) => code)).toEqual(['BAD_ARGUMENT']);
  });
});
