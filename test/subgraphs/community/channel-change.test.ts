import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mostChannels } from '../../../subgraphs/community/channel-change.ts';
import { community } from '../../../subgraphs/community/index.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity, newRole } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

// Opening, changing and closing channels, and who they are there for.

let database: TestDatabase;
const { ask, errorsOf } = asking(community, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const fields = `id topic { text available } description kind category iframeUrl hidden
  viewRoles { id } postRoles { id } participants { id }`;

/** Calls a mutation of a channel and gives its payload. */
async function change(
  principal: Principal,
  name: string,
  input: object,
  selection = `channel { ${fields} }`,
) {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const text = `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code path } } }`;
  return (await ask(principal, text, { input }))[name];
}

const wish = (details: object = {}) => ({
  topic: [{ lang: 'en', text: 'Room' }],
  kind: 'OPEN',
  idempotencyKey: 'a',
  ...details,
});

const idsSeenBy = async (principal: Principal, kinds: string[] | null = null): Promise<string[]> => {
  const text = 'query ($kinds: [ChannelKind!]) { channels(first: 100, kinds: $kinds) { nodes { id } } }';
  return (await ask(principal, text, { kinds })).channels.nodes.map(({ id }: { id: string }) => id);
};

/** A community whose first member manages channels. */
async function managed() {
  const place = await newCommunity(database.resources, { members: 3 });
  await newRole(database.resources, place.id, {
    permissions: ['MANAGE_CHANNELS'],
    holders: [place.memberIds[0]],
  });
  return { ...place, manager: place.person(0), member: place.person(1) };
}

describe('channels: changing them', () => {
  it('are opened for roles, changed, and closed', async () => {
    const place = await managed();
    const role = await newRole(database.resources, place.id, { holders: [place.memberIds[0]] });
    const { channel, userErrors } = await change(
      place.manager,
      'createChannel',
      wish({
        topic: [
          { lang: 'en', text: 'Team' },
          { lang: 'de', text: 'Mannschaft' },
        ],
        description: 'For us.',
        category: 'Inside',
        viewRoleIds: [role],
        postRoleIds: [role],
      }),
    );
    expect(userErrors).toEqual([]);
    expect(channel).toEqual({
      id: expect.stringMatching(/^chn_/),
      topic: { text: 'Team', available: ['de', 'en'] },
      description: 'For us.',
      kind: 'OPEN',
      category: 'Inside',
      iframeUrl: null,
      hidden: false,
      viewRoles: [{ id: role }],
      postRoles: [{ id: role }],
      participants: null,
    });
    expect(await idsSeenBy(place.manager)).toContain(channel.id);
    expect(await idsSeenBy(place.member)).not.toContain(channel.id);
    const opened = { id: channel.id, viewRoleIds: null, description: null };
    const changed = await change(place.manager, 'updateChannel', opened);
    expect(changed.channel).toEqual({ ...channel, description: null, viewRoles: null });
    expect(await idsSeenBy(place.member)).toContain(channel.id);
    const closed = await change(place.manager, 'deleteChannel', { id: channel.id }, 'deletedId');
    expect(closed).toEqual({ deletedId: channel.id, userErrors: [] });
    expect(await idsSeenBy(place.manager)).not.toContain(channel.id);
  });

  it('are opened once by an idempotency key', async () => {
    const { system } = await managed();
    const selection = `channel { ${fields} } replayed`;
    const first = await change(system, 'createChannel', wish(), selection);
    expect(await change(system, 'createChannel', wish(), selection)).toEqual({ ...first, replayed: true });
    expect(await idsSeenBy(system)).toHaveLength(2);
  });

  it('that are hidden are seen by those who manage channels', async () => {
    const place = await managed();
    const [id = ''] = place.channelIds;
    await change(place.manager, 'updateChannel', { id, hidden: true });
    expect(await idsSeenBy(place.manager)).toEqual([id]);
    expect(await idsSeenBy(place.member)).toEqual([]);
    const one = 'query ($id: ID!) { channel(id: $id) { id } }';
    expect(await ask(place.member, one, { id })).toEqual({ channel: null });
  });

  it('show a page, if they are of that kind', async () => {
    const { system } = await managed();
    const { channel } = await change(
      system,
      'createChannel',
      wish({ kind: 'IFRAME', iframeUrl: 'https://example.org/board' }),
    );
    expect(channel.iframeUrl).toBe('https://example.org/board');
    expect(await idsSeenBy(system, ['IFRAME'])).toEqual([channel.id]);
  });
});

describe('channels: direct ones', () => {
  it('are one between the same two people, whoever opens it', async () => {
    const place = await managed();
    const [one = '', other = ''] = place.memberIds;
    const there = await change(place.person(0), 'openDirectChannel', { userId: other });
    expect(there.userErrors).toEqual([]);
    expect(there.channel).toMatchObject({ kind: 'DIRECT', topic: { text: '' } });
    expect(there.channel.participants).toEqual([one, other].sort().map((id) => ({ id })));
    expect(await change(place.person(1), 'openDirectChannel', { userId: one })).toEqual(there);
    expect(await idsSeenBy(place.person(0), ['DIRECT'])).toEqual([there.channel.id]);
    expect(await idsSeenBy(place.person(1), ['DIRECT'])).toEqual([there.channel.id]);
    expect(await idsSeenBy(place.person(2), ['DIRECT'])).toEqual([]);
  });

  it('are opened once by many who open them together', async () => {
    const place = await managed();
    const opened = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        change(
          place.person(n % 2),
          'openDirectChannel',
          { userId: place.memberIds[1 - (n % 2)] },
          'channel { id }',
        ),
      ),
    );
    expect(new Set(opened.map(({ channel }) => channel.id)).size).toBe(1);
  });

  it('are not changed or closed by people, only by a key of the community', async () => {
    const place = await managed();
    const { channel } = await change(place.manager, 'openDirectChannel', { userId: place.memberIds[1] });
    const refused = [{ code: 'FORBIDDEN', path: ['input', 'id'] }];
    expect((await change(place.manager, 'updateChannel', { id: channel.id }, '')).userErrors).toEqual(
      refused,
    );
    expect((await change(place.manager, 'deleteChannel', { id: channel.id }, '')).userErrors).toEqual(
      refused,
    );
    const closed = await change(place.system, 'deleteChannel', { id: channel.id }, 'deletedId');
    expect(closed.deletedId).toBe(channel.id);
  });
});

