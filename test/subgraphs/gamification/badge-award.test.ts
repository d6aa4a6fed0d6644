import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adjustBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { badgeReached } from '../../../subgraphs/gamification/badge-reached.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { plainRule, setRules } from '../../../subgraphs/gamification/rule.ts';
import { newId } from '../../../subgraphs/id.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const title = [{ lang: 'en', text: 'Honour' }];

/** Makes a badge of a community, as a call of its own. */
async function badge({ system }: TestCommunity, details: object = {}): Promise<string> {
  const input = { title, idempotencyKey: newId('Badge'), ...details };
  const { createBadge } = await ask(
    system,
    'mutation ($input: CreateBadgeInput!) { createBadge(input: $input) { badge { id } userErrors { message } } }',
    { input },
  );
  expect(createBadge.userErrors).toEqual([]);
  return createBadge.badge.id;
}

async function award(
  { system, memberIds }: TestCommunity,
  badgeId: string,
  more: object = {},
): Promise<Answer> {
  const input = { badgeId, userId: memberIds[0], idempotencyKey: newId('Badge'), ...more };
  const { awardBadge } = await ask(
    system,
    `mutation ($input: AwardBadgeInput!) { awardBadge(input: $input) {
      award { id attachmentUrl revokedAt rewards { unit amount eventType } } userErrors { code path }
    } }`,
    { input },
  );
  return awardBadge;
}

async function revoke({ system }: TestCommunity, awardId: string): Promise<Answer> {
  const { revokeBadge } = await ask(
    system,
    'mutation ($input: RevokeBadgeInput!) { revokeBadge(input: $input) { award { id revokedAt } userErrors { code path } } }',
    { input: { awardId } },
  );
  return revokeBadge;
}

async function track({ system, memberIds }: TestCommunity, details: object = {}): Promise<Answer> {
  const input = { user: { id: memberIds[0] }, eventType: 'step', ...details };
  const { trackEvent } = await ask(
    system,
    `mutation ($input: TrackEventInput!) { trackEvent(input: $input) {
      replayed leveledUp eventId badges { badge { id } } ledger { unit amount eventType } userErrors { code message }
    } }`,
    { input },
  );
  expect(trackEvent.userErrors).toEqual([]);
  return trackEvent;
}

/** What the first member has and holds. */
async function member({ system, memberIds }: TestCommunity): Promise<Answer> {
  const query = `query ($ids: [_Any!]!) { _entities(representations: $ids) { ... on User {
    xp coins level { number } badges { nodes { badge { id } } }
  } } }`;
  const { _entities } = await ask(system, query, { ids: [{ __typename: 'User', id: memberIds[0] }] });
  const [{ badges, level, ...balances }] = _entities;
  return { ...balances, level: level.number, badges: badges.nodes.map((one: Answer) => one.badge.id) };
}

/** A community with a rule that pays 100 XP a step. */
async function stepping(wishes?: Parameters<typeof newCommunity>[1]): Promise<TestCommunity> {
  const place = await newCommunity(database.resources, wishes);
  const rule = { id: newId('Rule'), ...plainRule('step', { en: 'Step' }, { XP: 100 }) };
  await setRules(database.sql, place.id, [rule]);
  return place;
}

