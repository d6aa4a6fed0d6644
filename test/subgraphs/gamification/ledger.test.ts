import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seriesByUser } from '../../../subgraphs/gamification/daily-stat.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { balancesByUser, entriesByUser } from '../../../subgraphs/gamification/ledger.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { seeded } from '../../kit/operations.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities, errorsOf } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** A purchase, a visit and a refund of the first member, a day apart. */
async function threeDays({ id, memberIds }: TestCommunity): Promise<void> {
  const [userId = ''] = memberIds;
  const details = ['purchase', 'visit', 'refund'].map((eventType, day) => ({
    eventType,
    reference: `order ${day}`,
    occurredAt: new Date(Date.UTC(2026, 2, day + 1, 12)),
  }));
  await trackEvents(
    database.sql,
    id,
    details.map((one) => eventOf(userId, one)),
  );
}

describe('ledger: rules', () => {
  it('adds up: balances are the sums of entries and of daily stats over a random history', async () => {
    const { id, memberIds } = await newCommunity(database.resources, {
      members: 4,
      timeZone: 'Asia/Kathmandu',
    });
    const random = seeded(7);
    const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
    const events = Array.from({ length: 400 }, () =>
      eventOf(pick(memberIds), {
        eventType: pick(['purchase', 'visit', 'refund', 'signup']),
        reference: random() < 0.3 ? String(Math.floor(random() * 50)) : null,
        occurredAt: new Date(Date.UTC(2026, 0, 2) + Math.floor(random() * 300 * 24 * 3_600_000)),
      }),
    );
    const batches = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => events.slice(n * 50, n * 50 + 50));
    await Promise.all(batches.map((batch) => trackEvents(database.sql, id, batch)));

    const balances = await balancesByUser(database.sql, id, memberIds);
    const sums = await database.sql<{ userId: string; unit: string; sum: bigint }[]>`
      select user_id as "userId", unit, sum(amount)::bigint as sum from gamification.ledger_entry
      where community_id = ${id} group by 1, 2`;
    for (const { userId, unit, sum } of sums)
      expect(balances[memberIds.indexOf(userId)]).toMatchObject({ [unit]: sum });

    const range = { from: '2026-01-01', to: '2026-12-31', timeZone: null };
    const own = await seriesByUser(database.sql, id, memberIds, { last: null, range }, new Date());
    const other = { ...range, timeZone: 'America/New_York' };
    const elsewhere = await seriesByUser(
      database.sql,
      id,
      memberIds,
      { last: null, range: other },
      new Date(),
    );
    const expected = balances.map(({ XP, COINS }) => ({ xp: XP, coins: COINS }));
    expect(own.map(({ totals }) => totals)).toMatchObject(expected);
    expect(elsewhere.map(({ totals }) => totals)).toEqual(own.map(({ totals }) => totals));
  });

  it('gives the balance after each entry, which the next entry goes on from', async () => {
    const { id, memberIds } = await newCommunity(database.resources, { members: 1 });
    const writes = Array.from({ length: 12 }, () =>
      trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '')]),
    );
    await Promise.all(writes);
    const [page] = await entriesByUser(database.sql, id, memberIds, { units: ['XP'] }, { first: 100 });
    const after = page?.edges.map(({ node }) => Number(node.balanceAfter)).sort((a, b) => a - b);
    expect(after).toEqual(Array.from({ length: 12 }, (_, n) => (n + 1) * 100));
  });

  it('is empty for somebody who never earned', async () => {
    const { id } = await newCommunity(database.resources);
    expect(await balancesByUser(database.sql, id, ['usr_nobody'])).toEqual([
      { XP: 0n, COINS: 0n, POINTS: 0n, PREMIUM: 0n },
    ]);
  });
});

