import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { updateCommunity } from '../../../subgraphs/community/community.ts';
import { memberIndex, membersPage } from '../../../subgraphs/community/member.ts';
import { connect, transaction } from '../../../subgraphs/db.ts';
import { Refusal } from '../../../subgraphs/errors.ts';
import { adjustBalance, reverseEvent, spendBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { awardBadge, revokeBadge } from '../../../subgraphs/gamification/badge-award.ts';
import { type Tracked, trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { balancesByUser } from '../../../subgraphs/gamification/ledger.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { lockProfiles } from '../../../subgraphs/gamification/profile-lock.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** Tracks one event of the first member. */
async function track({ id, memberIds }: TestCommunity, details: Parameters<typeof eventOf>[1] = {}) {
  const [answer] = await trackEvents(database.sql, id, [eventOf(memberIds[0] ?? '', details)]);
  return answer as Tracked;
}

async function xpOf({ id, memberIds }: TestCommunity): Promise<bigint[]> {
  return (await balancesByUser(database.sql, id, memberIds)).map(({ XP }) => XP);
}

describe('events: rules', () => {
  it('earn what their rule says, in each unit, and leave a balance', async () => {
    const place = await newCommunity(database.resources);
    const metadata = { order: 7 };
    const { entries, replayed } = await track(place, { reference: 'r', metadata });
    expect(replayed).toBe(false);
    expect(entries.map(({ unit, amount, balanceAfter }) => [unit, amount, balanceAfter]).sort()).toEqual([
      ['POINTS', 100n, 100n],
      ['XP', 100n, 100n],
    ]);
    expect(entries[0]).toMatchObject({ eventType: 'purchase', reference: 'r', metadata });
    expect(await xpOf(place)).toEqual([100n, 0n]);
  });

  it('count once under 50 concurrent repeats of a reference, and all get the same answer', async () => {
    const place = await newCommunity(database.resources);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => track(place, { eventType: 'signup', reference: 'r' })),
    );
    expect(await xpOf(place)).toEqual([500n, 0n]);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const first = answers.find(({ replayed }) => !replayed);
    expect(first?.level).toEqual({ before: 1, after: 2 });
    for (const answer of answers) expect({ ...answer, replayed: false }).toEqual(first);
  });

  it('count once when two processes are sent the same at once, and both give the same answers', async () => {
    const { id, memberIds } = await newCommunity(database.resources, { members: 5 });
    const other = connect(database.url);
    const events = Array.from({ length: 60 }, (_, n) =>
      eventOf(memberIds[n % 5] ?? '', { reference: `r-${n}` }),
    );
    // One of the two in the other order, some alone and some together, so that neither is first everywhere.
    const [here, there] = await Promise.all([
      Promise.all(events.map((event) => trackEvents(database.sql, id, [event]).then(([answer]) => answer))),
      Promise.all([
        trackEvents(other, id, events.slice(30).reverse()),
        trackEvents(other, id, events.slice(0, 30).reverse()),
      ]).then((halves) => halves.flat().reverse()),
    ]);
    await other.end();
    const plain = (answers: readonly unknown[]) =>
      answers.map((answer) => ({ ...(answer as Tracked), replayed: false }));
    expect(plain(here)).toEqual(plain(there));
    for (const n of events.keys())
      expect([here[n], there[n]].filter((one) => !(one as Tracked).replayed)).toHaveLength(1);
    const balances = await balancesByUser(database.sql, id, memberIds);
    expect(balances.map(({ XP }) => XP)).toEqual(memberIds.map(() => 1_200n));
  });

  it('give a repeat the first answer, whatever came between', async () => {
    const place = await newCommunity(database.resources);
    const first = await track(place, { eventType: 'signup', reference: 'r' });
    await track(place);
    expect(await track(place, { eventType: 'signup', reference: 'r' })).toMatchObject({
      ...first,
      replayed: true,
    });
  });

  it('are the same event whichever way their person is named', async () => {
    const place = await newCommunity(database.resources);
    const first = await track(place, { reference: 'r' });
    const user = { external: { system: 'GAMIFYHOST', value: 'user_0' } };
    expect(await track(place, { reference: 'r', user })).toMatchObject({ ...first, replayed: true });
  });

  it('under one reference are two events when their types differ', async () => {
    const place = await newCommunity(database.resources);
    await track(place, { reference: 'r' });
    expect((await track(place, { reference: 'r', eventType: 'visit' })).replayed).toBe(false);
    expect(await xpOf(place)).toEqual([110n, 0n]);
  });

  it('answer a repeat without waiting for its person', async () => {
    const place = await newCommunity(database.resources);
    const [userId = ''] = place.memberIds;
    const first = await track(place, { reference: 'busy' });
    await transaction(database.sql, async (tx) => {
      await lockProfiles(tx, place.id, [userId]);
      const statements = await database.statementsOf(async () => {
        expect(await track(place, { reference: 'busy' })).toEqual({ ...first, replayed: true });
      });
      expect(statements.filter((name) => !/^(begin|commit)/.test(name))).toEqual([
        'readAhead',
        'entriesByEvent',
        'postedBefore',
      ]);
    });
  });

  it('without a reference are never repeats', async () => {
    const place = await newCommunity(database.resources);
    await Promise.all([track(place), track(place)]);
    expect(await xpOf(place)).toEqual([200n, 0n]);
  });

  it('of a rule that counts once pay each person once, whatever the reference, also concurrently', async () => {
    const place = await newCommunity(database.resources);
    const signups = ['a', 'b', 'c', 'd'].map((reference) => track(place, { eventType: 'signup', reference }));
    const paid = (await Promise.all(signups)).filter(({ entries }) => entries.length > 0);
    expect(paid).toHaveLength(1);
    expect(await xpOf(place)).toEqual([500n, 0n]);
  });

  it('say that a level was reached, by the event that reached it', async () => {
    const place = await newCommunity(database.resources);
    const leveled: unknown[] = [];
    for (let n = 0; n < 4; n++) leveled.push((await track(place)).level);
    expect(leveled).toEqual([null, null, { before: 1, after: 2 }, null]);
  });
});

