import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identity } from '../../../subgraphs/identity/index.ts';
import { addUsers, externalIdsByUser, userIdBy, usersById } from '../../../subgraphs/identity/user.ts';
import { eventsAfter } from '../../../subgraphs/log.ts';
import { newCommunity, personOf } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

describe('users: rules', () => {
  it('are found by id, e-mail, user name and external id, in any letter case', async () => {
    const { id, memberIds } = await newCommunity(database.resources);
    const identifiers = [
      { id: memberIds[1] ?? '' },
      { email: 'PERSON1@example.ORG' },
      { username: 'person.1' },
      { external: { system: 'GAMIFYHOST', value: 'user_1' } },
    ];
    for (const identifier of identifiers)
      expect(await userIdBy(database.sql, id, identifier)).toBe(memberIds[1]);
  });

  it('are found in their own community only', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    expect(await usersById(database.sql, away.id, home.memberIds)).toEqual([null, null]);
    expect(await userIdBy(database.sql, away.id, { id: home.memberIds[0] ?? '' })).toBeNull();
  });

  it('answer in the order of the ids, null for one that nobody has', async () => {
    const { id, memberIds } = await newCommunity(database.resources);
    const [first = '', second = ''] = memberIds;
    const found = await usersById(database.sql, id, [second, 'usr_nobody', first, second]);
    expect(found.map((user) => user?.id ?? null)).toEqual([second, null, first, second]);
    expect(await externalIdsByUser(database.sql, id, ['usr_nobody', first])).toEqual([
      [],
      [{ system: 'GAMIFYHOST', value: 'user_0' }],
    ]);
  });

  it('tell the log once each, however often they are added', async () => {
    const { id, members } = await newCommunity(database.resources, { members: 3 });
    await addUsers(database.sql, id, [...members, personOf(3)]);
    const events = await eventsAfter(database.sql, { communityId: id, stream: 'members' }, 0, 100);
    expect(events.map(({ number, kind }) => [number, kind])).toEqual(
      [1, 2, 3, 4].map((number) => [number, 'MemberJoined']),
    );
  });

  it('have an e-mail address and a user name that no other has', async () => {
    const { id } = await newCommunity(database.resources);
    const twin = personOf(9, { email: 'person0@EXAMPLE.org' });
    await expect(addUsers(database.sql, id, [twin])).rejects.toThrow('user_email');
    const namesake = personOf(9, { username: 'PERSON.0' });
    await expect(addUsers(database.sql, id, [namesake])).rejects.toThrow('user_username');
  });
});

describe('users: found or made', () => {
  const found = async (communityId: string, identifiers: object[]) => {
    const rows = await database.sql<{ userId: string | null; made: boolean }[]>`
      select user_id as "userId", made
      from identity.find_or_create_members(${communityId}, ${database.sql.json(identifiers as never)})
      order by at`;
    return rows.map(({ userId, made }) => [userId, made]);
  };

  it('are made where an identifier comes with an id for whom it names, and found elsewhere', async () => {
    const { id, memberIds } = await newCommunity(database.resources, { members: 1 });
    const asked = [
      { email: 'new@example.org', new_id: 'usr_a' },
      { email: 'PERSON0@example.org', new_id: 'usr_b' },
      { username: 'nobody' },
      { id: 'usr_none', new_id: 'usr_c' },
      { email: 'NEW@example.org', new_id: 'usr_d' },
      { system: 'LYNES', value: '7', new_id: 'usr_e' },
    ];
    const answers = [
      ['usr_a', true],
      [memberIds[0], false],
      [null, false],
      [null, false],
      ['usr_a', false],
      ['usr_e', true],
    ];
    expect(await found(id, asked)).toEqual(answers);
    const again = asked.map((one, n) => ('new_id' in one ? { ...one, new_id: `usr_again_${n}` } : one));
    expect(await found(id, again)).toEqual(answers.map(([userId]) => [userId, false]));
    expect(await usersById(database.sql, id, ['usr_a'])).toMatchObject([
      { email: 'new@example.org', username: null, displayName: 'new', status: 'ACTIVE' },
    ]);
    expect(await externalIdsByUser(database.sql, id, ['usr_e'])).toEqual([[{ system: 'LYNES', value: '7' }]]);
    const events = await eventsAfter(database.sql, { communityId: id, stream: 'members' }, 1, 100);
    expect(events.map(({ kind, userId }) => [kind, userId])).toEqual([
      ['MemberJoined', 'usr_a'],
      ['MemberJoined', 'usr_e'],
    ]);
  });

  it('are one whatever many writers at once call them, in whatever order', async () => {
    const { id } = await newCommunity(database.resources, { members: 0 });
    const batches = Array.from({ length: 12 }, (_, writer) => {
      const identifiers = Array.from({ length: 30 }, (_, n) => ({
        ...(n % 2 === 0 ? { email: `new${n}@example.org` } : { system: 'LYNES', value: String(n) }),
        new_id: `usr_${writer}_${n}`,
      }));
      return writer % 2 === 0 ? identifiers : identifiers.toReversed();
    });
    const answers = await Promise.all(batches.map((batch) => found(id, batch)));
    const made = answers.flat().filter(([, isMade]) => isMade);
    expect(made).toHaveLength(30);
    expect(new Set(answers.flat().map(([userId]) => userId)).size).toBe(30);
  });
});

