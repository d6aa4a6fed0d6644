import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import type { Posted } from '../../../subgraphs/gamification/posting.ts';
import { pruneUses, usesKeptDays } from '../../../subgraphs/gamification/rule-use.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities, errorsOf } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const create = `mutation ($input: CreateRuleInput!) { createRule(input: $input) {
  replayed userErrors { code path } rule {
    id eventType title { text available } description { text } image de: image(lang: "de")
    awards { unit amount perUnit } conditions { field operator values } cooldownSeconds dayCap weekCap lifetimeCap enabled
  }
} }`;
const update = `mutation ($input: UpdateRuleInput!) { updateRule(input: $input) {
  rule { title { text } description { text } dayCap awards { amount } enabled } userErrors { code path }
} }`;
const remove =
  'mutation ($input: DeleteRuleInput!) { deleteRule(input: $input) { deletedId userErrors { code path } } }';

const order = {
  eventType: 'order',
  title: [
    { lang: 'en', text: 'Order' },
    { lang: 'de', text: 'Bestellung' },
  ],
  description: [{ lang: 'en', text: 'Two points for each euro.' }],
  images: [
    { lang: 'en', url: 'https://example.org/en.png' },
    { lang: 'de', url: 'https://example.org/de.png' },
  ],
  awards: [{ unit: 'POINTS', amount: '2', perUnit: true }],
  conditions: [{ field: 'metadata.country', operator: 'EQUALS', values: ['DE', 'AT'] }],
  dayCap: 2,
  idempotencyKey: 'k',
};

/** What an order of the first member earns. */
async function orders(
  { id, memberIds }: TestCommunity,
  amount: string,
  country = 'DE',
  at = '2026-03-01T10:00Z',
) {
  const details = { eventType: 'order', amount, metadata: { country }, occurredAt: new Date(at) };
  const [posted] = await trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '', details)]);
  const { outcome, entries } = posted as Posted;
  return entries.length === 0 ? outcome : entries.map(({ unit, amount }) => `${amount} ${unit}`).join();
}

describe('rules: mutations', () => {
  it('make a rule that pays from the next event on, within its conditions and limits', async () => {
    const place = await newCommunity(database.resources);
    const { createRule } = await ask(place.system, create, { input: order });
    expect(createRule).toEqual({
      replayed: false,
      userErrors: [],
      rule: {
        id: expect.stringMatching(/^rul_/),
        eventType: 'order',
        title: { text: 'Order', available: ['de', 'en'] },
        description: { text: 'Two points for each euro.' },
        image: 'https://example.org/en.png',
        de: 'https://example.org/de.png',
        awards: [{ unit: 'POINTS', amount: '2', perUnit: true }],
        conditions: order.conditions,
        ...{ cooldownSeconds: null, dayCap: 2, weekCap: null, lifetimeCap: null, enabled: true },
      },
    });
    expect(await orders(place, '12.50')).toBe('25 POINTS');
    expect(await orders(place, '1', 'FR')).toBe('CONDITION');
    expect(await orders(place, '1')).toBe('2 POINTS');
    expect(await orders(place, '1')).toBe('DAY_CAP');
    expect(await orders(place, '1', 'AT', '2026-02-28T10:00Z')).toBe('2 POINTS');
    expect((await ask(place.system, create, { input: order })).createRule).toEqual({
      ...createRule,
      replayed: true,
    });
  });

  it('keep caps and cooldowns under concurrent events', async () => {
    const place = await newCommunity(database.resources);
    await ask(place.system, create, { input: { ...order, dayCap: 3, cooldownSeconds: 60 } });
    const moments = Array.from(
      { length: 12 },
      (_, n) => `2026-03-01T10:0${Math.floor(n / 2)}:${n % 2 ? 30 : 10}Z`,
    );
    const earned = await Promise.all(moments.map((at) => orders(place, '1', 'DE', at)));
    expect(earned.filter((one) => one === '2 POINTS')).toHaveLength(3);
    const [row] = await database.sql<{ nearest: number }[]>`
      select min(extract(epoch from gap))::integer as nearest from (
        select occurred_at - lag(occurred_at) over (order by occurred_at) as gap
        from gamification.ledger_entry where community_id = ${place.id}
      ) g`;
    expect(row?.nearest).toBeGreaterThanOrEqual(60);
  });

  it('change what is given, clear what is null, leave the rest', async () => {
    const { system } = await newCommunity(database.resources);
    const { id } = (await ask(system, create, { input: order })).createRule.rule;
    const input = { id, dayCap: null, enabled: false, awards: [{ unit: 'XP', amount: '1' }] };
    expect((await ask(system, update, { input })).updateRule).toEqual({
      userErrors: [],
      rule: {
        title: { text: 'Order' },
        description: { text: 'Two points for each euro.' },
        ...{ dayCap: null, awards: [{ amount: '1' }], enabled: false },
      },
    });
  });

  it('delete a rule; what it paid stays', async () => {
    const place = await newCommunity(database.resources);
    const { id } = (await ask(place.system, create, { input: order })).createRule.rule;
    await orders(place, '5');
    expect((await ask(place.system, remove, { input: { id } })).deleteRule).toEqual({
      deletedId: id,
      userErrors: [],
    });
    const [user] = await entities(
      place.system,
      'User',
      place.memberIds,
      '{ points ledger { nodes { ruleId } } }',
    );
    expect(user).toEqual({ points: 10, ledger: { nodes: [{ ruleId: id }] } });
  });
});

describe('rules: what they have paid', () => {
  it('is forgotten when no cap of a day or week and no cooldown can need it any more', async () => {
    const place = await newCommunity(database.resources);
    const { id, memberIds } = place;
    const ruleOf = async (details: object) => {
      const input = { ...order, awards: [{ unit: 'XP', amount: '1' }], conditions: [], ...details };
      return (await ask(place.system, create, { input })).createRule.rule.id;
    };
    const daily = await ruleOf({ eventType: 'daily' });
    const once = await ruleOf({ eventType: 'once', dayCap: null, lifetimeCap: 1, idempotencyKey: 'once' });
    const longAgo = new Date(Date.now() - (usesKeptDays + 3) * 86_400_000);
    const track = async (eventType: string, occurredAt: Date | null) => {
      const event = eventOf(memberIds[0] ?? '', { eventType, occurredAt });
      return ((await trackEvents(database.sql, id, [event])) as Posted[])[0]?.outcome;
    };
    expect(await track('daily', longAgo)).toBe('EARNED');
    expect(await track('daily', null)).toBe('EARNED');
    expect(await track('once', longAgo)).toBe('EARNED');
    expect(await pruneUses(database.sql)).toBe(1);
    const left = await database.sql`
      select rule_id as id from gamification.rule_use where community_id = ${id} order by rule_id`;
    expect(left.map((use) => use.id)).toEqual([daily, once].sort());
    expect(await track('once', null)).toBe('ONCE');
  });
});

describe('rules: query', () => {
  it('lists the rules, oldest first, and narrows by event type', async () => {
    const { system } = await newCommunity(database.resources);
    const all = await ask(system, '{ rules { nodes { id eventType } } }');
    expect(new Set(all.rules.nodes.map(({ eventType }: Answer) => eventType))).toEqual(
      new Set(['signup', 'purchase', 'visit', 'refund']),
    );
    const some = await ask(system, '{ rules(eventTypes: ["visit"]) { nodes { id eventType } } }');
    expect(some.rules.nodes).toMatchObject([{ eventType: 'visit' }]);
    const id = some.rules.nodes[0].id;
    const one = await ask(
      system,
      'query ($id: ID!) { rule(id: $id) { eventType } none: rule(id: "rul_none") { id } }',
      { id },
    );
    expect(one).toEqual({ rule: { eventType: 'visit' }, none: null });
  });

  it('finds a rule by reference in its own community only', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const { id } = (await ask(home.system, create, { input: order })).createRule.rule;
    expect(await entities(home.system, 'Rule', [id], '{ eventType }')).toEqual([{ eventType: 'order' }]);
    expect(await entities(away.system, 'Rule', [id], '{ eventType }')).toEqual([null]);
  });

  it('are worded in a language however its tag is written', async () => {
    const { system } = await newCommunity(database.resources);
    const images = [
      { lang: 'de', url: 'https://example.org/de.png' },
      { lang: 'EN', url: 'https://example.org/en.png' },
      { lang: 'fr', url: 'https://example.org/fr.png' },
    ];
    const { createRule } = await ask(system, create, { input: { ...order, images } });
    const [rule] = await entities(
      system,
      'Rule',
      [createRule.rule.id],
      '{ image fr: image(lang: "FR-ca") de: image(lang: "de") it: image(lang: "it") }',
    );
    const [de, en, fr] = images.map(({ url }) => url);
    expect(rule).toEqual({ image: en, fr, de, it: en });
  });
});

describe('rules: refusals', () => {
  const inBoth = (row: object) => ['en', 'EN'].map((lang) => ({ lang, ...row }));

  it.each([
    ['VALIDATION_FAILED', ['eventType'], { eventType: 'reversal' }],
    ['VALIDATION_FAILED', ['eventType'], { eventType: '' }],
    ['VALIDATION_FAILED', ['title'], { title: [] }],
    ['VALIDATION_FAILED', ['awards'], { awards: [] }],
    ['VALIDATION_FAILED', ['awards', '0', 'amount'], { awards: [{ unit: 'XP', amount: '1000000001' }] }],
    ['VALIDATION_FAILED', ['awards', '0', 'amount'], { awards: [{ unit: 'XP', amount: '-0.0' }] }],
    ['VALIDATION_FAILED', ['title'], { title: inBoth({ text: 'Order' }) }],
    ['VALIDATION_FAILED', ['images'], { images: inBoth({ url: 'https://example.org/en.png' }) }],
    [
      'VALIDATION_FAILED',
      ['images', '0', 'url'],
      { images: [{ lang: 'en', url: 'javascript:alert(document.domain)' }] },
    ],
    [
      'VALIDATION_FAILED',
      ['conditions'],
      {
        conditions: Array.from({ length: 3 }, (_, n) => ({
          field: `metadata.${n}`,
          operator: 'EQUALS',
          values: Array.from({ length: 50 }, () => 'x'.repeat(134)),
        })),
      },
    ],
    [
      'VALIDATION_FAILED',
      ['conditions', '0', 'field'],
      { conditions: [{ field: 'total', operator: 'EXISTS' }] },
    ],
    [
      'VALIDATION_FAILED',
      ['conditions', '0', 'values'],
      { conditions: [{ field: 'amount', operator: 'MORE', values: ['x'] }] },
    ],
    ['VALIDATION_FAILED', ['dayCap'], { dayCap: 0 }],
    ['IDEMPOTENCY_KEY_REUSED', ['idempotencyKey'], { dayCap: 3 }],
  ])('%s: a wrong %s', async (code, path, wrong) => {
    const { system } = await newCommunity(database.resources);
    await ask(system, create, { input: order });
    const { createRule } = await ask(system, create, { input: { ...order, ...wrong } });
    expect(createRule).toMatchObject({ rule: null, userErrors: [{ code, path: ['input', ...path] }] });
  });

  it('VALIDATION_FAILED: an update to an award of nothing', async () => {
    const { system } = await newCommunity(database.resources);
    const { createRule } = await ask(system, create, { input: order });
    const input = { id: createRule.rule.id, awards: [{ unit: 'XP', amount: '0' }] };
    expect((await ask(system, update, { input })).updateRule.userErrors).toEqual([
      { code: 'VALIDATION_FAILED', path: ['input', 'awards', '0', 'amount'] },
    ]);
  });

  it('NOT_FOUND: a rule that is not there', async () => {
    const { system } = await newCommunity(database.resources);
    const error = { userErrors: [{ code: 'NOT_FOUND', path: ['input', 'id'] }] };
    const input = { id: 'rul_none' };
    expect((await ask(system, update, { input })).updateRule).toEqual({ rule: null, ...error });
    expect((await ask(system, remove, { input })).deleteRule).toEqual({ deletedId: null, ...error });
  });

  it('LIMIT_EXCEEDED: more than 20 rules of one event type', async () => {
    const { system } = await newCommunity(database.resources);
    const codes = [];
    for (let n = 0; n < 21; n++) {
      const input = { ...order, idempotencyKey: String(n) };
      codes.push((await ask(system, create, { input })).createRule.userErrors[0]?.code);
    }
    expect(codes.filter((code) => code !== undefined)).toEqual(['LIMIT_EXCEEDED']);
  });

  it('LIMIT_EXCEEDED: more than 20 of one event type, also by many that are made at once', async () => {
    const { id, system } = await newCommunity(database.resources);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        ask(system, create, { input: { ...order, idempotencyKey: String(n) } }),
      ),
    );
    const refused = answers.flatMap(({ createRule }) => createRule.userErrors);
    expect(refused).toEqual(Array(20).fill({ code: 'LIMIT_EXCEEDED', path: ['input'] }));
    expect(
      await database.sql`
      select from gamification.rule where community_id = ${id} and event_type = 'order'`,
    ).toHaveLength(20);
  });

  it('LIMIT_EXCEEDED: more than 1,000 of a community, also by many that are made at once', async () => {
    const { id, system } = await newCommunity(database.resources);
    await database.sql`
      insert into gamification.rule (community_id, id, event_type, title, awards, conditions)
      select ${id}, ${id} || n, 'type ' || n, '{"en": "Rule"}', '[]', '[]'
      from generate_series(1, 990 - (select count(*)::integer from gamification.rule where community_id = ${id})) n`;
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        ask(system, create, { input: { ...order, eventType: `order ${n}`, idempotencyKey: String(n) } }),
      ),
    );
    const refused = answers.flatMap(({ createRule }) => createRule.userErrors);
    expect(refused).toEqual(Array(20).fill({ code: 'LIMIT_EXCEEDED', path: ['input'] }));
  });

  it('LIMIT_EXCEEDED: a change to an event type that has 20, also of many at once', async () => {
    const { id, system } = await newCommunity(database.resources);
    const ids: string[] = [];
    for (let n = 0; n < 24; n++) {
      const input = { ...order, eventType: n < 19 ? 'order' : 'other', idempotencyKey: String(n) };
      ids.push((await ask(system, create, { input })).createRule.rule.id);
    }
    const moved = await Promise.all(
      ids.slice(19).map((rule) => ask(system, update, { input: { id: rule, eventType: 'order' } })),
    );
    const refused = moved.flatMap(({ updateRule }) => updateRule.userErrors);
    expect(refused).toEqual(Array(4).fill({ code: 'LIMIT_EXCEEDED', path: ['input', 'eventType'] }));
    expect(
      await database.sql`
      select from gamification.rule where community_id = ${id} and event_type = 'order'`,
    ).toHaveLength(20);
    // What it is of already takes no more room.
    const same = { input: { id: ids[0], eventType: 'order', dayCap: 7 } };
    expect((await ask(system, update, same)).updateRule).toMatchObject({
      rule: { dayCap: 7 },
      userErrors: [],
    });
  });

  it('BAD_PAGE: more rules than a page holds', async () => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, '{ rules(first: 101) { nodes { id } } }')).toEqual([
      { code: 'BAD_PAGE', path: ['rules'] },
    ]);
  });
});
