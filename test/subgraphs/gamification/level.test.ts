import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { levelAt, levelsOf, setLevels } from '../../../subgraphs/gamification/level.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventOf, newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { entities } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

describe('levels: rules', () => {
  it('come lowest first, each with where the next begins', async () => {
    const { id } = await newCommunity(database.resources);
    const levels = await levelsOf(database.sql, id);
    expect(levels.map(({ number, minXp, nextAt }) => [number, minXp, nextAt])).toEqual([
      [1, 0n, 300n],
      [2, 300n, 1_000n],
      [3, 1_000n, null],
    ]);
  });

  it.each([
    [-1n, undefined],
    [0n, 1],
    [299n, 1],
    [300n, 2],
    [999n, 2],
    [1_000_000n, 3],
  ])('with %s XP a person has level %s', async (xp, number) => {
    const { id } = await newCommunity(database.resources);
    expect(levelAt(await levelsOf(database.sql, id), xp)?.number).toBe(number);
  });

  it('are replaced when set again', async () => {
    const { id } = await newCommunity(database.resources);
    await setLevels(database.sql, id, [{ number: 2, minXp: 50, name: { en: 'Soon' } }]);
    expect((await levelsOf(database.sql, id)).map(({ minXp }) => minXp)).toEqual([0n, 50n, 1_000n]);
  });
});

describe('levels: query', () => {
  it('gives the level that the XP reach', async () => {
    const { id, system, memberIds } = await newCommunity(database.resources);
    await trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '', { eventType: 'signup' })]);
    const selection = '{ level { number minXp nextAt name { text } } }';
    expect(await entities(system, 'User', memberIds, selection)).toEqual([
      { level: { number: 2, minXp: 300, nextAt: 1_000, name: { text: 'Level 2' } } },
      { level: { number: 1, minXp: 0, nextAt: 300, name: { text: 'Level 1' } } },
    ]);
  });

  it('gives null where a community has no levels', async () => {
    const bare = { kind: 'system', communityId: newId('Community'), scopes: [] } as const;
    expect(await entities(bare, 'User', ['usr_a'], '{ level { number } }')).toEqual([{ level: null }]);
  });
});

describe('levels: cost', () => {
  it('reads the levels of 100 people with the statements of one', async () => {
    const { system, memberIds } = await newCommunity(database.resources, { members: 100 });
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(system, 'User', memberIds.slice(0, count), '{ level { number name { text } } }'),
      );
    expect((await read(1)).sort()).toEqual(['balancesByUser', 'levelsOf']);
    expect((await read(100)).sort()).toEqual(['balancesByUser', 'levelsOf']);
  });
});
