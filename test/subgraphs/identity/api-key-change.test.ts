import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import {
  type ApiKeyWish,
  createKey,
  type MadeKey,
  mostFormerSecrets,
  mostKeys,
  revokeKey,
  rotateKey,
  updateKey,
} from '../../../subgraphs/identity/api-key-change.ts';
import { authenticate } from '../../../subgraphs/identity/authentication.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { allScopes } from '../../../subgraphs/scopes.ts';
import { newCommunity, type TestCommunity, type Wishes } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const now = new Date();
const inDays = (days: number) => new Date(now.getTime() + days * 86_400_000);

interface Place extends TestCommunity {
  /** The first member, who administers the community. */
  administrator: Principal;
  /** The second, who doesn't. */
  member: Principal;
  integration: Principal;
}

async function newPlace(wishes?: Wishes): Promise<Place> {
  const community = await newCommunity(database.resources, wishes);
  await addAdministrators(database.sql, community.id, community.memberIds.slice(0, 1));
  return {
    ...community,
    administrator: community.person(0),
    member: community.person(1),
    integration: { kind: 'integration', communityId: community.id, keyId: 'key_x', scopes: allScopes },
  };
}

let wishes = 0;
function wish(details: Partial<ApiKeyWish> = {}): ApiKeyWish {
  wishes++;
  return {
    kind: 'PERSONAL',
    name: 'App',
    scopes: ['users:read'],
    idempotencyKey: `wish ${wishes}`,
    ...details,
  };
}

const create = (principal: Principal, details?: Partial<ApiKeyWish>): Promise<MadeKey> =>
  createKey(database.sql, principal, wish(details), now);
const whoHas = ({ secret }: MadeKey) => authenticate(database.sql, secret ?? '', null);
const rotate = (principal: Principal, { apiKey }: MadeKey, overlapSeconds: number, idempotencyKey: string) =>
  rotateKey(database.sql, principal, { id: apiKey.id, overlapSeconds, idempotencyKey });

