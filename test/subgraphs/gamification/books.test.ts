import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Refusal } from '../../../subgraphs/errors.ts';
import { adjustBalance, reverseEvent, spendBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { seriesByUser } from '../../../subgraphs/gamification/daily-stat.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { balancesByUser } from '../../../subgraphs/gamification/ledger.ts';
import { setLevels } from '../../../subgraphs/gamification/level.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { books } from '../../../subgraphs/gamification/verify.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { verify } from '../../../subgraphs/verify.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
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
);

type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

/** Does it; what is refused is refused. Events that were written join `eventIds`. */
async function act({ id, memberIds }: TestCommunity, one: Deed, eventIds: string[]): Promise<void> {
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
    }
  };
  try {
    for (const answer of await done()) if (!(answer instanceof Refusal)) eventIds.push(answer.eventId);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

describe('the books', () => {
  it('add up over any history, with repeats, reversals, late events, spendings and new curves', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(deed, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('UTC', 'America/New_York', 'Asia/Kathmandu'),
        async (history, timeZone) => {
          const place = await newCommunity(database.resources, { members: 3, timeZone });
          const eventIds: string[] = [];
          // What stands together happens at once.
          for (const together of history) await Promise.all(together.map((one) => act(place, one, eventIds)));
          expect((await verify(database.sql, [books], { only: [place.id] })).discrepancies).toEqual([]);
          await expectAlike(place);
        },
      ),
      { numRuns: 12, endOnFailure: true },
    );
  }, 120_000);

  /** Days of two years, in two zones, and the log's last totals are the balances. */
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
    const events = await eventsAfter(database.sql, { communityId: id, stream: 'xp' }, 0, 1_000);
    const told = new Map(memberIds.map((userId) => [userId, '0']));
    const levels = new Map<string, unknown>();
    for (const { kind, userId, payload } of events) {
      if (kind === 'XpChanged') told.set(userId ?? '', String(payload.total));
      else {
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
    ['counts', 'update gamification.profile set visits = 7'],
    ['daily stats', 'update gamification.daily_stat set coins = 0'],
    ['levels', 'update gamification.profile set level = 9'],
    ['log numbers', "delete from log.event where number = 2 and stream = 'xp'"],
    ['entries without an event', 'delete from gamification.event'],
  ])('finds wrong %s, and where', async (check, spoil) => {
    const place = await newCommunity(database.resources, { members: 1 });
    const [first = ''] = place.memberIds;
    const events = ['visit', 'purchase', 'purchase'].map((eventType) => eventOf(first, { eventType }));
    await trackEvents(database.sql, place.id, events);
    const where = spoil.includes(' where ') ? ' and' : ' where';
    await database.sql.unsafe(`${spoil}${where} community_id = '${place.id}'`);
    const { discrepancies } = await verify(database.sql, [books]);
    const own = discrepancies.filter(({ communityId }) => communityId === place.id);
    expect(own.map((one) => one.check)).toContain(check);
    expect(own[0]).toMatchObject({ where: expect.any(String), kept: expect.any(String) });
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
