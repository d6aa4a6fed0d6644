import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allPermissions } from '../../../subgraphs/community/access.ts';
import { community } from '../../../subgraphs/community/index.ts';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { mostRoles, mostRolesOfPerson } from '../../../subgraphs/community/role-change.ts';
import { newId } from '../../../subgraphs/id.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity, newRole, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(community, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const roleFields = 'id title { text available } color order billable permissions';

/** Calls a mutation of a role and gives its payload. */
async function change(principal: Principal, name: string, input: object, selection: string) {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const text = `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code path } } }`;
  return (await ask(principal, text, { input }))[name];
}

const wish = (details: object = {}) => ({
  title: [{ lang: 'en', text: 'Team' }],
  order: 5,
  permissions: ['PIN_MESSAGES'],
  idempotencyKey: 'a',
  ...details,
});
const create = (principal: Principal, details: object = {}) =>
  change(principal, 'createRole', wish(details), `role { ${roleFields} } replayed`);

const rolesOf = async (place: TestCommunity, n: number): Promise<string[]> => {
  const [user] = await entities(place.system, 'User', [place.memberIds[n] ?? ''], '{ roles { id } }');
  return user.roles.map(({ id }: { id: string }) => id);
};

/** A community whose first member manages roles by one of rank 50, and whose second has no role. */
async function managed(permissions: readonly string[] = ['MANAGE_ROLES', 'PIN_MESSAGES']) {
  const place = await newCommunity(database.resources, { members: 3 });
  const [manager] = place.memberIds;
  const own = await newRole(database.resources, place.id, {
    rank: 50,
    permissions: [...permissions],
    holders: [manager],
  });
  return { ...place, own, manager: place.person(0) };
}