describe('ledger: query', () => {
  it('gives balances, 0 where nothing was earned', async () => {
    const place = await newCommunity(database.resources);
    await threeDays(place);
    expect(await entities(place.system, 'User', place.memberIds, '{ xp coins points }')).toEqual([
      { xp: 110, coins: -28, points: 100 },
      { xp: 0, coins: 0, points: 0 },
    ]);
  });

  it('lists entries newest first, page by page, each once', async () => {
    const place = await newCommunity(database.resources, { members: 1 });
    await threeDays(place);
    const selection = `{ ledger(first: $first, after: $after) {
      nodes { id eventType unit occurredAt } pageInfo { endCursor hasNextPage }
    } }`;
    const seen: Answer[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const [user] = await entities(place.system, 'User', place.memberIds, selection, { first: 2, after });
      seen.push(...user.ledger.nodes);
      after = user.ledger.pageInfo.endCursor;
      more = user.ledger.pageInfo.hasNextPage;
    }
    expect(new Set(seen.map(({ id }) => id)).size).toBe(5);
    const types = ['refund', 'visit', 'visit', 'purchase', 'purchase'];
    expect(seen.map(({ eventType }) => eventType)).toEqual(types);
    expect(seen[0].occurredAt).toBe('2026-03-03T12:00:00.000Z');
  });

  it.each([
    ['{ units: [COINS] }', [-30, 2]],
    ['{ eventTypes: ["purchase"], units: [XP] }', [100]],
    ['{ reference: "order 2" }', [-30]],
    ['{ sign: SPENT }', [-30]],
    ['{ sign: EARNED, units: [COINS] }', [2]],
    ['{ units: [] }', []],
    ['{ range: { from: "2026-03-01T12:00:00.001Z", to: "2026-03-03T12:00:00Z" }, units: [XP] }', [10]],
  ])('narrows by %s', async (filter, amounts) => {
    const place = await newCommunity(database.resources, { members: 1 });
    await threeDays(place);
    const selection = `{ ledger(filter: ${filter}) { nodes { amount } } }`;
    const [user] = await entities(place.system, 'User', place.memberIds, selection);
    expect(user.ledger.nodes.map(({ amount }: Answer) => amount)).toEqual(amounts);
  });

  it('finds an entry by reference, in its own community only', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    await threeDays(home);
    const [user] = await entities(home.system, 'User', home.memberIds, '{ ledger { nodes { id amount } } }');
    const ids = [user.ledger.nodes[0].id];
    const selection = '{ amount eventType user { id } }';
    expect(await entities(home.system, 'LedgerEntry', ids, selection)).toEqual([
      { amount: -30, eventType: 'refund', user: { id: home.memberIds[0] } },
    ]);
    expect(await entities(away.system, 'LedgerEntry', ids, selection)).toEqual([null]);
  });
});

describe('ledger: of a community', () => {
  const read = async ({ system }: TestCommunity, wanted: string) =>
    (
      await ask(
        system,
        `{ ledger${wanted} { nodes { amount user { id } } pageInfo { endCursor hasNextPage } } }`,
      )
    ).ledger;

  it('lists the entries of everybody newest first, page by page, and those of some', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    const [first, second, third] = place.memberIds;
    await trackEvents(
      database.sql,
      place.id,
      [first, second, third, first].map((userId, day) =>
        eventOf(userId ?? '', {
          eventType: 'refund',
          reference: `order ${day}`,
          occurredAt: new Date(Date.UTC(2026, 2, day + 1)),
        }),
      ),
    );
    const whose = ({ nodes }: Answer) => nodes.map(({ user }: Answer) => user.id);
    const page = await read(place, '(first: 3)');
    expect(whose(page)).toEqual([first, third, second]);
    expect(whose(await read(place, `(after: "${page.pageInfo.endCursor}")`))).toEqual([first]);
    const some = await read(place, `(userIds: ["${second}", "${first}"], first: 2)`);
    expect([whose(some), some.pageInfo.hasNextPage]).toEqual([[first, second], true]);
    expect(whose(await read(place, `(last: 1, userIds: ["${second}", "${third}"])`))).toEqual([second]);
    const filter = '(filter: { eventTypes: ["refund", "purchase"], reference: "order 2" })';
    expect(whose(await read(place, filter))).toEqual([third]);
    const early = '(filter: { range: { to: "2026-03-03T00:00:00Z" }, units: [COINS] })';
    expect(whose(await read(place, early))).toEqual([second, first]);
    expect(whose(await read(await newCommunity(database.resources), ''))).toEqual([]);
  });

  it.each([
    ['BAD_ARGUMENT', '(filter: { reference: "order 2" })'],
    ['BAD_ARGUMENT', '(userIds: [])'],
    ['BAD_ARGUMENT', '(filter: { range: { from: "2026-03-02T00:00:00Z", to: "2026-03-01T00:00:00Z" } })'],
    ['BAD_PAGE', '(first: 0)'],
  ])('%s: %s', async (code, wanted) => {
    const { system } = await newCommunity(database.resources, { members: 0 });
    expect(await errorsOf(system, `{ ledger${wanted} { nodes { id } } }`)).toMatchObject([{ code }]);
  });
});