describe('changing keys: rules', () => {
  it('lets a person make a key of its own, which acts as the person', async () => {
    const { member } = await newPlace();
    expect(await whoHas(await create(member))).toMatchObject({
      kind: 'personal',
      userId: member.userId,
      scopes: ['users:read'],
    });
  });

  it('lets the system key and administrators make keys of integrations', async () => {
    const { system, administrator } = await newPlace();
    for (const maker of [system, administrator]) {
      const made = await create(maker, { kind: 'INTEGRATION', scopes: ['stats:read', 'users:read'] });
      expect(await whoHas(made)).toMatchObject({ kind: 'integration', scopes: ['users:read', 'stats:read'] });
    }
  });

  it('lets the system key make the key of a person', async () => {
    const { system, memberIds } = await newPlace();
    const userId = memberIds[1] ?? '';
    expect(await whoHas(await create(system, { userId }))).toMatchObject({ kind: 'personal', userId });
  });

  it('lets an administrator make the system key of a community that has none', async () => {
    const { administrator } = await newPlace();
    const made = await create(administrator, { kind: 'SYSTEM', scopes: null });
    expect(await whoHas(made)).toMatchObject({ kind: 'system', scopes: allScopes });
  });

  it('limits the keys that a limited key makes as it is limited itself', async () => {
    const place = await newPlace({ channels: ['OPEN', 'FORUM'] });
    const channelIds = place.channelIds.slice(0, 1);
    const made = await create(place.person(1, { channelIds }));
    expect(await whoHas(made)).toMatchObject({ channelIds });
  });

  it('shows a key all that its scopes allow, unless it is made for an audience', async () => {
    const { system, member } = await newPlace();
    for (const [maker, kind] of [
      [system, 'INTEGRATION'],
      [member, 'PERSONAL'],
    ] as const) {
      expect(await whoHas(await create(maker, { kind }))).not.toHaveProperty('audience');
      const made = await create(maker, { kind, audience: 'partner' });
      expect(made.apiKey.audience).toBe('partner');
      expect(await whoHas(made)).toMatchObject({ audience: 'partner' });
      await updateKey(database.sql, maker, { id: made.apiKey.id, audience: null }, now);
      expect(await whoHas(made)).not.toHaveProperty('audience');
    }
  });

  it('makes keys for the audience that their maker is for', async () => {
    const place = await newPlace();
    const made = await create(place.person(1, { audience: 'partner' }));
    expect(await whoHas(made)).toMatchObject({ audience: 'partner' });
  });

  it('makes a key once for an idempotency key, and shows its secret once', async () => {
    const { member } = await newPlace();
    const asked = wish();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => createKey(database.sql, member, asked, now)),
    );
    expect(new Set(answers.map(({ apiKey }) => apiKey.id)).size).toBe(1);
    expect(answers.filter(({ secret, replayed }) => secret !== null && !replayed)).toHaveLength(1);
    expect(answers.filter(({ secret, replayed }) => secret === null && replayed)).toHaveLength(7);
  });

  it("keeps one caller's idempotency keys apart from another's", async () => {
    const { administrator, member } = await newPlace();
    const mine = await create(administrator, { idempotencyKey: 'same' });
    const theirs = await create(member, { idempotencyKey: 'same' });
    expect(theirs).toMatchObject({ replayed: false, apiKey: { userId: member.userId } });
    expect(theirs.apiKey.id).not.toBe(mine.apiKey.id);
  });

  it('gives a key a new secret while the old one works on until the overlap ends', async () => {
    const { system } = await newPlace();
    const made = await create(system, { kind: 'INTEGRATION' });
    const rotated = await rotate(system, made, 60, 'a');
    const [before, after] = [await whoHas(made), await whoHas(rotated)];
    expect(after).toMatchObject({ keyId: made.apiKey.id });
    expect(after?.expiresAt).toBeUndefined();
    expect(before).toEqual({ ...after, expiresAt: expect.any(Number) });
    expect(before?.expiresAt ?? 0).toBeLessThanOrEqual(Date.now() + 60_000);
    expect(rotated.apiKey.prefix).not.toBe(made.apiKey.prefix);
  });

  it('ends every secret of before at once where there is no overlap', async () => {
    const { system } = await newPlace();
    const made = await create(system, { kind: 'INTEGRATION' });
    const second = await rotate(system, made, 600, 'a');
    const third = await rotate(system, made, 0, 'b');
    expect(await Promise.all([made, second].map(whoHas))).toEqual([null, null]);
    expect(await whoHas(third)).not.toBeNull();
  });

  it('never lets a later rotation lengthen the overlap of an earlier one', async () => {
    const { system } = await newPlace();
    const made = await create(system, { kind: 'INTEGRATION' });
    await rotate(system, made, 60, 'a');
    const ends = (await whoHas(made))?.expiresAt;
    await rotate(system, made, 600, 'b');
    expect((await whoHas(made))?.expiresAt).toBe(ends);
  });

  it('rotates once for an idempotency key', async () => {
    const { system } = await newPlace();
    const made = await create(system, { kind: 'INTEGRATION' });
    const first = await rotate(system, made, 60, 'a');
    expect(await rotate(system, made, 60, 'a')).toMatchObject({ secret: null, replayed: true });
    expect(await whoHas(first)).toMatchObject({ keyId: made.apiKey.id });
  });

  it('rotates the system key by itself', async () => {
    const { system, administrator } = await newPlace();
    const made = await create(administrator, { kind: 'SYSTEM', scopes: null });
    const rotated = await rotate({ ...system, keyId: made.apiKey.id }, made, 0, 'a');
    expect(await whoHas(rotated)).toMatchObject({ kind: 'system' });
    expect(await whoHas(made)).toBeNull();
  });

  it('changes what a key allows, and leaves what it is not told to', async () => {
    const { system, channelIds } = await newPlace();
    const made = await create(system, { kind: 'INTEGRATION', expiresAt: inDays(1) });
    const change = { id: made.apiKey.id, scopes: ['stats:read'], channelIds };
    const changed = await updateKey(database.sql, system, change, now);
    expect(changed).toMatchObject({ name: 'App', scopes: ['stats:read'], channelIds, expiresAt: inDays(1) });
    expect(await whoHas(made)).toMatchObject({ scopes: ['stats:read'], channelIds });
    const freed = { id: made.apiKey.id, channelIds: null, expiresAt: null };
    expect(await updateKey(database.sql, system, freed, now)).toMatchObject({
      scopes: ['stats:read'],
      channelIds: null,
      expiresAt: null,
    });
  });

  it('revokes a key with all of its secrets, for good', async () => {
    const { system } = await newPlace();
    const made = await create(system, { kind: 'INTEGRATION' });
    const rotated = await rotate(system, made, 600, 'a');
    const { revokedAt } = await revokeKey(database.sql, system, made.apiKey.id);
    expect(await Promise.all([made, rotated].map(whoHas))).toEqual([null, null]);
    expect((await revokeKey(database.sql, system, made.apiKey.id)).revokedAt).toEqual(revokedAt);
  });

  it("lets an administrator revoke a person's key", async () => {
    const { administrator, member } = await newPlace();
    const made = await create(member);
    await revokeKey(database.sql, administrator, made.apiKey.id);
    expect(await whoHas(made)).toBeNull();
  });
});

