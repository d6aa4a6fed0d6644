import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueKey } from '../../../subgraphs/identity/api-key.ts';
import { authenticate } from '../../../subgraphs/identity/authentication.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import { anonymous, gatewayPrincipal, type Principal } from '../../../subgraphs/principal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const everything = `{ viewer {
  scopes
  user { id displayName }
  apiKey { kind name prefix scopes channelIds expiresAt }
  community { id }
} }`;
const authentication = `query ($secret: String!, $community: String) {
  _authenticate(secret: $secret, community: $community)
}`;

describe('viewer: query', () => {
  it('is nobody without a credential', async () => {
    expect(await ask(anonymous, everything)).toEqual({ viewer: null });
  });

  it('is the person, the key and the community of a personal key', async () => {
    const { id, memberIds, channelIds } = await newCommunity(database.resources);
    const scopes = ['users:read'] as const;
    const userId = memberIds[0] ?? '';
    const key = { kind: 'PERSONAL', name: 'App', userId, channelIds, scopes } as const;
    const secret = await issueKey(database.sql, id, key);
    const principal = (await authenticate(database.sql, secret, null)) as Principal;
    expect((await ask(principal, everything)).viewer).toEqual({
      scopes: ['users:read'],
      user: { id: memberIds[0], displayName: 'Person 0' },
      apiKey: {
        kind: 'PERSONAL',
        name: 'App',
        prefix: secret.split('_')[2],
        scopes: ['users:read'],
        channelIds,
        expiresAt: null,
      },
      community: { id },
    });
  });

  it('is no person for a key of the community', async () => {
    const { system } = await newCommunity(database.resources);
    expect((await ask(system, '{ viewer { user { id } } }')).viewer).toEqual({ user: null });
  });
});

describe('viewer: authentication', () => {
  it('turns a secret into its principal, for the gateway', async () => {
    const { id, slug } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, { kind: 'SYSTEM', name: 'System' });
    const { _authenticate } = await ask(gatewayPrincipal, authentication, { secret, community: slug });
    expect(_authenticate).toEqual(await authenticate(database.sql, secret, null));
  });

  it('turns a secret that is not valid into null', async () => {
    expect(await ask(gatewayPrincipal, authentication, { secret: 'nonsense' })).toEqual({
      _authenticate: null,
    });
  });
});

describe('viewer: refusals', () => {
  it('FORBIDDEN: somebody other than the gateway asks whose a secret is', async () => {
    const { id, system } = await newCommunity(database.resources);
    const secret = await issueKey(database.sql, id, { kind: 'SYSTEM', name: 'System' });
    for (const principal of [system, anonymous]) {
      expect(await errorsOf(principal, authentication, { secret })).toEqual([
        { code: 'FORBIDDEN', path: ['_authenticate'] },
      ]);
    }
  });

  it('FORBIDDEN: a key in a community that it does not belong to', async () => {
    const [home, away] = [await newCommunity(database.resources), await newCommunity(database.resources)];
    const secret = await issueKey(database.sql, home.id, { kind: 'SYSTEM', name: 'System' });
    expect(await errorsOf(gatewayPrincipal, authentication, { secret, community: away.slug })).toEqual([
      { code: 'FORBIDDEN', path: ['_authenticate'] },
    ]);
  });

  it('NEEDS_USER: a class of callers has neither person nor key, so that no answer of one is shared', async () => {
    const { id } = await newCommunity(database.resources);
    const ofClass: Principal = { kind: 'class', communityId: id, scopes: [] };
    expect(await errorsOf(ofClass, '{ viewer { user { id } apiKey { id } } }')).toEqual([
      { code: 'NEEDS_USER', path: ['viewer', 'user'] },
      { code: 'NEEDS_USER', path: ['viewer', 'apiKey'] },
    ]);
  });
});