describe('channels: what people may do in them', () => {
  it('is told to everybody of oneself, and of others to those who manage roles', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    const [manager = '', member = ''] = place.memberIds;
    await newRole(database.resources, place.id, {
      permissions: ['MANAGE_ROLES', 'PIN_MESSAGES'],
      holders: [manager],
    });
    const text = `query ($userId: ID) { channels { nodes { effectivePermissions(userId: $userId) } } }`;
    const told = async (principal: Principal, userId?: string) =>
      (await ask(principal, text, { userId })).channels.nodes[0].effectivePermissions;
    const own = await told(place.person(1));
    expect(own).toContain('POST_MESSAGES');
    expect(own).not.toContain('PIN_MESSAGES');
    expect(await told(place.person(0), member)).toEqual(own);
    expect(await told(place.system, manager)).toContain('PIN_MESSAGES');
    expect(await told(place.system)).toContain('MANAGE_MESSAGES');
    expect(await errorsOf(place.person(1), text, { userId: manager })).toEqual([
      { code: 'FORBIDDEN', path: ['channels', 'nodes', 0, 'effectivePermissions'] },
    ]);
  });

  it('NEEDS_USER: it is asked of a class of callers', async () => {
    const { id, system } = await newCommunity(database.resources);
    const someone: Principal = { kind: 'class', communityId: id, ofPeople: true, scopes: system.scopes };
    const [error] = await errorsOf(someone, '{ channels { nodes { effectivePermissions } } }');
    expect(error?.code).toBe('NEEDS_USER');
  });
});

