import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../../subgraphs/db.ts';
import { demoRandom } from '../../../subgraphs/demo.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import type { LeaderboardSettings } from '../../../subgraphs/gamification/leaderboard.ts';
import { createLeaderboard } from '../../../subgraphs/gamification/leaderboard-change.ts';
import {
  type Ranking,
  rankPlaces,
  type Standing,
  standingsAround,
  standingsOf,
  standingsPage,
} from '../../../subgraphs/gamification/rank.ts';
import { plainRule, setRules } from '../../../subgraphs/gamification/rule.ts';
import { divideBuckets } from '../../../subgraphs/gamification/score.ts';
import {
  type Bucket,
  divided,
  firstBuckets,
  joined,
  mostInBucket,
} from '../../../subgraphs/gamification/score-bucket.ts';
import { newId } from '../../../subgraphs/id.ts';
import { pageRequestBy } from '../../../subgraphs/page.ts';
import { eventOf, newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const settings: LeaderboardSettings = {
  slug: 'top',
  name: { en: 'Top' },
  unit: 'XP',
  windows: ['ALL_TIME', 'MONTHLY', 'ROLLING_7D'],
  startsOn: null,
  endsOn: null,
  columns: [],
  topLimit: null,
  onlyPositive: false,
  enabled: true,
  rankRoleIds: [],
  viewRoleIds: [],
};
const today = new Date('2026-03-11T12:00:00Z');

interface Run {
  id: bigint;
  unit: string;
  firstDay: string;
  lastDay: string;
}

async function boarded(unit = 'XP') {
  const { id, system } = await newCommunity(database.resources);
  await createLeaderboard(database.sql, system, { ...settings, unit }, 'key', today);
  return id;
}

function runsOf(communityId: string): Promise<Run[]> {
  return database.sql<Run[]>`
    select id, unit, first_day as "firstDay", last_day as "lastDay"
    from gamification.score_run
    where community_id = ${communityId} and built_to is null and not dropped
    order by id`;
}

function bucketsOf(communityId: string, runId: bigint): Promise<(Bucket & { stored: number })[]> {
  return database.sql<(Bucket & { stored: number })[]>`
    select low, people, (
      select count(*)::integer from gamification.score s
      where s.community_id = b.community_id and s.run_id = b.run_id and s.score >= b.low
        and (b.next is null or s.score < b.next)
    ) as stored
    from (
      select *, lead(low) over (order by low) as next
      from gamification.score_bucket
      where community_id = ${communityId} and run_id = ${runId}
    ) b
    order by low`;
}

/** More or less of a unit for a person, on a day. */
interface ScoreChange {
  userId: string;
  unit: string;
  amount: bigint;
  date: string;
}

/** Adds to scores as postings do. */
const add = (communityId: string, changes: readonly ScoreChange[]) =>
  transaction(database.sql, async (tx) => {
    const moved = changes.map(({ userId, unit, amount, date }) => ({ userId, date, [unit]: String(amount) }));
    const [row] = await tx<{ full: bigint[] | null }[]>`
      select gamification.add_scores(
        ${communityId}, array_agg("userId"), array_agg(date), array_agg("XP"), array_agg("COINS"), array_agg("POINTS"),
        array_agg("PREMIUM"), ${mostInBucket}
      ) as "full"
      from jsonb_to_recordset(${tx.json(moved)}) m(
        "userId" text, date date, "XP" bigint, "COINS" bigint, "POINTS" bigint, "PREMIUM" bigint
      )`;
    await divideBuckets(tx, communityId, row?.full ?? []);
  });

/** Where everybody stands by counting, in the order of a board. */
function counted(scores: ReadonlyMap<string, bigint>, onlyPositive: boolean): Standing[] {
  const all = [...scores]
    .filter(([, score]) => !onlyPositive || score > 0n)
    .map(([userId, score]) => ({ userId, score }))
    .sort((a, b) => (a.score === b.score ? (a.userId < b.userId ? 1 : -1) : a.score < b.score ? 1 : -1));
  const tied = new Map<bigint, number>();
  for (const { score } of all) tied.set(score, (tied.get(score) ?? 0) + 1);
  const firsts = new Map<bigint, number>();
  for (const [at, { score }] of all.entries()) if (!firsts.has(score)) firsts.set(score, at + 1);
  return all.map((one) => ({
    ...one,
    rank: firsts.get(one.score) ?? 0,
    tiedWith: (tied.get(one.score) ?? 0) - 1,
    people: all.length,
  }));
}

const person = (n: number) => `usr_${String(n).padStart(6, '0')}`;

describe('scores: ranks', () => {
  it.each([1, 2])('are those that counting gives, over random changes (%i)', async (seed) => {
    const random = demoRandom(seed);
    const communityId = await boarded();
    const runs = await runsOf(communityId);
    const scores = new Map(runs.map(({ id }) => [id, new Map<string, bigint>()]));
    const people = 2_500;
    for (let round = 0; round < 8; round++) {
      // Some rounds spread people, others bring many to one score, or below zero.
      const style = random(4);
      const changes = Array.from({ length: 1 + random(1_000) }, (): ScoreChange => {
        const spread = [4, 50, 10_000, 1_000_000][style] ?? 1;
        return {
          userId: person(random(people)),
          unit: random(10) === 0 ? 'COINS' : 'XP',
          amount: BigInt(style === 0 && random(2) === 0 ? 7 : random(spread) - Math.floor(spread / 4)),
          date: `2026-0${1 + random(3)}-${10 + random(2)}`,
        };
      });
      await add(communityId, changes);
      for (const { id, unit, firstDay, lastDay } of runs) {
        const own = scores.get(id) as Map<string, bigint>;
        for (const { userId, amount, date, ...change } of changes) {
          const from = firstDay === '-infinity' ? '' : firstDay;
          const to = lastDay === 'infinity' ? '9' : lastDay;
          if (change.unit === unit && date >= from && date <= to)
            own.set(userId, (own.get(userId) ?? 0n) + amount);
        }
      }
    }
    for (const { id: runId } of runs) {
      const own = scores.get(runId) as Map<string, bigint>;
      if (own.size === 0) continue;
      const buckets = await bucketsOf(communityId, runId);
      for (const [n, { low, people, stored }] of buckets.entries()) {
        expect(people).toBe(stored);
        if (buckets[n + 1]?.low !== low + 1n) expect(people).toBeLessThanOrEqual(1_024);
      }
      for (const onlyPositive of [false, true]) {
        const ranking: Ranking = { runId, onlyPositive, topLimit: null };
        const expected = counted(own, onlyPositive);
        const ids = expected.map(({ userId }) => userId);
        expect(await standingsOf(database.sql, communityId, ranking, ids)).toEqual(expected);
        for (const at of [0, random(expected.length + 1), random(expected.length + 1)]) {
          const place = expected[at - 1];
          for (const backwards of [false, true]) {
            const request = {
              ...pageRequestBy(rankPlaces, 'ranks', { first: 50 }),
              backwards,
              beyond: place,
            };
            const rows = await standingsPage(database.sql, communityId, ranking, request);
            const order = backwards ? expected.toReversed() : expected;
            const from = place === undefined ? 0 : order.indexOf(place) + 1;
            expect(rows).toEqual(order.slice(from, from + 51));
          }
          if (place === undefined) continue;
          const near = await standingsAround(database.sql, communityId, ranking, place.userId, 10, 9);
          expect(near).toEqual(expected.slice(Math.max(at - 1 - 11, 0), at + 10));
        }
      }
    }
  });

  it('stay exact when writers of one community come together', async () => {
    const communityId = await boarded();
    const random = demoRandom(9);
    const total = new Map<string, bigint>();
    const batches = Array.from({ length: 12 }, () =>
      Array.from({ length: 200 }, (): ScoreChange => {
        const [userId, amount] = [person(random(1_500)), BigInt(random(3) * 10)];
        total.set(userId, (total.get(userId) ?? 0n) + amount);
        return { userId, unit: 'XP', amount, date: '2026-03-11' };
      }),
    );
    await Promise.all(batches.map((changes) => add(communityId, changes)));
    for (const { id: runId, lastDay } of await runsOf(communityId)) {
      if (lastDay < '2026-03-11') continue;
      const expected = counted(total, false);
      const ids = expected.map(({ userId }) => userId);
      const ranking = { runId, onlyPositive: false, topLimit: null };
      expect(await standingsOf(database.sql, communityId, ranking, ids)).toEqual(expected);
    }
  });
});

describe('scores: buckets', () => {
  it('are divided where they are full, and a score that many share has one of its own', () => {
    const counts = [
      { score: 5n, people: 300 },
      { score: 6n, people: 300 },
      { score: 9n, people: 2_000 },
      { score: 20n, people: 10 },
    ];
    expect(divided(1n, counts)).toEqual([
      { low: 1n, people: 300 },
      { low: 6n, people: 300 },
      { low: 9n, people: 2_000 },
      { low: 10n, people: 10 },
    ]);
    expect(divided(9n, [{ score: 9n, people: 2_000 }])).toEqual([
      { low: 9n, people: 2_000 },
      { low: 10n, people: 0 },
    ]);
  });

  it('are joined where they are nearly empty, but never over the line between 0 and 1', () => {
    const empty = Array.from({ length: 100 }, (_, n) => ({ low: 2n + BigInt(n), people: 0 }));
    const top = { low: 500n, people: 760 };
    expect(joined([...firstBuckets, ...empty, top])).toEqual([
      ...firstBuckets.slice(0, 1),
      { low: 1n, people: 760 },
    ]);
    expect(joined([...firstBuckets, { low: 7n, people: 700 }, { low: 8n, people: 69 }])).toEqual([
      ...firstBuckets.slice(0, 1),
      { low: 1n, people: 700 },
      { low: 8n, people: 69 },
    ]);
  });

  it('that people have left are joined when another is divided', async () => {
    const communityId = await boarded();
    const [run] = (await runsOf(communityId)).filter(({ lastDay }) => lastDay === 'infinity');
    const runId = run?.id ?? 0n;
    await database.sql`
      insert into gamification.score_bucket (community_id, run_id, low, people)
      select ${communityId}, ${runId}, 1000000 + n, 0 from generate_series(1, 200) n`;
    const changes = Array.from({ length: 1_100 }, (_, n): ScoreChange => {
      return { userId: person(n), unit: 'XP', amount: BigInt(n + 1), date: '2026-03-11' };
    });
    await add(communityId, changes);
    const buckets = await bucketsOf(communityId, runId);
    expect(buckets.length).toBeLessThan(8);
    expect(buckets.map(({ people }) => people)).toEqual(buckets.map(({ stored }) => stored));
  });

  it('are divided after the events that filled them', async () => {
    const { id, system, memberIds } = await newCommunity(database.resources, { members: 1_100 });
    const awards = [{ unit: 'XP' as const, amount: '1', perUnit: true }];
    await setRules(database.sql, id, [
      { id: newId('Rule'), ...plainRule('step', { en: 'Steps' }, {}), awards },
    ]);
    await createLeaderboard(database.sql, system, { ...settings, windows: ['ALL_TIME'] }, 'key', today);
    const steps = memberIds.map((userId, n) => eventOf(userId, { eventType: 'step', amount: String(n + 1) }));
    await trackEvents(database.sql, id, steps.slice(0, 1_000));
    await trackEvents(database.sql, id, steps.slice(1_000));
    const [run] = await runsOf(id);
    const buckets = await bucketsOf(id, run?.id ?? 0n);
    expect(buckets.map(({ stored }) => stored)).toEqual([0, 512, 512, 76]);
    expect(buckets.map(({ people }) => people)).toEqual([0, 512, 512, 76]);
  });

  it('of a run that is built are divided without waiting for those who post in others', async () => {
    const communityId = await boarded();
    await database.sql`
      with person as (
        insert into gamification.profile (community_id, user_id, xp)
        select ${communityId}, 'usr_' || n, n from generate_series(1, 1100) n
      )
      insert into gamification.ledger_entry (
        community_id, id, user_id, unit, amount, balance_after, event_id, event_type, occurred_at
      )
      select ${communityId}, 'led_' || n, 'usr_' || n, 'XP', n, n, 'evt_' || n, 'visit', ${today}
      from generate_series(1, 1100) n`;
    const system = { kind: 'system' as const, communityId, scopes: [] };
    await transaction(database.sql, async (tx) => {
      await tx`select from gamification.score_run where community_id = ${communityId} for update`;
      await createLeaderboard(
        database.sql,
        system,
        { ...settings, slug: 'b', windows: ['YEARLY'] },
        'b',
        today,
      );
    });
    const [run] = (await runsOf(communityId)).filter(({ lastDay }) => lastDay === '2026-12-31');
    const buckets = await bucketsOf(communityId, run?.id ?? 0n);
    expect(buckets.length).toBeGreaterThan(2);
    expect(buckets.map(({ people }) => people)).toEqual(buckets.map(({ stored }) => stored));
  });
});
