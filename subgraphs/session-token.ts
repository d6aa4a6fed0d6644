import { jwtVerify, SignJWT } from 'jose';
import type { SigningKeys } from './principal.ts';

// Access tokens of sessions: signed, short-lived, and good for nothing once their session has ended, since whoever reads
// one asks for its session. The signature keeps forged ones from costing more than that.

/** What a token says. */
export interface SessionClaims {
  communityId: string;
  sessionId: string;
  /** When the token ends, milliseconds since 1970. */
  expiresAt: number;
}

export interface SessionTokens {
  sign(communityId: string, sessionId: string, now: Date): Promise<{ token: string; expiresAt: Date }>;
  /** null for what isn't a token, or is forged or stale. */
  read(token: string, now: Date): Promise<SessionClaims | null>;
}

/** How long an access token works. */
export const accessSeconds = 900;

const issuer = 'laurel:identity';
const audience = 'laurel:gateway';

/** @param keys  the first signs, all verify. */
export function sessionTokens(keys: SigningKeys): SessionTokens {
  return {
    async sign(communityId, sessionId, now) {
      const [newest] = keys();
      if (newest === undefined) throw new Error('Sessions need a signing key.');
      const ends = Math.floor(now.getTime() / 1_000) + accessSeconds;
      const token = await new SignJWT({ com: communityId, sid: sessionId })
        .setProtectedHeader({ alg: 'HS256', kid: newest.id })
        .setIssuer(issuer)
        .setAudience(audience)
        .setExpirationTime(ends)
        .sign(newest.secret);
      return { token, expiresAt: new Date(ends * 1_000) };
    },
    async read(token, now) {
      if (!token.startsWith('eyJ')) return null;
      try {
        const { payload } = await jwtVerify(
          token,
          ({ kid }) => {
            const key = keys().find(({ id }) => id === kid);
            if (key === undefined) throw new Error('There is no such key.');
            return key.secret;
          },
          { issuer, audience, algorithms: ['HS256'], currentDate: now, requiredClaims: ['exp'] },
        );
        const { com, sid, exp = 0 } = payload;
        return { communityId: String(com), sessionId: String(sid), expiresAt: exp * 1_000 };
      } catch {
        return null;
      }
    },
  };
}
