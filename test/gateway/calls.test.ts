import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import type { Demo } from '../../subgraphs/index.ts';
import { data } from '../kit/client.ts';
import type { TestDatabase } from '../kit/database.ts';
import { demoDatabase } from '../kit/laurel.ts';

// What a page costs: it is asked of the real gateway over the demo's people, and every call and statement is counted.

const page = `query ($first: Int!) {
  users(first: $first) {
    nodes {
      displayName email
      fields(keys: ["deposits"]) { nodes { ... on NumberFieldValue { number } } }
      xp coins level { number }
      dailyStats(last: 7) { totals { xp } }
      badges(first: 2) { nodes { badge { title { text } } } }
      messages(first: 2) {
        nodes { body reactions { emoji count } channel { topic { text } } replyTo { author { displayName xp } } }
      }
    }
  }
}`;

describe('a page of people with fields of all four subgraphs', () => {
  let database: TestDatabase;
  let gateway: Gateway;
  let demo: Demo;
  let endpoint: string;
  const calls: string[] = [];
  beforeAll(async () => {
    ({ database, demo } = await demoDatabase());
    const config = { origins: [], trustProxy: false };
    gateway = oneProcessGateway(database.resources, config, pino({ level: 'silent' }), (subgraph, text) => {
      calls.push(`${subgraph} ${/_entities/.test(text) ? '_entities' : 'root'}`);
    });
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    endpoint = `http://127.0.0.1:${port}/graphql`;
  });
  afterAll(async () => {
    await gateway?.close();
    await database?.close();
  });

  /** The calls and statements of one request, but for those that find out who asks, settle what it cost, and look whether anything happened. */
  const costOf = async (first: number) => {
    calls.length = 0;
    const statements = await database.statementsOf(async () => {
      const { users } = await data({ endpoint, demo: { ...demo, endpoint } }, page, { first });
      expect(users.nodes).toHaveLength(first);
    });
    const others =
      /^(authenticate|credentialChanges|KeyUses|principal|keyOf|apiKey|readGrowth|readersBehind|catchUp|handleSome|settleSpendings)/i;
    return { calls: [...calls], statements: statements.filter((name) => !others.test(name)).sort() };
  };

  it('makes one call to each subgraph on each level', async () => {
    const cost = await costOf(50);
    expect(cost.calls[0]).toBe('community root');
    // Level 1: what the others know of each person. Level 2: the channels of their messages, the authors of the answered.
    expect(cost.calls.slice(1).sort()).toEqual([
      'community _entities',
      'gamification _entities',
      'gamification _entities',
      'identity _entities',
      'identity _entities',
      'messaging _entities',
    ]);
  });

  it('sends as many SQL statements for fifty people as for five', async () => {
    await costOf(5);
    const [five, fifty] = [await costOf(5), await costOf(50)];
    expect(fifty.statements).toEqual(five.statements);
    expect(fifty.calls.sort()).toEqual(five.calls.sort());
    expect(fifty.statements.length).toBeLessThan(20);
  });
});
