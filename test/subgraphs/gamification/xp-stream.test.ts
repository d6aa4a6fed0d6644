import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, listen } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const subscription = `subscription ($userIds: [ID!], $after: EventCursor) { xp(userIds: $userIds, after: $after) {
  __typename cursor
  ... on XpChanged { total user { id } entry { amount unit eventType } level { number } }
  ... on LevelChanged { user { id } from { number } to { number } }
  ... on StreamReady { retainedFrom retentionSeconds }
  ... on StreamResumed { replayed }
  ... on StreamGap { from reason }
} }`;

/** Lets a member earn 100 XP. */
async function earn({ id, memberIds }: TestCommunity, member = 0, eventType = 'purchase'): Promise<void> {
  await trackEvents(database.sql, id, [eventOf(memberIds[member] ?? '', { eventType })]);
  database.resources.tail.wake();
}

describe('XP stream', () => {
  it('says that it is open, then tells each change with its entry, and each change of level', async () => {
    const place = await newCommunity(database.resources);
    const items = await listen(place.system, subscription);
    const [ready] = await take(items, 1);
    expect(ready).toMatchObject({ __typename: 'StreamReady', retentionSeconds: 604_800 });
    await earn(place, 0, 'signup');
    await earn(place, 1);
    expect(await take(items, 3)).toEqual([
      {
        __typename: 'XpChanged',
        cursor: expect.any(String),
        total: 500,
        user: { id: place.memberIds[0] },
        entry: { amount: 500, unit: 'XP', eventType: 'signup' },
        level: { number: 2 },
      },
      {
        __typename: 'LevelChanged',
        cursor: expect.any(String),
        user: { id: place.memberIds[0] },
        from: { number: 1 },
        to: { number: 2 },
      },
      expect.objectContaining({ total: 100, user: { id: place.memberIds[1] }, level: { number: 1 } }),
    ]);
    await items.return(undefined);
  });

  it('leaves out what changes no XP', async () => {
    const place = await newCommunity(database.resources);
    const items = await listen(place.system, subscription);
    await earn(place, 0, 'refund');
    await earn(place);
    const [, first] = await take(items, 2);
    expect(first).toMatchObject({ total: 100, entry: { eventType: 'purchase' } });
    await items.return(undefined);
  });

  it('tells only of the people asked for, and only of this community', async () => {
    const [place, other] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const items = await listen(place.system, subscription, { userIds: place.memberIds.slice(1) });
    await earn(place, 0);
    await earn(other, 1);
    await earn(place, 1);
    const [, first] = await take(items, 2);
    expect(first).toMatchObject({ user: { id: place.memberIds[1] } });
    await items.return(undefined);
  });

  it('gives exactly what was missed after a cursor, then says so, then goes on live', async () => {
    const place = await newCommunity(database.resources);
    const before = await listen(place.system, subscription);
    await earn(place);
    const [, last] = await take(before, 2);
    await before.return(undefined);
    await earn(place);
    await earn(place);

    const items = await listen(place.system, subscription, { after: last.cursor });
    const missed = await take(items, 4);
    expect(missed.map(({ __typename, total }) => [__typename, total])).toEqual([
      ['XpChanged', 200],
      ['XpChanged', 300],
      ['LevelChanged', undefined],
      ['StreamResumed', undefined],
    ]);
    expect(missed[3]).toMatchObject({ replayed: 3, cursor: missed[2].cursor });
    await earn(place);
    expect(await take(items, 1)).toMatchObject([{ total: 400 }]);
    await items.return(undefined);
  });

  it('ends at once when nobody listens any more, also while it is silent', async () => {
    const place = await newCommunity(database.resources);
    const items = await listen(place.system, subscription);
    await take(items, 1);
    const waiting = items.next();
    await items.return(undefined);
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe('XP stream with a snapshot', () => {
  const withSnapshot = `subscription ($userIds: [ID!], $after: EventCursor) {
    xp(userIds: $userIds, after: $after, snapshot: true) {
      __typename cursor
      ... on XpSnapshot { users { id xp coins level { number } } }
      ... on XpChanged { total user { id xp } }
    }
  }`;

  it('begins with how every member who is named stands, then tells what happens from there on', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    const [first = '', second = '', third = ''] = place.memberIds;
    await earn(place, 0, 'signup');
    await earn(place, 1, 'visit');
    await earn(place, 2);
    const items = await listen(place.system, withSnapshot, {
      userIds: [second, first, 'usr_nobody', second],
    });
    // What happens before it is read is told of later, and does not count in it.
    await earn(place, 0);
    const [snapshot, ready, event] = await take(items, 3);
    expect(snapshot).toEqual({
      __typename: 'XpSnapshot',
      cursor: ready.cursor,
      users: [
        { id: second, xp: 10, coins: 2, level: { number: 1 } },
        { id: first, xp: 500, coins: 0, level: { number: 2 } },
      ],
    });
    expect(event).toMatchObject({ total: 600, user: { id: first, xp: 600 } });
    await items.return(undefined);
    const nobody = await listen(place.system, withSnapshot, { userIds: [third], after: event.cursor });
    expect(await take(nobody, 1)).toMatchObject([{ __typename: 'StreamResumed' }]);
    await nobody.return(undefined);
  });

  it('has zeros for whoever earned nothing, in a community where nobody did', async () => {
    const place = await newCommunity(database.resources);
    const items = await listen(place.system, withSnapshot, { userIds: place.memberIds });
    const [{ users }] = await take(items, 1);
    expect(users.map(({ xp }: { xp: number }) => xp)).toEqual([0, 0]);
    await items.return(undefined);
  });

  it('BAD_ARGUMENT: nobody is named', async () => {
    const { system } = await newCommunity(database.resources);
    await expect(listen(system, withSnapshot)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  });
});

const events = `query ($userIds: [ID!], $after: EventCursor, $first: Int) {
  xpEvents(userIds: $userIds, after: $after, first: $first) {
    nodes { __typename cursor ... on XpChanged { total entry { amount } user { id } } ... on StreamGap { from reason } }
    edges { cursor node { __typename } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    retainedFrom
  }
}`;

describe('XP events by pages', () => {
  it('are those of the stream, with the same cursors', async () => {
    const place = await newCommunity(database.resources);
    const items = await listen(place.system, subscription);
    for (let n = 0; n < 3; n++) await earn(place, n % 2);
    const [ready, ...told] = await take(items, 4);
    await items.return(undefined);

    const { xpEvents: first } = await ask(place.system, events, { first: 2 });
    expect(first.retainedFrom).toBe(ready.retainedFrom);
    const next = { after: first.pageInfo.endCursor };
    const { xpEvents: second } = await ask(place.system, events, next);
    const cursors = told.map(({ cursor }) => cursor);
    expect([...first.nodes, ...second.nodes].map(({ cursor }) => cursor)).toEqual(cursors);
    expect(first.nodes[0]).toEqual({
      __typename: 'XpChanged',
      cursor: cursors[0],
      total: 100,
      entry: { amount: 100 },
      user: { id: place.memberIds[0] },
    });
    expect(first.edges[1]).toEqual({ cursor: cursors[1], node: { __typename: 'XpChanged' } });
    expect([first.pageInfo, second.pageInfo]).toEqual([
      { hasNextPage: true, hasPreviousPage: false, startCursor: cursors[0], endCursor: cursors[1] },
      { hasNextPage: false, hasPreviousPage: true, startCursor: cursors[2], endCursor: cursors[2] },
    ]);
    const live = await listen(place.system, subscription, { after: second.pageInfo.endCursor });
    expect(await take(live, 1)).toMatchObject([{ __typename: 'StreamResumed', replayed: 0 }]);
    await live.return(undefined);
  });

  it('are of the people asked for', async () => {
    const place = await newCommunity(database.resources);
    for (const member of [0, 1, 0]) await earn(place, member);
    const { xpEvents } = await ask(place.system, events, { userIds: place.memberIds.slice(1) });
    expect(xpEvents.nodes.map(({ user }: { user: { id: string } }) => user.id)).toEqual([place.memberIds[1]]);
  });

  it('begin with the gap that the stream tells of too', async () => {
    const place = await newCommunity(database.resources);
    for (let n = 0; n < 3; n++) await earn(place);
    const { xpEvents: all } = await ask(place.system, events);
    await database.sql`delete from log.event where community_id = ${place.id} and number <= 2`;
    const [seen, lost, ...kept] = all.nodes;
    const { xpEvents } = await ask(place.system, events, { after: seen.cursor });
    const gap = {
      __typename: 'StreamGap',
      cursor: lost.cursor,
      from: seen.cursor,
      reason: 'RETENTION_EXCEEDED',
    };
    expect(xpEvents.nodes).toEqual([gap, ...kept]);
    expect(xpEvents.retainedFrom).toBe(lost.cursor);
  });

  it('read the entries of a page in one statement', async () => {
    const place = await newCommunity(database.resources);
    for (let n = 0; n < 20; n++) await earn(place);
    const statements = await database.statementsOf(() => ask(place.system, events, { first: 100 }));
    const own = ['extentOf', 'eventsAfter', 'entriesById'];
    expect(statements.filter((name) => !name.includes('pg_notify'))).toEqual(own);
  });

  it.each([0, 101])('BAD_ARGUMENT: %d at a time', async (first) => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, events, { first })).toEqual([{ code: 'BAD_ARGUMENT', path: ['xpEvents'] }]);
  });
});

describe('XP stream: refusals', () => {
  it('BAD_CURSOR: a cursor of another community or of no stream', async () => {
    const [place, other] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const items = await listen(other.system, subscription);
    const [{ cursor }] = await take(items, 1);
    await items.return(undefined);
    for (const after of [cursor, 'nonsense', ''])
      await expect(listen(place.system, subscription, { after })).rejects.toMatchObject({
        code: 'BAD_CURSOR',
      });
  });

  it('BAD_ARGUMENT: nobody, or more than 500 people', async () => {
    const { system } = await newCommunity(database.resources);
    for (const userIds of [[], Array.from({ length: 501 }, (_, n) => `usr_${n}`)]) {
      const listening = listen(system, subscription, { userIds });
      await expect(listening).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    }
  });

  it('COMMUNITY_REQUIRED: a caller without a community', async () => {
    const nowhere = { kind: 'system', scopes: ['stats:read'] } as const;
    await expect(listen(nowhere, subscription)).rejects.toMatchObject({ code: 'COMMUNITY_REQUIRED' });
  });
});