describe('events: batches', () => {
  it('of 1,000 are written by one statement, and take no more than one does', async () => {
    const { id, memberIds } = await newCommunity(database.resources, { members: 10 });
    const written = async (count: number) => {
      const events = Array.from({ length: count }, (_, n) => eventOf(memberIds[n % 10] ?? ''));
      const statements = await database.statementsOf(() => trackEvents(database.sql, id, events));
      return statements.filter((name) => !/^(begin|commit)/.test(name));
    };
    const read = ['lockProfiles', 'readCommon'];
    const added = ['addProfiles: hold what they begin with', 'addProfiles'];
    const first = ['readAhead', 'readDefinitions', ...read, ...added, ...read, 'writePostings'];
    expect(await written(1_000)).toEqual(first);
    expect(await written(1_000)).toEqual(['readAhead', ...read, 'writePostings']);
    expect(await written(1)).toEqual(['readAhead', 'writePostings']);
  });

  it('answer in the order of their events, and a bad one costs itself', async () => {
    const place = await newCommunity(database.resources);
    const [first = ''] = place.memberIds;
    const answers = await trackEvents(database.sql, place.id, [
      eventOf(first, { reference: 'a' }),
      eventOf('usr_nobody'),
      eventOf(first, { eventType: 'no rule' }),
      eventOf(first, { reference: 'a' }),
      eventOf(first, { reference: 'a', metadata: { other: true } }),
      eventOf(first, { eventType: 'signup' }),
      eventOf(first, { eventType: 'signup' }),
    ]);
    const told = answers.map((one) =>
      one instanceof Refusal ? one.code : [one.entries.length, one.replayed],
    );
    expect(told).toEqual([
      [2, false],
      'NOT_FOUND',
      'RULE_NOT_FOUND',
      [2, true],
      'IDEMPOTENCY_KEY_REUSED',
      [2, false],
      [0, false],
    ]);
    expect(await xpOf(place)).toEqual([600n, 0n]);
  });

  it('keep running balances in the order of their events', async () => {
    const { id, memberIds } = await newCommunity(database.resources);
    const events = Array.from({ length: 20 }, () => eventOf(memberIds[0] ?? ''));
    const answers = (await trackEvents(database.sql, id, events)) as Tracked[];
    const running = answers.map(({ entries }) => entries.find(({ unit }) => unit === 'XP')?.balanceAfter);
    expect(running).toEqual(Array.from({ length: 20 }, (_, n) => BigInt((n + 1) * 100)));
  });

  it('tell the log of every change of XP, in the order of the balances', async () => {
    const { id, memberIds } = await newCommunity(database.resources);
    const [first = '', second = ''] = memberIds;
    await trackEvents(database.sql, id, [
      eventOf(first),
      eventOf(second),
      eventOf(first, { eventType: 'refund' }),
      eventOf(first),
    ]);
    const events = await eventsAfter(database.sql, { communityId: id, stream: 'xp' }, 0, 10);
    expect(events.map(({ kind, userId, payload }) => [kind, userId, payload.total])).toEqual([
      ['XpChanged', first, '100'],
      ['XpChanged', second, '100'],
      ['XpChanged', first, '200'],
    ]);
  });

  it('of many writers at once neither deadlock nor lose anything', async () => {
    const { id, memberIds } = await newCommunity(database.resources, { members: 5 });
    const batches = Array.from({ length: 12 }, (_, n) => {
      const people = n % 2 === 0 ? memberIds : [...memberIds].reverse();
      return people.map((userId, at) => eventOf(userId, { reference: `${n % 6} ${at} ${userId}` }));
    });
    await Promise.all(batches.map((events) => trackEvents(database.sql, id, events)));
    const balances = await balancesByUser(database.sql, id, memberIds);
    expect(balances.map(({ XP }) => XP)).toEqual(memberIds.map(() => 600n));
  });
});

