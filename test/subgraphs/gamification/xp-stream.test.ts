import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { listen } = asking(gamification, () => database.resources);
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