describe('changing keys: query', () => {
  const key = 'apiKey { id kind name scopes channelIds expiresAt lastUsedAt revokedAt user { id } }';
  const mutation = (name: string, more = '') =>
    `mutation ($input: ${name[0]?.toUpperCase()}${name.slice(1)}Input!) {
      ${name}(input: $input) { ${key} ${more} userErrors { code path } }
    }`;

  it('makes, rotates, changes and revokes', async () => {
    const { member } = await newPlace();
    const input = { kind: 'PERSONAL', name: 'App', scopes: ['users:read'], idempotencyKey: 'a' };
    const { createApiKey } = await ask(member, mutation('createApiKey', 'secret replayed'), { input });
    const whole = {
      id: expect.stringMatching(/^key_/),
      kind: 'PERSONAL',
      name: 'App',
      scopes: ['users:read'],
      channelIds: null,
      expiresAt: null,
      lastUsedAt: null,
      revokedAt: null,
      user: { id: member.userId },
    };
    const secret = expect.stringMatching(/^laurel_per_[0-9a-f]{12}_[\w-]{43}$/);
    expect(createApiKey).toEqual({ apiKey: whole, secret, replayed: false, userErrors: [] });
    const { id } = createApiKey.apiKey;
    const rotation = { id, idempotencyKey: 'b' };
    const { rotateApiKey } = await ask(member, mutation('rotateApiKey', 'secret replayed'), {
      input: rotation,
    });
    expect(rotateApiKey).toEqual({ apiKey: whole, secret, replayed: false, userErrors: [] });
    const change = { id, name: 'Other', expiresAt: inDays(1).toISOString() };
    const { updateApiKey } = await ask(member, mutation('updateApiKey'), { input: change });
    expect(updateApiKey).toEqual({ apiKey: { ...whole, ...change }, userErrors: [] });
    const { deleteApiKey } = await ask(member, mutation('deleteApiKey'), { input: { id } });
    expect(deleteApiKey.apiKey).toMatchObject({ id, revokedAt: expect.any(String) });
  });

  it('lists the keys of the community by page and by filter, for administrators', async () => {
    const { administrator, member, system } = await newPlace();
    const made = [
      await create(system, { kind: 'INTEGRATION' }),
      await create(administrator),
      await create(member),
    ];
    await revokeKey(database.sql, member, made[2]?.apiKey.id ?? '');
    const ids = made.map(({ apiKey }) => apiKey.id);
    const listed = async (filter: object, first = 100, after: string | null = null) => {
      const text = `query ($filter: ApiKeyFilter, $first: Int, $after: String) {
        apiKeys(filter: $filter, first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
      }`;
      const { apiKeys } = await ask(administrator, text, { filter, first, after });
      return { ...apiKeys.pageInfo, ids: apiKeys.nodes.map(({ id }: Answer) => id) };
    };
    const page = await listed({}, 2);
    expect(page).toMatchObject({ ids: ids.slice(0, 2), hasNextPage: true });
    expect(await listed({}, 2, page.endCursor)).toMatchObject({ ids: ids.slice(2), hasNextPage: false });
    expect((await listed({ kinds: ['PERSONAL'] })).ids).toEqual(ids.slice(1));
    expect((await listed({ revoked: true })).ids).toEqual(ids.slice(2));
    expect((await listed({ userIds: [administrator.userId] })).ids).toEqual(ids.slice(1, 2));
  });

  it('lists a person the own keys that work', async () => {
    const { administrator, member, system } = await newPlace();
    const [kept, revoked] = [await create(member), await create(member)];
    await revokeKey(database.sql, member, revoked.apiKey.id);
    await create(administrator);
    const text = '{ viewer { apiKeys { nodes { id } } } }';
    expect((await ask(member, text)).viewer.apiKeys.nodes).toEqual([{ id: kept.apiKey.id }]);
    expect((await ask(system, text)).viewer.apiKeys).toBeNull();
  });
});

