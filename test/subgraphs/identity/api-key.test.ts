import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueKey, keysById, revokeKeysNamed } from '../../../subgraphs/identity/api-key.ts';
import { authenticate } from '../../../subgraphs/identity/authentication.ts';
import { addUsers } from '../../../subgraphs/identity/user.ts';
import { allScopes } from '../../../subgraphs/scopes.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const integration = { kind: 'INTEGRATION', name: 'Partner', scopes: ['users:read'] } as const;

/** A secret with its last letter changed: right in form, wrong in fact. */
const forged = (secret: string) => secret.slice(0, -1) + (secret.endsWith('A') ? 'B' : 'A');

describe('keys: rules', () => {
  it('are stored hashed: nothing stored contains the secret', async () => {
    const { id } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, integration);
    const [row] = await database.sql`select k::text, hash from identity.api_key k where community_id = ${id}`;
    const hidden = secret.slice('laurel_int_'.length + 13);
    expect(hidden).toHaveLength(43);
    expect(row?.k).not.toContain(hidden);
    expect(row?.k).not.toContain(Buffer.from(hidden).toString('hex'));
    expect(row?.hash).toHaveLength(32);
  });

  it('of a system have all scopes', async () => {
    const { id } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, { kind: 'SYSTEM', name: 'System' });
    const principal = await authenticate(database.sql, secret, null);
    expect(principal).toMatchObject({ kind: 'system', communityId: id, scopes: allScopes });
    expect(principal?.userId).toBeUndefined();
  });

  it('of an integration have the scopes they were given and the time they end', async () => {
    const { id } = await newCommunity(database.resources);
    const expiresAt = new Date(Date.now() + 60_000);
    const secret = await issueKey(database.sql, id, { ...integration, expiresAt });
    expect(await authenticate(database.sql, secret, null)).toEqual({
      kind: 'integration',
      communityId: id,
      keyId: expect.stringMatching(/^key_/),
      scopes: ['users:read'],
      expiresAt: expiresAt.getTime(),
    });
  });

  it('of a person act as the person, within the channels they are limited to', async () => {
    const { id, memberIds, channelIds } = await newCommunity(database.resources);
    const userId = memberIds[0] ?? '';
    const secret = await issueKey(database.sql, id, { kind: 'PERSONAL', name: 'App', userId, channelIds });
    expect(await authenticate(database.sql, secret, null)).toMatchObject({
      kind: 'personal',
      userId,
      channelIds,
    });
  });

  it('of a system take the place of the one before', async () => {
    const { id } = await newCommunity(database.resources);
    const former = await issueKey(database.sql, id, { kind: 'SYSTEM', name: 'System' });
    const latter = await issueKey(database.sql, id, { kind: 'SYSTEM', name: 'System' });
    expect(await authenticate(database.sql, former, null)).toBeNull();
    expect(await authenticate(database.sql, latter, null)).not.toBeNull();
  });

  it('are shown without their secret, and only in their community', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const secret = await issueKey(database.sql, home.id, integration);
    const keyId = (await authenticate(database.sql, secret, null))?.keyId ?? '';
    const [key, missing] = await keysById(database.sql, home.id, [keyId, 'key_none']);
    expect(key).toMatchObject({ kind: 'INTEGRATION', name: 'Partner', scopes: ['users:read'] });
    expect(secret).toContain(key?.prefix);
    expect(Object.keys(key ?? {})).not.toContain('hash');
    expect(missing).toBeNull();
    expect(await keysById(database.sql, away.id, [keyId])).toEqual([null]);
  });
});

describe('keys: refusals', () => {
  it('know no wrong secret', async () => {
    const { id } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, integration);
    const wrong = [
      forged(secret),
      secret.toUpperCase(),
      secret.slice(1),
      `${secret}A`,
      ` ${secret}`,
      '',
      '\0',
    ];
    for (const text of wrong) expect(await authenticate(database.sql, text, null)).toBeNull();
  });

  it('know no secret under another kind than its own', async () => {
    const { id } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, integration);
    expect(await authenticate(database.sql, secret.replace('_int_', '_sys_'), null)).toBeNull();
  });

  it('end when they expire', async () => {
    const { id } = await newCommunity(database.resources);
    const expiresAt = new Date(Date.now() - 1);
    const secret = await issueKey(database.sql, id, { ...integration, expiresAt });
    expect(await authenticate(database.sql, secret, null)).toBeNull();
  });

  it('end when they are revoked', async () => {
    const { id } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, integration);
    const other = await issueKey(database.sql, id, { ...integration, name: 'Other' });
    await revokeKeysNamed(database.sql, id, ['Partner']);
    expect(await authenticate(database.sql, secret, null)).toBeNull();
    expect(await authenticate(database.sql, other, null)).not.toBeNull();
  });

  it('FORBIDDEN: the key of a community in another', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const secret = await issueKey(database.sql, home.id, integration);
    for (const community of [away.id, away.slug, 'com_none']) {
      await expect(authenticate(database.sql, secret, community)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
    }
    for (const community of [home.id, home.slug])
      expect(await authenticate(database.sql, secret, community)).toMatchObject({ communityId: home.id });
  });

  it("let a person's key into its own community alone, also when the person belongs to others", async () => {
    const [home, second] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const [person] = home.members;
    if (person === undefined) throw new Error('A test community has members.');
    await addUsers(database.sql, second.id, [{ ...person, email: null, username: null, externalIds: [] }]);
    const key = { kind: 'PERSONAL', name: 'App', userId: person.id } as const;
    const secret = await issueKey(database.sql, home.id, key);
    expect(await authenticate(database.sql, secret, home.slug)).toMatchObject({ communityId: home.id });
    await expect(authenticate(database.sql, secret, second.slug)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });

  it.each(['SUSPENDED', 'BANNED', 'DELETED'])('stop working while their person is %s', async (status) => {
    const { id, members } = await newCommunity(database.resources);
    const userId = members[0]?.id ?? '';
    const secret = await issueKey(database.sql, id, { kind: 'PERSONAL', name: 'App', userId });
    await database.sql`update identity.user set status = ${status} where community_id = ${id} and id = ${userId}`;
    expect(await authenticate(database.sql, secret, null)).toBeNull();
    await database.sql`update identity.user set status = 'ACTIVE' where community_id = ${id} and id = ${userId}`;
    expect(await authenticate(database.sql, secret, null)).toMatchObject({ userId });
  });
});

describe('keys: cost', () => {
  it('take one statement, one more with a community, and none for text that is no secret', async () => {
    const { id, slug } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, integration);
    const { sql, statementsOf } = database;
    expect(await statementsOf(() => authenticate(sql, secret, null))).toEqual(['authenticate']);
    expect(await statementsOf(() => authenticate(sql, secret, slug))).toEqual(['authenticate', 'mustName']);
    expect(await statementsOf(() => authenticate(sql, 'nonsense', null))).toEqual([]);
  });
});
