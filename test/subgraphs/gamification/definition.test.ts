import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, transaction } from '../../../subgraphs/db.ts';
import { awardBadge, revokeBadge } from '../../../subgraphs/gamification/badge-award.ts';
import { createBadge, deleteBadge, updateBadge } from '../../../subgraphs/gamification/badge-change.ts';
import { definitionsOf } from '../../../subgraphs/gamification/definition.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { setLevels } from '../../../subgraphs/gamification/level-change.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { plainRule, setRules } from '../../../subgraphs/gamification/rule.ts';
import { createRule, deleteRule, updateRule } from '../../../subgraphs/gamification/rule-change.ts';
import { setUnit } from '../../../subgraphs/gamification/unit.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

// What a process remembers of a community, and by what it knows that it is over.

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const versionOf = async ({ id }: TestCommunity, sql = database.sql) => {
  const [row] = await sql<{ version: string }[]>`
    select version from gamification.definition where community_id = ${id}`;
  return row?.version ?? null;
};
const trackOne = async ({ id, memberIds }: TestCommunity, eventType = 'purchase', n = 0) => {
  const [answer] = await trackEvents(database.sql, id, [eventOf(memberIds[n] ?? '', { eventType })]);
  return answer;
};
const xpRule = (eventType: string, xp: number) => ({
  ...plainRule(eventType, { en: 'Rule' }, { XP: xp }),
  ...{ description: null, images: null, enabled: true },
});
const content = {
  ...{ title: { en: 'Badge' }, description: null, imageUrl: null, darkImageUrl: null, quantity: null },
  ...{
    enabled: true,
    requiresAttachment: false,
    xpReward: 0n,
    coinsReward: 0n,
    measure: null,
    atLeast: null,
  },
};
const newBadge = async (place: TestCommunity, details: object = {}) => {
  const made = await createBadge(database.sql, place.system, {
    ...{ ...content, ...details },
    idempotencyKey: newId('Badge'),
  });
  return made.badge.id;
};
const award = (place: TestCommunity, badgeId: string, n: number) => {
  const userId = place.memberIds[n] ?? '';
  const said = { badgeId, userId, attachmentUrl: null, idempotencyKey: `${badgeId} ${n}`, origin: ownOrigin };
  return awardBadge(database.sql, place.id, said);
};

type Change = (place: TestCommunity) => Promise<unknown>;

/** Prepares what it changes, and gives the change. */
const changes: Record<string, (place: TestCommunity) => Promise<Change>> = {
  'a rule that is made': async () => (place) =>
    createRule(database.sql, place.system, { ...xpRule('new', 5), idempotencyKey: 'r' }),
  'a rule that is changed': async (place) => {
    const { rule } = await createRule(database.sql, place.system, {
      ...{ ...xpRule('new', 5), idempotencyKey: 'r' },
    });
    return () => updateRule(database.sql, place.system, rule.id, { enabled: false });
  },
  'a rule that is deleted': async (place) => {
    const { rule } = await createRule(database.sql, place.system, {
      ...{ ...xpRule('new', 5), idempotencyKey: 'r' },
    });
    return () => deleteRule(database.sql, place.system, rule.id);
  },
  levels: async () => (place) =>
    setLevels(database.sql, place.id, [{ number: 2, minXp: 299, name: { en: 'Two' } }]),
  'levels that are removed': async () => (place) =>
    setLevels(database.sql, place.id, [{ number: 1, minXp: 0, name: { en: 'One' } }], { onlyThese: true }),
  'a unit': async () => (place) =>
    setUnit(database.sql, place.system, { unit: 'COINS', name: null, mayGoBelowZero: false }),
  'a badge that is made': async () => (place) => newBadge(place, { measure: 'XP', atLeast: 5n }),
  'a badge that is changed': async (place) => {
    const id = await newBadge(place);
    return () => updateBadge(database.sql, place.system, { id, xpReward: 7n, expectedVersion: null });
  },
  'a badge of new words': async (place) => {
    const id = await newBadge(place);
    return () => updateBadge(database.sql, place.system, { id, title: { en: 'New' }, expectedVersion: null });
  },
  'a badge that is deleted': async (place) => {
    const id = await newBadge(place);
    return () => deleteBadge(database.sql, place.system, id);
  },
  'the last of a badge, awarded': async (place) => {
    const id = await newBadge(place, { quantity: 1 });
    return () => award(place, id, 0);
  },
  'the last of a badge, taken back': async (place) => {
    const id = await newBadge(place, { quantity: 1 });
    const made = await award(place, id, 0);
    return () => revokeBadge(database.sql, place.system, made.award.id);
  },
};

/** Each of what postings look at in a badge. */
const ofBadges: [keyof typeof content, object][] = [
  ['enabled', { enabled: false }],
  ['requiresAttachment', { requiresAttachment: true }],
  ['measure', { measure: 'COINS', atLeast: 5n }],
  ['atLeast', { atLeast: 6n }],
  ['quantity', { quantity: 9 }],
  ['xpReward', { xpReward: 1n }],
  ['coinsReward', { coinsReward: 1n }],
  ['imageUrl', { imageUrl: 'https://example.org/new.png' }],
];

