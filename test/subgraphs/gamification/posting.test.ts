import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Sql, transaction } from '../../../subgraphs/db.ts';
import { adjustBalance, reverseEvent, spendBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { awardBadge, revokeBadge } from '../../../subgraphs/gamification/badge-award.ts';
import { createBadge } from '../../../subgraphs/gamification/badge-change.ts';
import { badgeReached } from '../../../subgraphs/gamification/badge-reached.ts';
import { type Tracked, trackEvents } from '../../../subgraphs/gamification/event.ts';
import { readAhead } from '../../../subgraphs/gamification/ground.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { post, postAll } from '../../../subgraphs/gamification/posting.ts';
import { curveLock, holdOffPostings } from '../../../subgraphs/gamification/posting-lock.ts';
import { lockProfiles } from '../../../subgraphs/gamification/profile-lock.ts';
import { plainRule, setRules } from '../../../subgraphs/gamification/rule.ts';
import { books } from '../../../subgraphs/gamification/verify.ts';
import { newId } from '../../../subgraphs/id.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { verify } from '../../../subgraphs/verify.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

// Few events are decided on what was read without a lock. Here that changes before it is written.

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** How many wait for a lock in this database: the server has those of other test files too. */
const waiting = async () => {
  const rows = await database.sql`
    select from pg_locks join pg_stat_activity a using (pid) where not granted and a.datname = current_database()`;
  return rows.length;
};

/** Tracks one event of each, while `meanwhile` holds what they have to wait for. Tells the statements too. */
async function trackWhile(
  { id }: TestCommunity,
  userIds: readonly string[],
  hold: (tx: Sql) => Promise<unknown>,
  meanwhile: (tx: Sql) => Promise<unknown>,
) {
  let tracking: Promise<readonly unknown[]> | undefined;
  const statements = await database.statementsOf(async () => {
    await transaction(database.sql, async (tx) => {
      await hold(tx);
      tracking = trackEvents(
        database.sql,
        id,
        userIds.map((userId) => eventOf(userId)),
      );
      await vi.waitUntil(async () => (await waiting()) > 0, { timeout: 10_000, interval: 20 });
      await meanwhile(tx);
    });
    await tracking;
  });
  return { answers: (await tracking) as readonly Tracked[], statements };
}

const unsaid = { reference: null, occurredAt: null, amount: null, metadata: null, origin: ownOrigin };

/** A badge of whoever has so many XP. */
const badgeOf = (atLeast: bigint) => ({
  ...{ title: { en: 'Badge' }, description: null, imageUrl: null, darkImageUrl: null, quantity: null },
  ...{ enabled: true, requiresAttachment: false, xpReward: 0n, coinsReward: 0n },
  ...{ measure: 'XP' as const, atLeast, idempotencyKey: String(atLeast) },
});

const times = (statements: readonly string[], name: string) =>
  statements.filter((one) => one === name).length;

describe('what was decided on', () => {
  it('is read again, under lock, when its person has changed', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    await trackEvents(database.sql, place.id, [eventOf(userId)]);
    const { answers, statements } = await trackWhile(
      place,
      [userId],
      (tx) => lockProfiles(tx, place.id, [userId]),
      (tx) => {
        const moves = [{ unit: 'XP' as const, by: 7n }];
        return post(tx, place.id, [{ userId, eventType: 'adjustment', moves, ...unsaid }]);
      },
    );
    const xp = answers[0]?.entries.find(({ unit }) => unit === 'XP');
    expect(xp?.balanceAfter).toBe(207n);
    // Once in vain, once by the one who was first, and once again.
    expect(times(statements, 'writePostings')).toBe(3);
    expect(await verify(database.sql, [books])).toMatchObject({ discrepancies: [] });
  });

  it('is read again when the level curve has changed', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    await trackEvents(database.sql, place.id, [eventOf(userId)]);
    const { answers, statements } = await trackWhile(
      place,
      [userId],
      (tx) => tx`select pg_advisory_xact_lock(${curveLock}, hashtext(${place.id}))`,
      (tx) => tx`
        update gamification.level set min_xp = 150 where community_id = ${place.id} and number = 2`,
    );
    expect(answers[0]?.level).toEqual({ before: 1, after: 2 });
    expect(times(statements, 'writePostings')).toBe(2);
  });

  it.each([1, 20])('is read again when a rule has gone, for %i events', async (count) => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    await trackEvents(database.sql, place.id, [eventOf(userId)]);
    const { answers } = await trackWhile(
      place,
      Array.from({ length: count }, () => userId),
      (tx) => lockProfiles(tx, place.id, [userId]),
      async (tx) => {
        await database.sql`
          delete from gamification.rule where community_id = ${place.id} and event_type = 'purchase'`;
        await tx`update gamification.profile set level = level where community_id = ${place.id}`;
      },
    );
    expect(answers).toMatchObject(Array.from({ length: count }, () => ({ code: 'RULE_NOT_FOUND' })));
  });

  it('counts in scores whose keeping has begun', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    await trackEvents(database.sql, place.id, [eventOf(userId, { eventType: 'refund' })]);
    await trackWhile(
      place,
      [userId],
      (tx) => holdOffPostings(tx, place.id),
      (tx) => tx`
        with run as (
          insert into gamification.score_run (community_id, unit, first_day, last_day)
          values (${place.id}, 'XP', '-infinity', 'infinity')
          returning id
        )
        insert into gamification.score_bucket (community_id, run_id, low, people)
        select ${place.id}, id, low, 0 from run, unnest(array[${String(-(2n ** 63n))}, '1']::bigint[]) low`,
    );
    expect(await database.sql`select score from gamification.score where community_id = ${place.id}`).toEqual(
      [{ score: 100n }],
    );
  });

  it('is read again when a limit, looked up after all else, would have it refused', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    const isCosting = { field: 'metadata.item', operator: 'EXISTS' as const, values: [] };
    await setRules(database.sql, place.id, [
      { id: newId('Rule'), ...plainRule('order', { en: 'First order' }, { POINTS: 100 }), lifetimeCap: 1 },
      { id: newId('Rule'), ...plainRule('order', { en: 'Item' }, { POINTS: -60 }), conditions: [isCosting] },
    ]);
    await trackEvents(database.sql, place.id, [eventOf(userId, { eventType: 'visit' })]);
    const posting = { ...unsaid, userId, eventType: 'order', metadata: { item: 'mug' } };
    const ahead = await readAhead(database.sql, place.id, [posting]);
    // The limit is used up by what brings the points: by the balance of before, there are too few.
    await trackEvents(database.sql, place.id, [eventOf(userId, { eventType: 'order' })]);
    const answers = await postAll(database.sql, place.id, [posting], newId, ahead);
    expect(answers).toMatchObject([{ entries: [{ unit: 'POINTS', amount: -60n, balanceAfter: 40n }] }]);
  });

  it('is decided again after a deadlock, which people who are new can bring', async () => {
    const place = await newCommunity(database.resources);
    const [known = '', added = ''] = place.memberIds;
    await trackEvents(database.sql, place.id, [eventOf(known)]);
    const { answers, statements } = await trackWhile(
      place,
      [known, added],
      async (tx) => {
        // The other is the one that PostgreSQL ends.
        await tx`set local deadlock_timeout = '1min'`;
        await tx`insert into gamification.profile (community_id, user_id, level) values (${place.id}, ${added}, 1)`;
      },
      (tx) => lockProfiles(tx, place.id, [known]),
    );
    expect(answers.map(({ entries }) => entries.length)).toEqual([2, 2]);
    expect(times(statements, 'writePostings')).toBe(1);
    expect(await verify(database.sql, [books])).toMatchObject({ discrepancies: [] });
  });

  it('is read again when a badge has begun to award itself', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    await trackEvents(database.sql, place.id, [eventOf(userId)]);
    const { answers } = await trackWhile(
      place,
      [userId],
      (tx) => holdOffPostings(tx, place.id),
      () => createBadge(database.sql, place.system, badgeOf(200n)),
    );
    expect(answers[0]?.awardIds).toHaveLength(1);
  });
});

