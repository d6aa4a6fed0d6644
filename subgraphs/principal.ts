import { jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { Refusal } from './errors.ts';

// Who is calling. In one process a Principal travels as this object; between processes as a short-lived signed
// token, because a subgraph believes nobody it can't check.

/**
 * - `anonymous`: no credential. `system`: a community's one key, all scopes. `integration`: a named key with scopes.
 * - `personal`: a person's own key. `session`: a person who was let in for a while.
 * - `class`: all callers who see the same, so it has no person (shared streams).
 * - `gateway`: the gateway itself, asking who a credential belongs to.
 * - `operator`: whoever runs Laurel, by its command line; never over HTTP.
 */
export type PrincipalKind =
  | 'anonymous'
  | 'system'
  | 'integration'
  | 'personal'
  | 'session'
  | 'class'
  | 'gateway'
  | 'operator';

/** Whom a key was made for, by the tag of what it is shown: `@tag(name: "partner")`. */
export type Audience = 'partner';

export interface Principal {
  kind: PrincipalKind;
  communityId?: string;
  userId?: string;
  /** Of a class: it stands for people, each of whom has a person's rights and no more. */
  ofPeople?: true;
  /** Of a person, and of a class of people: which roles of theirs open channels, as the port `community.reads_as` says. */
  readsAs?: string;
  keyId?: string;
  sessionId?: string;
  scopes: readonly string[];
  /** Channels the key is limited to; absent: every channel of the community that its person may read. */
  channelIds?: readonly string[];
  /** It is shown only what is tagged for it; absent: all that its scopes allow. */
  audience?: Audience;
  /** When the credential ends, milliseconds since 1970; absent: never. */
  expiresAt?: number;
}

export interface SigningKey {
  id: string;
  secret: Uint8Array;
}

/** Gives the keys of this moment: the first signs, all verify, so that keys rotate with an overlap. */
export type SigningKeys = () => readonly SigningKey[];

export const principalHeader = 'x-laurel-principal';
export const anonymous: Principal = { kind: 'anonymous', scopes: [] };
export const gatewayPrincipal: Principal = { kind: 'gateway', scopes: [] };

const lifetimeSeconds = 60;

/** The community a request is in. @throws COMMUNITY_REQUIRED */
export function communityOf(principal: Principal): string {
  if (principal.communityId === undefined) {
    throw new Refusal(
      'COMMUNITY_REQUIRED',
      'This field belongs to a community: send a credential of one, or name one in the header x-community.',
    );
  }
  return principal.communityId;
}

/** Whether rights are a person's, or those of a key that acts for the community. */
export function actsAsPerson({ userId, ofPeople }: Principal): boolean {
  return userId !== undefined || ofPeople === true;
}

/** True when the scopes satisfy one of the alternatives, each of which is a list of scopes needed together. */
export function covers(scopes: readonly string[], alternatives: readonly (readonly string[])[]): boolean {
  return alternatives.some((needed) => needed.every((scope) => scopes.includes(scope)));
}

/** The principal as a token for the header `x-laurel-principal`; valid for a minute. */
export async function signPrincipal(principal: Principal, key: SigningKey): Promise<string> {
  return new SignJWT({ principal })
    .setProtectedHeader({ alg: 'HS256', kid: key.id })
    .setIssuer('laurel:gateway')
    .setAudience('laurel:subgraph')
    .setIssuedAt()
    .setExpirationTime(`${lifetimeSeconds}s`)
    .sign(key.secret);
}

/**
 * Gives `sign(principal)`, which makes a new token when half of the last one's lifetime is over, or another key signs.
 */
export function principalSigner(keys: SigningKeys): (principal: Principal) => Promise<string> {
  const tokens = new LRUCache<string, Promise<string>>({ max: 10_000, ttl: (lifetimeSeconds / 2) * 1000 });
  let signedBy: string | undefined;
  return (principal) => {
    const [key] = keys();
    if (key === undefined) throw new Error('A principal needs a signing key.');
    if (key.id !== signedBy) tokens.clear();
    signedBy = key.id;
    const identity = JSON.stringify(principal);
    let token = tokens.get(identity);
    if (token === undefined) {
      token = signPrincipal(principal, key);
      tokens.set(identity, token);
    }
    return token;
  };
}

/** Gives `verify(token)`. @throws BAD_CREDENTIAL for a token that is forged, stale or missing. */
export function principalVerifier(keys: SigningKeys): (token: string | undefined) => Promise<Principal> {
  return async (token) => {
    const refused = new Refusal(
      'BAD_CREDENTIAL',
      `This subgraph answers callers who sign ${principalHeader}.`,
    );
    if (token === undefined || token.length > 8_192) throw refused;
    try {
      const { payload } = await jwtVerify(
        token,
        ({ kid }) => {
          const key = keys().find(({ id }) => id === kid);
          if (key === undefined) throw refused;
          return key.secret;
        },
        { issuer: 'laurel:gateway', audience: 'laurel:subgraph', algorithms: ['HS256'] },
      );
      return payload.principal as Principal;
    } catch {
      throw refused;
    }
  };
}
