import { describe, expect, it } from 'vitest';
import { Refusal } from '../../../subgraphs/errors.ts';
import { badgesAmong } from '../../../subgraphs/gamification/awarding.ts';
import {
  type Decided,
  decide,
  type Ground,
  type Place,
  type Posting,
  type Profile,
} from '../../../subgraphs/gamification/decide.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import type { Rule, RuleCondition } from '../../../subgraphs/gamification/rule.ts';
import { newId } from '../../../subgraphs/id.ts';

// What the write path decides, without a database: rules, limits, levels, what is refused.

const noon = new Date('2026-03-10T12:00:00Z');

const profile: Profile = {
  userId: 'usr_a',
  ...{ XP: 0n, COINS: 0n, POINTS: 0n, PREMIUM: 0n, level: 1, badges: 0, begun: true },
  ...{ messages: 0, replies: 0, reactions: 0, visits: 0, referrals: 0, socials: 0 },
};

function ruleOf(details: Partial<Rule> = {}): Rule {
  const rule = {
    id: 'rul_a',
    eventType: 'buy',
    awards: [{ unit: 'XP' as const, amount: '10', perUnit: false }],
    conditions: [],
    ...{ activityType: null, wordingId: '' },
    ...{ cooldownSeconds: null, dayCap: null, weekCap: null, lifetimeCap: null },
    ...details,
  };
  const { cooldownSeconds, dayCap, weekCap, lifetimeCap } = rule;
  return { ...rule, limited: (cooldownSeconds ?? dayCap ?? weekCap ?? lifetimeCap) !== null };
}

function posting(details: Partial<Posting> = {}): Posting {
  const plain = { userId: 'usr_a', eventType: 'buy', reference: null, occurredAt: null };
  return { ...plain, amount: null, metadata: null, origin: ownOrigin, ...details };
}

/** Decides postings at noon, or at the moments that they say. */
function decided(
  postings: readonly Posting[],
  { rules = [ruleOf()], places, ...ground }: Partial<Omit<Ground, 'rules'>> & { rules?: Rule[] } = {},
) {
  const place = ({ occurredAt }: Posting): Place => {
    const at = occurredAt ?? noon;
    return { occurredAt: at, day: at.toISOString().slice(0, 10), known: null, used: [] };
  };
  const types = new Set(rules.map(({ eventType }) => eventType));
  return decide(
    {
      rules: new Map([...types].map((type) => [type, rules.filter(({ eventType }) => eventType === type)])),
      levels: [0n, 15n, 100n].map((minXp, n) => ({ number: n + 1, minXp })),
      belowZero: new Set(),
      profiles: new Map([['usr_a', profile]]),
      recordedAt: noon,
      places: places ?? postings.map(place),
      badges: { all: badgesAmong([]), had: new Map(), revoked: new Map() },
      ...ground,
    },
    postings,
    newId,
  );
}

/** Each decision in a word: what it earned, why not, or the code of its refusal. */
function words(...args: Parameters<typeof decided>): string[] {
  return decided(...args).decisions.map((one) => {
    if (one instanceof Refusal) return one.code;
    if ('repeats' in one) return 'repeat';
    return one.entries.map(({ unit, amount }) => `${amount} ${unit}`).join(' + ') || one.outcome;
  });
}

const award = (amount: string, perUnit = false, unit: 'XP' | 'COINS' = 'XP') => ({ unit, amount, perUnit });

