import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adjustBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { badgeReached } from '../../../subgraphs/gamification/badge-reached.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { levelAt, levelsOf } from '../../../subgraphs/gamification/level.ts';
import { levelCurve, setLevels } from '../../../subgraphs/gamification/level-change.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { books } from '../../../subgraphs/gamification/verify.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { verify } from '../../../subgraphs/verify.ts';
import { eventOf, newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities } = asking(gamification, () => database.resources);
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

describe('levels: a new curve', () => {
  /** Adds people who have XP alone, as the posting path would leave them on the curve that stands. */
  const addPeople = (communityId: string, count: number, xp: number) => database.sql`
    insert into gamification.profile (community_id, user_id, xp, level)
    select ${communityId}, 'usr_many' || lpad(n::text, 8, '0'), ${xp}, 1
    from generate_series(1, ${count}::integer) n`;
  const levelsKept = async (communityId: string) =>
    (
      await database.sql`
        select level, count(*)::integer as people from gamification.profile
        where community_id = ${communityId} group by level order by level`
    ).map(({ level, people }) => [level, people]);
  const discrepancies = async (only: string) =>
    (await verify(database.sql, [books], { only: [only] })).discrepancies.filter(
      ({ check }) => check === 'levels',
    );

  it('is followed by thousands some at a time, each told once, whoever posts meanwhile', async () => {
    const { id, memberIds } = await newCommunity(database.resources);
    await addPeople(id, 12_000, 120);
    await setLevels(database.sql, id, [{ number: 2, minXp: 100, name: null }]);
    expect(await levelsKept(id)).toEqual([
      [1, 7_000],
      [2, 5_000],
    ]);
    expect(await discrepancies(id)).toEqual([]);
    const last = 'usr_many00012000';
    await trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '')]);
    const earned = { unit: 'XP', action: 'INCREASE', amount: 1n, occurredAt: null } as const;
    const said = { reason: null, metadata: null, reference: 'a', origin: ownOrigin };
    await adjustBalance(database.sql, id, { ...said, ...earned, userId: last });
    await catchUp(database.sql, levelCurve);
    expect(await levelsKept(id)).toEqual([[2, 12_001]]);
    const [told] = await database.sql`
      select count(*)::integer as events, count(distinct user_id)::integer as people
      from log.event where community_id = ${id} and stream = 'xp' and kind = 'LevelChanged'`;
    expect(told).toEqual({ events: 12_001, people: 12_001 });
    expect(await discrepancies(id)).toEqual([]);
  });

  it('awards the badges of levels that people reach by it', async () => {
    const { id, system } = await newCommunity(database.resources, { badges: [null] });
    await database.sql`
      update gamification.badge set measure = 'LEVEL', at_least = 2 where community_id = ${id}`;
    await addPeople(id, 3, 120);
    await setLevels(database.sql, id, [{ number: 2, minXp: 100, name: null }]);
    await catchUp(database.sql, badgeReached);
    const { badges } = await ask(system, '{ badges { nodes { awardCount } } }');
    expect(badges.nodes).toEqual([{ awardCount: 3 }]);
  });
});

const setLevelsOperation = `mutation ($input: SetLevelsInput!) { setLevels(input: $input) {
  levels { number minXp name { text } } userErrors { code path }
} }`;
const setTiersOperation = `mutation ($input: SetTiersInput!) { setTiers(input: $input) {
  tiers { id minXp name { text } benefits { text } } userErrors { code path }
} }`;
const text = (words: string) => [{ lang: 'en', text: words }];