describe('entries', () => {
  it('stand in the order of their balances, also those that waited for one another', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    await Promise.all(
      Array.from({ length: 120 }, (_, n) =>
        trackEvents(database.sql, place.id, [
          eventOf(userId, { eventType: n % 2 === 0 ? 'purchase' : 'visit' }),
        ]),
      ),
    );
    const entries = await database.sql<{ balance: bigint }[]>`
      select balance_after as balance
      from gamification.ledger_entry
      where community_id = ${place.id} and unit = 'XP'
      order by occurred_at, id`;
    const balances = entries.map(({ balance }) => balance);
    expect(balances).toEqual(balances.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(balances).toHaveLength(120);
  });
});

describe('a badge that begins to award itself', () => {
  it('reaches those who were being posted to when it began', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    let reading: Promise<unknown> | undefined;
    await transaction(database.sql, async (tx) => {
      const moves = [{ unit: 'XP' as const, by: 70n }];
      await post(tx, place.id, [{ userId, eventType: 'adjustment', moves, ...unsaid }]);
      await createBadge(database.sql, place.system, badgeOf(50n));
      reading = catchUp(database.sql, badgeReached);
      await vi.waitUntil(async () => (await waiting()) > 0, { timeout: 10_000, interval: 20 });
    });
    await reading;
    const [profile] = await database.sql`select badges from gamification.profile where user_id = ${userId}`;
    expect(profile).toEqual({ badges: 1 });
  });

  it('goes to whoever is new and has what it is for from the beginning', async () => {
    const place = await newCommunity(database.resources);
    await createBadge(database.sql, place.system, { ...badgeOf(1n), measure: 'LEVEL' });
    await catchUp(database.sql, badgeReached);
    const answers = await trackEvents(
      database.sql,
      place.id,
      place.memberIds.flatMap((userId) => [eventOf(userId), eventOf(userId)]),
    );
    expect(answers.map((one) => (one as Tracked).awardIds.length)).toEqual([1, 0, 1, 0]);
    expect(await verify(database.sql, [books], { only: [place.id] })).toMatchObject({ discrepancies: [] });
  });

  it('goes to as many as there are of it, however many reach many of them at once', async () => {
    const place = await newCommunity(database.resources, { members: 48 });
    for (let n = 1; n <= 48; n++) {
      await createBadge(database.sql, place.system, { ...badgeOf(BigInt(n)), quantity: 1 });
    }
    const said = { reason: null, metadata: null, origin: ownOrigin, occurredAt: null };
    await Promise.all(
      place.memberIds.map((userId, n) =>
        adjustBalance(database.sql, place.id, {
          ...{ userId, unit: 'XP', action: 'OVERWRITE', amount: BigInt(n + 1), reference: userId },
          ...said,
        }),
      ),
    );
    const [count] = await database.sql`
      select count(*)::integer, count(distinct badge_id)::integer as badges
      from gamification.badge_award where community_id = ${place.id}`;
    expect(count).toEqual({ count: 48, badges: 48 });
  });
});