describe('events of people whom nobody knows', () => {
  const newcomer = { user: { email: 'New@example.org' } };
  /** A community whose events make members. */
  async function openCommunity() {
    const place = await newCommunity(database.resources);
    await updateCommunity(database.sql, place.system, { eventsAddMembers: true });
    return place;
  }
  const membersOf = ({ id }: TestCommunity) =>
    database.sql<{ id: string; email: string | null; displayName: string }[]>`
      select id, email, display_name as "displayName" from identity.user where community_id = ${id} order by joined_at`;

  it('are refused unless the community lets them make members', async () => {
    const place = await newCommunity(database.resources);
    const statements = await database.statementsOf(async () => {
      expect(await track(place, newcomer)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'user'] });
    });
    expect(statements).toEqual(['readAhead', 'readDefinitions', 'areMade']);
    expect(await membersOf(place)).toHaveLength(2);
  });

  it('make them members, by whichever identifier, and earn', async () => {
    const place = await openCommunity();
    for (const [user, shown] of [
      [{ email: 'new@example.org' }, { email: 'new@example.org', displayName: 'new' }],
      [{ username: 'New.One' }, { email: null, displayName: 'New.One' }],
      [{ external: { system: 'LYNES', value: '77' } }, { email: null, displayName: '77' }],
    ] as const) {
      const first = await track(place, { user });
      expect(first).toMatchObject({ userMade: true, replayed: false, outcome: 'EARNED' });
      expect(await membersOf(place)).toContainEqual({ id: first.userId, ...shown });
      expect(await track(place, { user })).toMatchObject({ userId: first.userId, userMade: false });
    }
    await catchUp(database.sql, memberIndex);
    expect((await membersPage(database.sql, place.id, {})).edges).toHaveLength(5);
  });

  it('make one person of 50 at once with one new e-mail address', async () => {
    const place = await openCommunity();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        track(place, { user: { email: n % 2 === 0 ? 'new@example.org' : 'NEW@example.org' } }),
      ),
    );
    expect(new Set(answers.map(({ userId }) => userId)).size).toBe(1);
    expect(answers.filter(({ userMade }) => userMade)).toHaveLength(1);
    expect(await membersOf(place)).toHaveLength(3);
    const [balance] = await balancesByUser(database.sql, place.id, [answers[0]?.userId ?? '']);
    expect(balance?.XP).toBe(5_000n);
    const joined = await eventsAfter(database.sql, { communityId: place.id, stream: 'members' }, 2, 10);
    expect(joined.map(({ kind, userId }) => [kind, userId])).toEqual([['MemberJoined', answers[0]?.userId]]);
  });

  it('make one person of a batch that names them often', async () => {
    const place = await openCommunity();
    const lynes = { external: { system: 'LYNES', value: 'new' } };
    const users = [
      newcomer.user,
      lynes,
      { email: 'new@example.org' },
      lynes,
      { id: place.memberIds[0] ?? '' },
    ];
    const answers = (await trackEvents(
      database.sql,
      place.id,
      users.map((user) => ({ ...eventOf(''), user })),
    )) as Tracked[];
    expect(answers.map(({ userMade }) => userMade)).toEqual([true, true, false, false, false]);
    expect(answers[2]?.userId).toBe(answers[0]?.userId);
    expect(answers[3]?.userId).toBe(answers[1]?.userId);
    expect(await membersOf(place)).toHaveLength(4);
  });

  it('make members of their own community alone', async () => {
    const [place, other] = [await openCommunity(), await newCommunity(database.resources)];
    await track(place, newcomer);
    expect(await track(other, newcomer)).toMatchObject({ code: 'NOT_FOUND' });
    await updateCommunity(database.sql, other.system, { eventsAddMembers: true });
    expect((await track(other, newcomer)).userMade).toBe(true);
  });

  it.each([
    ['NOT_FOUND', ['user'], { user: { id: newId('User') } }],
    ['VALIDATION_FAILED', ['user', 'email'], { user: { email: 'no address' } }],
    ['VALIDATION_FAILED', ['user', 'email'], { user: { email: '' } }],
    ['VALIDATION_FAILED', ['user', 'username'], { user: { username: 'two words' } }],
    [
      'VALIDATION_FAILED',
      ['user', 'external', 'value'],
      { user: { external: { system: 'LYNES', value: ' 7' } } },
    ],
    ['RULE_NOT_FOUND', ['eventType'], { ...newcomer, eventType: 'none' }],
    ['VALIDATION_FAILED', ['eventType'], { ...newcomer, eventType: 'badge' }],
    ['VALIDATION_FAILED', ['amount'], { ...newcomer, amount: '2' }],
    ['IDEMPOTENCY_KEY_REUSED', ['reference'], { ...newcomer, reference: 'used' }],
  ])('%s: a wrong %s makes nobody', async (code, path, wrong) => {
    const place = await openCommunity();
    await track(place, { reference: 'used' });
    expect(await track(place, wrong)).toMatchObject({ code, path: ['input', ...path] });
    expect(await membersOf(place)).toHaveLength(2);
  });
});

