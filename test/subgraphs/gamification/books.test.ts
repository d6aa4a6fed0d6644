import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assignRoles } from '../../../subgraphs/community/role.ts';
import { Refusal } from '../../../subgraphs/errors.ts';
import { adjustBalance, reverseEvent, spendBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { awardBadge, revokeBadge } from '../../../subgraphs/gamification/badge-award.ts';
import { createBadge } from '../../../subgraphs/gamification/badge-change.ts';
import { badgeReached } from '../../../subgraphs/gamification/badge-reached.ts';
import { seriesByUser } from '../../../subgraphs/gamification/daily-stat.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import type { LeaderboardSettings } from '../../../subgraphs/gamification/leaderboard.ts';
import { createLeaderboard } from '../../../subgraphs/gamification/leaderboard-change.ts';
import { balancesByUser } from '../../../subgraphs/gamification/ledger.ts';
import { levelCurve, setLevels } from '../../../subgraphs/gamification/level-change.ts';
import { messageEvents } from '../../../subgraphs/gamification/message-event.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { rankRoles } from '../../../subgraphs/gamification/rank-roles.ts';
import { books } from '../../../subgraphs/gamification/verify.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { verify } from '../../../subgraphs/verify.ts';
import { eventOf, newCommunity, newRole, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

// Whatever happens, in whatever order and however often: everything that is kept of the ledger is its sums.

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const units = ['XP', 'COINS', 'POINTS', 'PREMIUM'] as const;
const person = fc.nat(2);
const reference = fc.nat(20).map(String);
const day = fc.nat(400);

/** One thing that somebody does. */
const deed = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('track' as const),
      person,
      eventType: fc.constantFrom('purchase', 'visit', 'signup', 'refund', 'message', 'like', 'none'),
      reference: fc.option(reference),
      day: fc.option(day),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('spend' as const),
      person,
      unit: fc.constantFrom(...units),
      amount: fc.integer({ min: 1, max: 300 }),
      reference,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('adjust' as const),
      person,
      unit: fc.constantFrom(...units),
      action: fc.constantFrom('INCREASE' as const, 'DECREASE' as const, 'OVERWRITE' as const),
      amount: fc.integer({ min: 0, max: 1_500 }),
      reference,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reverse' as const), at: fc.nat(50), reference }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('curve' as const), second: fc.integer({ min: 1, max: 900 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('role' as const), person, given: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('badge' as const),
      measure: fc.constantFrom('XP', 'COINS', 'LEVEL', 'MESSAGES', 'VISITS', 'BADGES'),
      atLeast: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 50, max: 600 })),
      quantity: fc.constantFrom(null, 1, 2),
      xpReward: fc.constantFrom(0, 30),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('award' as const), person, at: fc.nat(5), reference }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), at: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('say' as const), at: fc.nat(8), deleted: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('follow' as const) }) },
);

type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

type Ranked = TestCommunity & { roleId: string };

/** A leaderboard of everybody's XP, and one of the COINS of those who have the role. */
async function rank({ id, roleId }: Ranked): Promise<void> {
  const plain = {
    ...{ startsOn: null, endsOn: null, columns: [], topLimit: null, onlyPositive: false, enabled: true },
    viewRoleIds: [],
  };
  const boards: LeaderboardSettings[] = [
    {
      ...{ ...plain, slug: 'xp', name: { en: 'XP' }, unit: 'XP', rankRoleIds: [] },
      windows: ['ALL_TIME', 'YEARLY', 'ROLLING_365D'],
    },
    {
      ...{ ...plain, slug: 'coins', name: { en: 'Coins' }, unit: 'COINS', rankRoleIds: [roleId] },
      windows: ['ALL_TIME', 'ROLLING_30D'],
    },
  ];
  const now = new Date('2026-01-20T12:00:00Z');
  const system: Principal = { kind: 'system', communityId: id, scopes: [] };
  for (const board of boards) await createLeaderboard(database.sql, system, board, board.slug, now);
}