describe('badge awards', () => {
  it('bring XP and coins, and the levels that these reach', async () => {
    const place = await stepping();
    const id = await badge(place, { xpReward: '300', coinsReward: '7' });
    const { award: given } = await award(place, id);
    expect(given.rewards).toEqual([
      { unit: 'XP', amount: 300, eventType: 'badge' },
      { unit: 'COINS', amount: 7, eventType: 'badge' },
    ]);
    expect(await member(place)).toEqual({ xp: 300, coins: 7, level: 2, badges: [id] });
  });

  it('come by themselves when a measure is reached, once, and are told by the event that brought them', async () => {
    const place = await stepping();
    const id = await badge(place, { criterion: { measure: 'XP', atLeast: '200' }, coinsReward: '5' });
    expect((await track(place, { reference: 'one' })).badges).toEqual([]);
    const second = await track(place, { reference: 'two' });
    expect(second.badges).toEqual([{ badge: { id } }]);
    expect(second.ledger.map(({ unit, eventType }: Answer) => [unit, eventType])).toEqual([
      ['XP', 'step'],
      ['COINS', 'badge'],
    ]);
    expect(await track(place, { reference: 'two' })).toEqual({ ...second, replayed: true });
    expect((await track(place)).badges).toEqual([]);
    expect(await member(place)).toMatchObject({ xp: 300, coins: 5, badges: [id] });
  });

  it('may bring what another badge is awarded for', async () => {
    const place = await stepping();
    const first = await badge(place, { criterion: { measure: 'XP', atLeast: '100' }, xpReward: '200' });
    const level = await badge(place, { criterion: { measure: 'LEVEL', atLeast: '2' } });
    const both = await badge(place, { criterion: { measure: 'BADGES', atLeast: '2' } });
    const { badges, leveledUp } = await track(place);
    expect(leveledUp).toBe(true);
    expect(badges.map((one: Answer) => one.badge.id)).toEqual([first, level, both]);
  });

  it('are told by the log, after what brought them', async () => {
    const place = await stepping();
    await badge(place, { criterion: { measure: 'XP', atLeast: '1' } });
    await track(place);
    const events = await database.sql`
      select kind from log.event where community_id = ${place.id} and stream = 'xp' order by number`;
    expect(events.map(({ kind }) => kind)).toEqual(['XpChanged', 'BadgeAwarded']);
  });

  it('of a badge that runs out go to as many as there are, also when they come by themselves at once', async () => {
    const place = await stepping({ members: 12 });
    const id = await badge(place, { criterion: { measure: 'XP', atLeast: '100' }, quantity: 5 });
    const answers = await Promise.all(
      place.memberIds.map((userId) => track(place, { user: { id: userId } })),
    );
    expect(answers.flatMap(({ badges }) => badges)).toHaveLength(5);
    const { badge: after } = await ask(
      place.system,
      `{ badge(id: "${id}") { awardCount rarity holders { nodes { user { id } } } } }`,
    );
    expect(after).toMatchObject({ awardCount: 5, rarity: 5 / 12 });
    expect(new Set(after.holders.nodes.map((one: Answer) => one.user.id)).size).toBe(5);
  });

  it('are given in the background to those who had reached the measure before', async () => {
    const place = await stepping({ members: 3 });
    for (const id of place.memberIds.slice(0, 2)) await track(place, { user: { id } });
    const id = await badge(place, { criterion: { measure: 'XP', atLeast: '100' }, xpReward: '1' });
    await catchUp(database.sql, badgeReached);
    await catchUp(database.sql, badgeReached);
    expect(await member(place)).toMatchObject({ xp: 101, badges: [id] });
    const { badge: after } = await ask(place.system, `{ badge(id: "${id}") { awardCount } }`);
    expect(after.awardCount).toBe(2);
  });

  it('are given in the background to those who reached the measure when there were none left', async () => {
    const place = await stepping({ members: 3 });
    const id = await badge(place, { criterion: { measure: 'XP', atLeast: '100' }, quantity: 1 });
    await catchUp(database.sql, badgeReached);
    for (const person of place.memberIds) await track(place, { user: { id: person } });
    const grow =
      'mutation ($input: UpdateBadgeInput!) { updateBadge(input: $input) { userErrors { code } } }';
    await ask(place.system, grow, { input: { id, quantity: null } });
    await catchUp(database.sql, badgeReached);
    const { badge: after } = await ask(place.system, `{ badge(id: "${id}") { awardCount } }`);
    expect(after.awardCount).toBe(3);
  });

  it('are taken back with what they brought, can be given by hand again, and come by themselves no more', async () => {
    const place = await stepping();
    const id = await badge(place, {
      criterion: { measure: 'XP', atLeast: '100' },
      xpReward: '10',
      quantity: 1,
    });
    await track(place);
    const { _entities } = await ask(
      place.system,
      'query ($ids: [_Any!]!) { _entities(representations: $ids) { ... on User { badges { nodes { id } } } } }',
      { ids: [{ __typename: 'User', id: place.memberIds[0] }] },
    );
    const awardId = _entities[0].badges.nodes[0].id;
    const taken = await revoke(place, awardId);
    expect(taken.award.revokedAt).not.toBeNull();
    expect(await revoke(place, awardId)).toEqual(taken);
    expect(await member(place)).toMatchObject({ xp: 100, badges: [] });
    const down = { userId: place.memberIds[0] ?? '', unit: 'XP' as const, action: 'OVERWRITE' as const };
    const said = { reason: null, metadata: null, origin: ownOrigin, occurredAt: null };
    await adjustBalance(database.sql, place.id, { ...down, amount: 50n, reference: 'down', ...said });
    await track(place);
    expect(await member(place)).toMatchObject({ xp: 150, badges: [] });
    expect((await award(place, id)).userErrors).toEqual([]);
    expect(await member(place)).toMatchObject({ xp: 160, badges: [id] });
  });

  it('go when the event that brought them is reversed', async () => {
    const place = await stepping();
    const id = await badge(place, { criterion: { measure: 'XP', atLeast: '100' }, xpReward: '10' });
    const { eventId } = await track(place);
    const { reverseEvent } = await ask(
      place.system,
      'mutation ($input: ReverseEventInput!) { reverseEvent(input: $input) { userErrors { message } } }',
      { input: { eventId, reason: 'a mistake', idempotencyKey: 'back' } },
    );
    expect(reverseEvent.userErrors).toEqual([]);
    expect(await member(place)).toEqual({ xp: 0, coins: 0, level: 1, badges: [] });
    const { badge: after } = await ask(place.system, `{ badge(id: "${id}") { awardCount } }`);
    expect(after.awardCount).toBe(0);
  });
});

