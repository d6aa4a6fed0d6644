import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { community } from '../../../subgraphs/community/index.ts';
import { memberIndex, membersPage } from '../../../subgraphs/community/member.ts';
import { addUsers } from '../../../subgraphs/identity/user.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { newCommunity, personOf } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(community, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const idsOf = ({ edges }: { edges: { node: { userId: string } }[] }) => edges.map(({ node }) => node.userId);

describe('members: rules', () => {
  it('stand in the index once the log was read, and once only', async () => {
    const { id, memberIds } = await newCommunity(database.resources);
    const late = personOf(7);
    await addUsers(database.sql, id, [late]);
    expect(idsOf(await membersPage(database.sql, id, {}))).toEqual(memberIds);
    await catchUp(database.sql, memberIndex);
    await catchUp(database.sql, memberIndex);
    expect(idsOf(await membersPage(database.sql, id, {}))).toEqual([...memberIds, late.id]);
  });

  it('come in the order they joined; ties broken by id', async () => {
    const { id } = await newCommunity(database.resources, { members: 0 });
    const joinedAt = new Date('2026-02-01T00:00:00Z');
    const twins = [personOf(1, { joinedAt }), personOf(2, { joinedAt }), personOf(3, { joinedAt })];
    await addUsers(database.sql, id, [personOf(0, { id: 'usr_first' }), ...twins]);
    await catchUp(database.sql, memberIndex);
    const ids = twins.map((twin) => twin.id).sort();
    expect(idsOf(await membersPage(database.sql, id, {}))).toEqual(['usr_first', ...ids]);
  });
});

describe('members: query', () => {
  const page = `query ($first: Int, $after: String, $last: Int, $before: String) {
    users(first: $first, after: $after, last: $last, before: $before) {
      nodes { id }
      edges { cursor node { id } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`;

  it('gives 20 unless asked for another number', async () => {
    const { system, memberIds } = await newCommunity(database.resources, { members: 21 });
    const { users } = await ask(system, page);
    expect(users.nodes.map(({ id }: { id: string }) => id)).toEqual(memberIds.slice(0, 20));
    expect(users.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  });

  it('gives every member once, page by page, forwards and backwards', async () => {
    const { system, memberIds } = await newCommunity(database.resources, { members: 7 });
    const forwards: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const { users } = await ask(system, page, { first: 3, after });
      forwards.push(...users.nodes.map(({ id }: { id: string }) => id));
      after = users.pageInfo.endCursor;
      more = users.pageInfo.hasNextPage;
    }
    expect(forwards).toEqual(memberIds);
    const backwards: string[] = [];
    for (let before: string | null = null, more = true; more; ) {
      const { users } = await ask(system, page, { last: 3, before });
      backwards.unshift(...users.nodes.map(({ id }: { id: string }) => id));
      before = users.pageInfo.startCursor;
      more = users.pageInfo.hasPreviousPage;
    }
    expect(backwards).toEqual(memberIds);
  });

  it('gives an empty page where nobody is', async () => {
    const { system } = await newCommunity(database.resources, { members: 0 });
    expect((await ask(system, page)).users).toEqual({
      nodes: [],
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });
});

describe('members: refusals', () => {
  it.each([
    ['BAD_PAGE', 'users(first: 0)'],
    ['BAD_PAGE', 'users(last: 101)'],
    ['BAD_PAGE', 'users(first: 1, last: 1)'],
    ['BAD_CURSOR', 'users(after: "nonsense")'],
  ])('%s: %s', async (code, field) => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, `{ ${field} { nodes { id } } }`)).toEqual([{ code, path: ['users'] }]);
  });
});

describe('members: cost', () => {
  it('reads a page of 100 with one statement', async () => {
    const { system } = await newCommunity(database.resources, { members: 101 });
    const list = (first: number) =>
      database.statementsOf(() =>
        ask(system, `{ users(first: ${first}) { nodes { id } edges { cursor } } }`),
      );
    expect(await list(1)).toEqual(['membersPage']);
    expect(await list(100)).toEqual(['membersPage']);
  });
});
