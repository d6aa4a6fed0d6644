import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SeriesRequest, seriesByUser } from '../../../subgraphs/gamification/daily-stat.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities, errorsOf } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const noon = new Date('2026-03-10T12:00:00Z');

/** Lets the first member visit (10 XP, 2 coins) at these moments. */
async function visit({ id, memberIds }: TestCommunity, ...moments: string[]): Promise<void> {
  const events = moments.map((moment) =>
    eventOf(memberIds[0] ?? '', { eventType: 'visit', occurredAt: new Date(moment) }),
  );
  await trackEvents(database.sql, id, events);
}

/** The first member's days as `2026-03-10 10`. */
async function daysOf(
  { id, memberIds }: TestCommunity,
  request: SeriesRequest,
  now = noon,
): Promise<string[]> {
  const [series] = await seriesByUser(database.sql, id, memberIds, request, now);
  return series?.days.map(({ date, xp }) => `${date} ${xp}`) ?? [];
}

const last = (days: number): SeriesRequest => ({ last: days, range: null });
const between = (from: string, to: string, timeZone: string | null = null): SeriesRequest => ({
  last: null,
  range: { from, to, timeZone },
});

describe('daily stats: rules', () => {
  it('give each day up to today, newest first, zeros included', async () => {
    const place = await newCommunity(database.resources);
    await visit(
      place,
      '2026-03-10T01:00:00Z',
      '2026-03-10T02:00:00Z',
      '2026-03-08T23:59:59.999Z',
      '2026-03-06T00:00:00Z',
    );
    const days = ['2026-03-10 20', '2026-03-09 0', '2026-03-08 10', '2026-03-07 0'];
    expect(await daysOf(place, last(4))).toEqual(days);
  });

  it('give the sums of the days they cover, for everybody asked for', async () => {
    const place = await newCommunity(database.resources);
    await visit(place, '2026-03-10T01:00:00Z', '2026-03-09T01:00:00Z', '2026-03-01T01:00:00Z');
    const series = await seriesByUser(database.sql, place.id, place.memberIds, last(2), noon);
    expect(series.map(({ range, totals }) => [range.from, range.to, totals])).toEqual([
      ['2026-03-09', '2026-03-10', expect.objectContaining({ xp: 20n, coins: 4n, visits: 2 })],
      ['2026-03-09', '2026-03-10', expect.objectContaining({ xp: 0n, coins: 0n, visits: 0 })],
    ]);
  });

  it("count days in the community's time zone", async () => {
    const place = await newCommunity(database.resources, { timeZone: 'Asia/Kathmandu' });
    // Kathmandu's midnight is 18:15 UTC.
    await visit(place, '2026-03-09T18:14:59.999Z', '2026-03-09T18:15:00Z');
    expect(await daysOf(place, last(2))).toEqual(['2026-03-10 10', '2026-03-09 10']);
    const beforeMidnight = new Date('2026-03-09T18:14:00Z');
    expect(await daysOf(place, last(1), beforeMidnight)).toEqual(['2026-03-09 10']);
  });

  it('count the days of another time zone when asked to', async () => {
    const place = await newCommunity(database.resources);
    await visit(place, '2026-03-05T03:00:00Z', '2026-03-05T06:00:00Z');
    const days = await daysOf(place, between('2026-03-04', '2026-03-05', 'America/New_York'));
    expect(days).toEqual(['2026-03-05 10', '2026-03-04 10']);
  });

  it.each([
    ['the short day of spring', '2026-03-08', '2026-03-08T05:00:00Z', '2026-03-09T04:00:00Z'],
    ['the long day of autumn', '2026-11-01', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
  ])('hold exactly %s in New York', async (_what, day, begins, ends) => {
    const zone = 'America/New_York';
    const justBefore = (moment: string) => new Date(Date.parse(moment) - 1).toISOString();
    const moments = [justBefore(begins), begins, justBefore(ends), ends];
    const [local, foreign] = [
      await newCommunity(database.resources, { timeZone: zone }),
      await newCommunity(database.resources),
    ];
    for (const place of [local, foreign]) {
      await trackEvents(
        database.sql,
        place.id,
        moments.map((moment) => eventOf(place.memberIds[0] ?? '', { occurredAt: new Date(moment) })),
      );
      expect(await daysOf(place, between(day, day, zone))).toEqual([`${day} 200`]);
    }
  });

  it('cover a whole leap year', async () => {
    const place = await newCommunity(database.resources);
    const days = await daysOf(place, between('2024-01-01', '2024-12-31'));
    expect(days).toHaveLength(366);
    expect(new Set(days).size).toBe(366);
    expect(days[366 - 60]).toBe('2024-02-29 0');
  });
});

describe('daily stats: query', () => {
  it('gives 30 days up to the day it is, unless asked otherwise', async () => {
    const place = await newCommunity(database.resources);
    await visit(place, '2026-02-09T01:00:00Z');
    database.clock.now = noon;
    const [user] = await entities(
      place.system,
      'User',
      place.memberIds,
      '{ dailyStats { range { from to timeZone } totals { xp coins } days { date timeZone xp coins } } }',
    );
    database.clock.now = undefined;
    const { range, totals, days } = user.dailyStats;
    expect(range).toEqual({ from: '2026-02-09', to: '2026-03-10', timeZone: 'UTC' });
    expect(totals).toEqual({ xp: 10, coins: 2 });
    expect(days).toHaveLength(30);
    expect(days[0]).toEqual({ date: '2026-03-10', timeZone: 'UTC', xp: 0, coins: 0 });
    expect(days.at(-1)).toEqual({ date: '2026-02-09', timeZone: 'UTC', xp: 10, coins: 2 });
  });

  it('gives the days of a range in a named time zone', async () => {
    const place = await newCommunity(database.resources);
    await visit(place, '2026-03-05T03:00:00Z');
    const range = { from: '2026-03-04', to: '2026-03-05', timeZone: 'America/New_York' };
    const [user] = await entities(
      place.system,
      'User',
      place.memberIds,
      '{ dailyStats(range: $range) { days { date xp } } }',
      { range },
    );
    expect(user.dailyStats.days.map(({ date, xp }: Answer) => [date, xp])).toEqual([
      ['2026-03-05', 0],
      ['2026-03-04', 10],
    ]);
  });

  it('counts what people do besides earning, today and ever', async () => {
    const place = await newCommunity(database.resources);
    const types = [
      'message',
      'message',
      'reply',
      'reaction',
      'visit',
      'referral',
      'follow',
      'like',
      'comment',
      'share',
    ];
    const [first = ''] = place.memberIds;
    await trackEvents(
      database.sql,
      place.id,
      types.map((eventType) => eventOf(first, { eventType, occurredAt: noon })),
    );
    database.clock.now = noon;
    const counts =
      '{ messageCount replyCount reactionCount visitCount referralCount socialCount xpToday coinsToday }';
    const [user, other] = await entities(place.system, 'User', place.memberIds, counts);
    const day = 'xp coins messages replies reactions visits referrals socials';
    const selection = `{ user { id } date final ${day} }`;
    const key = { __typename: 'DailyStat', userId: first, date: '2026-03-10' };
    const { _entities } = await ask(
      place.system,
      `query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on DailyStat ${selection} } }`,
      { keys: [key, { ...key, date: '2026-03-09' }] },
    );
    const elsewhere = await seriesByUser(
      database.sql,
      place.id,
      place.memberIds,
      between('2026-03-10', '2026-03-10', 'Asia/Tokyo'),
      noon,
    );
    database.clock.now = undefined;
    const did = {
      messageCount: 2,
      replyCount: 1,
      reactionCount: 1,
      visitCount: 1,
      referralCount: 1,
      socialCount: 4,
    };
    expect(user).toEqual({ ...did, xpToday: 10, coinsToday: 2 });
    expect(other).toMatchObject({ messageCount: 0, xpToday: 0 });
    const sums = { messages: 2, replies: 1, reactions: 1, visits: 1, referrals: 1, socials: 4 };
    expect(_entities).toEqual([
      { user: { id: first }, date: '2026-03-10', final: false, xp: 10, coins: 2, ...sums },
      expect.objectContaining({ date: '2026-03-09', final: true, xp: 0, messages: 0 }),
    ]);
    expect(elsewhere[0]?.totals).toEqual({ xp: 10n, coins: 2n, ...sums });
  });

  it('gives the days of many people in one call, in the order they are named', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    await visit(place, '2026-03-05T03:00:00Z');
    const userIds = [...place.memberIds].reverse();
    const range = { from: '2026-03-04', to: '2026-03-05' };
    const statements = await database.statementsOf(async () => {
      const { dailyStats } = await ask(
        place.system,
        `query ($userIds: [ID!]!, $range: DateRangeInput) {
          dailyStats(userIds: $userIds, range: $range) { user { id } series { totals { xp } days { date } } }
        }`,
        { userIds, range },
      );
      expect(dailyStats.map(({ user }: Answer) => user.id)).toEqual(userIds);
      expect(dailyStats.map(({ series }: Answer) => series.totals.xp)).toEqual([0, 0, 10]);
    });
    expect(statements).toHaveLength(3);
  });

  it('leaves out who is no member, and gives the days of the others', async () => {
    const [place, elsewhere] = [
      await newCommunity(database.resources),
      await newCommunity(database.resources),
    ];
    await visit(place, '2026-03-05T03:00:00Z');
    const operation = `query ($userIds: [ID!]!) {
      dailyStats(userIds: $userIds, range: { from: "2026-03-05", to: "2026-03-05" }) {
        user { id } series { totals { xp } }
      }
    }`;
    const [member, other] = [place.memberIds[0], elsewhere.memberIds[0]];
    expect(await ask(place.system, operation, { userIds: ['usr_x', member, other] })).toEqual({
      dailyStats: [{ user: { id: member }, series: { totals: { xp: 10 } } }],
    });
    expect(await ask(place.system, operation, { userIds: ['usr_x'] })).toEqual({ dailyStats: [] });
  });

  it('says when a late event, or a reversal, restated a day that had ended', async () => {
    const place = await newCommunity(database.resources);
    const midnight = new Date(new Date().toISOString().slice(0, 10));
    const yesterday = new Date(midnight.getTime() - 3_600_000);
    await visit(place, yesterday.toISOString(), midnight.toISOString());
    const [user] = await entities(
      place.system,
      'User',
      place.memberIds,
      '{ dailyStats(last: 3) { days { xp final restatedAt } } }',
    );
    expect(user.dailyStats.days).toEqual([
      { xp: 10, final: false, restatedAt: null },
      { xp: 10, final: true, restatedAt: expect.any(String) },
      { xp: 0, final: true, restatedAt: null },
    ]);
  });
});

