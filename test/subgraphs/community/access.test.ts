import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addChannels, type NewChannel } from '../../../subgraphs/community/channel.ts';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { newId } from '../../../subgraphs/id.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { founded, newCommunity, newRole, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

// The ports by which other subgraphs ask who may do what where, and what the log tells when that changes.

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

async function addChannel({ id }: TestCommunity, details: Partial<NewChannel> = {}): Promise<string> {
  const channelId = newId('Channel');
  const channel = { id: channelId, topic: {}, kind: 'OPEN', createdAt: founded, updatedAt: founded };
  await addChannels(database.sql, id, [{ ...channel, ...details }]);
  return channelId;
}

async function readable({ id }: TestCommunity, reader: string | null, asMember = true): Promise<string[]> {
  const rows = await database.sql<{ id: string }[]>`
    select id from community.readable_channels(${id}, ${reader}, ${asMember}) as r(id)`;
  return rows.map((row) => row.id).sort();
}

/** What each person may do in one channel. */
async function permissionsIn(
  { id }: TestCommunity,
  channelId: string,
  userIds: readonly (string | null)[],
): Promise<{ known: boolean; permissions: string[] }[]> {
  const rows = await database.sql<{ known: boolean; permissions: string[] }[]>`
    select known, permissions
    from community.channel_permissions(${id}, ${userIds as string[]}, ${userIds.map(() => channelId)})
    order by at`;
  return rows.map(({ known, permissions }) => ({ known, permissions: permissions.sort() }));
}

async function readsAs({ id }: TestCommunity, userId = ''): Promise<string> {
  const [row] = await database.sql<{ text: string }[]>`select community.reads_as(${id}, ${userId}) as text`;
  return row?.text ?? '';
}

/** What the log's stream `access` tells of what `work` does, and whom the gateways are told to ask about again. */
async function told({ id }: TestCommunity, work: () => Promise<unknown>) {
  const [access, credentials] = [
    { communityId: id, stream: 'access' },
    { communityId: '', stream: 'credentials' },
  ] as const;
  const read = async (after: [number, number]) => [
    await eventsAfter(database.sql, access, after[0], 1_000),
    await eventsAfter(database.sql, credentials, after[1], 1_000),
  ];
  const before = (await read([0, 0])).map((events) => events.at(-1)?.number ?? 0) as [number, number];
  await work();
  const [events = [], changed = []] = await read(before);
  return {
    events: events.map(({ kind, userId, channelId, payload }) => ({
      kind,
      ...(userId === null ? {} : { userId }),
      ...(channelId === null ? {} : { channelId }),
      ...payload,
    })),
    asked: changed.map(({ payload }) => payload.id),
  };
}

describe('access: channels', () => {
  it('are read by every member, unless they are for roles: then by their holders and by administrators', async () => {
    const place = await newCommunity(database.resources, { members: 4 });
    const [inside = '', outside = '', administrator = '', byRole = ''] = place.memberIds;
    const role = await newRole(database.resources, place.id, { holders: [inside] });
    await addAdministrators(database.sql, place.id, [administrator]);
    await newRole(database.resources, place.id, { permissions: ['ADMINISTRATOR'], holders: [byRole] });
    const room = await addChannel(place, { viewRoleIds: [role] });
    const all = [...place.channelIds, room].sort();
    expect(await readable(place, inside)).toEqual(all);
    expect(await readable(place, administrator)).toEqual(all);
    expect(await readable(place, byRole)).toEqual(all);
    expect(await readable(place, outside)).toEqual(place.channelIds);
    expect(await readable(place, null)).toEqual(place.channelIds);
    expect(await readable(place, null, false)).toEqual(all);
    expect(await readable(place, newId('User'))).toEqual([]);
  });

  it('that are for no role are read by administrators alone', async () => {
    const place = await newCommunity(database.resources, { channels: [] });
    const [administrator = '', member = ''] = place.memberIds;
    await addAdministrators(database.sql, place.id, [administrator]);
    const room = await addChannel(place, { viewRoleIds: [] });
    expect(await readable(place, administrator)).toEqual([room]);
    expect(await readable(place, member)).toEqual([]);
  });

  it('that are hidden are there for those who manage channels', async () => {
    const place = await newCommunity(database.resources, { channels: [] });
    const [manager = '', member = ''] = place.memberIds;
    await newRole(database.resources, place.id, { permissions: ['MANAGE_CHANNELS'], holders: [manager] });
    const hidden = await addChannel(place, { hidden: true });
    expect(await readable(place, manager)).toEqual([hidden]);
    expect(await readable(place, member)).toEqual([]);
    expect(await permissionsIn(place, hidden, [member])).toEqual([{ known: false, permissions: [] }]);
  });

  it('that are direct are read by their two people, not even by administrators', async () => {
    const place = await newCommunity(database.resources, { channels: [], members: 3 });
    const [one = '', other = '', administrator = ''] = place.memberIds;
    await addAdministrators(database.sql, place.id, [administrator]);
    const direct = await addChannel(place, { kind: 'DIRECT', participantIds: [other, one] });
    expect(await readable(place, one)).toEqual([direct]);
    expect(await readable(place, other)).toEqual([direct]);
    expect(await readable(place, administrator)).toEqual([]);
    const [, , theirs] = await permissionsIn(place, direct, [one, other, administrator]);
    expect(theirs).toEqual({ known: false, permissions: [] });
  });

  it('where people whisper are there for members, and read by those who manage messages', async () => {
    const place = await newCommunity(database.resources, { channels: ['WHISPER'] });
    const [moderator = '', member = ''] = place.memberIds;
    await newRole(database.resources, place.id, { permissions: ['MANAGE_MESSAGES'], holders: [moderator] });
    expect(await readable(place, moderator)).toEqual(place.channelIds);
    expect(await readable(place, member)).toEqual([]);
    const [{ known, permissions } = { known: false, permissions: [] }] = await permissionsIn(
      place,
      place.channelIds[0] ?? '',
      [member],
    );
    expect(known).toBe(true);
    expect(permissions).toEqual(expect.arrayContaining(['VIEW_CHANNEL', 'POST_MESSAGES']));
    expect(permissions).not.toContain('READ_CHANNEL');
  });
});