/** What the background does, once. @returns whether there was anything to do. */
async function followAll(): Promise<boolean> {
  let handled = false;
  for (const reader of [rankRoles, levelCurve, messageEvents, badgeReached])
    handled = (await catchUp(database.sql, reader)) || handled;
  return handled;
}

/** Does it; what is refused is refused. Events that were written join `eventIds`. */
async function act({ id, memberIds, roleId, system }: Ranked, one: Deed, eventIds: string[]): Promise<void> {
  const { sql } = database;
  const said = (reference: string) => ({ reference, reason: null, metadata: null, origin: ownOrigin });
  const done = async () => {
    switch (one.kind) {
      case 'track': {
        const occurredAt = one.day === null ? null : new Date(Date.UTC(2025, 0, 1 + one.day, 5));
        const { eventType, reference } = one;
        const event = eventOf(memberIds[one.person] ?? '', { eventType, reference, occurredAt });
        return trackEvents(sql, id, [event, event]);
      }
      case 'spend': {
        const { unit, amount, reference } = one;
        const userId = memberIds[one.person] ?? '';
        const spending = { userId, unit, amount: BigInt(amount), occurredAt: null, item: null };
        return [await spendBalance(sql, id, { ...spending, ...said(reference) })];
      }
      case 'adjust': {
        const { unit, action, amount, reference } = one;
        const adjustment = { userId: memberIds[one.person] ?? '', unit, action, amount: BigInt(amount) };
        return [await adjustBalance(sql, id, { ...adjustment, occurredAt: null, ...said(reference) })];
      }
      case 'reverse': {
        const eventId = eventIds[one.at % Math.max(eventIds.length, 1)] ?? 'evt_none';
        return [await reverseEvent(sql, id, { eventId, ...said(one.reference) })];
      }
      case 'curve':
        await setLevels(sql, id, [{ number: 2, minXp: one.second, name: { en: 'Two' } }]);
        return [];
      case 'role':
        await (one.given
          ? assignRoles(sql, id, roleId, [memberIds[one.person] ?? ''])
          : sql`
              delete from community.role_member
              where community_id = ${id} and user_id = ${memberIds[one.person] ?? ''}`);
        return [];
      case 'badge': {
        const { measure, atLeast, quantity, xpReward } = one;
        await createBadge(sql, system, {
          ...{ title: { en: 'Badge' }, description: null, imageUrl: null, darkImageUrl: null },
          ...{ enabled: true, requiresAttachment: false, xpReward: BigInt(xpReward), coinsReward: 0n },
          ...{ measure, atLeast: BigInt(atLeast), quantity, idempotencyKey: newId('Badge') },
        });
        return [];
      }
      case 'award': {
        const [badge] = await sql<{ id: string }[]>`
          select id from gamification.badge where community_id = ${id} order by id offset ${one.at} limit 1`;
        const award = { userId: memberIds[one.person] ?? '', badgeId: badge?.id ?? 'bdg_none' };
        const said = { attachmentUrl: null, origin: ownOrigin, idempotencyKey: one.reference };
        await awardBadge(sql, id, { ...award, ...said });
        return [];
      }
      case 'revoke': {
        const [award] = await sql<{ id: string }[]>`
          select id from gamification.badge_award where community_id = ${id} order by id offset ${one.at} limit 1`;
        await revokeBadge(sql, system, award?.id ?? 'awd_none');
        return [];
      }
      case 'say': {
        const about = { messageId: `msg_${one.at}`, authorId: memberIds[one.at % memberIds.length] };
        const kind = one.deleted ? 'MessageDeleted' : 'MessagePosted';
        const told = [{ kind, user_id: about.authorId, channel_id: 'chn_a', payload: about }];
        await sql`select log.append(${id}, 'messages', ${sql.json(told as never)})`;
        return [];
      }
      case 'follow':
        await followAll();
        return [];
    }
  };
  try {
    for (const answer of await done()) if (!(answer instanceof Refusal)) eventIds.push(answer.eventId);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

describe('the books', () => {
  it('add up over any history: repeats, reversals, late events, spendings, badges, messages, new curves and roles', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(deed, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('UTC', 'America/New_York', 'Asia/Kathmandu'),
        fc.nat(2),
        async (history, timeZone, rankedFrom) => {
          const community = await newCommunity(database.resources, { members: 3, timeZone });
          const place = { ...community, roleId: await newRole(database.resources, community.id) };
          const eventIds: string[] = [];
          for (const [n, together] of history.entries()) {
            // What stands together happens at once, the leaderboards among it.
            const deeds = together.map((one) => act(place, one, eventIds));
            await Promise.all(n === rankedFrom ? [...deeds, rank(place)] : deeds);
          }
          if (history.length <= rankedFrom) await rank(place);
          const wrong = async () => (await verify(database.sql, [books], { only: [place.id] })).discrepancies;
          expect(await wrong()).toEqual([]);
          while (await followAll());
          expect(await wrong()).toEqual([]);
          await expectAlike(place);
        },
      ),
      { numRuns: 24, endOnFailure: true },
    );
  }, 120_000);

  /** Days of two years, in two zones, scores of all time, and the log's last totals are the balances. */
  async function expectAlike({ id, memberIds }: TestCommunity): Promise<void> {
    const balances = await balancesByUser(database.sql, id, memberIds);
    const years = ['2025', '2026', '2027'].map((year) => ({ from: `${year}-01-01`, to: `${year}-12-31` }));
    for (const timeZone of [null, 'Asia/Tokyo']) {
      const series = await Promise.all(
        years.map((year) =>
          seriesByUser(database.sql, id, memberIds, { last: null, range: { ...year, timeZone } }, new Date()),
        ),
      );
      const sums = memberIds.map((_, n) =>
        series.reduce((sum, year) => sum + (year[n]?.totals.xp ?? 0n), 0n),
      );
      expect(sums).toEqual(balances.map(({ XP }) => XP));
    }
    const scores = await database.sql<{ userId: string; score: bigint }[]>`
      select s.user_id as "userId", s.score
      from gamification.score s join gamification.score_run r on r.community_id = s.community_id and r.id = s.run_id
      where s.community_id = ${id} and r.unit = 'XP' and r.first_day = '-infinity'`;
    const scored = new Map(scores.map(({ userId, score }) => [userId, score]));
    expect(memberIds.map((userId) => scored.get(userId) ?? 0n)).toEqual(balances.map(({ XP }) => XP));
    const events = await eventsAfter(database.sql, { communityId: id, stream: 'xp' }, 0, 1_000);
    const told = new Map(memberIds.map((userId) => [userId, '0']));
    const levels = new Map<string, unknown>();
    for (const { kind, userId, payload } of events) {
      if (kind === 'XpChanged') told.set(userId ?? '', String(payload.total));
      else if (kind === 'LevelChanged') {
        // Each change of level goes on from the one before.
        expect(payload.from).toBe(levels.get(userId ?? '') ?? 1);
        levels.set(userId ?? '', payload.to);
      }
    }
    expect([...told.values()]).toEqual(balances.map(({ XP }) => String(XP)));
  }
});

