import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleSpendings } from '../../../subgraphs/identity/budget.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import { anonymous, gatewayPrincipal } from '../../../subgraphs/principal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

let made = 0;
const spending = (points: number, restored = 0, holder = `key_${++made}`) => ({
  communityId: 'com_a',
  holder,
  points,
  restored,
});
const settle = (...spendings: ReturnType<typeof spending>[]) => settleSpendings(database.sql, spendings);

describe('budgets: rules', () => {
  it('add up what each caller spends, whoever tells it', async () => {
    const [one, other] = [spending(3), spending(40)];
    expect(await settle(one, other)).toEqual([3, 40]);
    expect(await settle(other, one)).toEqual([80, 6]);
  });

  it('know the same holder of two communities as two', async () => {
    const one = spending(3);
    const other = { ...one, communityId: 'com_b', points: 4 };
    expect(await settle(one, other)).toEqual([3, 4]);
  });

  it('give back with time, and never more than was spent', async () => {
    const slow = spending(100, 2);
    const fast = spending(100, 50);
    await settle(slow, fast);
    await database.sql`
      update identity.budget set at = at - interval '10 seconds' where holder in (${slow.holder}, ${fast.holder})`;
    const [left, none] = await settle({ ...slow, points: 0 }, { ...fast, points: 7 });
    // Some time passes between the two.
    expect(left).toBeGreaterThan(70);
    expect(left).toBeLessThanOrEqual(80);
    expect(none).toBe(7);
  });

  it('lose nothing and never deadlock when many settle the same at once', async () => {
    const all = Array.from({ length: 20 }, () => spending(1));
    await Promise.all(
      Array.from({ length: 30 }, (_, n) => settle(...(n % 2 === 0 ? all : all.toReversed()))),
    );
    expect(await settle(...all)).toEqual(all.map(() => 31));
  });

  it('take nothing for nothing', async () => {
    expect(await settle()).toEqual([]);
  });
});

const text = `mutation ($communities: [String!]!, $holders: [String!]!, $points: [Float!]!, $restored: [Float!]!) {
  _settleBudgets(communities: $communities, holders: $holders, points: $points, restored: $restored)
}`;
const variables = {
  communities: ['com_q', 'com_q'],
  holders: ['b', 'a'],
  points: [1.5, 2],
  restored: [0, 0],
};

describe('budgets: query', () => {
  it('are settled by the gateway, in its order', async () => {
    expect(await ask(gatewayPrincipal, text, variables)).toEqual({ _settleBudgets: [1.5, 2] });
  });
});

describe('budgets: refusals', () => {
  it('FORBIDDEN: somebody other than the gateway settles', async () => {
    const { system } = await newCommunity(database.resources);
    for (const principal of [system, anonymous])
      expect(await errorsOf(principal, text, variables)).toMatchObject([{ code: 'FORBIDDEN' }]);
  });
});

describe('budgets: cost', () => {
  it('of a thousand callers are one statement', async () => {
    const callers = Array.from({ length: 1_000 }, () => spending(1));
    expect(await database.statementsOf(() => settle(...callers))).toEqual(['settleSpendings']);
  });
});
