import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { badgesById } from '../../../subgraphs/gamification/badge.ts';
import { awardBadge, awardsByUser } from '../../../subgraphs/gamification/badge-award.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** Awards the n-th badge to the m-th member. */
function award(
  { id, badgeIds, memberIds }: TestCommunity,
  badge: number,
  member: number,
  idempotencyKey: string,
) {
  const [badgeId = '', userId = ''] = [badgeIds[badge], memberIds[member]];
  const origin = ownOrigin;
  return awardBadge(database.sql, id, { badgeId, userId, attachmentUrl: null, idempotencyKey, origin });
}

async function awardCount({ id, badgeIds }: TestCommunity): Promise<number | undefined> {
  return (await badgesById(database.sql, id, badgeIds))[0]?.awardCount;
}

/** The codes of those that were refused. */
function refused(outcomes: PromiseSettledResult<unknown>[]): string[] {
  return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []));
}

describe('badges: rules', () => {
  it('with a quantity run out: of many who want the last one, one gets it', async () => {
    const place = await newCommunity(database.resources, { members: 12, badges: [3] });
    const wanting = place.memberIds.map((userId, n) => award(place, 0, n, userId));
    const outcomes = await Promise.allSettled(wanting);
    expect(refused(outcomes)).toEqual(Array.from({ length: 9 }, () => 'LIMIT_EXCEEDED'));
    expect(await awardCount(place)).toBe(3);
  });

  it('are held once: a second award by another key is refused, also at the same moment', async () => {
    const place = await newCommunity(database.resources, { badges: [null] });
    const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((key) => award(place, 0, 0, key)));
    expect(refused(outcomes)).toEqual(['CONFLICT', 'CONFLICT']);
    expect(await awardCount(place)).toBe(1);
  });

  it('are awarded once under concurrent repeats of a key, and all get the same award', async () => {
    const place = await newCommunity(database.resources, { badges: [1] });
    const answers = await Promise.all(Array.from({ length: 20 }, () => award(place, 0, 0, 'key')));
    expect(new Set(answers.map((answer) => answer.award.id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await awardCount(place)).toBe(1);
  });

  it('are awarded once when one key names several at the same moment', async () => {
    const place = await newCommunity(database.resources, { badges: [null, null, null, null] });
    const outcomes = await Promise.allSettled(place.badgeIds.map((_, n) => award(place, n, 0, 'key')));
    expect(refused(outcomes)).toEqual(Array.from({ length: 3 }, () => 'IDEMPOTENCY_KEY_REUSED'));
    const counts = (await badgesById(database.sql, place.id, place.badgeIds)).map(
      (badge) => badge?.awardCount,
    );
    expect(counts.sort()).toEqual([0, 0, 0, 1]);
  });

  it('stand at their holders, newest first', async () => {
    const place = await newCommunity(database.resources, { badges: [null, null] });
    await award(place, 0, 1, 'a');
    await award(place, 1, 1, 'b');
    const pages = await awardsByUser(database.sql, place.id, place.memberIds, {});
    const held = pages.map(({ edges }) => edges.map(({ node }) => node.badgeId));
    expect(held).toEqual([[], [...place.badgeIds].reverse()]);
  });
});

const mutation = `mutation ($input: AwardBadgeInput!) { awardBadge(input: $input) {
  replayed award { badge { id awardCount } user { id } } userErrors { code path }
} }`;

describe('badges: query', () => {
  it('awards, and gives the same answer to a repeat', async () => {
    const { system, badgeIds, memberIds } = await newCommunity(database.resources, { badges: [5] });
    const input = { badgeId: badgeIds[0], userId: memberIds[0], idempotencyKey: 'key' };
    const answer = {
      award: { badge: { id: badgeIds[0], awardCount: 1 }, user: { id: memberIds[0] } },
      userErrors: [],
    };
    expect((await ask(system, mutation, { input })).awardBadge).toEqual({ replayed: false, ...answer });
    expect((await ask(system, mutation, { input })).awardBadge).toEqual({ replayed: true, ...answer });
  });

  it('lists the badges of the community, oldest first', async () => {
    const { system, badgeIds } = await newCommunity(database.resources, { badges: [null, 7] });
    const { badges } = await ask(
      system,
      '{ badges { nodes { id quantity awardCount title { text } description { text } image dark: image(theme: DARK) } } }',
    );
    expect(badges.nodes.map(({ id, quantity }: Answer) => [id, quantity])).toEqual([
      [badgeIds[0], null],
      [badgeIds[1], 7],
    ]);
    expect(badges.nodes[0]).toMatchObject({
      title: { text: 'Badge 0' },
      description: null,
      image: 'https://example.org/light.png',
      // There is no dark one.
      dark: 'https://example.org/light.png',
    });
  });

  it('finds a badge by reference in its own community only', async () => {
    const home = await newCommunity(database.resources, { badges: [null] });
    const away = await newCommunity(database.resources);
    expect(await entities(home.system, 'Badge', home.badgeIds, '{ awardCount }')).toEqual([
      { awardCount: 0 },
    ]);
    expect(await entities(away.system, 'Badge', home.badgeIds, '{ awardCount }')).toEqual([null]);
  });
});

describe('badges: refusals', () => {
  it.each([
    ['NOT_FOUND', 'badgeId', { badgeId: 'bdg_none', idempotencyKey: 'another' }],
    ['NOT_FOUND', 'userId', { userId: 'usr_nobody' }],
    ['CONFLICT', 'userId', { idempotencyKey: 'another' }],
    ['LIMIT_EXCEEDED', 'badgeId', { userId: 'the other', idempotencyKey: 'another' }],
    ['IDEMPOTENCY_KEY_REUSED', 'idempotencyKey', { userId: 'the other' }],
    ['VALIDATION_FAILED', 'idempotencyKey', { idempotencyKey: '' }],
    ['VALIDATION_FAILED', 'userId', { userId: 'usr_\0' }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const place = await newCommunity(database.resources, { badges: [1] });
    const right = { badgeId: place.badgeIds[0], userId: place.memberIds[0], idempotencyKey: 'key' };
    await ask(place.system, mutation, { input: right });
    const input = { ...right, ...wrong };
    if (input.userId === 'the other') input.userId = place.memberIds[1];
    expect((await ask(place.system, mutation, { input })).awardBadge).toEqual({
      replayed: false,
      award: null,
      userErrors: [{ code, path: ['input', name] }],
    });
    expect(await awardCount(place)).toBe(1);
  });

  it('BAD_PAGE: more badges than a page holds', async () => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, '{ badges(first: 101) { nodes { id } } }')).toEqual([
      { code: 'BAD_PAGE', path: ['badges'] },
    ]);
  });
});

describe('badges: cost', () => {
  it('reads the badges of 100 people with the statements of one', async () => {
    const place = await newCommunity(database.resources, { members: 100, badges: [null] });
    await Promise.all(place.memberIds.map((userId, n) => award(place, 0, n, userId)));
    const selection = '{ badges { nodes { user { id } badge { title { text } } } } }';
    const read = (count: number) =>
      database.statementsOf(() => entities(place.system, 'User', place.memberIds.slice(0, count), selection));
    expect(await read(1)).toEqual(['awardsBy', 'badgesById']);
    expect(await read(100)).toEqual(await read(1));
  });
});
