import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from '@opentelemetry/api';
import { Refusal } from '../subgraphs/errors.ts';
import { actsAsPerson, anonymous, gatewayPrincipal, type Principal } from '../subgraphs/principal.ts';
import { createAttempts } from './attempts.ts';
import type { Charge } from './charge.ts';
import type { StreamEvent, Subgraph, View } from './engine/index.ts';
import { askIdentity } from './identity.ts';
import { type Credential, createPrincipals, credential, type OnEnd, type Watching } from './principals.ts';
import { authenticatedScope, type Views } from './view.ts';

// Credential -> Principal -> the schema it sees. The gateway stores no keys: it asks identity, and remembers the answer
// (principals.ts). Whoever comes with wrong ones is slowed down (attempts.ts).

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
  /**
   * At once for whoever is known.
   * @param address  where they come from; left out for whoever was let in before.
   * @throws BAD_CREDENTIAL, FORBIDDEN, THROTTLED; all in the promise
   */
  callerOf(headers: CredentialHeaders, address?: string): Caller | Promise<Caller>;
  /**
   * Calls `onEnd` within a second of the end, or of a change, of what a caller came with: then it is another caller.
   * Nothing is to be told while that is in doubt.
   */
  watch(headers: CredentialHeaders, caller: Caller, onEnd: OnEnd<Caller>): Watching;
  /**
   * Puts in doubt whoever may have lost the right to hear of an event before it happened; undefined when that is done.
   * @param said  what its subgraph says beside the event.
   */
  heed(said: StreamEvent['extensions']): Promise<void> | undefined;
  /** The caller that stands for all who see the same, so that a stream is worked out once for all of them. */
  classOf(caller: Caller): Promise<{ key: string; caller: Caller }>;
  /** Nobody comes any more; resolves when nothing is asked any more. */
  close(): Promise<void>;
}

const unwatched: Watching = { doubt: () => undefined, stop: () => {} };
const longestCredential = 512;
/** How long it takes to be refused, whatever the reason was and wherever it was found. */
const refusalMs = 50;

/** Everybody sees everything and is nobody: for a gateway that doesn't know Laurel's identity subgraph. */
export function openAccess(view: View): Access {
  const caller = { principal: anonymous, token: '', view, seesPart: false };
  return {
    callerOf: () => caller,
    watch: () => unwatched,
    heed: () => undefined,
    classOf: async () => ({ key: '', caller }),
    close: async () => {},
  };
}

/**
 * Access by Laurel's identity subgraph.
 * @param sign  makes the token of a principal; none when every subgraph is in this process.
 */