describe('daily stats: refusals', () => {
  it.each([
    'last: 0',
    'last: 367',
    'last: 1, range: { from: "2026-03-01", to: "2026-03-01" }',
    'range: { from: "2026-03-02", to: "2026-03-01" }',
    'range: { from: "2025-01-01", to: "2026-01-02" }',
  ])('BAD_ARGUMENT: %s', async (args) => {
    const { system, memberIds } = await newCommunity(database.resources);
    const operation = `query ($keys: [_Any!]!) { _entities(representations: $keys) {
      ... on User { dailyStats(${args}) { totals { xp } } }
    } }`;
    const keys = [{ __typename: 'User', id: memberIds[0] }];
    expect(await errorsOf(system, operation, { keys })).toEqual([
      { code: 'BAD_ARGUMENT', path: ['_entities', 0, 'dailyStats'] },
    ]);
  });

  it.each([
    '{ from: "2026-02-30", to: "2026-03-01" }',
    '{ from: "2026-3-1", to: "2026-03-01" }',
    '{ from: "2026-03-01", to: "2026-03-01", timeZone: "Mars/Olympus" }',
  ])('takes no day or zone that does not exist: %s', async (range) => {
    const { system } = await newCommunity(database.resources);
    const operation = `{ _entities(representations: []) { ... on User {
      dailyStats(range: ${range}) { totals { xp } }
    } } }`;
    expect(await errorsOf(system, operation)).toHaveLength(1);
  });
});