describe('whoever is new', () => {
  it('begins with the level of the curve that they waited for', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    let tracking: Promise<unknown> | undefined;
    await transaction(database.sql, async (tx) => {
      await tx`select pg_advisory_xact_lock(${curveLock}, hashtext(${place.id}))`;
      tracking = trackEvents(database.sql, place.id, [eventOf(userId, { eventType: 'message' })]);
      await vi.waitUntil(async () => (await waiting()) > 0, { timeout: 10_000, interval: 20 });
      await tx`update gamification.level set min_xp = 10 where community_id = ${place.id} and number = 1`;
    });
    await tracking;
    const profiles =
      await database.sql`select level from gamification.profile where community_id = ${place.id}`;
    expect(profiles).toEqual([{ level: 0 }]);
  });

  it('is still so after a posting that was refused', async () => {
    const place = await newCommunity(database.resources);
    await createBadge(database.sql, place.system, { ...badgeOf(1n), measure: 'LEVEL' });
    for (let n = 0; n < 2; n++) await catchUp(database.sql, badgeReached);
    const [userId = ''] = place.memberIds;
    const spent = { userId, unit: 'POINTS' as const, amount: 5n, item: null, reference: 'r', reason: null };
    await expect(
      spendBalance(database.sql, place.id, { ...spent, metadata: null, origin: ownOrigin, occurredAt: null }),
    ).rejects.toMatchObject({ code: 'INSUFFICIENT_BALANCE' });
    expect(await verify(database.sql, [books], { only: [place.id] })).toMatchObject({ discrepancies: [] });
    const [answer] = await trackEvents(database.sql, place.id, [eventOf(userId)]);
    expect(answer).toMatchObject({ awardIds: [expect.any(String)] });
  });
});