describe('levels and tiers: mutations', () => {
  it('sets all levels by a table, and everybody stands where the new curve says', async () => {
    const { id, system, memberIds } = await newCommunity(database.resources);
    await trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '', { eventType: 'signup' })]);
    const input = {
      table: [{ minXp: 10, name: text('Ten') }, { minXp: 100 }, { minXp: 400, name: text('Top') }],
    };
    const { setLevels: set } = await ask(system, setLevelsOperation, { input });
    expect(set.levels).toEqual([
      { number: 1, minXp: 10, name: { text: 'Ten' } },
      { number: 2, minXp: 100, name: null },
      { number: 3, minXp: 400, name: { text: 'Top' } },
    ]);
    const standing = '{ level { number } nextLevel { xpRemaining percent level { number } } }';
    expect(await entities(system, 'User', memberIds, standing)).toEqual([
      { level: { number: 3 }, nextLevel: null },
      { level: null, nextLevel: { xpRemaining: 10, percent: 0, level: { number: 1 } } },
    ]);
    const events = await eventsAfter(database.sql, { communityId: id, stream: 'xp' }, 0, 10);
    const changes = events.filter(({ kind }) => kind === 'LevelChanged').map(({ payload }) => payload);
    expect(changes.map(({ from, to }) => [from, to])).toEqual([
      [1, 2],
      [2, 3],
    ]);
  });

  it('sets all levels by a formula, named by their numbers', async () => {
    const { system } = await newCommunity(database.resources);
    const input = { formula: { count: 4, base: 100, exponent: 1.5, name: text('Level {n}') } };
    const { setLevels: set } = await ask(system, setLevelsOperation, { input });
    expect(set.levels.map(({ minXp }: { minXp: number }) => minXp)).toEqual([0, 100, 282, 519]);
    expect(set.levels[3].name.text).toBe('Level 4');
  });

  it('sets tiers, with what they bring, and tells how far the next is', async () => {
    const { id, system, memberIds } = await newCommunity(database.resources);
    await trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '')]);
    const gold = { name: text('Gold'), minXp: 300, benefits: [{ texts: text('Free shipping') }] };
    const { setTiers: set } = await ask(system, setTiersOperation, {
      input: { tiers: [gold, { name: text('Bronze'), minXp: 0 }] },
    });
    expect(set.tiers.map(({ name }: { name: { text: string } }) => name.text)).toEqual(['Bronze', 'Gold']);
    const standing = '{ tier { name { text } } nextTier { xpRemaining percent tier { benefits { text } } } }';
    expect((await entities(system, 'User', memberIds, standing))[0]).toEqual({
      tier: { name: { text: 'Bronze' } },
      nextTier: {
        xpRemaining: 200,
        percent: expect.closeTo(33.3, 1),
        tier: { benefits: [{ text: 'Free shipping' }] },
      },
    });
    const again = { input: { tiers: [{ ...gold, id: set.tiers[1].id, minXp: 50 }] } };
    const { setTiers: changed } = await ask(system, setTiersOperation, again);
    expect(changed.tiers).toMatchObject([{ id: set.tiers[1].id, minXp: 50 }]);
  });

  it('sets tiers whole, however many do it at once', async () => {
    const { system } = await newCommunity(database.resources);
    const asked = Array.from({ length: 8 }, (_, n) =>
      Array.from({ length: 3 }, (_, at) => ({ name: text(`Tier ${n}`), minXp: n + 100 * at })),
    );
    await Promise.all(asked.map((tiers) => ask(system, setTiersOperation, { input: { tiers } })));
    const { tiers } = await ask(system, '{ tiers { name { text } } }');
    expect(tiers).toHaveLength(3);
    expect(new Set(tiers.map(({ name }: { name: { text: string } }) => name.text)).size).toBe(1);
  });

  it('names units and lets them go below zero', async () => {
    const { system } = await newCommunity(database.resources);
    const input = { unit: 'POINTS', name: text('Stars'), mayGoBelowZero: true };
    const operation = `mutation ($input: SetUnitInput!) { setUnit(input: $input) { unit { name { text } } userErrors { code } } }`;
    expect((await ask(system, operation, { input })).setUnit).toEqual({
      unit: { name: { text: 'Stars' } },
      userErrors: [],
    });
    const { units } = await ask(system, '{ units { unit name { text } mayGoBelowZero } }');
    expect(units[2]).toEqual({ unit: 'POINTS', name: { text: 'Stars' }, mayGoBelowZero: true });
    expect(units[3]).toEqual({ unit: 'PREMIUM', name: { text: 'PREMIUM' }, mayGoBelowZero: false });
  });
});

describe('levels and tiers: refusals', () => {
  const inCapitals = [{ lang: 'EN', text: 'B' }];

  it.each([
    ['neither table nor formula', setLevelsOperation, {}],
    ['levels that do not rise', setLevelsOperation, { table: [{ minXp: 5 }, { minXp: 5 }] }],
    ['too steep a formula', setLevelsOperation, { formula: { count: 3, base: 10, exponent: 4 } }],
    [
      'two tiers at the same XP',
      setTiersOperation,
      { tiers: [0, 0].map((minXp) => ({ name: text('A'), minXp })) },
    ],
    [
      'a picture of a tier that is a script',
      setTiersOperation,
      { tiers: [{ name: text('A'), minXp: 0, imageUrl: 'javascript:alert(1)' }] },
    ],
    [
      'a benefit twice in a language',
      setTiersOperation,
      { tiers: [{ name: text('A'), minXp: 0, benefits: [{ texts: [...text('B'), ...inCapitals] }] }] },
    ],
  ])('VALIDATION_FAILED: %s', async (_what, operation, input) => {
    const { system } = await newCommunity(database.resources);
    const [payload] = Object.values<{ userErrors: object[] }>(await ask(system, operation, { input }));
    expect(payload?.userErrors).toMatchObject([{ code: 'VALIDATION_FAILED' }]);
  });

  it('NOT_FOUND: a tier that is not there', async () => {
    const { system } = await newCommunity(database.resources);
    const input = { tiers: [{ id: 'tir_none', name: text('A'), minXp: 0 }] };
    const { setTiers: set } = await ask(system, setTiersOperation, { input });
    expect(set.userErrors).toEqual([{ code: 'NOT_FOUND', path: ['input', 'tiers', '0', 'id'] }]);
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