describe('events: mutation', () => {
  const trackEvent = `mutation ($input: TrackEventInput!) { trackEvent(input: $input) {
    replayed leveledUp ledger { unit amount balanceAfter metadata user { id } } userErrors { code path }
  } }`;

  it('gives 1,500 concurrent repeats of a reference one entry and one answer', async () => {
    const place = await newCommunity(database.resources);
    const input = { user: { id: place.memberIds[0] }, eventType: 'purchase', reference: 'r' };
    const answers = await Promise.all(
      Array.from({ length: 1_500 }, () => ask(place.system, trackEvent, { input })),
    );
    const [first] = answers;
    const { ledger } = first.trackEvent;
    expect(ledger.map(({ unit }: { unit: string }) => unit).sort()).toEqual(['POINTS', 'XP']);
    expect(answers.filter((answer) => !answer.trackEvent.replayed)).toHaveLength(1);
    for (const { trackEvent: answer } of answers) {
      expect({ ...answer, replayed: false }).toEqual({ ...first.trackEvent, replayed: false });
    }
    expect(await xpOf(place)).toEqual([100n, 0n]);
  });

  it('gives the ledger entries that were made', async () => {
    const { system, memberIds } = await newCommunity(database.resources);
    const input = { user: { email: 'PERSON0@example.org' }, eventType: 'visit', metadata: { page: '/' } };
    const answer = await ask(system, trackEvent, { input });
    const entry = { metadata: { page: '/' }, user: { id: memberIds[0] } };
    expect(answer.trackEvent).toMatchObject({ replayed: false, leveledUp: false, userErrors: [] });
    expect(new Set(answer.trackEvent.ledger)).toEqual(
      new Set([
        { ...entry, unit: 'XP', amount: 10, balanceAfter: 10 },
        { ...entry, unit: 'COINS', amount: 2, balanceAfter: 2 },
      ]),
    );
  });

  it('says whom it was about, and that they were made a member', async () => {
    const { system, memberIds } = await newCommunity(database.resources);
    await updateCommunity(database.sql, system, { eventsAddMembers: true });
    const track = `mutation ($input: TrackEventsInput!) { trackEvents(input: $input) {
      results { user { id } userCreated userErrors { code path } }
    } }`;
    const events = [{ email: 'person0@example.org' }, { email: 'new@example.org' }, { email: 'wrong' }].map(
      (user) => ({ user, eventType: 'visit' }),
    );
    const answer = await ask(system, track, { input: { events } });
    expect(answer.trackEvents.results).toEqual([
      { user: { id: memberIds[0] }, userCreated: false, userErrors: [] },
      { user: { id: expect.stringMatching(/^usr_/) }, userCreated: true, userErrors: [] },
      {
        ...{ user: null, userCreated: false },
        userErrors: [{ code: 'VALIDATION_FAILED', path: ['input', 'events', '2', 'user', 'email'] }],
      },
    ]);
  });

  it('writes what arrives within a tick together, and each caller gets its own answer', async () => {
    const { system, memberIds } = await newCommunity(database.resources);
    const user = { id: memberIds[0] };
    const inputs = [
      { user, eventType: 'visit' },
      { user, eventType: 'none' },
      { user, eventType: 'purchase' },
    ];
    let answers: { trackEvent: { ledger: unknown[]; userErrors: unknown[] } }[] = [];
    const statements = await database.statementsOf(async () => {
      answers = await Promise.all(inputs.map((input) => ask(system, trackEvent, { input })));
    });
    expect(statements.filter((name) => name === 'writePostings')).toHaveLength(1);
    expect(
      answers.map(({ trackEvent: { ledger, userErrors } }) => [ledger.length, userErrors.length]),
    ).toEqual([
      [2, 0],
      [0, 1],
      [2, 0],
    ]);
  });

  it('takes what is up to 5 minutes ahead of its clock', async () => {
    const place = await newCommunity(database.resources);
    const now = new Date();
    database.clock.now = now;
    const codes = [];
    for (const seconds of [300, 301]) {
      const occurredAt = new Date(now.getTime() + seconds * 1_000);
      const input = { user: { username: 'person.0' }, eventType: 'visit', occurredAt };
      codes.push((await ask(place.system, trackEvent, { input })).trackEvent.userErrors[0]?.code);
    }
    database.clock.now = undefined;
    expect(codes).toEqual([undefined, 'VALIDATION_FAILED']);
  });

  const right = { user: { username: 'person.0' }, eventType: 'visit', reference: 'r' };
  it.each([
    ['NOT_FOUND', ['user'], { user: { id: 'usr_nobody' } }],
    ['RULE_NOT_FOUND', ['eventType'], { eventType: 'none' }],
    ['IDEMPOTENCY_KEY_REUSED', ['reference'], { metadata: { other: true } }],
    ['IDEMPOTENCY_KEY_REUSED', ['reference'], { user: { username: 'person.1' } }],
    ['VALIDATION_FAILED', ['eventType'], { eventType: '' }],
    ['VALIDATION_FAILED', ['reference'], { reference: 'r'.repeat(201) }],
    ['VALIDATION_FAILED', ['metadata'], { metadata: [1] }],
    ['VALIDATION_FAILED', ['metadata'], { metadata: { text: 'x'.repeat(8_200) } }],
    ['VALIDATION_FAILED', ['occurredAt'], { occurredAt: '2999-01-01T00:00:00Z' }],
    ['VALIDATION_FAILED', ['user', 'username'], { user: { username: 'x'.repeat(101) } }],
  ])('%s: a wrong %s', async (code, path, wrong) => {
    const place = await newCommunity(database.resources);
    await ask(place.system, trackEvent, { input: right });
    const answer = await ask(place.system, trackEvent, { input: { ...right, ...wrong } });
    expect(answer.trackEvent).toMatchObject({ ledger: [], userErrors: [{ code, path: ['input', ...path] }] });
    expect(await xpOf(place)).toEqual([10n, 0n]);
  });

  it('VALIDATION_FAILED: an event type of what Laurel posts itself', async () => {
    const place = await newCommunity(database.resources, { badges: [null] });
    const [sql, id, userId] = [database.sql, place.id, place.memberIds[0] ?? ''];
    const [common, badgeId] = [{ reason: null, metadata: null, origin: ownOrigin }, place.badgeIds[0] ?? ''];
    const spent = { userId, unit: 'XP', amount: 5n, occurredAt: null } as const;
    await adjustBalance(sql, id, { ...common, ...spent, action: 'INCREASE', reference: 'a' });
    const { eventId } = await spendBalance(sql, id, { ...common, ...spent, item: null, reference: 'b' });
    await reverseEvent(sql, id, { ...common, eventId, reference: 'c' });
    const given = { badgeId, userId, attachmentUrl: null, idempotencyKey: 'd', origin: ownOrigin };
    const { award } = await awardBadge(sql, id, given);
    await revokeBadge(sql, place.system, award.id);
    const posted = await sql<{ eventType: string }[]>`
      select distinct event_type as "eventType" from gamification.event where community_id = ${id}`;
    expect(posted).toHaveLength(5);
    for (const { eventType } of posted) {
      expect(await track(place, { eventType }), eventType).toMatchObject({
        code: 'VALIDATION_FAILED',
        path: ['input', 'eventType'],
      });
    }
  });

  it('VALIDATION_FAILED: text with NUL, which no database keeps', async () => {
    const { system } = await newCommunity(database.resources);
    for (const [path, wrong] of [
      [['input', 'metadata', 'text'], { metadata: { text: 'a\0b' } }],
      [['input', 'metadata'], { metadata: { 'a\0b': 1 } }],
      [['input', 'reference'], { reference: '\ud800' }],
      [['input', 'user', 'username'], { user: { username: '\0' } }],
    ] as const) {
      const answer = await ask(system, trackEvent, { input: { ...right, ...wrong } });
      expect(answer.trackEvent.userErrors).toEqual([{ code: 'VALIDATION_FAILED', path }]);
    }
  });

  it('COMMUNITY_REQUIRED: a caller without a community', async () => {
    const nowhere = { kind: 'system', scopes: ['events:write'] } as const;
    expect(await errorsOf(nowhere, trackEvent, { input: right })).toEqual([
      { code: 'COMMUNITY_REQUIRED', path: ['trackEvent'] },
    ]);
  });
});
