import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { keepRuns } from '../../../subgraphs/gamification/score-run.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
  database.clock.now = now;
});
afterAll(() => database.close());

/** A Wednesday. */
const now = new Date('2026-03-11T12:00:00Z');

/** Purchases of the n-th member on a day: each is 100 XP. */
async function buy({ id, memberIds }: TestCommunity, n: number, times: number, day = '2026-03-11') {
  const occurredAt = new Date(`${day}T09:00:00Z`);
  const events = Array.from({ length: times }, () => eventOf(memberIds[n] ?? '', { occurredAt }));
  await trackEvents(database.sql, id, events);
}

const create = `mutation ($input: CreateLeaderboardInput!) { createLeaderboard(input: $input) {
  replayed leaderboard { id slug name { text available } unit windows startsOn endsOn columns { column visible }
    topLimit onlyPositive enabled rankRoleIds viewRoleIds } userErrors { code path }
} }`;
const update = `mutation ($input: UpdateLeaderboardInput!) { updateLeaderboard(input: $input) {
  leaderboard { id slug name { text } windows endsOn topLimit enabled } userErrors { code path }
} }`;
const remove = `mutation ($input: DeleteLeaderboardInput!) { deleteLeaderboard(input: $input) {
  deletedId userErrors { code path }
} }`;

const valid = {
  slug: 'top-buyers',
  name: [
    { lang: 'en', text: 'Top buyers' },
    { lang: 'de', text: 'Beste Käufer' },
  ],
  unit: 'XP',
  windows: ['ALL_TIME', 'DAILY', 'WEEKLY', 'MONTHLY', 'ROLLING_7D'],
  idempotencyKey: 'key',
};

async function boarded(
  details: Record<string, unknown> = {},
  members = 6,
): Promise<TestCommunity & { boardId: string }> {
  const place = await newCommunity(database.resources, { members });
  const { createLeaderboard } = await ask(place.system, create, { input: { ...valid, ...details } });
  expect(createLeaderboard.userErrors).toEqual([]);
  return { ...place, boardId: createLeaderboard.leaderboard.id };
}

const list = `query ($slug: String, $window: RankWindow, $period: String, $around: ID, $first: Int, $after: String, $last: Int, $before: String) {
  leaderboard(slug: $slug) { entries(window: $window, period: $period, around: $around, first: $first, after: $after, last: $last, before: $before) {
    nodes { rank previousRank tiedWith outOf score percentile asOf user { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } } }`;

async function entriesOf(
  { system }: TestCommunity,
  variables: Record<string, unknown> = {},
): Promise<Answer> {
  return (await ask(system, list, { slug: valid.slug, ...variables })).leaderboard.entries;
}

/** Each entry as `[member, rank, score]`. */
async function ranksOf(place: TestCommunity, variables: Record<string, unknown> = {}): Promise<Answer[]> {
  const { nodes } = await entriesOf(place, variables);
  return nodes.map(({ user, rank, score }: Answer) => [place.memberIds.indexOf(user.id), rank, score]);
}