describe('badge awards: taking back', () => {
  it('happens once, however many do it at once, and is told in the audit once', async () => {
    const place = await newCommunity(database.resources);
    const id = await badge(place, { xpReward: '10', quantity: 1 });
    const { award: given } = await award(place, id);
    const answers = await Promise.all(Array.from({ length: 6 }, () => revoke(place, given.id)));
    expect(answers.map(({ userErrors }) => userErrors)).toEqual(answers.map(() => []));
    expect(new Set(answers.map(({ award: one }) => one.revokedAt)).size).toBe(1);
    expect(await member(place)).toMatchObject({ xp: 0, badges: [] });
    const noted = await database.sql`
      select from identity.audit_entry where community_id = ${place.id} and action = 'BADGE_REVOKED'`;
    expect(noted).toHaveLength(1);
  });
});

describe('badge awards: refusals', () => {
  it('VALIDATION_FAILED: a badge that takes a proof, without one', async () => {
    const place = await newCommunity(database.resources);
    const id = await badge(place, { requiresAttachment: true });
    expect((await award(place, id)).userErrors).toEqual([
      { code: 'VALIDATION_FAILED', path: ['input', 'attachmentUrl'] },
    ]);
    const { award: given } = await award(place, id, { attachmentUrl: 'https://example.org/proof.png' });
    expect(given.attachmentUrl).toBe('https://example.org/proof.png');
  });

  it('VALIDATION_FAILED: a proof that is no page', async () => {
    const place = await newCommunity(database.resources);
    const id = await badge(place, { requiresAttachment: true });
    expect((await award(place, id, { attachmentUrl: 'javascript:alert(1)' })).userErrors).toEqual([
      { code: 'VALIDATION_FAILED', path: ['input', 'attachmentUrl'] },
    ]);
  });

  it('CONFLICT: a badge that is not awarded now', async () => {
    const place = await newCommunity(database.resources);
    const id = await badge(place, { enabled: false });
    expect((await award(place, id)).userErrors).toEqual([{ code: 'CONFLICT', path: ['input', 'badgeId'] }]);
  });

  it('NOT_FOUND: an award that is none', async () => {
    const place = await newCommunity(database.resources);
    expect((await revoke(place, 'awd_none')).userErrors).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'awardId'] },
    ]);
  });
});