describe('access: permissions in a channel', () => {
  const spoken = ['ALLOW_MENTIONS', 'ATTACH_FILES', 'POST_MESSAGES', 'SHARE_ATTACHMENTS', 'SHARE_LINKS'];
  const seen = ['READ_CHANNEL', 'VIEW_CHANNEL', 'VIEW_HISTORY'];

  it('are those of every member and those of the roles, as far as they concern channels', async () => {
    const place = await newCommunity(database.resources);
    const [moderator = '', member = ''] = place.memberIds;
    const permissions = ['PIN_MESSAGES', 'DELETE_MESSAGES', 'BAN_MEMBERS'];
    await newRole(database.resources, place.id, { permissions, holders: [moderator] });
    expect(await permissionsIn(place, place.channelIds[0] ?? '', [member, moderator])).toEqual([
      { known: true, permissions: [...spoken, ...seen].sort() },
      { known: true, permissions: [...spoken, ...seen, 'DELETE_MESSAGES', 'PIN_MESSAGES'].sort() },
    ]);
  });

  it.each([
    ['OPEN', [true, true, true]],
    ['FORUM', [true, true, true]],
    ['WHISPER', [true, true, true]],
    ['ANNOUNCEMENT', [false, true, true]],
    ['AUDIO', [false, false, false]],
    ['VIDEO', [false, false, false]],
    ['IFRAME', [false, false, false]],
  ])('let a member, a speaker and a key of the community write in %s: %j', async (kind, expected) => {
    const place = await newCommunity(database.resources, { channels: [kind] });
    const [member = '', speaker = ''] = place.memberIds;
    await newRole(database.resources, place.id, { permissions: ['BROADCAST_MESSAGES'], holders: [speaker] });
    const asked = [member, speaker, null] as string[];
    const rows = await database.sql<{ known: boolean; allowed: boolean }[]>`
      select known, allowed
      from community.may(${place.id}, ${asked}, ${asked.map(() => place.channelIds[0] ?? '')}, 'POST_MESSAGES')
      order by at`;
    expect(rows.map(({ allowed }) => allowed)).toEqual(expected);
    expect(rows.every(({ known }) => known)).toBe(true);
  });

  it('let those alone write who have a role that does', async () => {
    const place = await newCommunity(database.resources);
    const [writer = '', reader = ''] = place.memberIds;
    const role = await newRole(database.resources, place.id, { holders: [writer] });
    const room = await addChannel(place, { postRoleIds: [role] });
    const [one, other] = await permissionsIn(place, room, [writer, reader]);
    expect(one?.permissions).toEqual([...spoken, ...seen].sort());
    expect(other?.permissions).toEqual(seen);
  });

  it('let both people of a direct channel pin, and nobody manage', async () => {
    const place = await newCommunity(database.resources);
    const [one = '', moderator = ''] = place.memberIds;
    await newRole(database.resources, place.id, { permissions: ['MANAGE_MESSAGES'], holders: [moderator] });
    const direct = await addChannel(place, { kind: 'DIRECT', participantIds: [one, moderator] });
    const expected = { known: true, permissions: [...spoken, ...seen, 'PIN_MESSAGES'].sort() };
    expect(await permissionsIn(place, direct, [one, moderator])).toEqual([expected, expected]);
  });

  it('are none to whoever is no member, in no channel, and by another name', async () => {
    const place = await newCommunity(database.resources);
    const none = { known: false, permissions: [] };
    expect(await permissionsIn(place, place.channelIds[0] ?? '', [newId('User')])).toEqual([none]);
    expect(await permissionsIn(place, newId('Channel'), [place.memberIds[0] ?? '', null])).toEqual([
      none,
      none,
    ]);
    const [row] = await database.sql<{ allowed: boolean }[]>`
      select allowed from community.may(${place.id}, ${[null as never]}, ${[place.channelIds[0] ?? '']}, 'FLY')`;
    expect(row?.allowed).toBe(false);
  });
});