describe('roles: rules', () => {
  it('know the same permissions in the API, in the rules and in the database', async () => {
    const [row] = await database.sql<{ all: string[] }[]>`select community.all_permissions() as all`;
    expect(row?.all).toEqual(allPermissions);
    const { __type } = await ask(
      (await newCommunity(database.resources)).system,
      '{ __type(name: "Permission") { enumValues { name } } }',
    );
    expect(__type.enumValues.map(({ name }: { name: string }) => name)).toEqual(allPermissions);
  });

  it('are made, changed and deleted', async () => {
    const { system } = await newCommunity(database.resources);
    const title = [
      { lang: 'en', text: 'Team' },
      { lang: 'de', text: 'Mannschaft' },
    ];
    const { role, userErrors } = await create(system, { title, color: '#FFAA00', billable: true });
    expect(userErrors).toEqual([]);
    expect(role).toEqual({
      id: expect.stringMatching(/^rol_/),
      title: { text: 'Team', available: ['de', 'en'] },
      color: '#ffaa00',
      order: 5,
      billable: true,
      permissions: ['PIN_MESSAGES'],
    });
    const update = { id: role.id, color: null, order: 6, permissions: ['PIN_MESSAGES', 'BAN_MEMBERS'] };
    const changed = await change(system, 'updateRole', update, `role { ${roleFields} }`);
    expect(changed.role).toEqual({ ...role, color: null, order: 6, permissions: update.permissions });
    const gone = await change(system, 'deleteRole', { id: role.id }, 'deletedId');
    expect(gone).toEqual({ deletedId: role.id, userErrors: [] });
    expect(await ask(system, 'query ($id: ID!) { role(id: $id) { id } }', { id: role.id })).toEqual({
      role: null,
    });
  });

  it('are made once by an idempotency key', async () => {
    const { system } = await newCommunity(database.resources);
    const first = await create(system);
    expect(await create(system)).toEqual({ ...first, replayed: true });
    const { roles } = await ask(system, '{ roles { nodes { id } } }');
    expect(roles.nodes).toHaveLength(1);
  });

  it('are given and taken, and twice is as good as once', async () => {
    const place = await managed();
    const roleId = await newRole(database.resources, place.id, { rank: 49 });
    const userId = place.memberIds[1] ?? '';
    const selection = 'user { id roles { id } highestRole { id } }';
    for (let n = 0; n < 2; n++) {
      const { user, userErrors } = await change(place.manager, 'assignRole', { userId, roleId }, selection);
      expect(userErrors).toEqual([]);
      expect(user).toEqual({ id: userId, roles: [{ id: roleId }], highestRole: { id: roleId } });
    }
    for (let n = 0; n < 2; n++) {
      const { user } = await change(place.manager, 'unassignRole', { userId, roleId }, selection);
      expect(user).toEqual({ id: userId, roles: [], highestRole: null });
    }
  });

  it('leave channels of a deleted one to administrators, not to everybody', async () => {
    const { system, ...place } = await managed();
    const { sql } = database;
    const only = await newRole(database.resources, place.id);
    await sql`update community.channel set view_role_ids = ${[only]} where community_id = ${place.id}`;
    await change(system, 'deleteRole', { id: only }, 'deletedId');
    const { channels } = await ask(system, '{ channels { nodes { viewRoles { id } } } }');
    expect(channels.nodes).toEqual([{ viewRoles: [] }]);
    expect(await ask(place.person(1), '{ channels { nodes { id } } }')).toEqual({ channels: { nodes: [] } });
  });

  it('let administrators do all, with a role below others only what is below', async () => {
    const place = await newCommunity(database.resources);
    await addAdministrators(database.sql, place.id, [place.memberIds[0] ?? '']);
    const founder = await create(place.person(0), { order: 1_000_000, permissions: ['ADMINISTRATOR'] });
    expect(founder.userErrors).toEqual([]);
    await newRole(database.resources, place.id, {
      rank: 7,
      permissions: ['ADMINISTRATOR'],
      holders: [place.memberIds[1]],
    });
    const administrator = place.person(1);
    const below = await create(administrator, { order: 6, permissions: allPermissions, idempotencyKey: 'b' });
    expect(below.userErrors).toEqual([]);
    const beside = await create(administrator, { order: 7, idempotencyKey: 'c' });
    expect(beside.userErrors).toEqual([{ code: 'FORBIDDEN', path: ['input', 'order'] }]);
  });

  it('say what every member may, by an administrator', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN'] });
    const text = '{ community { memberPermissions } channels { nodes { effectivePermissions } } }';
    const before = await ask(place.person(0), text);
    expect(before.community.memberPermissions).toContain('POST_MESSAGES');
    const input = { permissions: ['VIEW_HISTORY'] };
    const set = await change(place.system, 'setMemberPermissions', input, 'community { memberPermissions }');
    expect(set).toEqual({ community: { memberPermissions: ['VIEW_HISTORY'] }, userErrors: [] });
    const after = await ask(place.person(0), text);
    expect(after.channels.nodes).toEqual([{ effectivePermissions: ['VIEW_HISTORY'] }]);
  });
});

describe('roles: query', () => {
  it('come highest first, page by page', async () => {
    const { system, id } = await newCommunity(database.resources);
    const ids = await Promise.all([1, 300, 20].map((rank) => newRole(database.resources, id, { rank })));
    const text =
      'query ($after: String) { roles(first: 2, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }';
    const { roles: first } = await ask(system, text);
    expect(first.nodes.map((node: { id: string }) => node.id)).toEqual([ids[1], ids[2]]);
    expect(first.pageInfo.hasNextPage).toBe(true);
    const { roles: second } = await ask(system, text, { after: first.pageInfo.endCursor });
    expect(second.nodes).toEqual([{ id: ids[0] }]);
    const { roles: last } = await ask(system, '{ roles(last: 2) { nodes { id } } }');
    expect(last.nodes.map((node: { id: string }) => node.id)).toEqual([ids[2], ids[0]]);
  });

  it('list their holders in the order they got it', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    const role = await newRole(database.resources, place.id);
    const { sql } = database;
    for (const [n, userId] of [2, 0, 1].map((at) => place.memberIds[at] ?? '').entries()) {
      await sql`
        insert into community.role_member (community_id, user_id, role_id, assigned_at)
        values (${place.id}, ${userId}, ${role}, ${new Date(n)})`;
    }
    const text = `query ($id: ID!, $after: String) {
      role(id: $id) { members(first: 2, after: $after) { nodes { id } pageInfo { endCursor } } }
    }`;
    const first = await ask(place.system, text, { id: role });
    expect(first.role.members.nodes.map(({ id }: { id: string }) => id)).toEqual([
      place.memberIds[2],
      place.memberIds[0],
    ]);
    const { role: rest } = await ask(place.system, text, {
      id: role,
      after: first.role.members.pageInfo.endCursor,
    });
    expect(rest.members.nodes).toEqual([{ id: place.memberIds[1] }]);
  });

  it('are found in their own community only', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const role = await newRole(database.resources, home.id);
    expect(await entities(away.system, 'Role', [role], '{ order }')).toEqual([null]);
    expect(await entities(home.system, 'Role', [role], '{ order }')).toEqual([{ order: 10 }]);
  });
});

