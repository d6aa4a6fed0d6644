import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addChannels, channelsById, channelsPage } from '../../../subgraphs/community/channel.ts';
import { community } from '../../../subgraphs/community/index.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(community, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const channels = ['OPEN', 'ANNOUNCEMENT', 'WHISPER'];

describe('channels: rules', () => {
  it('come oldest first, and those the caller is limited to alone', async () => {
    const { system, channelIds } = await newCommunity(database.resources, { channels });
    const page = await channelsPage(database.sql, system, undefined, {});
    expect(page.edges.map(({ node }) => node.id)).toEqual(channelIds);
    const within = async (ids: string[]) =>
      (await channelsPage(database.sql, { ...system, channelIds: ids }, undefined, {})).edges;
    expect((await within(channelIds.slice(2))).map(({ node }) => node.id)).toEqual(channelIds.slice(2));
    expect(await within([])).toEqual([]);
  });

  it('are found in their own community only', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    expect(await channelsById(database.sql, away.system, home.channelIds)).toEqual([null]);
  });

  it('are left as they are when added again', async () => {
    const { id, system, channelIds } = await newCommunity(database.resources);
    const [before] = await channelsById(database.sql, system, channelIds);
    if (before == null) throw new Error('A test community has a channel.');
    await addChannels(database.sql, id, [{ ...before, kind: 'FORUM' }]);
    expect(await channelsById(database.sql, system, channelIds)).toEqual([before]);
  });
});

describe('channels: query', () => {
  it('gives a channel with its topic and its community', async () => {
    const { system, channelIds, slug } = await newCommunity(database.resources, { channels });
    const { channel } = await ask(
      system,
      `query ($id: ID!) { channel(id: $id) {
        id kind description category createdAt updatedAt topic { text lang available } community { slug }
      } }`,
      { id: channelIds[1] },
    );
    expect(channel).toEqual({
      id: channelIds[1],
      kind: 'ANNOUNCEMENT',
      description: null,
      category: null,
      createdAt: '2026-01-01T01:00:00.000Z',
      updatedAt: '2026-01-01T01:00:00.000Z',
      topic: { text: 'ANNOUNCEMENT 1', lang: 'en', available: ['en'] },
      community: { slug },
    });
  });

  it('hides channels from a key limited to others as if they did not exist', async () => {
    const { channelIds, person } = await newCommunity(database.resources, { channels });
    const [reached = '', hidden = ''] = channelIds;
    const limited = person(0, { channelIds: [reached] });
    expect(await ask(limited, '{ channels { nodes { id } } }')).toEqual({
      channels: { nodes: [{ id: reached }] },
    });
    const one = 'query ($id: ID!) { channel(id: $id) { id } }';
    expect(await ask(limited, one, { id: hidden })).toEqual(await ask(limited, one, { id: 'chn_none' }));
    const ids = [hidden, 'chn_none', reached];
    expect(await entities(limited, 'Channel', ids, '{ id kind }')).toEqual([
      null,
      null,
      { id: reached, kind: 'OPEN' },
    ]);
  });
});

describe('channels: refusals', () => {
  it.each([
    ['BAD_PAGE', 'channels(first: 101)'],
    ['BAD_CURSOR', 'channels(before: "MTIz")'],
  ])('%s: %s', async (code, field) => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, `{ ${field} { nodes { id } } }`)).toEqual([{ code, path: ['channels'] }]);
  });
});

describe('channels: text that no database keeps', () => {
  it('BAD_ARGUMENT: an id with NUL, or with half a character', async () => {
    const { system } = await newCommunity(database.resources);
    for (const id of ['chn_\0', '\ud800']) {
      expect(await errorsOf(system, 'query ($id: ID!) { channel(id: $id) { id } }', { id })).toEqual([
        { code: 'BAD_ARGUMENT', path: ['channel'] },
      ]);
    }
  });
});

describe('channels: cost', () => {
  it('reads 100 channels and their community with the statements of one', async () => {
    const { system, channelIds } = await newCommunity(database.resources, {
      channels: Array.from({ length: 100 }, () => 'OPEN'),
    });
    const list = (first: number) =>
      database.statementsOf(() =>
        ask(system, `{ channels(first: ${first}) { nodes { topic { text } community { slug } } } }`),
      );
    expect(await list(1)).toEqual(['channelsPage', 'communitiesById']);
    expect(await list(100)).toEqual(await list(1));
    const refer = (count: number) =>
      database.statementsOf(() => entities(system, 'Channel', channelIds.slice(0, count), '{ kind }'));
    expect(await refer(100)).toEqual(await refer(1));
  });
});