describe('daily stats of many people: refusals', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, n) => `usr_${n}`);

  it.each([
    ['nobody', [], {}],
    ['more than 100', ids(101), {}],
    ['somebody twice', ['usr_1', 'usr_1'], {}],
    ['an id of more than 64 characters', ['u'.repeat(65)], {}],
    ['a range that ends before it begins', ids(1), { range: { from: '2026-03-02', to: '2026-03-01' } }],
    ['more than 366 days', ids(1), { range: { from: '2025-01-01', to: '2026-01-02' } }],
  ])('BAD_ARGUMENT: %s', async (_what, userIds, more) => {
    const { system } = await newCommunity(database.resources);
    const operation = `query ($userIds: [ID!]!, $range: DateRangeInput) {
      dailyStats(userIds: $userIds, range: $range) { series { totals { xp } } }
    }`;
    expect(await errorsOf(system, operation, { userIds, ...more })).toEqual([
      { code: 'BAD_ARGUMENT', path: ['dailyStats'] },
    ]);
  });
});

describe('daily stats: cost', () => {
  it.each(['UTC', 'Asia/Tokyo'])(
    'reads the days of 100 people in %s with the statements of one',
    async (zone) => {
      const { system, memberIds } = await newCommunity(database.resources, { members: 100 });
      const range = { from: '2026-03-01', to: '2026-03-30', timeZone: zone };
      const selection = '{ dailyStats(range: $range) { totals { xp } days { xp } } }';
      const read = (count: number) =>
        database.statementsOf(() =>
          entities(system, 'User', memberIds.slice(0, count), selection, { range }),
        );
      expect(await read(1)).toHaveLength(2);
      expect(await read(100)).toEqual(await read(1));
    },
  );
});
