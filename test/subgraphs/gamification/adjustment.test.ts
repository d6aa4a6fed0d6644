import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reverseEntry, reverseEvent, spendBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { balancesByUser } from '../../../subgraphs/gamification/ledger.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import type { Posted } from '../../../subgraphs/gamification/posting.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

async function earn({ id, memberIds }: TestCommunity, details: Parameters<typeof eventOf>[1] = {}) {
  const [posted] = await trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '', details)]);
  return posted as Posted;
}

async function balancesOf({ id, memberIds }: TestCommunity) {
  return (await balancesByUser(database.sql, id, memberIds))[0];
}

/** How many of these were refused, by code. */
function refused(outcomes: PromiseSettledResult<unknown>[]): string[] {
  return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []));
}

const said = (reference: string) => ({ reference, reason: null, metadata: null, origin: ownOrigin });

describe('adjustments: rules', () => {
  it('of many who spend the last of it at once, none goes below zero', async () => {
    const place = await newCommunity(database.resources);
    await earn(place);
    const spending = {
      userId: place.memberIds[0] ?? '',
      unit: 'POINTS' as const,
      amount: 30n,
      item: null,
      occurredAt: null,
    };
    const spendings = Array.from({ length: 8 }, (_, n) =>
      spendBalance(database.sql, place.id, { ...spending, ...said(String(n)) }),
    );
    expect(refused(await Promise.allSettled(spendings))).toEqual(Array(5).fill('INSUFFICIENT_BALANCE'));
    expect(await balancesOf(place)).toMatchObject({ POINTS: 10n });
  });

  it('take an entry back once, by an entry of its own at the same moment', async () => {
    const place = await newCommunity(database.resources);
    const occurredAt = new Date('2026-02-01T10:00:00Z');
    const { entries } = await earn(place, { occurredAt });
    const [xp] = entries.filter(({ unit }) => unit === 'XP');
    const reversals = ['a', 'b', 'c'].map((key) =>
      reverseEntry(database.sql, place.id, { entryId: xp?.id ?? '', ...said(key) }),
    );
    const outcomes = await Promise.allSettled(reversals);
    expect(refused(outcomes)).toEqual(['CONFLICT', 'CONFLICT']);
    const done = outcomes.find((outcome) => outcome.status === 'fulfilled')?.value;
    expect(done?.entries).toMatchObject([
      { amount: -100n, balanceAfter: 0n, reversalOf: xp?.id, occurredAt },
    ]);
    expect(await balancesOf(place)).toMatchObject({ XP: 0n, POINTS: 100n });
  });

  it('take an event back with all that is left of it, its counting and its use of a rule', async () => {
    const place = await newCommunity(database.resources);
    const visit = await earn(place, { eventType: 'visit' });
    const signup = await earn(place, { eventType: 'signup' });
    const [first] = signup.entries;
    await reverseEntry(database.sql, place.id, { entryId: first?.id ?? '', ...said('a') });
    const back = await reverseEvent(database.sql, place.id, { eventId: signup.eventId, ...said('b') });
    expect(back.entries).toHaveLength(1);
    await reverseEvent(database.sql, place.id, { eventId: visit.eventId, ...said('c') });
    expect(await balancesOf(place)).toEqual({ XP: 0n, COINS: 0n, POINTS: 0n, PREMIUM: 0n });
    expect((await earn(place, { eventType: 'signup' })).outcome).toBe('EARNED');
    const [profile] =
      await database.sql`select visits from gamification.profile where community_id = ${place.id}`;
    expect(profile).toEqual({ visits: 0 });
  });

  it('of different events under one key at once take one back and refuse the others', async () => {
    const place = await newCommunity(database.resources, { members: 6 });
    const tracked = await trackEvents(
      database.sql,
      place.id,
      place.memberIds.map((userId) => eventOf(userId)),
    );
    const reversals = tracked.map((one) =>
      reverseEvent(database.sql, place.id, { eventId: (one as Posted).eventId, ...said('same') }),
    );
    expect(refused(await Promise.allSettled(reversals))).toEqual(Array(5).fill('IDEMPOTENCY_KEY_REUSED'));
  });

  it('tell the log of the level that is lost', async () => {
    const place = await newCommunity(database.resources);
    const { eventId } = await earn(place, { eventType: 'signup' });
    await reverseEvent(database.sql, place.id, { eventId, ...said('a') });
    const events = await eventsAfter(database.sql, { communityId: place.id, stream: 'xp' }, 0, 10);
    expect(events.map(({ kind, payload }) => [kind, payload.total ?? [payload.from, payload.to]])).toEqual([
      ['XpChanged', '500'],
      ['LevelChanged', [1, 2]],
      ['XpChanged', '0'],
      ['LevelChanged', [2, 1]],
    ]);
  });
});