describe('changing keys: refusals', () => {
  it('FORBIDDEN: anybody but the system key and administrators makes a key of the community', async () => {
    const { member, integration } = await newPlace();
    for (const maker of [member, integration]) {
      for (const kind of ['INTEGRATION', 'SYSTEM'] as const)
        await expect(create(maker, { kind, scopes: null })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });

  it("FORBIDDEN: anybody but the system key makes another person's key", async () => {
    const { administrator, integration, memberIds } = await newPlace();
    for (const maker of [administrator, integration]) {
      await expect(create(maker, { userId: memberIds[1] ?? '' })).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
    }
  });

  it('FORBIDDEN: a key that may do more than its maker', async () => {
    const place = await newPlace({ channels: ['OPEN', 'FORUM'] });
    const [, forum = ''] = place.channelIds;
    const few = place.person(0, { scopes: ['keys:write', 'users:read'] });
    const kinds = {
      PERSONAL: ['messages:read'],
      INTEGRATION: ['users:read', 'messages:read'],
      SYSTEM: null,
    } as const;
    for (const [kind, scopes] of Object.entries(kinds)) {
      const made = create(few, { kind: kind as keyof typeof kinds, scopes });
      await expect(made).rejects.toMatchObject({ code: 'FORBIDDEN', path: ['input', 'scopes'] });
    }
    const narrow = place.person(0, { channelIds: place.channelIds.slice(0, 1) });
    await expect(create(narrow, { channelIds: [forum] })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      path: ['input', 'channelIds'],
    });
  });

  it('FORBIDDEN: a key for everybody, made or changed by one for an audience', async () => {
    const place = await newPlace();
    const everybodys = await create(place.member);
    const partner = place.person(1, { audience: 'partner' });
    const refused = { code: 'FORBIDDEN', path: ['input', 'audience'] };
    await expect(
      updateKey(database.sql, partner, { id: everybodys.apiKey.id, name: 'Mine' }, now),
    ).rejects.toMatchObject(refused);
    await expect(rotate(partner, everybodys, 0, 'audience')).rejects.toMatchObject(refused);
    const partners = await create(partner);
    await expect(
      updateKey(database.sql, partner, { id: partners.apiKey.id, audience: null }, now),
    ).rejects.toMatchObject(refused);
  });

  it('VALIDATION_FAILED, CONFLICT: an audience for the system key', async () => {
    const { system, administrator } = await newPlace();
    const wanted = { kind: 'SYSTEM', scopes: null, audience: 'partner' } as const;
    await expect(create(administrator, wanted)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      path: ['input', 'audience'],
    });
    const { apiKey } = await create(administrator, { kind: 'SYSTEM', scopes: null });
    await expect(
      updateKey(database.sql, system, { id: apiKey.id, audience: 'partner' }, now),
    ).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('FORBIDDEN: a new secret, or more rights, for a key that may do more than the caller', async () => {
    const place = await newPlace();
    const strong = await create(place.administrator, { scopes: ['messages:read'] });
    const system = await create(place.administrator, { kind: 'SYSTEM', scopes: null });
    const few = place.person(0, { scopes: ['keys:write', 'users:read'] });
    for (const key of [strong, system])
      await expect(rotate(few, key, 0, key.apiKey.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const weak = await create(few);
    const id = weak.apiKey.id;
    for (const change of [
      { id, scopes: ['messages:read'] },
      { id: strong.apiKey.id, name: 'Mine' },
    ])
      await expect(updateKey(database.sql, few, change, now)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it("FORBIDDEN: an administrator gets or changes the secret of another person's key", async () => {
    const { administrator, member } = await newPlace();
    const made = await create(member);
    await expect(rotate(administrator, made, 0, 'a')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const change = { id: made.apiKey.id, name: 'Mine' };
    await expect(updateKey(database.sql, administrator, change, now)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });

  it('NOT_FOUND: a key of another person, of the community, of another community, or of nobody', async () => {
    const [home, away] = [await newPlace(), await newPlace()];
    const keys = [
      await create(home.administrator),
      await create(home.system, { kind: 'INTEGRATION' }),
      await create(away.member),
    ];
    for (const id of [...keys.map(({ apiKey }) => apiKey.id), 'key_none'])
      await expect(revokeKey(database.sql, home.member, id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const id = keys[2]?.apiKey.id ?? '';
    await expect(revokeKey(database.sql, home.system, id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('NOT_FOUND: a person or a channel that is not in the community', async () => {
    const [home, away] = [await newPlace(), await newPlace()];
    const refused = { code: 'NOT_FOUND' };
    await expect(create(home.system, { userId: away.memberIds[0] ?? '' })).rejects.toMatchObject(refused);
    await expect(create(home.member, { channelIds: away.channelIds })).rejects.toMatchObject(refused);
  });

  it('CONFLICT: a second system key, a limit for it, and a key that was revoked', async () => {
    const { system, administrator } = await newPlace();
    const made = await create(administrator, { kind: 'SYSTEM', scopes: null });
    const refused = { code: 'CONFLICT' };
    await expect(create(system, { kind: 'SYSTEM', scopes: null })).rejects.toMatchObject(refused);
    const change = { id: made.apiKey.id, scopes: ['users:read'] };
    await expect(updateKey(database.sql, system, change, now)).rejects.toMatchObject(refused);
    await revokeKey(database.sql, system, made.apiKey.id);
    await expect(rotate(system, made, 0, 'a')).rejects.toMatchObject(refused);
  });

  it('IDEMPOTENCY_KEY_REUSED: for another key', async () => {
    const { member } = await newPlace();
    await create(member, { idempotencyKey: 'a' });
    await expect(create(member, { idempotencyKey: 'a', name: 'Other' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
  });

  it('LIMIT_EXCEEDED: more keys than a person may have', async () => {
    const { member } = await newPlace();
    const outcomes = await Promise.allSettled(
      Array.from({ length: mostKeys.PERSONAL + 2 }, () => create(member)),
    );
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    expect(refused).toEqual(['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED']);
  });

  it('LIMIT_EXCEEDED: more secrets of before than may work', async () => {
    const { system } = await newPlace();
    const made = await create(system, { kind: 'INTEGRATION' });
    for (let n = 0; n < mostFormerSecrets; n++) await rotate(system, made, 60, `${n}`);
    await expect(rotate(system, made, 60, 'more')).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(await whoHas(await rotate(system, made, 0, 'none'))).not.toBeNull();
  });

  const bad: [string, object][] = [
    ['name', { name: ' ' }],
    ['name', { name: 'n'.repeat(101) }],
    ['scopes', { scopes: ['users:eat'] }],
    ['channelIds', { channelIds: [] }],
    ['channelIds', { channelIds: Array.from({ length: 101 }, (_, n) => `chn_${n}`) }],
    ['expiresAt', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['expiresAt', { expiresAt: '9020-01-01T00:00:00Z' }],
    ['userId', { kind: 'INTEGRATION', userId: 'usr_x' }],
    ['scopes', { kind: 'SYSTEM' }],
    ['idempotencyKey', { idempotencyKey: '' }],
  ];
  it.each(bad)('VALIDATION_FAILED: %s of %o', async (path, details) => {
    const { administrator } = await newPlace();
    const input = { kind: 'PERSONAL', name: 'App', scopes: [], idempotencyKey: 'a', ...details };
    const text =
      'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code path } } }';
    expect((await ask(administrator, text, { input })).createApiKey).toEqual({
      secret: null,
      userErrors: [{ code: 'VALIDATION_FAILED', path: ['input', path] }],
    });
  });

  it('FORBIDDEN: all keys for a member or an integration', async () => {
    const { member, integration } = await newPlace();
    for (const principal of [member, integration]) {
      expect(await errorsOf(principal, '{ apiKeys { nodes { id } } }')).toEqual([
        { code: 'FORBIDDEN', path: ['apiKeys'] },
      ]);
    }
  });
});

describe('changing keys: cost', () => {
  it('of reading a hundred keys with their people are two statements', async () => {
    const place = await newPlace({ members: 100 });
    for (const userId of place.memberIds) await create(place.system, { userId });
    const text = '{ apiKeys(first: 100) { nodes { id user { displayName } } } }';
    expect(await database.statementsOf(() => ask(place.system, text))).toEqual(['keysPage', 'usersById']);
  });
});
