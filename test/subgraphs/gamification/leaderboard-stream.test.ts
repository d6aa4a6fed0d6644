import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adjustBalance } from '../../../subgraphs/gamification/adjustment.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import {
  createLeaderboard,
  deleteLeaderboard,
  updateLeaderboard,
} from '../../../subgraphs/gamification/leaderboard-change.ts';
import { ownOrigin } from '../../../subgraphs/gamification/origin.ts';
import { eventOf, newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking, take } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { listen } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

type Place = TestCommunity & { boardId: string };

async function boarded(unit = 'XP'): Promise<Place> {
  const place = await newCommunity(database.resources, { members: 4 });
  const { id: boardId } = (
    await createLeaderboard(
      database.sql,
      place.system,
      {
        slug: 'top',
        name: { en: 'Top' },
        unit,
        windows: ['ALL_TIME', 'DAILY'],
        startsOn: null,
        endsOn: null,
        columns: [],
        topLimit: null,
        onlyPositive: true,
        enabled: true,
        rankRoleIds: [],
        viewRoleIds: [],
      },
      'key',
      database.resources.now(),
    )
  ).leaderboard;
  return { ...place, boardId };
}

async function happen({ id, memberIds }: Place, n: number, eventType = 'purchase') {
  await trackEvents(database.sql, id, [eventOf(memberIds[n] ?? '', { eventType })]);
  database.resources.tail.wake();
}

const stream = `subscription ($id: ID!, $top: Int!, $after: EventCursor, $window: RankWindow) {
  leaderboard(id: $id, top: $top, after: $after, window: $window) { __typename cursor
    ... on LeaderboardChanged { window period entries { rank score user { id } } leaderboard { slug } }
    ... on StreamResumed { replayed } ... on StreamEnding { reason }
} }`;

const follow = ({ system, boardId }: Place, more: Record<string, unknown> = {}) =>
  listen(system, stream, { id: boardId, top: 2, ...more });

/** The state of an item: `[member, rank, score]` each. */
const topOf = ({ memberIds }: Place, { entries }: Answer) =>
  entries.map(({ user, rank, score }: Answer) => [memberIds.indexOf(user.id), rank, score]);

describe('leaderboard stream', () => {
  it('gives the top as it is, then as it changes', async () => {
    const place = await boarded();
    await happen(place, 0);
    await using items = await follow(place);
    const [now, ready] = await take(items, 2);
    expect(now).toMatchObject({ __typename: 'LeaderboardChanged', window: 'ALL_TIME', period: null });
    expect(now.leaderboard).toEqual({ slug: 'top' });
    expect(topOf(place, now)).toEqual([[0, 1, 100]]);
    expect(ready).toEqual({ __typename: 'StreamReady', cursor: now.cursor });
    await happen(place, 1, 'signup');
    const [changed] = await take(items, 1);
    expect(topOf(place, changed)).toEqual([
      [1, 1, 500],
      [0, 2, 100],
    ]);
    expect(changed.cursor).not.toBe(now.cursor);
  });

  it('says nothing of what happens below the top', async () => {
    const place = await boarded();
    for (const n of [0, 1]) await happen(place, n, 'signup');
    await using items = await follow(place);
    await take(items, 2);
    await happen(place, 2);
    await happen(place, 0);
    const [changed] = await take(items, 1);
    expect(topOf(place, changed)).toEqual([
      [0, 1, 600],
      [1, 2, 500],
    ]);
  });

  it('resumes with the newest state', async () => {
    const place = await boarded();
    await happen(place, 0);
    const before = await follow(place);
    const [{ cursor }] = await take(before, 1);
    await before.return(undefined);
    for (const n of [1, 1, 2]) await happen(place, n);
    await using items = await follow(place, { after: cursor });
    const [now, resumed] = await take(items, 2);
    expect(topOf(place, now)).toEqual([
      [1, 1, 200],
      [2, 2, 100],
    ]);
    expect(resumed).toEqual({ __typename: 'StreamResumed', cursor: now.cursor, replayed: 1 });
  });

  it('follows other units too', async () => {
    const place = await boarded('COINS');
    await using items = await follow(place);
    await take(items, 2);
    await happen(place, 3, 'visit');
    const [changed] = await take(items, 1);
    expect(topOf(place, changed)).toEqual([[3, 1, 2]]);
  });

  it('gives each state a cursor of its own, also where no XP change', async () => {
    const place = await boarded('COINS');
    await using items = await follow(place);
    const [first] = await take(items, 2);
    const cursors = new Set([first.cursor]);
    for (let n = 1; n <= 2; n++) {
      const gift = {
        userId: place.memberIds[n] ?? '',
        unit: 'COINS',
        action: 'INCREASE',
        amount: 5n,
      } as const;
      const said = { reason: null, metadata: null, origin: ownOrigin, occurredAt: null };
      await adjustBalance(database.sql, place.id, { ...gift, ...said, reference: `gift-${n}` });
      database.resources.tail.wake();
      const [changed] = await take(items, 1);
      expect(changed.entries).toHaveLength(n);
      cursors.add(changed.cursor);
    }
    expect(cursors.size).toBe(3);
  });

  it('shares one look among all who follow the same', async () => {
    const place = await boarded();
    await happen(place, 0);
    const followers = await Promise.all(Array.from({ length: 5 }, () => follow(place)));
    const statements = await database.statementsOf(async () => {
      const states = await Promise.all(followers.map((items) => take(items, 2)));
      expect(new Set(states.map(([now]) => JSON.stringify(now))).size).toBe(1);
    });
    expect(statements.filter((name) => name === 'standingsPage').length).toBeLessThanOrEqual(1);
    await Promise.all(followers.map((items) => items.return(undefined)));
  });

  it.each<[string, (place: Place) => Promise<unknown>]>([
    [
      'is deleted',
      ({ system, boardId }) => deleteLeaderboard(database.sql, system, boardId, database.resources.now()),
    ],
    [
      'has the window no more',
      ({ system, boardId }) =>
        updateLeaderboard(database.sql, system, boardId, { windows: ['ALL_TIME'] }, database.resources.now()),
    ],
  ])('ends for all who follow it when the leaderboard %s', async (_what, change) => {
    const place = await boarded();
    const followers = [await follow(place, { window: 'DAILY' }), await follow(place, { window: 'DAILY' })];
    const told = await Promise.all(followers.map((items) => take(items, 2)));
    await change(place);
    database.resources.tail.wake();
    for (const [at, items] of followers.entries())
      expect(await take(items, 2)).toEqual([
        { __typename: 'StreamEnding', cursor: told[at]?.[1].cursor, reason: 'PERMISSION_REVOKED' },
      ]);
  });

  it.each([
    ['BAD_ARGUMENT', { id: 'ldb_none' }],
    ['BAD_ARGUMENT', { top: 101 }],
    ['BAD_ARGUMENT', { window: 'YEARLY' }],
    ['BAD_CURSOR', { after: 'nonsense' }],
  ])('%s: %o', async (code, wrong) => {
    const place = await boarded();
    await expect(follow(place, wrong)).rejects.toMatchObject({ code });
  });
});
