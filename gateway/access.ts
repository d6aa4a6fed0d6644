import { createHash } from 'node:crypto';
import type { Context } from '@opentelemetry/api';
import { LRUCache } from 'lru-cache';
import { Refusal } from '../subgraphs/errors.ts';
import { actsAsPerson, anonymous, gatewayPrincipal, type Principal } from '../subgraphs/principal.ts';
import type { Charge } from './charge.ts';
import type { Subgraph, View } from './engine/index.ts';
import { authenticatedScope } from './view.ts';

// Credential -> Principal -> the schema it sees. The gateway stores no keys: it asks identity, and remembers the answer
// for a second at most.

/** Who the engine works for. In one process subgraphs take the principal, between processes they check the token. */
export interface Caller {
  principal: Principal;
  /** The signed principal; empty when every subgraph is in this process. */
  token: string;
  view: View;
  /** There may be more than the view shows. */
  seesPart: boolean;
  /** The client's headers that subgraphs get to see. */
  headers?: Record<string, string> | undefined;
  /** What the operation took of the caller's budget; undefined without bounds. */
  charge?: Charge | undefined;
  /** The place in a trace below which the work for it belongs; undefined when it belongs to none. */
  trace?: Context;
}

/** The headers that name a caller; over WebSocket the same names stand in the payload of `connection_init`. */
export type CredentialHeaders = Record<string, unknown>;

export interface Access {
  /** @throws BAD_CREDENTIAL, FORBIDDEN */
  callerOf(headers: CredentialHeaders): Promise<Caller>;
  /** The caller that stands for all who see the same, so that a stream is worked out once for all of them. */
  classOf(caller: Caller): Promise<{ key: string; caller: Caller }>;
}

const rememberedMs = 1_000;
const longestCredential = 512;

/** Everybody sees everything and is nobody: for a gateway that doesn't know Laurel's identity subgraph. */
export function openAccess(view: View): Access {
  const caller = { principal: anonymous, token: '', view, seesPart: false };
  return {
    callerOf: async () => caller,
    classOf: async () => ({ key: '', caller }),
  };
}

/**
 * Access by Laurel's identity subgraph.
 * @param sign  makes the token of a principal; none when every subgraph is in this process.
 */
export function laurelAccess(options: {
  identity: Subgraph<Caller>;
  viewOf: (scopes: readonly string[]) => View;
  sign?: (principal: Principal) => Promise<string>;
}): Access {
  const { identity, viewOf, sign } = options;
  const principals = new LRUCache<string, Promise<Principal>>({ max: 10_000, ttl: rememberedMs });

  const callerFor = async (principal: Principal): Promise<Caller> => ({
    principal,
    token: sign === undefined ? '' : await sign(principal),
    seesPart: true,
    view: viewOf(principal.kind === 'anonymous' ? [] : [...principal.scopes, authenticatedScope]),
  });

  const principalOf = (secret: string, community: string | null): Promise<Principal> => {
    // The cache doesn't hold secrets either.
    const key = createHash('sha256')
      .update(`${secret} ${community ?? ''}`)
      .digest('base64');
    let principal = principals.get(key);
    if (principal === undefined) {
      principal = callerFor(gatewayPrincipal).then((gateway) =>
        authenticate(identity, gateway, secret, community),
      );
      principals.set(key, principal);
      // A refusal is an answer like any other; a fault is not one to remember.
      principal.catch((error) => {
        if (!(error instanceof Refusal)) principals.delete(key);
      });
    }
    return principal;
  };

  return {
    async callerOf(headers) {
      const secret = secretOf(headers);
      const community = textOf(headers['x-community'], 'x-community') ?? null;
      if (secret === undefined) return callerFor(anonymous);
      const principal = await principalOf(secret, community);
      if (principal.expiresAt !== undefined && principal.expiresAt <= Date.now()) throw badCredential();
      return callerFor(principal);
    },
    async classOf({ principal }) {
      const { communityId, scopes, channelIds } = principal;
      const shared: Principal = {
        kind: 'class',
        scopes: [...scopes].sort(),
        ...(communityId === undefined ? {} : { communityId }),
        ...(channelIds === undefined ? {} : { channelIds: [...channelIds].sort() }),
        ...(actsAsPerson(principal) ? { ofPeople: true } : {}),
      };
      return { key: JSON.stringify(shared), caller: await callerFor(shared) };
    },
  };
}

const authenticateText =
  'query authenticate($secret: String!, $community: String) { _authenticate(secret: $secret, community: $community) }';

async function authenticate(
  identity: Subgraph<Caller>,
  gateway: Caller,
  secret: string,
  community: string | null,
): Promise<Principal> {
  const { data, errors } = await identity.execute({
    kind: 'query',
    text: authenticateText,
    variables: { secret, community },
    caller: gateway,
    signal: undefined,
  });
  const [error] = errors ?? [];
  if (error?.extensions?.code === 'FORBIDDEN') throw new Refusal('FORBIDDEN', error.message);
  if (error !== undefined) throw new Error(`Identity could not authenticate: ${error.message}`);
  const principal = data?._authenticate as Principal | null | undefined;
  if (principal == null) throw badCredential();
  return principal;
}

/** The one secret of a request. @throws BAD_CREDENTIAL when there are two, or one that can't be any. */
function secretOf(headers: CredentialHeaders): string | undefined {
  const apiKey = textOf(headers['x-api-key'], 'x-api-key');
  const authorization = textOf(headers.authorization, 'authorization');
  if (apiKey !== undefined && authorization !== undefined) {
    throw new Refusal('BAD_CREDENTIAL', 'Send one credential: x-api-key or authorization, not both.');
  }
  if (authorization === undefined) return apiKey;
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (bearer === undefined) throw badCredential();
  return bearer;
}

function textOf(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= longestCredential) return value;
  if (name === 'x-community') throw new Refusal('FORBIDDEN', 'x-community is the id or slug of a community.');
  throw badCredential();
}

// Unknown, malformed, revoked and expired are the same to whoever guesses.
function badCredential(): Refusal {
  return new Refusal(
    'BAD_CREDENTIAL',
    'The credential is not valid: it is malformed, unknown, revoked or expired.',
  );
}