describe('the version of definitions', () => {
  it.each(ofBadges)('is another after the %s of a badge has changed', async (_name, changed) => {
    const place = await newCommunity(database.resources);
    const id = await newBadge(place, { measure: 'XP', atLeast: 5n, quantity: 8 });
    const before = await versionOf(place);
    await updateBadge(database.sql, place.system, { id, ...changed, expectedVersion: null });
    expect(await versionOf(place)).not.toBe(before);
  });

  it.each(Object.entries(changes))('is another after %s', async (_name, prepare) => {
    const place = await newCommunity(database.resources);
    const other = await newCommunity(database.resources);
    const change = await prepare(place);
    const [before, beforeOther] = [await versionOf(place), await versionOf(other)];
    await change(place);
    expect(await versionOf(place)).not.toBe(before);
    expect(await versionOf(other)).toBe(beforeOther);
  });

  it('stays while there are more of a badge, whatever is awarded', async () => {
    const place = await newCommunity(database.resources);
    const ids = [await newBadge(place), await newBadge(place, { quantity: 3 })];
    const before = await versionOf(place);
    for (const id of ids) for (const n of [0, 1]) await award(place, id, n);
    await trackOne(place);
    expect(await versionOf(place)).toBe(before);
  });

  it('of a change that was rolled back is none of any other', async () => {
    const place = await newCommunity(database.resources);
    const versions = new Set([await versionOf(place)]);
    for (let n = 0; n < 3; n++) {
      const lost = transaction(database.sql, async (tx) => {
        await setRules(tx, place.id, [{ id: newId('Rule'), ...plainRule('lost', { en: 'L' }, { XP: 1 }) }]);
        versions.add(await versionOf(place, tx));
        throw new Error('rolled back');
      });
      await expect(lost).rejects.toThrow('rolled back');
      expect(versions.has(await versionOf(place))).toBe(true);
    }
    expect(versions.size).toBe(4);
  });
});

describe('definitions', () => {
  it('are read once, however many postings come at once, and then no more', async () => {
    const place = await newCommunity(database.resources);
    const reads = async () => {
      const statements = await database.statementsOf(() =>
        Promise.all(Array.from({ length: 20 }, () => trackOne(place))),
      );
      return statements.filter((name) => name === 'readDefinitions').length;
    };
    expect(await reads()).toBe(1);
    expect(await reads()).toBe(0);
  });

  it('are read by transactions that have all connections, while others wait for one to read them', async () => {
    const place = await newCommunity(database.resources);
    const few = connect(database.url, { max: 2 });
    const version = await versionOf(place);
    let reading: unknown;
    await transaction(few, (one) =>
      transaction(few, async (other) => {
        reading = definitionsOf(few, place.id, version);
        for (const tx of [one, other])
          expect(await definitionsOf(tx, place.id, version)).toMatchObject({ version });
      }),
    );
    expect(await reading).toMatchObject({ version });
    await few.end({ timeout: 5 });
  });

  it('are heeded by the very next event, whoever changed them', async () => {
    const place = await newCommunity(database.resources);
    const xpOf = async () => {
      const answer = await trackOne(place);
      return answer && 'entries' in answer && answer.entries.find(({ unit }) => unit === 'XP')?.amount;
    };
    expect(await xpOf()).toBe(100n);
    await database.sql`
      update gamification.rule set awards = '[{"unit": "XP", "amount": "3", "perUnit": false}]'
      where community_id = ${place.id} and event_type = 'purchase'`;
    expect(await xpOf()).toBe(3n);
    await database.sql`delete from gamification.rule where community_id = ${place.id}`;
    expect(await trackOne(place)).toMatchObject({ code: 'RULE_NOT_FOUND' });
  });

  it('let the last of a badge that was taken back award itself again', async () => {
    const place = await newCommunity(database.resources);
    const id = await newBadge(place, { measure: 'XP', atLeast: 150n, quantity: 1 });
    const { award: made } = await award(place, id, 0);
    await trackOne(place, 'purchase', 1);
    // Remembered: there is none left.
    expect(await trackOne(place, 'visit', 1)).toMatchObject({ awardIds: [] });
    await revokeBadge(database.sql, place.system, made.id);
    expect(await trackOne(place, 'purchase', 1)).toMatchObject({ awardIds: [expect.any(String)] });
  });

  it('take the place of those of the version before', async () => {
    const place = await newCommunity(database.resources);
    const over = await versionOf(place);
    await trackOne(place);
    await database.sql`update gamification.level set min_xp = min_xp where community_id = ${place.id}`;
    await trackOne(place);
    const statements = await database.statementsOf(async () => definitionsOf(database.sql, place.id, over));
    expect(statements).toEqual(['readDefinitions']);
  });

  it('of a version that is over are those of now', async () => {
    const place = await newCommunity(database.resources);
    const over = await versionOf(place);
    await setRules(database.sql, place.id, [
      { id: newId('Rule'), ...plainRule('new', { en: 'N' }, { XP: 1 }) },
    ]);
    const definitions = await definitionsOf(database.sql, place.id, over);
    expect(definitions.version).toBe(await versionOf(place));
    expect(definitions.rules.get('new')).toHaveLength(1);
  });
});
