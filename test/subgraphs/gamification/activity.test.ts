import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ActivityFilter, activitiesByUser } from '../../../subgraphs/gamification/activity.ts';
import { reverseEntry, reverseEvent, spendBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { awardBadge, revokeBadge } from '../../../subgraphs/gamification/badge-award.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import type { Posted } from '../../../subgraphs/gamification/posting.ts';
import { plainRule, setRules } from '../../../subgraphs/gamification/rule.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities, errorsOf } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

async function track({ id, memberIds }: TestCommunity, ...details: Parameters<typeof eventOf>[1][]) {
  const events = details.map((one) => eventOf(memberIds[0] ?? '', one));
  return (await trackEvents(database.sql, id, events)) as Posted[];
}

async function feedOf({ id, memberIds }: TestCommunity, filter: ActivityFilter = {}) {
  const [page] = await activitiesByUser(database.sql, id, memberIds.slice(0, 1), filter, { first: 100 });
  return (page?.edges ?? []).map(({ node }) => node);
}

const titlesIn = (rows: Awaited<ReturnType<typeof feedOf>>) => rows.map(({ wording }) => wording?.title.en);
const said = (reference: string) => ({ reference, reason: null, metadata: null, origin: ownOrigin });

describe('activities: rules', () => {
  it('tell of each rule that paid an event, with its points, and of nothing that earned nothing', async () => {
    const place = await newCommunity(database.resources);
    const bonus = {
      ...plainRule('purchase', { en: 'First of the month' }, { POINTS: 7 }),
      lifetimeCap: 1,
      activityType: 'CHALLENGE' as const,
    };
    const silent = { ...plainRule('message', { en: 'Wrote' }, { XP: 1 }), activityType: null };
    const purchase = plainRule('purchase', { en: 'Purchase' }, { XP: 100, POINTS: 100 });
    const rules = [purchase, bonus, silent].map((rule) => ({ id: newId('Rule'), ...rule }));
    await setRules(database.sql, place.id, rules);
    await track(place, { eventType: 'message' }, { reference: 'a' }, { reference: 'b' }, { reference: 'b' });
    const feed = await feedOf(place);
    const told = feed.map(({ type, points, wording }) => `${type} ${wording?.title.en} ${points}`);
    expect(told.sort()).toEqual([
      'CHALLENGE First of the month 7',
      'EVENT Purchase 100',
      'EVENT Purchase 100',
    ]);
    expect((await feedOf(place, { types: ['CHALLENGE'] })).map(({ points }) => points)).toEqual([7n]);
  });

  it('keep the words of their time, each version of them once', async () => {
    const place = await newCommunity(database.resources);
    await track(place, {}, {});
    const rule = { id: newId('Rule'), ...plainRule('purchase', { en: 'Bought' }, { POINTS: 1 }) };
    await setRules(database.sql, place.id, [rule]);
    await track(place, {});
    await setRules(database.sql, place.id, [{ ...rule, title: { en: 'Purchase' } }]);
    await track(place, {});
    expect(titlesIn(await feedOf(place)).sort()).toEqual(['Bought', 'Purchase', 'Purchase', 'Purchase']);
    const wordings = await database.sql`
      select from gamification.wording where community_id = ${place.id} and title in ('{"en": "Bought"}', '{"en": "Purchase"}')`;
    expect(wordings).toHaveLength(2);
  });

  it('name what something was spent on', async () => {
    const place = await newCommunity(database.resources);
    await track(place, {});
    const coupon = { title: { en: '10% off', de: '10 % Rabatt' }, description: null, images: null };
    for (const item of [coupon, null]) {
      const spending = { userId: place.memberIds[0] ?? '', unit: 'POINTS' as const, amount: 30n, item };
      const whole = { ...spending, ...said(item === null ? 'a' : 'b'), occurredAt: null };
      await spendBalance(database.sql, place.id, whole);
      await spendBalance(database.sql, place.id, whole);
    }
    const feed = await feedOf(place, { types: ['REDEMPTION'] });
    expect(feed.map(({ points, wording }) => [points, wording])).toEqual([
      [-30n, null],
      [-30n, coupon],
    ]);
  });

  it('leave the feed when their event is taken back, and lose the points of an entry that is', async () => {
    const place = await newCommunity(database.resources);
    const occurredAt = new Date('2026-02-01T10:00:00Z');
    const [kept, gone] = await track(place, { occurredAt, reference: 'a' }, { occurredAt, reference: 'b' });
    await reverseEvent(database.sql, place.id, { eventId: gone?.eventId ?? '', ...said('a') });
    expect(await feedOf(place)).toMatchObject([{ eventId: kept?.eventId, points: 100n }]);
    const points = kept?.entries.find(({ unit }) => unit === 'POINTS');
    const xp = kept?.entries.find(({ unit }) => unit === 'XP');
    await reverseEntry(database.sql, place.id, { entryId: xp?.id ?? '', ...said('b') });
    expect(await feedOf(place)).toMatchObject([{ points: 100n }]);
    await reverseEntry(database.sql, place.id, { entryId: points?.id ?? '', ...said('c') });
    expect(await feedOf(place)).toMatchObject([{ eventId: kept?.eventId, points: 0n, takenBackAt: null }]);
    const all = await feedOf(place, { takenBack: true });
    expect(all.find(({ eventId }) => eventId === gone?.eventId)).toMatchObject({
      points: 0n,
      takenBackAt: expect.any(Date),
    });
  });

  it('tell of a badge until it is taken back, and of what brought it on', async () => {
    const place = await newCommunity(database.resources, { badges: [null] });
    const [badgeId = ''] = place.badgeIds;
    const [userId = ''] = place.memberIds;
    await database.sql`
      update gamification.badge set measure = 'POINTS', at_least = 100 where community_id = ${place.id}`;
    const [earned] = await track(place, {});
    expect(await feedOf(place)).toMatchObject([
      {
        type: 'EVENT',
        points: 0n,
        wording: { title: { en: 'Badge 0' }, images: { en: 'https://example.org/light.png' } },
      },
      { type: 'EVENT', points: 100n, wording: { title: { en: 'Purchase' } } },
    ]);
    const [awardId = ''] = earned?.awardIds ?? [];
    await revokeBadge(database.sql, place.system, awardId);
    expect(titlesIn(await feedOf(place))).toEqual(['Purchase']);
    const award = { badgeId, userId, attachmentUrl: null, idempotencyKey: 'again', origin: ownOrigin };
    await awardBadge(database.sql, place.id, award);
    expect(titlesIn(await feedOf(place)).sort()).toEqual(['Badge 0', 'Purchase']);
    await reverseEvent(database.sql, place.id, { eventId: earned?.eventId ?? '', ...said('a') });
    expect(titlesIn(await feedOf(place))).toEqual(['Badge 0']);
  });

  it('are not written where the posting is refused', async () => {
    const place = await newCommunity(database.resources);
    const cost = { id: newId('Rule'), ...plainRule('game', { en: 'Game' }, { XP: 5, POINTS: -50 }) };
    await setRules(database.sql, place.id, [{ ...cost, eventType: 'play' }]);
    const [refused] = await track(place, { eventType: 'play' });
    expect(refused).toMatchObject({ code: 'INSUFFICIENT_BALANCE' });
    expect(await feedOf(place)).toEqual([]);
  });
});

/** Three purchases and a spending, a day apart. */
async function fourDays(place: TestCommunity): Promise<void> {
  const day = (n: number) => new Date(Date.UTC(2026, 2, n, 12));
  await track(place, ...[1, 2, 3].map((n) => ({ occurredAt: day(n), reference: String(n) })));
  const item = {
    title: { en: 'Coupon', 'pt-BR': 'Cupom' },
    description: { en: 'For anything.' },
    images: { en: 'https://example.org/en.png', 'pt-BR': 'https://example.org/pt.png' },
  };
  await spendBalance(database.sql, place.id, {
    ...{ userId: place.memberIds[0] ?? '', unit: 'POINTS', amount: 50n, item },
    ...{ ...said('spent'), occurredAt: day(4) },
  });
}

describe('activities: query', () => {
  it('list them newest first, in a language, page by page', async () => {
    const place = await newCommunity(database.resources, { members: 1 });
    await fourDays(place);
    const node = 'id type title { text lang } description { text } image points occurredAt user { id }';
    const [first] = await entities(
      place.system,
      'User',
      place.memberIds,
      `{ activity(first: 1, lang: "pt-BR") { nodes { ${node} ledger { unit amount } } pageInfo { hasNextPage endCursor } } }`,
    );
    expect(first.activity.nodes).toEqual([
      {
        id: expect.stringMatching(/^act_/),
        type: 'REDEMPTION',
        title: { text: 'Cupom', lang: 'pt-BR' },
        description: { text: 'For anything.' },
        image: 'https://example.org/pt.png',
        points: -50,
        occurredAt: '2026-03-04T12:00:00.000Z',
        user: { id: place.memberIds[0] },
        ledger: [{ unit: 'POINTS', amount: -50 }],
      },
    ]);
    const { endCursor: after } = first.activity.pageInfo;
    const [rest] = await entities(
      place.system,
      'User',
      place.memberIds,
      '{ activity(first: 10, after: $after, lang: "pt") { nodes { title { text } occurredAt } } }',
      { after },
    );
    expect(rest.activity.nodes.map((one: { occurredAt: string }) => one.occurredAt.slice(8, 10))).toEqual([
      '03',
      '02',
      '01',
    ]);
    const [whole] = await entities(place.system, 'Activity', [first.activity.nodes[0].id], `{ ${node} }`);
    expect(whole).toMatchObject({ title: { text: 'Coupon', lang: 'en' }, points: -50 });
  });

  it('narrow by type and by time, its end excluded', async () => {
    const place = await newCommunity(database.resources, { members: 1 });
    await fourDays(place);
    const count = async (wanted: string) => {
      const [user] = await entities(
        place.system,
        'User',
        place.memberIds,
        `{ activity(${wanted}) { nodes { id } } }`,
      );
      return user.activity.nodes.length;
    };
    expect(await count('types: [EVENT, REDEMPTION]')).toBe(4);
    expect(await count('types: [STREAK_POINTS]')).toBe(0);
    expect(await count('range: { from: "2026-03-02T12:00:00Z", to: "2026-03-03T12:00:00Z" }')).toBe(1);
    expect(await count('range: { from: "2026-03-02T12:00:00.001Z" }')).toBe(2);
  });

  it('come as a numbered page with an exact total, also past its end', async () => {
    const place = await newCommunity(database.resources, { members: 2 });
    await fourDays(place);
    const pages = async (wanted: string) =>
      (
        await entities(
          place.system,
          'User',
          place.memberIds,
          `{ activityPage(${wanted}) { total hasMore nodes { points } } }`,
        )
      ).map(({ activityPage }) => activityPage);
    const points = (...amounts: number[]) => amounts.map((amount) => ({ points: amount }));
    expect(await pages('limit: 2')).toEqual([
      { total: 4, hasMore: true, nodes: points(-50, 100) },
      { total: 0, hasMore: false, nodes: [] },
    ]);
    expect((await pages('limit: 2, offset: 3'))[0]).toEqual({ total: 4, hasMore: false, nodes: points(100) });
    expect((await pages('offset: 9'))[0]).toEqual({ total: 4, hasMore: false, nodes: [] });
    expect((await pages('types: [EVENT]'))[0]).toMatchObject({ total: 3 });
  });

  it('are made by rules of the type that they say', async () => {
    const place = await newCommunity(database.resources, { members: 1 });
    const create = `mutation ($input: CreateRuleInput!) { createRule(input: $input) {
      rule { id activityType } userErrors { code path }
    } }`;
    const rule = {
      ...{ eventType: 'login', title: [{ lang: 'en', text: 'Daily login' }], idempotencyKey: 'a' },
      awards: [{ unit: 'POINTS', amount: '25' }],
      images: [{ lang: 'en', url: 'https://example.org/streak.png' }],
    };
    const input = { ...rule, activityType: 'STREAK_POINTS' };
    const made = (await ask(place.system, create, { input })).createRule;
    expect(made).toMatchObject({ rule: { activityType: 'STREAK_POINTS' }, userErrors: [] });
    await track(place, { eventType: 'login' });
    const update = `mutation ($input: UpdateRuleInput!) { updateRule(input: $input) { rule { activityType } } }`;
    const { updateRule } = await ask(place.system, update, {
      input: { id: made.rule.id, activityType: null },
    });
    expect(updateRule.rule).toEqual({ activityType: null });
    await track(place, { eventType: 'login' });
    const selection = '{ activity { nodes { type points title { text } image } } }';
    const [user] = await entities(place.system, 'User', place.memberIds, selection);
    expect(user.activity.nodes).toEqual([
      {
        ...{ type: 'STREAK_POINTS', points: 25, title: { text: 'Daily login' } },
        image: 'https://example.org/streak.png',
      },
    ]);
    const spending = { ...rule, idempotencyKey: 'b', activityType: 'REDEMPTION' };
    expect((await ask(place.system, create, { input: spending })).createRule).toMatchObject({
      rule: null,
      userErrors: [{ code: 'VALIDATION_FAILED', path: ['input', 'activityType'] }],
    });
  });
});

describe('activities: refusals', () => {
  it.each([
    ['BAD_PAGE', 'activity(first: 101) { nodes { id } }'],
    ['BAD_PAGE', 'activityPage(limit: 0) { total }'],
    ['BAD_PAGE', 'activityPage(offset: -1) { total }'],
    ['BAD_PAGE', 'activityPage(offset: 9981) { total }'],
    ['BAD_CURSOR', 'activity(after: "x") { nodes { id } }'],
    [
      'BAD_ARGUMENT',
      'activity(range: { from: "2026-03-02T00:00:00Z", to: "2026-03-02T00:00:00Z" }) { nodes { id } }',
    ],
  ])('%s: %s', async (code, field) => {
    const { system, memberIds } = await newCommunity(database.resources, { members: 1 });
    const query = `query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on User { ${field} } } }`;
    const keys = [{ __typename: 'User', id: memberIds[0] }];
    expect(await errorsOf(system, query, { keys })).toMatchObject([{ code }]);
  });
});

describe('activities: cost', () => {
  it.each([
    'activity(first: 5) { nodes { title { text } ledger { id } } }',
    'activityPage(limit: 5) { total nodes { image ledger { id } } }',
  ])('of 50 people are two statements: %s', async (field) => {
    const place = await newCommunity(database.resources, { members: 50 });
    await trackEvents(
      database.sql,
      place.id,
      place.memberIds.map((userId) => eventOf(userId)),
    );
    const statements = await database.statementsOf(() =>
      entities(place.system, 'User', place.memberIds, `{ ${field} }`),
    );
    expect(statements).toEqual([
      field.startsWith('activityPage') ? 'numberedActivitiesByUser' : 'activitiesByUser',
      'entriesByEvent',
    ]);
  });
});