describe('the last of a badge', () => {
  /** Two people, who both had the badge, reach it at once. @returns what each is awarded, and the statements. */
  const reachAgain = async (place: TestCommunity, quantity: number, revoked: readonly number[]) => {
    const { badge } = await createBadge(database.sql, place.system, { ...badgeOf(1_000n), quantity });
    for (let n = 0; n < 2; n++) await catchUp(database.sql, badgeReached);
    for (const [n, userId] of place.memberIds.entries()) {
      const said = { badgeId: badge.id, userId, attachmentUrl: null, origin: ownOrigin };
      const { award } = await awardBadge(database.sql, place.id, { ...said, idempotencyKey: `award ${n}` });
      if (revoked.includes(n)) await revokeBadge(database.sql, place.system, award.id);
    }
    const moves = [{ unit: 'XP' as const, by: 2_000n }];
    let awarded: unknown;
    const statements = await database.statementsOf(async () => {
      const answers = await postAll(
        database.sql,
        place.id,
        place.memberIds.map((userId) => ({ ...unsaid, userId, eventType: 'adjustment', moves })),
      );
      awarded = answers.map((one) => ('awardIds' in one ? one.awardIds.length : one.code));
    });
    return { awarded, statements };
  };

  it('goes to nobody who had it, also when it was meant for another who had it', async () => {
    const place = await newCommunity(database.resources);
    expect((await reachAgain(place, 1, [0, 1])).awarded).toEqual([0, 0]);
  });

  it('is asked for once of all who might get it next', async () => {
    const place = await newCommunity(database.resources, { members: 30 });
    const { awarded, statements } = await reachAgain(
      place,
      1,
      place.memberIds.map((_, n) => n),
    );
    expect(awarded).toEqual(place.memberIds.map(() => 0));
    expect(times(statements, 'hadOf')).toBe(2);
  });

  it('is decided once where the other still holds it', async () => {
    const place = await newCommunity(database.resources);
    const { awarded, statements } = await reachAgain(place, 2, [0]);
    expect(awarded).toEqual([0, 0]);
    expect(times(statements, 'writePostings')).toBe(1);
  });
});

describe('a badge that is taken back', () => {
  it('is not once more where a reversal took it first', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    await createBadge(database.sql, place.system, badgeOf(50n));
    const [tracked] = (await trackEvents(database.sql, place.id, [eventOf(userId)])) as Tracked[];
    const { eventId = '', awardIds: [awardId = ''] = [] } = tracked ?? {};
    let reversing: Promise<unknown> | undefined;
    let revoking: ReturnType<typeof revokeBadge> | undefined;
    await transaction(database.sql, async (tx) => {
      await lockProfiles(tx, place.id, [userId]);
      const reversal = { eventId, reference: 'back', reason: null, metadata: null, origin: ownOrigin };
      reversing = reverseEvent(database.sql, place.id, reversal);
      await vi.waitUntil(async () => (await waiting()) === 1, { timeout: 10_000, interval: 20 });
      revoking = revokeBadge(database.sql, place.system, awardId);
      await vi.waitUntil(async () => (await waiting()) === 2, { timeout: 10_000, interval: 20 });
    });
    await reversing;
    expect(await revoking).toMatchObject({ id: awardId, revokedAt: expect.any(Date) });
    const events = await database.sql<{ type: string }[]>`
      select event_type as type from gamification.event where community_id = ${place.id} order by event_type`;
    expect(events.map(({ type }) => type)).toEqual(['purchase', 'reversal']);
    expect(
      await database.sql`
      select from identity.audit_entry where community_id = ${place.id} and action = 'BADGE_REVOKED'`,
    ).toEqual([]);
  });
});