describe('users: query', () => {
  const byIdentifier = `query ($by: UserIdentifierInput!) { user(by: $by) { id displayName email } }`;

  it('gives one person by any identifier', async () => {
    const { system, memberIds } = await newCommunity(database.resources);
    const external = { system: 'GAMIFYHOST', value: 'user_1' };
    for (const by of [{ email: 'person1@example.org' }, { username: 'PERSON.1' }, { external }]) {
      expect((await ask(system, byIdentifier, { by })).user).toEqual({
        id: memberIds[1],
        displayName: 'Person 1',
        email: 'Person1@example.org',
      });
    }
  });

  it('gives null when nobody has the identifier', async () => {
    const { system } = await newCommunity(database.resources);
    expect(await ask(system, byIdentifier, { by: { id: 'usr_nobody' } })).toEqual({ user: null });
  });

  it('gives every field of a person, and what other systems call them', async () => {
    const { system, memberIds } = await newCommunity(database.resources);
    const [user] = await entities(
      system,
      'User',
      memberIds.slice(0, 1),
      `{ id email username displayName firstName lastName avatarUrl language timeZone status joinedAt
        externalIds { system value } }`,
    );
    expect(user).toEqual({
      id: memberIds[0],
      email: 'Person0@example.org',
      username: 'Person.0',
      displayName: 'Person 0',
      firstName: null,
      lastName: null,
      avatarUrl: null,
      language: 'en',
      timeZone: 'UTC',
      status: 'ACTIVE',
      joinedAt: '2026-01-01T00:00:00.000Z',
      externalIds: [{ system: 'GAMIFYHOST', value: 'user_0' }],
    });
  });

  it('gives null for a reference to nobody', async () => {
    const { system } = await newCommunity(database.resources);
    expect(await entities(system, 'User', ['usr_nobody'], '{ displayName }')).toEqual([null]);
  });
});

describe('users: refusals', () => {
  const byIdentifier = `query ($by: UserIdentifierInput!) { user(by: $by) { id } }`;

  it('COMMUNITY_REQUIRED: a caller without a community finds nobody', async () => {
    const anonymous = { kind: 'anonymous', scopes: [] } as const;
    expect(await errorsOf(anonymous, byIdentifier, { by: { email: 'a@example.org' } })).toEqual([
      { code: 'COMMUNITY_REQUIRED', path: ['user'] },
    ]);
  });

  it('BAD_ARGUMENT: an identifier longer than any', async () => {
    const { system } = await newCommunity(database.resources);
    expect(await errorsOf(system, byIdentifier, { by: { email: 'a'.repeat(321) } })).toEqual([
      { code: 'BAD_ARGUMENT', path: ['user'] },
    ]);
  });

  it('takes an identifier in exactly one way', async () => {
    const { system } = await newCommunity(database.resources);
    const both = { email: 'person0@example.org', username: 'person.1' };
    expect(await errorsOf(system, byIdentifier, { by: both })).toHaveLength(1);
    expect(await errorsOf(system, byIdentifier, { by: {} })).toHaveLength(1);
  });
});

describe('users: cost', () => {
  it('reads 100 people and their external ids with the statements of one', async () => {
    const { system, memberIds } = await newCommunity(database.resources, { members: 100 });
    const selection = '{ displayName externalIds { value } }';
    const one = await database.statementsOf(() => entities(system, 'User', memberIds.slice(0, 1), selection));
    const hundred = await database.statementsOf(() => entities(system, 'User', memberIds, selection));
    expect(one).toEqual(['usersById', 'externalIdsByUser']);
    expect(hundred).toEqual(one);
  });
});