describe('decide: what rules pay', () => {
  it.each([
    ['fixed', [award('10')], null, '10 XP'],
    ['several units', [award('10'), award('3', false, 'COINS')], null, '10 XP + 3 COINS'],
    ['per unit of the amount', [award('2', true)], '12.5', '25 XP'],
    ['per unit, dropping what is less than one', [award('0.3', true)], '5', '1 XP'],
    ['per unit, of one when there is no amount', [award('7', true)], null, '7 XP'],
    ['exactly, beyond what floats hold', [award('0.1', true)], '90071992547409930.7', '9007199254740993 XP'],
    ['nothing, when it comes to less than one', [award('0.3', true)], '2', 'TOO_LITTLE'],
  ])('%s', (_what, awards, amount, word) => {
    const rules = [ruleOf({ awards })];
    const rewarded = awards.some(({ perUnit }) => perUnit) ? posting({ amount }) : posting();
    expect(words([rewarded], { rules })).toEqual([word]);
  });

  it('each rule of an event type pays for itself', () => {
    const other = ruleOf({ id: 'rul_b', awards: [award('5')] });
    expect(words([posting()], { rules: [ruleOf(), other] })).toEqual(['10 XP + 5 XP']);
  });

  const metadata = { order: { total: '12.50', country: 'DE', items: 3, gift: false } };
  it.each<[RuleCondition, boolean]>([
    [{ field: 'metadata.order.country', operator: 'EQUALS', values: ['AT', 'DE'] }, true],
    [{ field: 'metadata.order.country', operator: 'EQUALS', values: ['AT'] }, false],
    [{ field: 'metadata.order.country', operator: 'NOT_EQUALS', values: ['AT'] }, true],
    [{ field: 'metadata.order.none', operator: 'NOT_EQUALS', values: ['AT'] }, true],
    [{ field: 'metadata.order.total', operator: 'EQUALS', values: ['12.5'] }, true],
    [{ field: 'metadata.order.gift', operator: 'EQUALS', values: ['false'] }, true],
    [{ field: 'metadata.order.items', operator: 'AT_LEAST', values: ['3'] }, true],
    [{ field: 'metadata.order.items', operator: 'MORE', values: ['3'] }, false],
    [{ field: 'metadata.order.items', operator: 'AT_MOST', values: ['3'] }, true],
    [{ field: 'metadata.order.items', operator: 'LESS', values: ['3'] }, false],
    [{ field: 'metadata.order.country', operator: 'AT_LEAST', values: ['3'] }, false],
    [{ field: 'metadata.order', operator: 'EXISTS', values: [] }, true],
    [{ field: 'metadata.order.constructor', operator: 'EXISTS', values: [] }, false],
    [{ field: 'amount', operator: 'AT_LEAST', values: ['2'] }, true],
  ])('under the condition %j: %s', (condition, holds) => {
    const rules = [ruleOf({ conditions: [condition] })];
    const amount = condition.field === 'amount' ? '2.00' : null;
    expect(words([posting({ metadata, amount })], { rules })).toEqual([holds ? '10 XP' : 'CONDITION']);
  });
});

describe('decide: limits', () => {
  const at = (moment: string) => posting({ occurredAt: new Date(moment) });

  it('a day, by the day an event happened', () => {
    const postings = ['2026-03-10T01:00Z', '2026-03-11T01:00Z', '2026-03-10T02:00Z', '2026-03-10T03:00Z'].map(
      at,
    );
    const rules = [ruleOf({ dayCap: 2 })];
    expect(words(postings, { rules })).toEqual(['10 XP', '10 XP', '10 XP', 'DAY_CAP']);
  });

  it('a week, from Monday to Sunday', () => {
    const postings = ['2026-03-08T12:00Z', '2026-03-09T12:00Z', '2026-03-15T12:00Z', '2026-03-16T12:00Z'].map(
      at,
    );
    const rules = [ruleOf({ weekCap: 1 })];
    expect(words(postings, { rules })).toEqual(['10 XP', '10 XP', 'WEEK_CAP', '10 XP']);
  });

  it('ever, and once', () => {
    const three = [posting(), posting(), posting()];
    expect(words(three, { rules: [ruleOf({ lifetimeCap: 2 })] })).toEqual(['10 XP', '10 XP', 'LIFETIME_CAP']);
    expect(words(three, { rules: [ruleOf({ lifetimeCap: 1 })] })).toEqual(['10 XP', 'ONCE', 'ONCE']);
  });

  it('a cooldown, in both directions, to the millisecond', () => {
    const postings = ['12:00:00Z', '12:00:59.999Z', '12:01:00Z', '11:59:00.001Z', '11:59:00Z'].map((time) =>
      at(`2026-03-10T${time}`),
    );
    const rules = [ruleOf({ cooldownSeconds: 60 })];
    expect(words(postings, { rules })).toEqual(['10 XP', 'COOLDOWN', '10 XP', 'COOLDOWN', '10 XP']);
  });

  it('add what was paid before to what the batch pays', () => {
    const used = [{ ruleId: 'rul_a', limits: { day: 1, week: 1, lifetime: 1, near: false } }];
    const place = { occurredAt: noon, day: '2026-03-10', known: null, used };
    const places = [place, place];
    expect(words([posting(), posting()], { rules: [ruleOf({ dayCap: 2 })], places })).toEqual([
      '10 XP',
      'DAY_CAP',
    ]);
  });
});