describe('channels: refusals of changes', () => {
  const long = (length: number) => 'x'.repeat(length);
  const refusals: [string, string, object, readonly string[] | null][] = [
    ['VALIDATION_FAILED', 'createChannel', wish({ topic: [] }), ['input', 'topic']],
    [
      'VALIDATION_FAILED',
      'createChannel',
      wish({ topic: ['pt-BR', 'pt-br'].map((lang) => ({ lang, text: 'Geral' })) }),
      ['input', 'topic'],
    ],
    ['VALIDATION_FAILED', 'createChannel', wish({ description: long(1_001) }), ['input', 'description']],
    ['VALIDATION_FAILED', 'createChannel', wish({ category: '' }), ['input', 'category']],
    ['VALIDATION_FAILED', 'createChannel', wish({ kind: 'DIRECT' }), ['input', 'kind']],
    ['VALIDATION_FAILED', 'createChannel', wish({ kind: 'IFRAME' }), ['input', 'iframeUrl']],
    [
      'VALIDATION_FAILED',
      'createChannel',
      wish({ iframeUrl: 'https://example.org' }),
      ['input', 'iframeUrl'],
    ],
    [
      'VALIDATION_FAILED',
      'createChannel',
      wish({ kind: 'IFRAME', iframeUrl: 'http://example.org' }),
      ['input', 'iframeUrl'],
    ],
    ['NOT_FOUND', 'createChannel', wish({ viewRoleIds: ['rol_none'] }), ['input', 'viewRoleIds']],
    ['NOT_FOUND', 'createChannel', wish({ postRoleIds: ['rol_none'] }), ['input', 'postRoleIds']],
    ['NOT_FOUND', 'updateChannel', { id: 'chn_none' }, ['input', 'id']],
    ['NOT_FOUND', 'deleteChannel', { id: 'chn_none' }, ['input', 'id']],
    ['NOT_FOUND', 'openDirectChannel', { userId: 'usr_none' }, ['input', 'userId']],
  ];
  it.each(refusals)('%s: %s %j', async (code, name, input, path) => {
    const { manager } = await managed();
    expect((await change(manager, name, input, '')).userErrors).toEqual([{ code, path }]);
  });

  it('FORBIDDEN: whoever does not manage channels', async () => {
    const { member, channelIds } = await managed();
    for (const [name, input] of [
      ['createChannel', wish()],
      ['updateChannel', { id: channelIds[0] }],
      ['deleteChannel', { id: channelIds[0] }],
    ] as const) {
      expect((await change(member, name, input, '')).userErrors).toEqual([{ code: 'FORBIDDEN', path: null }]);
    }
    expect(await idsSeenBy(member)).toEqual(channelIds);
  });

  it('NOT_FOUND: a channel that is for roles which the manager does not have', async () => {
    const place = await managed();
    const role = await newRole(database.resources, place.id);
    const { channel } = await change(place.system, 'createChannel', wish({ viewRoleIds: [role] }));
    for (const name of ['updateChannel', 'deleteChannel']) {
      expect((await change(place.manager, name, { id: channel.id }, '')).userErrors).toEqual([
        { code: 'NOT_FOUND', path: ['input', 'id'] },
      ]);
    }
  });

  it('FORBIDDEN: a credential that is limited to channels opens another', async () => {
    const place = await managed();
    const limited = place.person(0, { channelIds: place.channelIds });
    const refused = [{ code: 'FORBIDDEN', path: null }];
    expect((await change(limited, 'createChannel', wish(), '')).userErrors).toEqual(refused);
    const direct = { userId: place.memberIds[1] };
    expect((await change(limited, 'openDirectChannel', direct, '')).userErrors).toEqual(refused);
  });

  it('FORBIDDEN: a direct channel, by whoever may not open any', async () => {
    const place = await managed();
    await database.sql`update community.community set member_permissions = '{}' where community_id = ${place.id}`;
    expect(
      (await change(place.member, 'openDirectChannel', { userId: place.memberIds[2] }, '')).userErrors,
    ).toEqual([{ code: 'FORBIDDEN', path: null }]);
  });

  it('VALIDATION_FAILED and NEEDS_USER: a direct channel with oneself, and by a key of the community', async () => {
    const place = await managed();
    const input = { userId: place.memberIds[0] };
    expect((await change(place.person(0), 'openDirectChannel', input, '')).userErrors).toEqual([
      { code: 'VALIDATION_FAILED', path: ['input', 'userId'] },
    ]);
    const text = `mutation ($input: OpenDirectChannelInput!) {
      openDirectChannel(input: $input) { userErrors { code } }
    }`;
    expect(await errorsOf(place.system, text, { input })).toEqual([
      { code: 'NEEDS_USER', path: ['openDirectChannel'] },
    ]);
  });

  it('IDEMPOTENCY_KEY_REUSED: another channel by the same key', async () => {
    const { system } = await managed();
    await change(system, 'createChannel', wish());
    expect((await change(system, 'createChannel', wish({ kind: 'FORUM' }), '')).userErrors).toEqual([
      { code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] },
    ]);
  });

  it('LIMIT_EXCEEDED: one channel more than a community has', async () => {
    const { id, system } = await managed();
    await database.sql`
      insert into community.channel (community_id, id, topic, kind)
      select ${id}, 'chn_' || n, '{}', 'OPEN' from generate_series(1, ${mostChannels - 1}) n`;
    expect((await change(system, 'createChannel', wish(), '')).userErrors).toEqual([
      { code: 'LIMIT_EXCEEDED', path: null },
    ]);
  });
});

describe('channels: cost of what they are for', () => {
  it('reads roles and permissions of 50 channels with the statements of one', async () => {
    const place = await newCommunity(database.resources, {
      channels: Array.from({ length: 50 }, () => 'OPEN'),
    });
    const role = await newRole(database.resources, place.id, { holders: [place.memberIds[0]] });
    await database.sql`
      update community.channel set view_role_ids = ${[role]}, post_role_ids = ${[role]} where community_id = ${place.id}`;
    const list = (first: number) =>
      database.statementsOf(() =>
        ask(
          place.person(0),
          `{ channels(first: ${first}) { nodes { viewRoles { id } postRoles { id } effectivePermissions } } }`,
        ),
      );
    expect((await list(1)).sort()).toEqual(['channelsPage', 'permissionsIn', 'rolesById']);
    expect((await list(50)).sort()).toEqual((await list(1)).sort());
  });
});
