import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const create = `mutation ($input: CreateBadgeInput!) { createBadge(input: $input) {
  replayed badge { id title { text available } image(theme: DARK) quantity version criterion { measure atLeast } }
  userErrors { code path }
} }`;
const update = `mutation ($input: UpdateBadgeInput!) { updateBadge(input: $input) {
  badge { title { text } quantity version criterion { measure atLeast } } userErrors { code path }
} }`;
const remove = `mutation ($input: DeleteBadgeInput!) { deleteBadge(input: $input) {
  deletedId userErrors { code path }
} }`;

const right = {
  title: [
    { lang: 'en', text: 'Early bird' },
    { lang: 'de', text: 'Frühaufsteher' },
  ],
  darkImage: 'https://example.org/dark.png',
  quantity: 3,
  criterion: { measure: 'VISITS', atLeast: '7' },
  idempotencyKey: 'key',
};

describe('changing badges', () => {
  it('makes one, once an idempotency key', async () => {
    const { system } = await newCommunity(database.resources);
    const { createBadge: made } = await ask(system, create, { input: right });
    expect(made).toMatchObject({
      replayed: false,
      badge: {
        title: { text: 'Early bird', available: ['de', 'en'] },
        image: 'https://example.org/dark.png',
        quantity: 3,
        version: 1,
        criterion: { measure: 'VISITS', atLeast: 7 },
      },
      userErrors: [],
    });
    expect((await ask(system, create, { input: right })).createBadge).toEqual({ ...made, replayed: true });
  });

  it('changes what is given and leaves the rest', async () => {
    const { system } = await newCommunity(database.resources);
    const { createBadge } = await ask(system, create, { input: right });
    const input = { id: createBadge.badge.id, quantity: null, criterion: null, expectedVersion: 1 };
    expect((await ask(system, update, { input })).updateBadge).toEqual({
      badge: { title: { text: 'Early bird' }, quantity: null, version: 2, criterion: null },
      userErrors: [],
    });
  });

  it('deletes one: it is in no list, and still to be seen by who holds it', async () => {
    const { system, badgeIds, memberIds } = await newCommunity(database.resources, { badges: [null] });
    const [badgeId, userId] = [badgeIds[0], memberIds[0]];
    await ask(system, 'mutation ($input: AwardBadgeInput!) { awardBadge(input: $input) { award { id } } }', {
      input: { badgeId, userId, idempotencyKey: 'key' },
    });
    const { deleteBadge } = await ask(system, remove, { input: { id: badgeId } });
    expect(deleteBadge).toEqual({ deletedId: badgeId, userErrors: [] });
    const { badges, badge } = await ask(
      system,
      `{ badges { nodes { id } } badge(id: "${badgeId}") { awardCount } }`,
    );
    expect(badges.nodes).toEqual([]);
    expect(badge).toEqual({ awardCount: 1 });
  });
});

describe('changing badges: refusals', () => {
  it.each([
    ['VALIDATION_FAILED', 'title', { title: [] }],
    ['VALIDATION_FAILED', 'quantity', { quantity: 0 }],
    ['VALIDATION_FAILED', 'xpReward', { xpReward: '-1' }],
    ['VALIDATION_FAILED', 'criterion', { criterion: { measure: 'XP', atLeast: '0' } }],
    ['VALIDATION_FAILED', 'image', { image: `https://example.org/${'x'.repeat(2_000)}` }],
    ['VALIDATION_FAILED', 'image', { image: 'javascript:alert(1)' }],
    ['VALIDATION_FAILED', 'darkImage', { darkImage: 'ftp://example.org/dark.png' }],
    ['IDEMPOTENCY_KEY_REUSED', 'idempotencyKey', { idempotencyKey: 'key', quantity: 4 }],
  ])('of making one: %s, a wrong %s', async (code, name, wrong) => {
    const { system } = await newCommunity(database.resources);
    await ask(system, create, { input: right });
    const input = { ...right, idempotencyKey: 'another', ...wrong };
    const { userErrors } = (await ask(system, create, { input })).createBadge;
    expect(userErrors).toMatchObject([{ code, path: expect.arrayContaining(['input', name]) }]);
  });

  it('of making one: LIMIT_EXCEEDED, more than 10,000, also of many that are made at once', async () => {
    const { id, system } = await newCommunity(database.resources);
    await database.sql`
      insert into gamification.badge (community_id, id, title)
      select ${id}, ${id} || n, '{"en": "Badge"}' from generate_series(1, 9990) n`;
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        ask(system, create, { input: { ...right, idempotencyKey: String(n) } }),
      ),
    );
    const refused = answers.flatMap(({ createBadge }) => createBadge.userErrors);
    expect(refused).toEqual(Array(20).fill({ code: 'LIMIT_EXCEEDED', path: ['input'] }));
  });

  it.each([
    ['NOT_FOUND', 'id', { id: 'bdg_none' }],
    ['VALIDATION_FAILED', 'image', { image: 'data:text/html,hello' }],
    ['CONFLICT', 'expectedVersion', { expectedVersion: 7 }],
    ['CONFLICT', 'quantity', { quantity: 1 }],
  ])('of changing one: %s, a wrong %s', async (code, name, wrong) => {
    const { system, badgeIds, memberIds } = await newCommunity(database.resources, { badges: [null] });
    for (const userId of memberIds)
      await ask(
        system,
        'mutation ($input: AwardBadgeInput!) { awardBadge(input: $input) { award { id } } }',
        { input: { badgeId: badgeIds[0], userId, idempotencyKey: userId } },
      );
    const { userErrors } = (await ask(system, update, { input: { id: badgeIds[0], ...wrong } })).updateBadge;
    expect(userErrors).toEqual([{ code, path: ['input', name] }]);
  });

  it('of deleting one: NOT_FOUND, also the second time', async () => {
    const { system, badgeIds } = await newCommunity(database.resources, { badges: [null] });
    await ask(system, remove, { input: { id: badgeIds[0] } });
    expect((await ask(system, remove, { input: { id: badgeIds[0] } })).deleteBadge).toEqual({
      deletedId: null,
      userErrors: [{ code: 'NOT_FOUND', path: ['input', 'id'] }],
    });
  });
});