describe('verifying', () => {
  it.each([
    ['balances', 'update gamification.profile set points = points + 1'],
    ['balances after entries', 'update gamification.ledger_entry set balance_after = balance_after + 1'],
    ['counts', 'update gamification.profile set visits = 7'],
    ['daily stats', 'update gamification.daily_stat set coins = 0'],
    ['levels', 'update gamification.profile set level = 9'],
    ['log numbers', "delete from log.event where number = 2 and stream = 'xp'"],
    ['entries without an event', 'delete from gamification.event'],
    ['badges', 'update gamification.profile set badges = 0'],
    ['badges', 'update gamification.badge set award_count = 3'],
    [
      'badges that award themselves',
      "update gamification.badge set measure = 'VISITS', at_least = 1 where quantity is null",
    ],
    ['leaderboard scores', 'update gamification.score set score = score + 1'],
    ['leaderboard scores', 'delete from gamification.score'],
    ['leaderboard buckets', 'update gamification.score_bucket set people = people + 1'],
    ['leaderboard buckets', 'delete from gamification.score_bucket where low = -9223372036854775808'],
    ['activities', 'update gamification.activity set points = 7'],
    ['activities', 'update gamification.activity set taken_back_at = now()'],
    ['activities', 'update gamification.badge_award set revoked_at = now()'],
  ])('finds wrong %s, and where', async (check, spoil) => {
    const community = await newCommunity(database.resources, { members: 1, badges: [3, null] });
    const { id, memberIds, badgeIds } = community;
    const [first = ''] = memberIds;
    const roleId = await newRole(database.resources, id, { holders: [first] });
    const place = { ...community, roleId };
    await rank(place);
    const events = ['visit', 'purchase', 'purchase'].map((eventType) => eventOf(first, { eventType }));
    await trackEvents(database.sql, id, events);
    await awardBadge(database.sql, id, {
      ...{ badgeId: badgeIds[0] ?? '', userId: first, attachmentUrl: null },
      ...{ idempotencyKey: 'key', origin: ownOrigin },
    });
    expect((await verify(database.sql, [books], { only: [id] })).discrepancies).toEqual([]);
    const where = spoil.includes(' where ') ? ' and' : ' where';
    await database.sql.unsafe(`${spoil}${where} community_id = '${id}'`);
    const { discrepancies } = await verify(database.sql, [books], { only: [id] });
    expect(discrepancies.map((one) => one.check)).toContain(check);
    for (const one of discrepancies)
      expect(one).toMatchObject({
        where: expect.any(String),
        kept: expect.any(String),
        counted: expect.any(String),
      });
  });

  it('says whose score in which leaderboard is wrong, also where roles rank', async () => {
    const community = await newCommunity(database.resources, { members: 2 });
    const { id, memberIds } = community;
    const [first = '', second = ''] = memberIds;
    const place = { ...community, roleId: await newRole(database.resources, id, { holders: [first] }) };
    await trackEvents(database.sql, id, [eventOf(first, { eventType: 'visit' })]);
    await rank(place);
    await database.sql`
      insert into gamification.score (community_id, run_id, user_id, score)
      select community_id, id, ${second}, 2
      from gamification.score_run
      where community_id = ${id} and unit = 'COINS' and first_day = '-infinity'`;
    const { discrepancies } = await verify(database.sql, [books], { only: [id] });
    expect(discrepancies).toEqual([
      {
        ...{ communityId: id, check: 'leaderboard scores', kept: '2', counted: 'not to be ranked' },
        where: expect.stringMatching(new RegExp(`^run \\d+ \\(COINS, -infinity to infinity\\) ${second}$`)),
      },
      {
        communityId: id,
        check: 'leaderboard buckets',
        where: expect.stringMatching(/^run \d+ from 1$/),
        kept: '1 people',
        counted: '2 people',
      },
    ]);
  });

  it('finds nothing wrong with what nobody spoiled, and says how far it is', async () => {
    const place = await newCommunity(database.resources);
    await trackEvents(database.sql, place.id, [eventOf(place.memberIds[0] ?? '')]);
    const progress: number[] = [];
    const { communities, discrepancies } = await verify(database.sql, [books], {
      onProgress: (done) => progress.push(done),
    });
    expect(discrepancies.filter(({ communityId }) => communityId === place.id)).toEqual([]);
    expect(progress).toHaveLength(communities);
  });
});