describe('access: classes of people', () => {
  it('are the same for people whose roles open nothing, and read what they read', async () => {
    const place = await newCommunity(database.resources, { members: 4, channels: ['OPEN', 'WHISPER'] });
    const [inside = '', plain = '', moderator = '', administrator = ''] = place.memberIds;
    const key = await newRole(database.resources, place.id, { holders: [inside, moderator] });
    await newRole(database.resources, place.id, { holders: [plain, inside] });
    const moderating = await newRole(database.resources, place.id, {
      permissions: ['MANAGE_MESSAGES'],
      holders: [moderator],
    });
    await addAdministrators(database.sql, place.id, [administrator]);
    await addChannel(place, { viewRoleIds: [key] });
    await addChannel(place, { hidden: true });
    await addChannel(place, { kind: 'DIRECT', participantIds: [administrator, plain] });
    expect(
      await Promise.all([inside, plain, moderator, administrator].map((id) => readsAs(place, id))),
    ).toEqual([key, '', [key, moderating].sort().join(' '), 'administrators']);
    const { sql } = database;
    const shared = await sql<{ id: string }[]>`
      select id from community.channel where community_id = ${place.id} and kind <> 'DIRECT'`;
    for (const id of place.memberIds) {
      const own = (await readable(place, id)).filter((channel) => shared.some((row) => row.id === channel));
      expect(await readable(place, await readsAs(place, id))).toEqual(own);
    }
  });
});

describe('access: people', () => {
  it('hold permissions of the community by their roles, and all as administrators', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    const [moderator = '', administrator = ''] = place.memberIds;
    await newRole(database.resources, place.id, { permissions: ['WARN_MEMBERS'], holders: [moderator] });
    await addAdministrators(database.sql, place.id, [administrator]);
    const holds = async (permission: string) => {
      const rows = await database.sql<{ allowed: boolean }[]>`
        select allowed from community.holds(${place.id}, ${place.memberIds as string[]}, ${permission}) order by at`;
      return rows.map(({ allowed }) => allowed);
    };
    expect(await holds('WARN_MEMBERS')).toEqual([true, true, false]);
    expect(await holds('BAN_MEMBERS')).toEqual([false, true, false]);
  });

  it('stand above each other by their highest role, and administrators without one above all', async () => {
    const place = await newCommunity(database.resources, { members: 4 });
    const [low = '', high = '', founder = '', none = ''] = place.memberIds;
    await newRole(database.resources, place.id, { rank: 5, holders: [low, high] });
    await newRole(database.resources, place.id, { rank: 9, permissions: ['ADMINISTRATOR'], holders: [high] });
    await addAdministrators(database.sql, place.id, [founder]);
    const outranks = async (one: string, other: string) => {
      const [row] = await database.sql<{ above: boolean }[]>`
        select community.outranks(${place.id}, ${one}, ${other}) as above`;
      return row?.above;
    };
    expect(await outranks(high, low)).toBe(true);
    expect(await outranks(low, high)).toBe(false);
    expect(await outranks(low, none)).toBe(true);
    expect(await outranks(none, none)).toBe(false);
    expect(await outranks(founder, high)).toBe(true);
    expect(await outranks(high, founder)).toBe(false);
  });

  it('are found by role, and roles by them', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    const [one = '', both = '', none = ''] = place.memberIds;
    const low = await newRole(database.resources, place.id, { rank: 1, holders: [one, both] });
    const high = await newRole(database.resources, place.id, { rank: 2, holders: [both] });
    const { sql } = database;
    const found = await sql<{ id: string }[]>`
      select id from community.members_with_roles(${place.id}, ${[low, high]}) as m(id)`;
    expect(found.map(({ id }) => id).sort()).toEqual([one, both].sort());
    const roles = await sql<{ userId: string; roleIds: string[] }[]>`
      select user_id as "userId", role_ids as "roleIds" from community.roles_of(${place.id}, ${[one, both, none]})`;
    expect(new Map(roles.map(({ userId, roleIds }) => [userId, roleIds]))).toEqual(
      new Map([
        [one, [low]],
        [both, [high, low]],
      ]),
    );
  });
});

