import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assignRoles } from '../../../subgraphs/community/role.ts';
import { deleteRole } from '../../../subgraphs/community/role-change.ts';
import { transaction } from '../../../subgraphs/db.ts';
import { trackEvents } from '../../../subgraphs/gamification/event.ts';
import { gamification } from '../../../subgraphs/gamification/index.ts';
import { updateLeaderboard } from '../../../subgraphs/gamification/leaderboard-change.ts';
import { rankRoles } from '../../../subgraphs/gamification/rank-roles.ts';
import { followRoles } from '../../../subgraphs/gamification/score.ts';
import { keepRuns } from '../../../subgraphs/gamification/score-run.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { allScopes } from '../../../subgraphs/scopes.ts';
import { eventOf, newCommunity, newRole, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities, listen } = asking(gamification, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const create = `mutation ($input: CreateLeaderboardInput!) { createLeaderboard(input: $input) {
  leaderboard { id rankRoleIds viewRoleIds entries { nodes { rank } } runs { ready } } userErrors { code path }
} }`;

async function buy({ id, memberIds }: TestCommunity, ...members: number[]) {
  await trackEvents(
    database.sql,
    id,
    members.map((n) => eventOf(memberIds[n] ?? '')),
  );
  database.resources.tail.wake();
}

function takeRole(place: TestCommunity, n: number, roleId: string) {
  return database.sql`
    delete from community.role_member
    where community_id = ${place.id} and user_id = ${place.memberIds[n] ?? ''} and role_id = ${roleId}`;
}

async function boarded(details: (roleId: string) => Record<string, unknown>) {
  const place = await newCommunity(database.resources, { members: 5 });
  const roleId = await newRole(database.resources, place.id, { holders: [place.memberIds[0]] });
  const input = {
    slug: 'top',
    name: [{ lang: 'en', text: 'Top' }],
    unit: 'XP',
    windows: ['ALL_TIME'],
    idempotencyKey: 'key',
    ...details(roleId),
  };
  const { createLeaderboard } = await ask(place.system, create, { input });
  expect(createLeaderboard.userErrors).toEqual([]);
  return { ...place, roleId, input, boardId: createLeaderboard.leaderboard.id as string };
}

/** Whether the leaderboard is there, by each of the ways to it. */
async function seenBy(
  { boardId, memberIds }: { boardId: string; memberIds: readonly string[] },
  caller: Principal,
) {
  const { byId, bySlug, leaderboards } = await ask(
    caller,
    `{ byId: leaderboard(id: "${boardId}") { entries { nodes { rank } } }
      bySlug: leaderboard(slug: "top") { runs { ready } } leaderboards { nodes { id } } }`,
  );
  const rank = `{ rank(leaderboardId: "${boardId}") { rank } }`;
  const [user] = await entities(caller, 'User', memberIds.slice(0, 1), rank);
  const [entity] = await entities(caller, 'Leaderboard', [boardId], '{ slug }');
  return [byId, bySlug, leaderboards.nodes[0], user.rank, entity].map((found) => found != null);
}

const everywhere = [true, true, true, true, true];
const nowhere = [false, false, false, false, false];

const stream = `subscription ($id: ID!) { leaderboard(id: $id) { __typename
  ... on StreamEnding { reason } ... on LeaderboardChanged { leaderboard { slug } entries { score } } } }`;

describe('leaderboards that roles view', () => {
  const viewed = () => boarded((roleId) => ({ viewRoleIds: [roleId] }));

  it('are there for people with one of the roles, administrators and keys of the community', async () => {
    const place = await viewed();
    await buy(place, 0);
    const { id, memberIds } = place;
    await newRole(database.resources, id, { permissions: ['ADMINISTRATOR'], holders: [memberIds[1]] });
    await newRole(database.resources, id, { holders: [memberIds[2]] });
    for (const caller of [place.system, place.person(0), place.person(1)])
      expect(await seenBy(place, caller)).toEqual(everywhere);
    for (const n of [2, 3]) expect(await seenBy(place, place.person(n))).toEqual(nowhere);
  });

  it('are gone with the role, and for administrators alone when the role is deleted', async () => {
    const place = await viewed();
    await buy(place, 0);
    await takeRole(place, 0, place.roleId);
    expect(await seenBy(place, place.person(0))).toEqual(nowhere);
    await newRole(database.resources, place.id, { holders: [place.memberIds[0]] });
    await deleteRole(database.sql, place.system, place.roleId);
    expect(await seenBy(place, place.person(0))).toEqual(nowhere);
    expect(await seenBy(place, place.system)).toEqual(everywhere);
  });

  it('tell whoever made one for others nothing more of it', async () => {
    const place = await viewed();
    const input = { ...place.input, slug: 'other', idempotencyKey: 'other' };
    const { createLeaderboard } = await ask(place.person(1), create, { input });
    expect(createLeaderboard.leaderboard).toMatchObject({ entries: null, runs: [] });
  });

  it('NOT_FOUND: changing or deleting one that the caller may not view', async () => {
    const place = await viewed();
    const input = { leaderboardId: place.boardId };
    for (const mutation of ['updateLeaderboard', 'deleteLeaderboard']) {
      const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
      const text = `mutation ($input: ${type}!) { ${mutation}(input: $input) { userErrors { code path } } }`;
      const answer = await ask(place.person(1), text, { input });
      expect(answer[mutation].userErrors).toEqual([{ code: 'NOT_FOUND', path: ['input', 'leaderboardId'] }]);
      expect((await ask(place.person(0), text, { input }))[mutation].userErrors).toEqual([]);
    }
  });

  it('NEEDS_USER: a class of people asks for one', async () => {
    const { id, boardId } = await viewed();
    const people: Principal = {
      kind: 'class',
      communityId: id,
      ofPeople: true,
      readsAs: '',
      scopes: allScopes,
    };
    for (const field of [`leaderboard(id: "${boardId}") { id }`, 'leaderboards { nodes { id } }'])
      expect((await errorsOf(people, `{ ${field} }`))[0]).toMatchObject({ code: 'NEEDS_USER' });
    await expect(listen(people, stream, { id: boardId })).rejects.toMatchObject({ code: 'NEEDS_USER' });
  });

  it('are followed by those who may view them, until they may not any more', async () => {
    const place = await viewed();
    await expect(listen(place.person(1), stream, { id: place.boardId })).rejects.toMatchObject({
      code: 'BAD_ARGUMENT',
    });
    const items = await listen(place.person(0), stream, { id: place.boardId });
    expect((await take(items, 2))[0]).toMatchObject({ leaderboard: { slug: 'top' }, entries: [] });
    await buy(place, 2);
    expect(await take(items, 1)).toMatchObject([{ entries: [{ score: 100 }] }]);
    await takeRole(place, 0, place.roleId);
    await buy(place, 3);
    expect(await take(items, 2)).toEqual([{ __typename: 'StreamEnding', reason: 'PERMISSION_REVOKED' }]);
  });
});

describe('leaderboards that rank roles', () => {
  const ranking = () => boarded((roleId) => ({ rankRoleIds: [roleId], windows: ['ALL_TIME', 'DAILY'] }));
  type Ranked = Awaited<ReturnType<typeof ranking>>;

  /** Everybody's score, where they are ranked, once the leaderboard has followed the roles. */
  async function scoresOf({ system, memberIds }: Ranked, window = 'ALL_TIME'): Promise<(number | null)[]> {
    const users = await entities(
      system,
      'User',
      memberIds,
      `{ rank(slug: "top", window: ${window}) { score rank } }`,
    );
    return users.map(({ rank }) => rank?.score ?? null);
  }
  const follow = () => catchUp(database.sql, rankRoles);
  const give = ({ id, memberIds }: Ranked, n: number, roleId: string) =>
    assignRoles(database.sql, id, roleId, [memberIds[n] ?? '']);

  it('count what their people gained, before the leaderboard and after', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    const roleId = await newRole(database.resources, place.id, { holders: place.memberIds.slice(0, 2) });
    await buy(place, 0, 2);
    const input = {
      slug: 'top',
      name: [{ lang: 'en', text: 'Top' }],
      unit: 'XP',
      windows: ['ALL_TIME'],
      rankRoleIds: [roleId, roleId],
      idempotencyKey: 'key',
    };
    const { createLeaderboard } = await ask(place.system, create, { input });
    expect(createLeaderboard.leaderboard.rankRoleIds).toEqual([roleId]);
    await buy(place, 0, 1, 2);
    const { leaderboard } = await ask(
      place.system,
      '{ leaderboard(slug: "top") { entries { nodes { rank score outOf user { id } } } } }',
    );
    expect(leaderboard.entries.nodes).toEqual([
      { rank: 1, score: 200, outOf: 2, user: { id: place.memberIds[0] } },
      { rank: 2, score: 100, outOf: 2, user: { id: place.memberIds[1] } },
    ]);
  });

  it('let people in with all they gained when they are given the role, and out when they lose it', async () => {
    const place = await ranking();
    await buy(place, 0, 1, 1);
    expect(await scoresOf(place)).toEqual([100, null, null, null, null]);
    await give(place, 1, place.roleId);
    // Whoever gains something before the role was followed enters with everything.
    await buy(place, 1);
    expect(await scoresOf(place)).toEqual([100, 300, null, null, null]);
    await give(place, 2, place.roleId);
    await takeRole(place, 0, place.roleId);
    await follow();
    await buy(place, 0, 2);
    expect(await scoresOf(place)).toEqual([null, 300, 100, null, null]);
    expect(await scoresOf(place, 'DAILY')).toEqual([null, 300, 100, null, null]);
    await give(place, 0, place.roleId);
    await follow();
    expect(await scoresOf(place)).toEqual([200, 300, 100, null, null]);
  });

  it('rank nobody when their role is deleted, and the people of the others', async () => {
    const place = await ranking();
    const other = await newRole(database.resources, place.id, { holders: [place.memberIds[1]] });
    const text = `mutation ($input: UpdateLeaderboardInput!) { updateLeaderboard(input: $input) { userErrors { code } } }`;
    await ask(place.system, text, {
      input: { leaderboardId: place.boardId, rankRoleIds: [place.roleId, other] },
    });
    await give(place, 1, place.roleId);
    await buy(place, 0, 1, 2);
    expect(await scoresOf(place)).toEqual([100, 100, null, null, null]);
    await deleteRole(database.sql, place.system, place.roleId);
    await follow();
    expect(await scoresOf(place)).toEqual([null, 100, null, null, null]);
  });

  it('are counted anew in batches when a role of many people is deleted', async () => {
    const place = await ranking();
    const { id, boardId, roleId, memberIds } = place;
    const other = await newRole(database.resources, id, { holders: [memberIds[1]] });
    const now = database.resources.now();
    await updateLeaderboard(database.sql, place.system, boardId, { rankRoleIds: [roleId, other] }, now);
    for (const n of [1, 2]) await give(place, n, roleId);
    await buy(place, 0, 1, 2, 3);
    await deleteRole(database.sql, place.system, roleId);
    const change = { roleId, userId: null };
    await transaction(database.sql, (tx) => followRoles(tx, id, [change], 3));
    // Three are few enough, so they are done at once.
    expect(await scoresOf(place)).toEqual([null, 100, null, null, null]);
    const third = await newRole(database.resources, id, { holders: memberIds.slice(0, 3) });
    await updateLeaderboard(database.sql, place.system, boardId, { rankRoleIds: [third, other] }, now);
    await deleteRole(database.sql, place.system, third);
    await transaction(database.sql, (tx) => followRoles(tx, id, [{ roleId: third, userId: null }], 2));
    const list = '{ leaderboard(slug: "top") { entries { nodes { score } } } }';
    expect(await errorsOf(place.system, list)).toMatchObject([{ code: 'RANKS_NOT_READY' }]);
    await buy(place, 1);
    await keepRuns(database.sql, now, { communityId: id });
    expect(await scoresOf(place)).toEqual([null, 200, null, null, null]);
  });

  it('are the sums of their people, whatever happens to roles and scores meanwhile', async () => {
    const place = await ranking();
    const { id, roleId, memberIds } = place;
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const step = async () => {
      const n = random(5);
      const act = random(4);
      if (act === 0) await give(place, n, roleId);
      else if (act === 1) await takeRole(place, n, roleId);
      else await buy(place, n);
    };
    for (let round = 0; round < 12; round++) {
      // Two histories at once, and the follower between them.
      await Promise.all([step().then(step), step().then(step), follow()]);
      await follow();
      const expected = await database.sql<{ score: bigint | null }[]>`
        select case when exists (
          select from community.role_member h where h.community_id = ${id} and h.user_id = m.id and h.role_id = ${roleId}
        ) then (
          select sum(amount)::bigint from gamification.ledger_entry l
          where l.community_id = ${id} and l.user_id = m.id and l.unit = 'XP'
        ) end as score
        from unnest(${memberIds as string[]}::text[]) with ordinality m(id, n)
        order by n`;
      expect(await scoresOf(place)).toEqual(
        expected.map(({ score }) => (score === null ? null : Number(score))),
      );
      const wrong = await database.sql`
        select from gamification.score_run r
        where r.community_id = ${id} and (
          select coalesce(sum(people), 0) from gamification.score_bucket b where b.community_id = ${id} and b.run_id = r.id
        ) <> (select count(*) from gamification.score s where s.community_id = ${id} and s.run_id = r.id)`;
      expect(wrong).toHaveLength(0);
    }
  });
});
