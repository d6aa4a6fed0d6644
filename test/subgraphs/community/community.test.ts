import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addCommunity,
  allCommunities,
  communitiesById,
  communityNamed,
  foundCommunity,
} from '../../../subgraphs/community/community.ts';
import { community } from '../../../subgraphs/community/index.ts';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { anonymous } from '../../../subgraphs/principal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(community, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

describe('community: rules', () => {
  it('is left as it is when it is added again', async () => {
    const { id, slug } = await newCommunity(database.resources, { timeZone: 'Europe/Berlin' });
    const again = { id, slug, name: { en: 'Other' }, timeZone: 'UTC', createdAt: new Date() };
    await addCommunity(database.sql, again);
    expect(await communitiesById(database.sql, [id, 'com_none'])).toEqual([
      expect.objectContaining({ id, slug, name: { en: 'Test', de: 'Prüfung' }, timeZone: 'Europe/Berlin' }),
      null,
    ]);
  });
});

describe('founding a community: rules', () => {
  it('makes one that is found by its id and its slug', async () => {
    const wish = { slug: 'acme', name: ' Acme ', timeZone: 'Asia/Kathmandu' };
    const made = await foundCommunity(database.sql, wish, new Date());
    expect(made).toMatchObject({ slug: 'acme', name: { en: 'Acme' }, timeZone: 'Asia/Kathmandu' });
    expect(await communityNamed(database.sql, 'acme')).toEqual(made);
    expect(await communityNamed(database.sql, made.id)).toEqual(made);
    expect(await allCommunities(database.sql)).toContainEqual(made);
    expect(made.eventsAddMembers).toBe(false);
  });

  it('lets its events add members from the beginning when that is wished', async () => {
    const wish = { slug: 'open', name: 'Open', timeZone: 'UTC', eventsAddMembers: true };
    await foundCommunity(database.sql, wish, new Date());
    expect(await communityNamed(database.sql, 'open')).toMatchObject({ eventsAddMembers: true });
  });
});

describe('founding a community: refusals', () => {
  const found = (wish: object) =>
    foundCommunity(database.sql, { slug: 'b', name: 'B', timeZone: 'UTC', ...wish }, new Date());

  it.each(['Acme', '-a', 'a-', 'a b', 'ä', '', 'a'.repeat(101)])(
    'VALIDATION_FAILED: the slug "%s"',
    async (slug) => {
      await expect(found({ slug })).rejects.toMatchObject({ code: 'VALIDATION_FAILED', path: ['slug'] });
    },
  );

  it.each(['Mars/Crater', '+02:00', '', 'posixrules'])(
    'VALIDATION_FAILED: the time zone "%s"',
    async (timeZone) => {
      await expect(found({ timeZone })).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
        path: ['timeZone'],
      });
    },
  );

  it.each([' ', 'a'.repeat(201)])('VALIDATION_FAILED: the name "%s"', async (name) => {
    await expect(found({ name })).rejects.toMatchObject({ code: 'VALIDATION_FAILED', path: ['name'] });
  });

  it("CONFLICT: another's slug", async () => {
    await found({ slug: 'taken' });
    await expect(found({ slug: 'taken' })).rejects.toMatchObject({ code: 'CONFLICT', path: ['slug'] });
  });

  it('NOT_FOUND: a name of none', async () => {
    await expect(communityNamed(database.sql, 'nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('community: query', () => {
  it('is the one of the request', async () => {
    const { system, id, slug } = await newCommunity(database.resources);
    const answer = await ask(
      system,
      '{ community { id slug timeZone createdAt name { text lang available } } }',
    );
    expect(answer.community).toEqual({
      id,
      slug,
      timeZone: 'UTC',
      createdAt: '2026-01-01T00:00:00.000Z',
      name: { text: 'Test', lang: 'en', available: ['de', 'en'] },
    });
  });

  it('is null when the arguments name another', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const named = 'query ($id: ID, $slug: String) { community(id: $id, slug: $slug) { id } }';
    const own = { community: { id: home.id } };
    expect(await ask(home.system, named, { id: home.id, slug: home.slug })).toEqual(own);
    for (const other of [{ id: away.id }, { slug: away.slug }, { id: home.id, slug: away.slug }])
      expect(await ask(home.system, named, other)).toEqual({ community: null });
  });

  it('is never read by the reference of another', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const ids = [away.id, home.id];
    expect(await entities(home.system, 'Community', ids, '{ slug }')).toEqual([null, { slug: home.slug }]);
  });
});

describe('community: mutation', () => {
  const update = `mutation ($input: UpdateCommunityInput!) {
    updateCommunity(input: $input) { community { eventsAddMembers } userErrors { code } }
  }`;

  it('sets whether events add members, and leaves what is left out', async () => {
    const { system, person, id, memberIds } = await newCommunity(database.resources);
    await addAdministrators(database.sql, id, memberIds.slice(0, 1));
    for (const [input, eventsAddMembers] of [
      [{}, false],
      [{ eventsAddMembers: true }, true],
      [{ eventsAddMembers: null }, true],
      [{ eventsAddMembers: false }, false],
    ] as const) {
      for (const principal of [system, person(0)]) {
        const answer = await ask(principal, update, { input });
        expect(answer.updateCommunity).toEqual({ community: { eventsAddMembers }, userErrors: [] });
      }
    }
  });

  it("FORBIDDEN: a person who doesn't administer it", async () => {
    const { person, system } = await newCommunity(database.resources);
    const answer = await ask(person(1), update, { input: { eventsAddMembers: true } });
    expect(answer.updateCommunity).toEqual({ community: null, userErrors: [{ code: 'FORBIDDEN' }] });
    expect(await ask(system, '{ community { eventsAddMembers } }')).toEqual({
      community: { eventsAddMembers: false },
    });
  });
});