describe('leaderboards: rules', () => {
  it('share a rank among equals, and leave the next one out', async () => {
    const place = await boarded();
    for (const [n, times] of [3, 3, 1, 5, 1].entries()) await buy(place, n, times);
    const { nodes } = await entriesOf(place);
    const told = nodes.map(({ user, rank, tiedWith, outOf, score, percentile }: Answer) => {
      return [place.memberIds.indexOf(user.id), rank, tiedWith, outOf, score, percentile];
    });
    expect(told).toEqual([
      [3, 1, 0, 5, 500, 100],
      [1, 2, 1, 5, 300, 50],
      [0, 2, 1, 5, 300, 50],
      [4, 4, 1, 5, 100, 0],
      [2, 4, 1, 5, 100, 0],
    ]);
  });

  it('count a late event on its own day', async () => {
    const place = await boarded();
    await buy(place, 0, 1);
    await buy(place, 1, 2, '2026-03-09');
    await buy(place, 2, 3, '2026-02-20');
    expect(await ranksOf(place, { window: 'DAILY' })).toEqual([[0, 1, 100]]);
    expect(await ranksOf(place, { window: 'WEEKLY' })).toEqual([
      [1, 1, 200],
      [0, 2, 100],
    ]);
    expect(await ranksOf(place, { window: 'MONTHLY', period: '2026-02' })).toEqual([[2, 1, 300]]);
    expect((await ranksOf(place)).map(([n]) => n)).toEqual([2, 1, 0]);
  });

  it('count what was there before them', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    await buy(place, 0, 1, '2026-01-30');
    await buy(place, 1, 2);
    await ask(place.system, create, { input: valid });
    expect(await ranksOf(place)).toEqual([
      [1, 1, 200],
      [0, 2, 100],
    ]);
    expect(await ranksOf(place, { window: 'ROLLING_7D' })).toEqual([[1, 1, 200]]);
  });

  it('count from their first day to their last', async () => {
    const place = await boarded({
      startsOn: '2026-03-02',
      endsOn: '2026-03-09',
      windows: ['ALL_TIME', 'MONTHLY'],
    });
    await buy(place, 0, 1, '2026-03-01');
    await buy(place, 1, 2, '2026-03-02');
    await buy(place, 2, 3, '2026-03-09');
    await buy(place, 3, 4, '2026-03-10');
    for (const window of ['ALL_TIME', 'MONTHLY']) {
      expect(await ranksOf(place, { window })).toEqual([
        [2, 1, 300],
        [1, 2, 200],
      ]);
    }
    const { nodes } = await entriesOf(place);
    expect(nodes[0].asOf).toBe('2026-03-10T00:00:00.000Z');
  });

  it('tell the rank of the period before, of a rolling window the day before', async () => {
    const place = await boarded();
    await buy(place, 0, 5, '2026-03-04');
    await buy(place, 1, 1, '2026-03-10');
    await buy(place, 0, 1, '2026-03-11');
    await buy(place, 1, 2, '2026-03-11');
    const previous = async (window: string) =>
      (await entriesOf(place, { window })).nodes.map(({ previousRank }: Answer) => previousRank);
    expect(await previous('ALL_TIME')).toEqual([null, null]);
    expect(await previous('DAILY')).toEqual([1, null]);
    expect(await previous('WEEKLY')).toEqual([null, 1]);
    expect(await previous('ROLLING_7D')).toEqual([2, 1]);
  });

  it('go on into the next day: what falls out of a rolling window is gone, and the past stays', async () => {
    const place = await boarded();
    await buy(place, 0, 5, '2026-03-05');
    await buy(place, 1, 1, '2026-03-11');
    try {
      // Hours ahead, the next day's runs are made ready.
      await keepRuns(database.sql, new Date('2026-03-11T19:00:00Z'), { communityId: place.id });
      await buy(place, 1, 1, '2026-03-11');
      database.clock.now = new Date('2026-03-12T00:00:01Z');
      expect(await ranksOf(place, { window: 'ROLLING_7D' })).toEqual([[1, 1, 200]]);
      expect(await ranksOf(place, { window: 'DAILY' })).toEqual([]);
      expect(await ranksOf(place, { window: 'DAILY', period: '2026-03-11' })).toEqual([[1, 1, 200]]);
      await keepRuns(database.sql, database.clock.now, { communityId: place.id });
      expect(await ranksOf(place, { window: 'ROLLING_7D', period: '2026-03-11' })).toEqual([
        [0, 1, 500],
        [1, 2, 200],
      ]);
    } finally {
      database.clock.now = now;
    }
  });

  it('show the day before of a rolling window until the new day is counted', async () => {
    const place = await boarded();
    await buy(place, 0, 5, '2026-03-05');
    try {
      database.clock.now = new Date('2026-03-12T06:00:00Z');
      const { nodes } = await entriesOf(place, { window: 'ROLLING_7D' });
      expect(nodes[0]).toMatchObject({ score: 500, asOf: '2026-03-12T00:00:00.000Z' });
      await keepRuns(database.sql, database.clock.now, { communityId: place.id });
      expect(await ranksOf(place, { window: 'ROLLING_7D' })).toEqual([]);
    } finally {
      database.clock.now = now;
    }
  });

  it('rank those with nothing or less only when told to', async () => {
    const place = await boarded({ unit: 'COINS', onlyPositive: false });
    const { id, memberIds } = place;
    const events = ['visit', 'refund', 'refund'].map((eventType, n) =>
      eventOf(memberIds[n] ?? '', { eventType }),
    );
    await trackEvents(database.sql, id, events);
    const boardOf = () => ranksOf(place);
    const all = await boardOf();
    await ask(place.system, update, { input: { leaderboardId: place.boardId, onlyPositive: true } });
    expect(await boardOf()).toEqual(all.filter(([, , score]) => score > 0));
  });
});

