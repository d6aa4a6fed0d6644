import { SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  anonymous,
  communityOf,
  covers,
  type Principal,
  principalSigner,
  principalVerifier,
  signPrincipal,
} from '../../subgraphs/principal.ts';

const key = (id: string) => ({ id, secret: new TextEncoder().encode(`a secret of 32 bytes, named: ${id}`) });
const [former, current] = [key('one'), key('two')];
const principal: Principal = {
  kind: 'personal',
  communityId: 'com_1',
  userId: 'usr_1',
  scopes: ['users:read'],
  channelIds: ['chn_1'],
  expiresAt: 1_800_000_000_000,
};

afterEach(() => {
  vi.useRealTimers();
});

/** A signed token as the gateway makes it, but for what the test changes. */
function token({
  issuer = 'laurel:gateway',
  audience = 'laurel:subgraph',
  kid = current.id,
}): Promise<string> {
  return new SignJWT({ principal })
    .setProtectedHeader({ alg: 'HS256', kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(current.secret);
}

describe('signed principals', () => {
  it('arrive as they were sent', async () => {
    const signed = await signPrincipal(principal, current);
    expect(await principalVerifier(() => [current])(signed)).toEqual(principal);
  });

  it('are still believed while their key is being replaced', async () => {
    const signed = await signPrincipal(principal, former);
    expect(await principalVerifier(() => [current, former])(signed)).toEqual(principal);
  });

  it('are signed by the newest key, as soon as it is', async () => {
    let keys = [former];
    const sign = principalSigner(() => keys);
    const before = await sign(principal);
    keys = [current, former];
    const verify = principalVerifier(() => [current]);
    expect(await verify(await sign(principal))).toEqual(principal);
    await expect(verify(before)).rejects.toMatchObject({ code: 'BAD_CREDENTIAL' });
  });

  it('are signed once for equal callers, and again for another', async () => {
    const sign = principalSigner(() => [current]);
    expect(await sign({ ...principal })).toBe(await sign({ ...principal }));
    expect(await sign({ ...principal, userId: 'usr_2' })).not.toBe(await sign(principal));
  });
});

describe('principals: refusals', () => {
  const refused = { code: 'BAD_CREDENTIAL' };
  const verify = principalVerifier(() => [current]);

  it('BAD_CREDENTIAL: a missing one', async () => {
    for (const nothing of [undefined, '', 'nonsense'])
      await expect(verify(nothing)).rejects.toMatchObject(refused);
  });

  it('BAD_CREDENTIAL: one that was changed on its way', async () => {
    const [header, , signature] = (await signPrincipal(principal, current)).split('.');
    const claims = {
      principal: { ...principal, kind: 'system' },
      iss: 'laurel:gateway',
      aud: 'laurel:subgraph',
    };
    const forged = Buffer.from(JSON.stringify({ ...claims, exp: Date.now() / 1_000 + 60 })).toString(
      'base64url',
    );
    await expect(verify(`${header}.${forged}.${signature}`)).rejects.toMatchObject(refused);
  });

  it('BAD_CREDENTIAL: one that nobody signed', async () => {
    const unsigned = new UnsecuredJWT({ principal })
      .setIssuer('laurel:gateway')
      .setAudience('laurel:subgraph');
    await expect(verify(unsigned.encode())).rejects.toMatchObject(refused);
  });

  it('BAD_CREDENTIAL: one signed with a key that is not known, or is not the one it names', async () => {
    await expect(verify(await signPrincipal(principal, former))).rejects.toMatchObject(refused);
    const misnamed = await signPrincipal(principal, { id: current.id, secret: former.secret });
    await expect(verify(misnamed)).rejects.toMatchObject(refused);
    await expect(verify(await token({ kid: 'three' }))).rejects.toMatchObject(refused);
  });

  it('BAD_CREDENTIAL: one older than a minute', async () => {
    const signed = await signPrincipal(principal, current);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    await expect(verify(signed)).rejects.toMatchObject(refused);
  });

  it('BAD_CREDENTIAL: one made by another, or for another', async () => {
    expect(await verify(await token({}))).toEqual(principal);
    await expect(verify(await token({ issuer: 'somebody' }))).rejects.toMatchObject(refused);
    await expect(verify(await token({ audience: 'somebody' }))).rejects.toMatchObject(refused);
  });

  it('COMMUNITY_REQUIRED: a caller that names none', () => {
    expect(communityOf(principal)).toBe('com_1');
    expect(() => communityOf(anonymous)).toThrow(expect.objectContaining({ code: 'COMMUNITY_REQUIRED' }));
  });
});

describe('scopes', () => {
  it('cover one of the alternatives, each whole', () => {
    const alternatives = [['a', 'b'], ['c']];
    expect(covers(['a', 'b'], alternatives)).toBe(true);
    expect(covers(['c'], alternatives)).toBe(true);
    expect(covers(['a'], alternatives)).toBe(false);
    expect(covers([], alternatives)).toBe(false);
  });
});