describe('community: refusals', () => {
  it('COMMUNITY_REQUIRED: a request in none', async () => {
    expect(await errorsOf(anonymous, '{ community { id } }')).toEqual([
      { code: 'COMMUNITY_REQUIRED', path: ['community'] },
    ]);
  });
});

describe('the audit of what administrators do', () => {
  const en = (text: string) => [{ lang: 'en', text }];
  const role = { title: en('Host'), permissions: ['POST_MESSAGES'], idempotencyKey: 'role' };
  const channel = { kind: 'OPEN', topic: en('Talk'), idempotencyKey: 'channel' };

  /** Each mutation as it is sent, by the ids that those before it gave; what it leaves; what a change tells. */
  const steps: [
    string,
    (known: { userId: string; roleId: string; channelId: string }) => object,
    string,
    object,
  ][] = [
    [
      'updateCommunity',
      () => ({ eventsAddMembers: true }),
      'COMMUNITY_UPDATED',
      { eventsAddMembers: was(false, true) },
    ],
    ['createRole', () => role, 'ROLE_CREATED', { permissions: ['POST_MESSAGES'], title: { en: 'Host' } }],
    ['updateRole', ({ roleId }) => ({ id: roleId, order: 7 }), 'ROLE_UPDATED', { order: was(0, 7) }],
    ['assignRole', ({ userId, roleId }) => ({ userId, roleId }), 'ROLE_ASSIGNED', { title: { en: 'Host' } }],
    [
      'unassignRole',
      ({ userId, roleId }) => ({ userId, roleId }),
      'ROLE_UNASSIGNED',
      { title: { en: 'Host' } },
    ],
    ['deleteRole', ({ roleId }) => ({ id: roleId }), 'ROLE_DELETED', { title: { en: 'Host' } }],
    [
      'setMemberPermissions',
      () => ({ permissions: ['POST_MESSAGES'] }),
      'MEMBER_PERMISSIONS_SET',
      { permissions: { before: expect.arrayContaining(['ALLOW_DM']), after: ['POST_MESSAGES'] } },
    ],
    ['createChannel', () => channel, 'CHANNEL_CREATED', { topic: { en: 'Talk' }, hidden: false }],
    [
      'updateChannel',
      ({ channelId }) => ({ id: channelId, hidden: true }),
      'CHANNEL_UPDATED',
      { hidden: was(false, true) },
    ],
    ['deleteChannel', ({ channelId }) => ({ id: channelId }), 'CHANNEL_DELETED', { topic: { en: 'Talk' } }],
  ];

  /** What people do for themselves, and what is its own record. */
  const unnoted = ['openDirectChannel', 'recordFieldChange'];

  const selections: Record<string, string> = { createRole: 'role { id }', createChannel: 'channel { id }' };

  it('knows every mutation', () => {
    const fields = Object.keys(community.schema.getMutationType()?.getFields() ?? {});
    expect([...steps.map(([name]) => name), ...unnoted].sort()).toEqual(fields.sort());
  });

  it('tells of each once, with who did it and what became another', async () => {
    const place = await newCommunity(database.resources, { members: 2 });
    const [admin = '', userId = ''] = place.memberIds;
    await addAdministrators(database.sql, place.id, [admin]);
    const known = { userId, roleId: '', channelId: '' };
    for (const [name, inputOf] of steps) {
      const input = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
      const operation = `mutation ($input: ${input}!) {
        done: ${name}(input: $input) { ${selections[name] ?? ''} userErrors { message } }
      }`;
      // A repeat changes nothing, and is refused where what it names is gone: neither is told.
      const { done } = await ask(place.person(0), operation, { input: inputOf(known) });
      await ask(place.person(0), operation, { input: inputOf(known) });
      expect(done.userErrors, name).toEqual([]);
      known.roleId = done.role?.id ?? known.roleId;
      known.channelId = done.channel?.id ?? known.channelId;
    }
    const told = await database.sql<Answer[]>`
      select action, actor_user_id as "actorUserId", user_id as "userId", details
      from identity.audit_entry where community_id = ${place.id} order by at, id`;
    expect(told).toEqual(
      steps.map(([name, , action, details]) => ({
        action,
        actorUserId: admin,
        userId: name.endsWith('ssignRole') ? userId : null,
        details: expect.objectContaining({
          ...details,
          ...(/Role$/.test(name) && { id: known.roleId }),
          ...(/Channel$/.test(name) && { id: known.channelId }),
        }),
      })),
    );
  });

  it('tells of nothing that was refused', async () => {
    const place = await newCommunity(database.resources, { members: 1 });
    const operation = `mutation ($input: CreateRoleInput!) { createRole(input: $input) { userErrors { code } } }`;
    expect((await ask(place.person(0), operation, { input: role })).createRole.userErrors).toEqual([
      { code: 'FORBIDDEN' },
    ]);
    expect(
      await database.sql`select from identity.audit_entry where community_id = ${place.id}`,
    ).toHaveLength(0);
  });
});

function was(before: unknown, after: unknown): object {
  return { before, after };
}