const adjust = `mutation ($input: AdjustBalanceInput!) { adjustBalance(input: $input) {
  replayed user { id } userErrors { code path }
  entry { unit amount balanceAfter eventType metadata source keyId actor { id } occurredAt }
} }`;
const spend = `mutation ($input: SpendBalanceInput!) { spendBalance(input: $input) {
  replayed entry { unit amount balanceAfter } userErrors { code path }
} }`;
const reverse = `mutation ($input: ReverseLedgerEntryInput!) { reverseLedgerEntry(input: $input) {
  replayed entry { amount reversalOf { id amount } } userErrors { code path }
} }`;
const reverseAll = `mutation ($input: ReverseEventInput!) { reverseEvent(input: $input) {
  replayed ledger { amount } userErrors { code path }
} }`;

describe('adjustments: mutations', () => {
  it('adjust a balance each way, and say who, through which key and from where', async () => {
    const { system, memberIds, person } = await newCommunity(database.resources);
    const input = {
      user: { email: 'person0@example.org' },
      unit: 'PREMIUM',
      source: 'RETURNING',
      reason: 'gift',
    };
    const change = (principal: typeof system, action: string, amount: number) =>
      ask(principal, adjust, { input: { ...input, action, amount, idempotencyKey: action } });
    const { entry } = (await change(system, 'INCREASE', 70)).adjustBalance;
    expect(entry).toMatchObject({ unit: 'PREMIUM', amount: 70, balanceAfter: 70, eventType: 'adjustment' });
    expect(entry).toMatchObject({
      metadata: { reason: 'gift' },
      source: 'RETURNING',
      keyId: system.keyId,
      actor: null,
    });
    const decreased = (await change(person(1), 'DECREASE', 20)).adjustBalance;
    expect(decreased.entry).toMatchObject({ amount: -20, balanceAfter: 50, actor: { id: memberIds[1] } });
    const overwritten = (await change(system, 'OVERWRITE', 7)).adjustBalance;
    expect(overwritten).toMatchObject({
      user: { id: memberIds[0] },
      entry: { amount: -43, balanceAfter: 7 },
    });
    expect((await change(system, 'OVERWRITE', 7)).adjustBalance).toEqual({ ...overwritten, replayed: true });
  });

  it('spend, and take back', async () => {
    const place = await newCommunity(database.resources);
    const { entries } = await earn(place);
    const points = entries.find(({ unit }) => unit === 'POINTS');
    const input = { user: { id: place.memberIds[0] }, unit: 'POINTS', amount: 40, idempotencyKey: 'a' };
    const spent = (await ask(place.system, spend, { input })).spendBalance;
    expect(spent).toMatchObject({ entry: { unit: 'POINTS', amount: -40, balanceAfter: 60 }, userErrors: [] });
    const undo = { input: { entryId: points?.id, idempotencyKey: 'b' } };
    const short = (await ask(place.system, reverse, undo)).reverseLedgerEntry;
    expect(short).toMatchObject({ entry: null, userErrors: [{ code: 'INSUFFICIENT_BALANCE' }] });
    const [user] = await entities(
      place.system,
      'User',
      place.memberIds,
      '{ ledger(first: 1) { nodes { id } } }',
    );
    const back = { input: { entryId: user.ledger.nodes[0].id, idempotencyKey: 'c' } };
    const undone = (await ask(place.system, reverse, back)).reverseLedgerEntry;
    expect(undone.entry).toMatchObject({ amount: 40, reversalOf: { amount: -40 } });
    expect((await ask(place.system, reverse, back)).reverseLedgerEntry).toEqual({
      ...undone,
      replayed: true,
    });
  });

  it('take an event back', async () => {
    const place = await newCommunity(database.resources);
    const { eventId } = await earn(place);
    const undo = { input: { eventId, idempotencyKey: 'a', reason: 'a mistake' } };
    const { reverseEvent: undone } = await ask(place.system, reverseAll, undo);
    expect(undone).toMatchObject({
      replayed: false,
      ledger: [{ amount: -100 }, { amount: -100 }],
      userErrors: [],
    });
    expect((await ask(place.system, reverseAll, undo)).reverseEvent).toEqual({ ...undone, replayed: true });
  });
});