describe('access: what the log tells', () => {
  it('tells who got and who lost a role, and the gateways where it opens anything', async () => {
    const place = await newCommunity(database.resources);
    const [one = '', other = ''] = place.memberIds;
    const { sql } = database;
    const plain = await newRole(database.resources, place.id);
    const guard = await newRole(database.resources, place.id, { permissions: ['MANAGE_MESSAGES'] });
    const give = (roleId: string, ...userIds: string[]) =>
      sql`insert into community.role_member ${sql(userIds.map((user_id) => ({ community_id: place.id, user_id, role_id: roleId })))}`;
    expect(await told(place, () => give(plain, one))).toEqual({
      events: [{ kind: 'RoleAssigned', userId: one, roleId: plain }],
      asked: [],
    });
    expect((await told(place, () => give(guard, one, other))).asked.sort()).toEqual([one, other].sort());
    const lost = await told(
      place,
      () =>
        sql`delete from community.role_member where community_id = ${place.id} and role_id = ${guard} and user_id = ${one}`,
    );
    expect(lost).toEqual({ events: [{ kind: 'RoleUnassigned', userId: one, roleId: guard }], asked: [one] });
  });

  it('has the gateways ask about everybody when a role begins to open a channel, and not again', async () => {
    const place = await newCommunity(database.resources);
    const role = await newRole(database.resources, place.id, { holders: place.memberIds });
    const first = await told(place, () => addChannel(place, { viewRoleIds: [role] }));
    expect(first.events.map(({ kind }) => kind)).toEqual(['RoleChanged', 'ChannelCreated']);
    expect(first.asked).toEqual([place.id]);
    const second = await told(place, () => addChannel(place, { viewRoleIds: [role] }));
    expect(second.events.map(({ kind }) => kind)).toEqual(['ChannelCreated']);
    expect(second.asked).toEqual([]);
  });

  it('tells of a deleted role once, whoever had it', async () => {
    const place = await newCommunity(database.resources);
    const role = await newRole(database.resources, place.id, {
      permissions: ['ADMINISTRATOR'],
      holders: place.memberIds,
    });
    const { sql } = database;
    expect(
      await told(
        place,
        () => sql`delete from community.role where community_id = ${place.id} and id = ${role}`,
      ),
    ).toEqual({ events: [{ kind: 'RoleDeleted', roleId: role }], asked: [place.id] });
    expect(await sql`select from community.role_member where community_id = ${place.id}`).toHaveLength(0);
  });

  it('tells of channels, of administrators and of what every member may, and its version grows', async () => {
    const place = await newCommunity(database.resources, { channels: [] });
    const [one = ''] = place.memberIds;
    const { sql } = database;
    const version = async () => {
      const [row] = await sql<{ at: bigint }[]>`select community.access_version(${place.id}) as at`;
      return row?.at ?? 0n;
    };
    const before = await version();
    let channelId = '';
    const { events, asked } = await told(place, async () => {
      channelId = await addChannel(place);
      await sql`update community.channel set hidden = true where community_id = ${place.id} and id = ${channelId}`;
      await sql`delete from community.channel where community_id = ${place.id} and id = ${channelId}`;
      await addAdministrators(sql, place.id, [one]);
      await sql`update community.community set member_permissions = '{}' where community_id = ${place.id}`;
    });
    expect(events).toEqual([
      { kind: 'ChannelCreated', channelId },
      { kind: 'ChannelChanged', channelId },
      { kind: 'ChannelDeleted', channelId },
      { kind: 'StandingChanged', userId: one },
      { kind: 'MembersChanged' },
    ]);
    expect(asked).toEqual([one, place.id]);
    expect(await version()).toBe(before + 5n);
  });
});