export function laurelAccess(options: {
  identity: Subgraph<Caller>;
  viewOf: Views;
  sign?: (principal: Principal) => Promise<string>;
}): Access {
  const { identity, viewOf, sign } = options;
  const callers = new WeakMap<Principal, Caller>();
  /** Whom a principal is served as, but for the token: that is for a moment only. */
  const unsigned = (principal: Principal): Caller => {
    let caller = callers.get(principal);
    if (caller === undefined) {
      const scopes = seenBy(principal);
      const isSession = principal.kind === 'session';
      const view = isSession ? viewOf.ofSession(scopes) : viewOf(scopes, principal.audience);
      caller = { principal, token: '', seesPart: true, view };
      callers.set(principal, caller);
    }
    return caller;
  };
  const callerFor = async (principal: Principal): Promise<Caller> => {
    const caller = unsigned(principal);
    return sign === undefined ? caller : { ...caller, token: await sign(principal) };
  };

  const principals = createPrincipals(
    askIdentity(identity, () => callerFor(gatewayPrincipal), badCredential),
    badCredential,
  );
  const attempts = createAttempts();

  const principalOf = (
    given: Credential | undefined,
    address: string | undefined,
  ): Principal | Promise<Principal> => {
    if (given === undefined) return anonymous;
    const known = principals.known(given);
    if (known !== undefined) return known;
    const wait = address === undefined ? 0 : attempts.waitSeconds(address);
    if (wait > 0 && !isSigned(given.secret) && !principals.knows(given)) throw throttled(wait);
    return principals.of(given);
  };

  /** Refused credentials all take as long. */
  const refused = async (
    error: unknown,
    headers: CredentialHeaders,
    address: string | undefined,
    at: number,
  ) => {
    if (error instanceof Refusal && error.code === 'BAD_CREDENTIAL') {
      // A session's token ends every few minutes, in everybody's hands, and can't be guessed.
      if (address !== undefined && !isSigned(bearerOf(headers))) attempts.failed(address);
      await pause(Math.max(0, at - performance.now()));
    }
    throw error;
  };

  return {
    callerOf(headers, address) {
      const refusedAt = performance.now() + refusalMs;
      const refuse = (error: unknown) => refused(error, headers, address, refusedAt);
      try {
        const principal = principalOf(credentialOf(headers), address);
        // A promise costs a request more than to find out who is known.
        if (!(principal instanceof Promise) && sign === undefined) return unsigned(principal);
        return Promise.resolve(principal).then(callerFor).catch(refuse);
      } catch (error) {
        return refuse(error);
      }
    },
    watch(headers, { principal }, onEnd) {
      const given = credentialOf(headers);
      if (given === undefined) return unwatched;
      return principals.watch(given, principal, async (why, now) => {
        await onEnd(why, typeof now === 'string' ? now : await callerFor(now).catch(() => 'refused'));
      });
    },
    heed(said) {
      const number = said?.credentialsAt;
      return typeof number === 'number' ? principals.upTo(number) : undefined;
    },
    async classOf({ principal }) {
      const { communityId, scopes, channelIds, audience, readsAs } = principal;
      const shared: Principal = {
        kind: 'class',
        scopes: [...scopes].sort(),
        ...(communityId === undefined ? {} : { communityId }),
        ...(channelIds === undefined ? {} : { channelIds: [...channelIds].sort() }),
        ...(audience === undefined ? {} : { audience }),
        ...(actsAsPerson(principal) ? { ofPeople: true } : {}),
        ...(readsAs === undefined ? {} : { readsAs }),
      };
      return { key: JSON.stringify(shared), caller: await callerFor(shared) };
    },
    close: () => principals.close(),
  };
}

/** The scopes that make a principal's view, with its audience. */
export function seenBy({ kind, scopes }: Principal): readonly string[] {
  return kind === 'anonymous' ? [] : [...scopes, authenticatedScope];
}

/** The one credential of a request. @throws BAD_CREDENTIAL when there are two, or one that can't be any; FORBIDDEN */
function credentialOf(headers: CredentialHeaders): Credential | undefined {
  const secret = secretOf(headers);
  const community = textOf(headers['x-community'], 'x-community') ?? null;
  return secret === undefined ? undefined : credential(secret, community);
}

/**
 * The headers of a request, as whoever looks for its credential may read them.
 * @throws BAD_CREDENTIAL  for more than one line of `authorization`, of which Node would keep the first.
 */
export function headersOf({ headers, rawHeaders }: IncomingMessage): CredentialHeaders {
  let lines = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n] ?? '';
    if (name.length === 13 && name.toLowerCase() === 'authorization') lines++;
  }
  if (lines > 1) throw new Refusal('BAD_CREDENTIAL', 'Send one credential, in one line.');
  return headers;
}

function secretOf(headers: CredentialHeaders): string | undefined {
  const apiKey = textOf(headers['x-api-key'], 'x-api-key');
  const authorization = textOf(headers.authorization, 'authorization');
  if (apiKey !== undefined && authorization !== undefined) {
    throw new Refusal('BAD_CREDENTIAL', 'Send one credential: x-api-key or authorization, not both.');
  }
  if (authorization === undefined) return apiKey;
  const bearer = bearerOf(headers);
  if (bearer === undefined) throw badCredential();
  return bearer;
}

function bearerOf({ authorization }: CredentialHeaders): string | undefined {
  return /^Bearer +(\S+)$/i.exec(String(authorization))?.[1];
}

/** Whether it looks like a session's token. */
function isSigned(secret: string | undefined): boolean {
  return secret !== undefined && /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(secret);
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

function throttled(seconds: number): Refusal {
  return new Refusal(
    'THROTTLED',
    `Too many credentials from this address were not valid: one that never worked here is looked at again in ${seconds} s.`,
    { retryAfterSeconds: seconds },
  );
}