describe('adjustments: refusals', () => {
  const right = {
    user: { username: 'person.0' },
    unit: 'COINS',
    action: 'INCREASE',
    amount: 5,
    idempotencyKey: 'k',
  };
  it.each([
    ['NOT_FOUND', ['user'], { user: { id: 'usr_nobody' } }],
    ['IDEMPOTENCY_KEY_REUSED', ['idempotencyKey'], { amount: 6 }],
    ['IDEMPOTENCY_KEY_REUSED', ['idempotencyKey'], { action: 'DECREASE' }],
    ['VALIDATION_FAILED', ['amount'], { amount: -1 }],
    ['VALIDATION_FAILED', ['amount'], { amount: '1000000000000001' }],
    ['VALIDATION_FAILED', ['occurredAt'], { occurredAt: '2999-01-01T00:00:00Z' }],
    ['VALIDATION_FAILED', ['metadata'], { metadata: [1] }],
    ['VALIDATION_FAILED', ['idempotencyKey'], { idempotencyKey: '' }],
    ['INSUFFICIENT_BALANCE', [], { unit: 'POINTS', action: 'DECREASE', idempotencyKey: 'other' }],
  ])('%s: a wrong %s', async (code, path, wrong) => {
    const place = await newCommunity(database.resources);
    await ask(place.system, adjust, { input: right });
    const { adjustBalance } = await ask(place.system, adjust, { input: { ...right, ...wrong } });
    expect(adjustBalance).toMatchObject({ entry: null, userErrors: [{ code, path: ['input', ...path] }] });
    expect(await balancesOf(place)).toMatchObject({ COINS: 5n });
  });

  it('NOT_FOUND, CONFLICT: what is not there, was taken back, or takes back itself', async () => {
    const place = await newCommunity(database.resources);
    const { eventId, entries } = await earn(place);
    const codeOf = async (input: object, operation = reverseAll) =>
      Object.values<{ userErrors: { code: string }[] }>(await ask(place.system, operation, { input }))[0]
        ?.userErrors[0]?.code;
    expect(await codeOf({ eventId: 'evt_none', idempotencyKey: 'a' })).toBe('NOT_FOUND');
    expect(await codeOf({ entryId: 'led_none', idempotencyKey: 'a' }, reverse)).toBe('NOT_FOUND');
    expect(await codeOf({ eventId, idempotencyKey: 'a' })).toBeUndefined();
    expect(await codeOf({ eventId, idempotencyKey: 'b' })).toBe('CONFLICT');
    expect(await codeOf({ entryId: entries[0]?.id, idempotencyKey: 'b' }, reverse)).toBe('CONFLICT');
    const [event] = await database.sql<{ id: string }[]>`
      select id from gamification.event where community_id = ${place.id} and event_type = 'reversal'`;
    expect(await codeOf({ eventId: event?.id, idempotencyKey: 'c' })).toBe('CONFLICT');
  });

  it('VALIDATION_FAILED: an event type that is our own, by trackEvent', async () => {
    const { system, memberIds } = await newCommunity(database.resources);
    const operation = `mutation ($input: TrackEventInput!) { trackEvent(input: $input) { userErrors { code path } } }`;
    const input = { user: { id: memberIds[0] }, eventType: 'adjustment' };
    expect((await ask(system, operation, { input })).trackEvent.userErrors).toEqual([
      { code: 'VALIDATION_FAILED', path: ['input', 'eventType'] },
    ]);
  });
});