describe('roles: refusals', () => {
  const refusals: [string, string, object, readonly string[] | null][] = [
    ['FORBIDDEN', 'createRole', wish({ order: 50 }), ['input', 'order']],
    ['FORBIDDEN', 'createRole', wish({ permissions: ['BAN_MEMBERS'] }), ['input', 'permissions']],
    ['VALIDATION_FAILED', 'createRole', wish({ title: [] }), ['input', 'title']],
    [
      'VALIDATION_FAILED',
      'createRole',
      wish({ title: [{ lang: 'en', text: ' ' }] }),
      ['input', 'title', '0', 'text'],
    ],
    [
      'VALIDATION_FAILED',
      'createRole',
      wish({ title: [{ lang: '?', text: 'a' }] }),
      ['input', 'title', '0', 'lang'],
    ],
    ['VALIDATION_FAILED', 'createRole', wish({ color: 'red' }), ['input', 'color']],
    ['VALIDATION_FAILED', 'createRole', wish({ order: -1 }), ['input', 'order']],
    ['VALIDATION_FAILED', 'createRole', wish({ idempotencyKey: '' }), ['input', 'idempotencyKey']],
    ['NOT_FOUND', 'updateRole', { id: 'rol_none' }, ['input', 'id']],
    ['NOT_FOUND', 'deleteRole', { id: 'rol_none' }, ['input', 'id']],
    ['NOT_FOUND', 'assignRole', { userId: 'usr_none', roleId: 'rol_none' }, ['input', 'roleId']],
    ['NOT_FOUND', 'unassignRole', { userId: 'usr_none', roleId: 'rol_none' }, ['input', 'roleId']],
  ];
  it.each(refusals)('%s: %s %j', async (code, name, input, path) => {
    const { manager } = await managed();
    expect((await change(manager, name, input, '')).userErrors).toEqual([{ code, path }]);
  });

  it('FORBIDDEN: whoever does not manage roles', async () => {
    const place = await managed();
    const [member, roleId, userId] = [place.person(1), place.own, place.memberIds[1]];
    for (const [name, input] of [
      ['createRole', wish()],
      ['updateRole', { id: roleId }],
      ['deleteRole', { id: roleId }],
      ['assignRole', { userId, roleId }],
      ['unassignRole', { userId, roleId }],
      ['setMemberPermissions', { permissions: [] }],
    ] as const) {
      expect((await change(member, name, input, '')).userErrors).toEqual([{ code: 'FORBIDDEN', path: null }]);
    }
    expect(await rolesOf(place, 1)).toEqual([]);
  });

  it('FORBIDDEN: a role that does not stand below the own one is changed, deleted, given or taken', async () => {
    const place = await managed();
    const [roleId, userId] = [place.own, place.memberIds[1]];
    for (const [name, input, argument] of [
      ['updateRole', { id: roleId, order: 1 }, 'id'],
      ['deleteRole', { id: roleId }, 'id'],
      ['assignRole', { userId, roleId }, 'roleId'],
      ['unassignRole', { userId: place.memberIds[0], roleId }, 'roleId'],
    ] as const) {
      expect((await change(place.manager, name, input, '')).userErrors).toEqual([
        { code: 'FORBIDDEN', path: ['input', argument] },
      ]);
    }
    expect(await rolesOf(place, 0)).toEqual([roleId]);
  });

  it('FORBIDDEN: a role is raised to the own one, given more than oneself has, or given with more', async () => {
    const place = await managed();
    const roleId = await newRole(database.resources, place.id, { rank: 1, permissions: ['BAN_MEMBERS'] });
    const refused = async (name: string, input: object) =>
      (await change(place.manager, name, input, '')).userErrors;
    expect(await refused('updateRole', { id: roleId, order: 50 })).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'order'] },
    ]);
    expect(await refused('updateRole', { id: roleId, permissions: ['ADMINISTRATOR'] })).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'permissions'] },
    ]);
    expect(await refused('assignRole', { roleId, userId: place.memberIds[1] })).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'roleId'] },
    ]);
    // What it has already may stay.
    expect(await refused('updateRole', { id: roleId, permissions: ['BAN_MEMBERS', 'PIN_MESSAGES'] })).toEqual(
      [],
    );
  });

  it('FORBIDDEN: what every member may is set by whoever manages roles alone', async () => {
    const { manager } = await managed();
    expect((await change(manager, 'setMemberPermissions', { permissions: [] }, '')).userErrors).toEqual([
      { code: 'FORBIDDEN', path: null },
    ]);
  });

  it('NOT_FOUND: a role is given to nobody of this community', async () => {
    const [place, away] = [await managed(), await newCommunity(database.resources)];
    const roleId = await newRole(database.resources, place.id, { rank: 1 });
    for (const userId of [newId('User'), away.memberIds[0]]) {
      expect((await change(place.manager, 'assignRole', { roleId, userId }, '')).userErrors).toEqual([
        { code: 'NOT_FOUND', path: ['input', 'userId'] },
      ]);
    }
  });

  it('IDEMPOTENCY_KEY_REUSED: another role by the same key', async () => {
    const { system } = await newCommunity(database.resources);
    await create(system);
    expect((await create(system, { order: 6 })).userErrors).toEqual([
      { code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] },
    ]);
  });

  it('LIMIT_EXCEEDED: one role more than a community has, or a person', async () => {
    const place = await newCommunity(database.resources);
    const { sql } = database;
    const [userId = ''] = place.memberIds;
    await sql`
      insert into community.role (community_id, id, title, rank, permissions)
      select ${place.id}, 'rol_' || n, '{}', n, '{}' from generate_series(1, ${mostRoles}) n`;
    expect((await create(place.system)).userErrors).toEqual([{ code: 'LIMIT_EXCEEDED', path: null }]);
    await sql`
      insert into community.role_member (community_id, user_id, role_id)
      select ${place.id}, ${userId}, 'rol_' || n from generate_series(1, ${mostRolesOfPerson}) n`;
    const give = async (roleId: string) =>
      (await change(place.system, 'assignRole', { userId, roleId }, '')).userErrors;
    expect(await give(`rol_${mostRolesOfPerson + 1}`)).toEqual([{ code: 'LIMIT_EXCEEDED', path: null }]);
    expect(await give('rol_1')).toEqual([]);
  });

  it.each([
    ['BAD_PAGE', 'roles(first: 101)'],
    ['BAD_CURSOR', 'roles(before: "MTIz")'],
  ])('%s: %s', async (code, field) => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, `{ ${field} { nodes { id } } }`)).toEqual([{ code, path: ['roles'] }]);
  });
});

describe('roles: cost', () => {
  it('reads the roles of 100 people, and the holders of 100 roles, with the statements of one', async () => {
    const { system, id, memberIds } = await newCommunity(database.resources, { members: 100 });
    const ids = await Promise.all(
      Array.from({ length: 100 }, (_, rank) =>
        newRole(database.resources, id, { rank, holders: [memberIds[rank]] }),
      ),
    );
    const people = (count: number) =>
      database.statementsOf(() =>
        entities(system, 'User', memberIds.slice(0, count), '{ roles { id } highestRole { id } }'),
      );
    expect(await people(1)).toEqual(['rolesByUser']);
    expect(await people(100)).toEqual(await people(1));
    const holders = (count: number) =>
      database.statementsOf(() =>
        entities(
          system,
          'Role',
          ids.slice(0, count),
          '{ title { text } members(first: 2) { nodes { id } } }',
        ),
      );
    expect(await holders(1)).toEqual(['rolesById', 'membersByRole']);
    expect(await holders(100)).toEqual(await holders(1));
  });
});