describe('decide: balances and levels', () => {
  const move = (by: bigint) => posting({ eventType: 'spend', moves: [{ unit: 'POINTS', by }] });

  it('refuses what would go below zero, and goes on with the next', () => {
    expect(words([move(10n), move(-11n), move(-10n), move(-1n)])).toEqual([
      '10 POINTS',
      'INSUFFICIENT_BALANCE',
      '-10 POINTS',
      'INSUFFICIENT_BALANCE',
    ]);
    expect(words([move(-1n)], { belowZero: new Set(['POINTS']) })).toEqual(['-1 POINTS']);
  });

  it('refuses all of an event one of whose units would go below zero', () => {
    const rules = [ruleOf({ awards: [award('10'), award('-1', false, 'COINS')] })];
    const { profiles } = decided([posting()], { rules });
    expect(profiles.size).toBe(0);
    expect(words([posting()], { rules })).toEqual(['INSUFFICIENT_BALANCE']);
  });

  it('overwrites by the difference, and writes no entry when there is none', () => {
    const to = (amount: bigint) =>
      posting({ eventType: 'adjustment', moves: [{ unit: 'POINTS', to: amount }] });
    const { decisions } = decided([to(7n), to(7n), to(3n)]);
    const entries = decisions.map((one) => (one as Decided).entries.map(({ amount }) => amount));
    expect(entries).toEqual([[7n], [], [-4n]]);
  });

  it('tells each change of level once, over several at a time and downward too', () => {
    const xp = (by: bigint) => posting({ eventType: 'adjustment', moves: [{ unit: 'XP', by }] });
    const { decisions } = decided([xp(14n), xp(1n), xp(1n), xp(500n), xp(-516n)]);
    expect(decisions.map((one) => (one as Decided).level)).toEqual([
      null,
      { before: 1, after: 2 },
      null,
      { before: 2, after: 3 },
      { before: 3, after: 1 },
    ]);
  });

  it('keeps balances within 64 bits', () => {
    const most = { ...profile, POINTS: 3_999_999_999_999_999_999n };
    const profiles = new Map([['usr_a', most]]);
    expect(words([move(1n), move(1n)], { profiles })).toEqual(['1 POINTS', 'LIMIT_EXCEEDED']);
  });

  it('counts messages and the like, whether or not a rule rewards them', () => {
    const { profiles } = decided(
      ['message', 'message', 'reply', 'like'].map((eventType) => posting({ eventType })),
    );
    expect(profiles.get('usr_a')).toMatchObject({ messages: 2, replies: 1, socials: 1 });
    expect(words([posting({ eventType: 'message' })])).toEqual(['COUNTED']);
  });
});

describe('decide: refusals and repeats', () => {
  const known = {
    id: 'evt_a',
    userId: 'usr_a',
    amount: '2.50',
    metadata: { a: 1, b: [2] },
    occurredAt: null,
  };
  const rules = [ruleOf({ awards: [award('1', true)] })];
  const like = (details: Partial<Posting> = {}) =>
    posting({ reference: 'r', amount: '2.5', metadata: { b: [2], a: 1 }, ...details });
  const places = [{ occurredAt: noon, day: '2026-03-10', known, used: [] }];

  it('knows a repeat, however its numbers and keys are written', () => {
    expect(words([like()], { rules, places })).toEqual(['repeat']);
  });

  it.each([
    ['person', { userId: 'usr_b' }],
    ['amount', { amount: '3' }],
    ['metadata', { metadata: { a: 1 } }],
    ['moment', { occurredAt: noon }],
  ])('IDEMPOTENCY_KEY_REUSED: another %s', (_what, details) => {
    const profiles = new Map([
      ['usr_a', profile],
      ['usr_b', { ...profile, userId: 'usr_b' }],
    ]);
    expect(words([like(details)], { rules, places, profiles })).toEqual(['IDEMPOTENCY_KEY_REUSED']);
  });

  it('answers the second of a batch as a repeat of the first, unless that was refused', () => {
    const spend = posting({ eventType: 'spend', reference: 'r', moves: [{ unit: 'POINTS', by: -1n }] });
    expect(words([like(), like()], { rules })).toEqual(['2 XP', 'repeat']);
    expect(words([spend, spend])).toEqual(['INSUFFICIENT_BALANCE', 'INSUFFICIENT_BALANCE']);
  });

  it('RULE_NOT_FOUND: an event type that no rule has', () => {
    expect(words([posting({ eventType: 'none' })])).toEqual(['RULE_NOT_FOUND']);
  });

  it('VALIDATION_FAILED: an amount that no rule looks at', () => {
    expect(words([posting({ amount: '1' })])).toEqual(['VALIDATION_FAILED']);
  });
});