describe('leaderboards: query', () => {
  it('are made once under an idempotency key, changed and deleted', async () => {
    const { system } = await newCommunity(database.resources);
    const made = (await ask(system, create, { input: valid })).createLeaderboard;
    expect(made).toMatchObject({
      replayed: false,
      leaderboard: {
        slug: 'top-buyers',
        name: { text: 'Top buyers', available: ['de', 'en'] },
        unit: 'XP',
        windows: valid.windows,
        startsOn: null,
        columns: [],
        topLimit: null,
        onlyPositive: true,
        enabled: true,
      },
      userErrors: [],
    });
    const again = (await ask(system, create, { input: valid })).createLeaderboard;
    expect(again).toEqual({ ...made, replayed: true });
    const leaderboardId = made.leaderboard.id;
    const changes = { slug: 'best', topLimit: 3, endsOn: '2026-12-31', windows: ['MONTHLY'] };
    const changed = await ask(system, update, { input: { leaderboardId, ...changes } });
    expect(changed.updateLeaderboard).toEqual({
      leaderboard: { id: leaderboardId, name: { text: 'Top buyers' }, enabled: true, ...changes },
      userErrors: [],
    });
    const cleared = { leaderboardId, topLimit: null, endsOn: null, slug: null };
    expect((await ask(system, update, { input: cleared })).updateLeaderboard.leaderboard).toMatchObject({
      topLimit: null,
      endsOn: null,
      slug: 'best',
    });
    const { leaderboards } = await ask(system, '{ leaderboards { nodes { id } } }');
    expect(leaderboards.nodes).toEqual([{ id: leaderboardId }]);
    const gone = (await ask(system, remove, { input: { leaderboardId } })).deleteLeaderboard;
    expect(gone).toEqual({ deletedId: leaderboardId, userErrors: [] });
    expect(await entities(system, 'Leaderboard', [leaderboardId], '{ slug }')).toEqual([null]);
    const [left] = await database.sql`
      select count(*)::integer as runs from gamification.score_run where community_id = ${system.communityId ?? ''}`;
    expect(left).toEqual({ runs: 0 });
  });

  it('are paged by score, forwards and backwards', async () => {
    const place = await boarded();
    for (const [n, times] of [1, 2, 2, 3, 4].entries()) await buy(place, n, times);
    const first = await entriesOf(place, { first: 2 });
    expect(first.nodes.map(({ rank }: Answer) => rank)).toEqual([1, 2]);
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const second = await entriesOf(place, { first: 2, after: first.pageInfo.endCursor });
    expect(second.nodes.map(({ rank, tiedWith }: Answer) => [rank, tiedWith])).toEqual([
      [3, 1],
      [3, 1],
    ]);
    const before = await entriesOf(place, { last: 2, before: second.pageInfo.endCursor });
    expect(before.nodes.map(({ rank }: Answer) => rank)).toEqual([2, 3]);
    expect(before.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
  });

  it('give the neighbours of a person', async () => {
    const place = await boarded({}, 9);
    for (let n = 0; n < 9; n++) await buy(place, n, n + 1);
    const around = async (n: number) =>
      (await ranksOf(place, { around: place.memberIds[n], first: 4 })).map(([member]) => member);
    expect(await around(4)).toEqual([5, 4, 3, 2]);
    expect(await around(8)).toEqual([8, 7, 6]);
    expect(await around(0)).toEqual([1, 0]);
    const { pageInfo } = await entriesOf(place, { around: place.memberIds[4], first: 4 });
    expect(pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    expect(await ranksOf(place, { first: 1, after: pageInfo.endCursor })).toEqual([[1, 8, 200]]);
  });

  it('end at their limit, equals included', async () => {
    const place = await boarded({ topLimit: 2 });
    for (const [n, times] of [1, 2, 2, 3].entries()) await buy(place, n, times);
    expect((await ranksOf(place)).map(([, rank]) => rank)).toEqual([1, 2, 2]);
    expect((await ranksOf(place, { last: 1 })).map(([, rank]) => rank)).toEqual([2]);
    expect(await ranksOf(place, { around: place.memberIds[0] })).toEqual([]);
    const { pageInfo } = await entriesOf(place, { first: 3 });
    expect(pageInfo.hasNextPage).toBe(false);
  });

  it('tell the periods that are kept', async () => {
    const place = await boarded({ windows: ['WEEKLY', 'ALL_TIME'] });
    await buy(place, 0, 1);
    const { leaderboard } = await ask(
      place.system,
      '{ leaderboard(slug: "top-buyers") { runs { window name firstDay lastDay people ready } } }',
    );
    expect(leaderboard.runs).toHaveLength(10);
    expect(leaderboard.runs[0]).toEqual({
      window: 'WEEKLY',
      name: '2026-W11',
      firstDay: '2026-03-09',
      lastDay: '2026-03-15',
      people: 1,
      ready: true,
    });
    expect(leaderboard.runs[9]).toEqual({
      window: 'ALL_TIME',
      name: null,
      firstDay: null,
      lastDay: null,
      people: 1,
      ready: true,
    });
  });

  it('give nothing while disabled, and count anew when enabled', async () => {
    const place = await boarded({ enabled: false });
    await buy(place, 0, 1);
    expect(await entriesOf(place)).toBeNull();
    await ask(place.system, update, { input: { leaderboardId: place.boardId, enabled: true } });
    expect(await ranksOf(place)).toEqual([[0, 1, 100]]);
  });

  it('give nothing before they start', async () => {
    const place = await boarded({ startsOn: '2026-03-12' });
    await buy(place, 0, 1, '2026-03-12');
    expect(await entriesOf(place)).toBeNull();
    const [user] = await entities(
      place.system,
      'User',
      place.memberIds,
      '{ rank(slug: "top-buyers") { rank } }',
    );
    expect(user).toEqual({ rank: null });
  });

  it('stand at people, by id or slug', async () => {
    const place = await boarded();
    await buy(place, 0, 2);
    await buy(place, 1, 1);
    const ranks = await entities(
      place.system,
      'User',
      place.memberIds.slice(0, 3),
      `{ rank(leaderboardId: "${place.boardId}") { rank score } week: rank(slug: "top-buyers", window: WEEKLY) { rank } none: rank(slug: "none") { rank } }`,
    );
    expect(ranks).toEqual([
      { rank: { rank: 1, score: 200 }, week: { rank: 1 }, none: null },
      { rank: { rank: 2, score: 100 }, week: { rank: 2 }, none: null },
      { rank: null, week: null, none: null },
    ]);
  });
});

describe('leaderboards: refusals', () => {
  it.each([
    ['VALIDATION_FAILED', ['slug'], { slug: 'Top Buyers' }],
    ['VALIDATION_FAILED', ['name'], { name: [] }],
    ['VALIDATION_FAILED', ['name', '0', 'text'], { name: [{ lang: 'en', text: '' }] }],
    ['VALIDATION_FAILED', ['windows'], { windows: ['DAILY', 'DAILY'] }],
    ['VALIDATION_FAILED', ['topLimit'], { topLimit: 0 }],
    ['VALIDATION_FAILED', ['rankRoleIds', '0'], { rankRoleIds: ['gold'] }],
    ['VALIDATION_FAILED', ['viewRoleIds', '0'], { viewRoleIds: ['gold'] }],
    ['NOT_FOUND', ['rankRoleIds'], { rankRoleIds: [newId('Role')] }],
    ['NOT_FOUND', ['viewRoleIds'], { viewRoleIds: [newId('Role')] }],
    ['VALIDATION_FAILED', ['endsOn'], { startsOn: '2026-03-02', endsOn: '2026-03-01' }],
    ['VALIDATION_FAILED', ['columns'], { columns: Array.from({ length: 51 }, () => ({ column: 'xp' })) }],
    ['CONFLICT', ['slug'], { idempotencyKey: 'another' }],
    ['IDEMPOTENCY_KEY_REUSED', ['idempotencyKey'], { slug: 'another' }],
  ])('%s: a wrong %s', async (code, path, wrong) => {
    const { system } = await boarded();
    const input = { ...valid, idempotencyKey: 'key', ...wrong };
    if (code === 'VALIDATION_FAILED' || code === 'NOT_FOUND') input.idempotencyKey = 'new';
    const { createLeaderboard } = await ask(system, create, { input });
    expect(createLeaderboard).toEqual({
      replayed: false,
      leaderboard: null,
      userErrors: [{ code, path: ['input', ...path] }],
    });
  });

  it('LIMIT_EXCEEDED: more leaderboards than a community has', async () => {
    const { system } = await newCommunity(database.resources);
    const input = (n: number) => ({
      ...valid,
      slug: `board-${n}`,
      idempotencyKey: `key ${n}`,
      enabled: false,
    });
    for (let n = 0; n < 50; n++) await ask(system, create, { input: input(n) });
    const { userErrors } = (await ask(system, create, { input: input(50) })).createLeaderboard;
    expect(userErrors).toEqual([{ code: 'LIMIT_EXCEEDED', path: ['input'] }]);
  });

  it('NOT_FOUND, CONFLICT: changing or deleting what is not there, or to a slug that is taken', async () => {
    const { system, boardId } = await boarded();
    await ask(system, create, { input: { ...valid, slug: 'other', idempotencyKey: 'other' } });
    const missing = { leaderboardId: 'ldb_none' };
    const notFound = [{ code: 'NOT_FOUND', path: ['input', 'leaderboardId'] }];
    expect((await ask(system, update, { input: missing })).updateLeaderboard.userErrors).toEqual(notFound);
    expect((await ask(system, remove, { input: missing })).deleteLeaderboard.userErrors).toEqual(notFound);
    const role = { leaderboardId: boardId, viewRoleIds: [newId('Role')] };
    expect((await ask(system, update, { input: role })).updateLeaderboard.userErrors).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'viewRoleIds'] },
    ]);
    const taken = { leaderboardId: boardId, slug: 'other' };
    expect((await ask(system, update, { input: taken })).updateLeaderboard.userErrors).toEqual([
      { code: 'CONFLICT', path: ['input', 'slug'] },
    ]);
  });

  it.each([
    ['BAD_ARGUMENT', { window: 'YEARLY' }],
    ['BAD_ARGUMENT', { window: 'MONTHLY', period: '2026-W09' }],
    ['BAD_ARGUMENT', { window: 'DAILY', period: '2026-02-30' }],
    ['BAD_ARGUMENT', { window: 'DAILY', period: '2025-03-01' }],
    ['BAD_ARGUMENT', { period: '2026' }],
    ['BAD_PAGE', { around: 'usr_somebody', last: 5 }],
    ['BAD_PAGE', { first: 101 }],
    ['BAD_CURSOR', { after: 'nonsense' }],
  ])('%s: %o', async (code, wrong) => {
    const { system } = await boarded();
    const errors = await errorsOf(system, list, { slug: valid.slug, ...wrong });
    expect(errors).toEqual([{ code, path: ['leaderboard', 'entries'] }]);
  });

  it('BAD_CURSOR: a cursor of another period', async () => {
    const place = await boarded();
    await buy(place, 0, 1);
    const { pageInfo } = await entriesOf(place);
    const variables = { slug: valid.slug, window: 'DAILY', after: pageInfo.endCursor };
    expect(await errorsOf(place.system, list, variables)).toEqual([
      { code: 'BAD_CURSOR', path: ['leaderboard', 'entries'] },
    ]);
  });

  it.each(['after', 'before'])('BAD_PAGE: around a person and %s a cursor', async (side) => {
    const place = await boarded();
    await buy(place, 0, 1);
    const { pageInfo } = await entriesOf(place);
    const variables = { slug: valid.slug, around: place.memberIds[0], [side]: pageInfo.endCursor };
    expect(await errorsOf(place.system, list, variables)).toEqual([
      { code: 'BAD_PAGE', path: ['leaderboard', 'entries'] },
    ]);
  });

  it('BAD_ARGUMENT: a leaderboard by id and slug, or by neither', async () => {
    const { system } = await boarded();
    for (const names of ['', '(id: "ldb_1", slug: "top")']) {
      const errors = await errorsOf(system, `{ leaderboard${names} { id } }`);
      expect(errors).toEqual([{ code: 'BAD_ARGUMENT', path: ['leaderboard'] }]);
    }
  });

  it('RANKS_NOT_READY: while people are being counted', async () => {
    const place = await boarded();
    await database.sql`
      update gamification.score_run set built_to = '' where community_id = ${place.id}`;
    for (const which of [{}, { window: 'DAILY' }, { window: 'DAILY', period: '2026-03-10' }])
      expect(await errorsOf(place.system, list, { slug: valid.slug, ...which })).toEqual([
        { code: 'RANKS_NOT_READY', path: ['leaderboard', 'entries'] },
      ]);
  });

  it.each([
    ['BAD_ARGUMENT', 'leaderboardId: "ldb_1", slug: "top-buyers"'],
    ['BAD_ARGUMENT', 'window: DAILY'],
    ['BAD_ARGUMENT', 'slug: "top-buyers", window: YEARLY'],
    ['BAD_ARGUMENT', 'slug: "top-buyers", period: "2026"'],
    ['BAD_ARGUMENT', 'slug: "top-buyers", window: DAILY, period: "2025-03-01"'],
    ['RANKS_NOT_READY', 'slug: "top-buyers", window: WEEKLY'],
  ])('%s: the rank of a person by %s', async (code, args) => {
    const { id, system, memberIds } = await boarded();
    await database.sql`
      update gamification.score_run set built_to = ''
      where community_id = ${id} and last_day = '2026-03-15'`;
    const operation = `query ($keys: [_Any!]!) { _entities(representations: $keys) {
      ... on User { rank(${args}) { rank } }
    } }`;
    const keys = [{ __typename: 'User', id: memberIds[0] }];
    expect(await errorsOf(system, operation, { keys })).toEqual([{ code, path: ['_entities', 0, 'rank'] }]);
  });
});

describe('leaderboards: cost', () => {
  it('reads the ranks of 100 people, and those before, with the statements of one', async () => {
    const place = await boarded({ windows: ['DAILY'] }, 100);
    const events = place.memberIds.map((id) => eventOf(id, { occurredAt: now }));
    await trackEvents(database.sql, place.id, events);
    const selection = '{ rank(slug: "top-buyers") { rank previousRank user { id } } }';
    const read = (count: number) =>
      database.statementsOf(() => entities(place.system, 'User', place.memberIds.slice(0, count), selection));
    expect(await read(100)).toEqual(await read(1));
    const page = (first: number) => database.statementsOf(() => entriesOf(place, { first, window: 'DAILY' }));
    expect(await page(100)).toEqual(await page(1));
  });
});