describe('ledger: numbered pages', () => {
  it('give any part of a ledger, and how many entries it has', async () => {
    const place = await newCommunity(database.resources);
    await threeDays(place);
    const page = async (wanted: string) => {
      const selection = `{ ledgerPage${wanted} { total hasMore nodes { amount } } }`;
      const [user] = await entities(place.system, 'User', place.memberIds, selection);
      const { nodes, ...others } = user.ledgerPage;
      return { ...others, amounts: nodes.map(({ amount }: Answer) => amount) };
    };
    expect(await page('(limit: 1)')).toEqual({ total: 5, hasMore: true, amounts: [-30] });
    expect(await page('(offset: 3, limit: 2)')).toEqual({ total: 5, hasMore: false, amounts: [100, 100] });
    expect(await page('(offset: 5)')).toEqual({ total: 5, hasMore: false, amounts: [] });
    expect(await page('(filter: { units: [XP] })')).toMatchObject({ total: 2 });
  });

  it('of 50 people are read by one statement', async () => {
    const place = await newCommunity(database.resources, { members: 50 });
    const read = () =>
      entities(place.system, 'User', place.memberIds, '{ ledgerPage(limit: 3) { total nodes { id } } }');
    expect(await database.statementsOf(read)).toEqual(['numberedEntriesByUser']);
  });
});

describe('ledger: refusals', () => {
  it.each([
    ['BAD_PAGE', 'ledger(first: 101)'],
    ['BAD_CURSOR', 'ledger(after: "nonsense")'],
    ['BAD_ARGUMENT', `ledger(filter: { eventTypes: [${Array.from({ length: 51 }, () => '"a"').join()}] })`],
  ])('%s: %s', async (code, field) => {
    const { system, memberIds } = await newCommunity(database.resources);
    const operation = `query ($keys: [_Any!]!) { _entities(representations: $keys) {
      ... on User { ${field} { nodes { id } } }
    } }`;
    const keys = [{ __typename: 'User', id: memberIds[0] }];
    expect(await errorsOf(system, operation, { keys })).toEqual([{ code, path: ['_entities', 0, 'ledger'] }]);
  });
});

describe('ledger: cost', () => {
  it('reads balances and entries of 100 people with the statements of one', async () => {
    const { id, system, memberIds } = await newCommunity(database.resources, { members: 100 });
    await trackEvents(
      database.sql,
      id,
      memberIds.map((userId) => eventOf(userId)),
    );
    const selection = '{ xp coins points ledger(first: 3) { nodes { amount user { id } } } }';
    const read = (count: number) =>
      database.statementsOf(() => entities(system, 'User', memberIds.slice(0, count), selection));
    expect((await read(1)).sort()).toEqual(['balancesByUser', 'entriesByUser']);
    expect((await read(100)).sort()).toEqual((await read(1)).sort());
  });
});
