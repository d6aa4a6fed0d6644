import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Refusal } from '../subgraphs/errors.ts';
import type { Principal } from '../subgraphs/principal.ts';

// Whose a credential is, remembered. Identity tells what changed of all credentials since a number; one such question,
// every 400 ms while there is anything to watch over, keeps as true what was asked for up to a minute before, so a
// credential that has ended is refused, and its streams end, within a second. While identity doesn't answer, what was
// asked longer than a second ago counts for nothing.

/** What is asked of identity. */
export interface Identity {
  /** @throws Refusal  for a credential that is not valid, or not here. */
  authenticate(secret: string, community: string | null): Promise<Principal>;
  /**
   * Keys, sessions, people and whole communities whose credentials changed after a number, `*` for all, and the number
   * to ask after next.
   * @param after  null: from now on.
   */
  changes(after: number | null): Promise<{ last: number; ids: readonly string[] }>;
}

/** What somebody came with, and the name it is remembered by: memory holds no secret for longer than it is used. */
export interface Credential {
  secret: string;
  community: string | null;
  name: string;
}

export interface Principals {
  /** @throws Refusal, and what asking throws. */
  of(credential: Credential): Promise<Principal>;
  /** Whose it is, where nobody has to be asked; undefined else, and once it has expired. */
  known(credential: Credential): Principal | undefined;
  /** Whether a credential was valid before, here; it may have ended since. */
  knows(credential: Credential): boolean;
  /**
   * Calls `onEnd`, once, when a credential ends or allows something else than it did. Returns how to stop.
   * @param principal  what it was when its holder was let in.
   */
  watch(credential: Credential, principal: Principal, onEnd: OnEnd<Principal>): () => void;
  /** Asks for no more news; resolves when the last came. */
  close(): Promise<void>;
}

/** Why a credential is no more what it was; and what it is now, if it is valid. */
export type OnEnd<Now> = (why: Refusal, now: Now | 'expired' | 'refused') => void;

/** Runs something every so many milliseconds; returns how to stop. */
export type Every = (ms: number, run: () => void) => () => void;

interface Known {
  principal: Promise<Principal>;
  /** Undefined while it is asked for, and when it was refused. */
  settled: Principal | undefined;
  askedAt: number;
}

interface Watch {
  principal: Principal;
  /** To be asked for again. */
  doubted: boolean;
  ask(): Promise<Principal>;
  end: OnEnd<Principal>;
}

/** How long an answer counts by itself, and the news about it. */
const trustedMs = 1_000;
const askEveryMs = 400;
/** How long an answer counts that no news contradicted. */
const longestTrustMs = 60_000;
/** How long after the last request news are asked for. */
const attentiveMs = 5_000;

/**
 * @param badCredential  makes the refusal of a credential that has expired.
 * @param clock  milliseconds; only differences count.
 */
export function createPrincipals(
  identity: Identity,
  badCredential: () => Refusal,
  { clock = () => performance.now(), every = interval }: { clock?: () => number; every?: Every } = {},
): Principals {
  const known = new LRUCache<string, Known>({ max: 10_000 });
  const watches = new Set<Watch>();
  let stop: (() => void) | undefined;
  let neededAt = 0;
  let asking: Promise<void> | undefined;
  let closed = false;
  /** The number to ask after; news cover what was asked for since `coveredFrom`, up to `coveredTo`. */
  let position: number | null = null;
  let coveredFrom = Number.POSITIVE_INFINITY;
  let coveredTo = Number.NEGATIVE_INFINITY;

  const isTrusted = ({ settled, askedAt }: Known): boolean => {
    const now = clock();
    if (askedAt > now - trustedMs) return true;
    const isCovered = askedAt >= coveredFrom && coveredTo > now - trustedMs;
    return settled !== undefined && isCovered && askedAt > now - longestTrustMs;
  };

  const news = async () => {
    const startedAt = clock();
    if (startedAt - coveredTo > longestTrustMs) position = null;
    const { last, ids } = await identity.changes(position);
    if (position === null) {
      // What changed before is not told: what was asked for before doesn't count any more, not even for a second.
      coveredFrom = clock();
      for (const one of known.values()) one.askedAt = Number.NEGATIVE_INFINITY;
      for (const watch of watches) watch.doubted = true;
    } else if (ids.length > 0) {
      const changed = new Set(ids);
      for (const one of known.values()) {
        if (one.settled === undefined || isOf(one.settled, changed)) one.askedAt = Number.NEGATIVE_INFINITY;
      }
      for (const watch of watches) watch.doubted ||= isOf(watch.principal, changed);
    }
    position = last;
    coveredTo = startedAt;
  };

  const look = (watch: Watch) => {
    if (isOver(watch.principal)) watch.end(badCredential(), 'expired');
    if (!watch.doubted) return;
    watch.doubted = false;
    watch.ask().then(
      (principal) => {
        if (isSame(principal, watch.principal)) watch.principal = principal;
        else watch.end(changedRights(), principal);
      },
      (error: unknown) => {
        // A fault says nothing about the credential; the next look may.
        if (error instanceof Refusal) watch.end(error, 'refused');
        else watch.doubted = true;
      },
    );
  };

  const tick = () => {
    if (watches.size === 0 && neededAt < clock() - attentiveMs) {
      stop?.();
      stop = undefined;
      return;
    }
    for (const watch of watches) look(watch);
    asking ??= news()
      .then(() => {
        for (const watch of watches) look(watch);
      })
      // Without news nothing is trusted for long, which is all there is to do.
      .catch(() => {})
      .finally(() => {
        asking = undefined;
      });
  };

  const attend = () => {
    neededAt = clock();
    if (!closed) stop ??= every(askEveryMs, tick);
  };

  const principals: Principals = {
    known({ name }) {
      const one = known.get(name);
      if (one?.settled === undefined || !isTrusted(one) || isOver(one.settled)) return undefined;
      attend();
      return one.settled;
    },
    async of({ secret, community, name }) {
      attend();
      const before = known.get(name);
      if (before !== undefined && isTrusted(before)) return unexpired(await before.principal, badCredential);
      const asked: Known = {
        principal: identity.authenticate(secret, community),
        settled: undefined,
        askedAt: clock(),
      };
      known.set(name, asked);
      try {
        asked.settled = await asked.principal;
      } catch (error) {
        // A refusal is an answer like any other; a fault is not one to remember.
        if (!(error instanceof Refusal) && known.peek(name) === asked) {
          if (before === undefined) known.delete(name);
          else known.set(name, before);
        }
        throw error;
      }
      return unexpired(asked.settled, badCredential);
    },
    knows: ({ name }) => known.peek(name)?.settled !== undefined,
    watch(credential, principal, onEnd) {
      const watch: Watch = {
        principal,
        // Something may have happened between letting in and watching.
        doubted: true,
        ask: () => principals.of(credential),
        end(why, now) {
          if (watches.delete(watch)) onEnd(why, now);
        },
      };
      watches.add(watch);
      attend();
      return () => void watches.delete(watch);
    },
    async close() {
      closed = true;
      stop?.();
      await asking;
    },
  };
  return principals;
}

/** A credential as it is asked for. */
export function credential(secret: string, community: string | null): Credential {
  return { secret, community, name: hash('sha256', `${secret} ${community ?? ''}`, 'base64') };
}

function isOver({ expiresAt }: Principal): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now();
}

function unexpired(principal: Principal, badCredential: () => Refusal): Principal {
  if (isOver(principal)) throw badCredential();
  return principal;
}

/** Whether news are about a credential: all are when a secret that signed sessions has ended. */
function isOf({ keyId, sessionId, userId, communityId }: Principal, ids: ReadonlySet<string>): boolean {
  return ['*', keyId, sessionId, userId, communityId].some((id) => id !== undefined && ids.has(id));
}

/** Whether two allow the same; when they end doesn't count. */
function isSame(one: Principal, other: Principal): boolean {
  const rightsOf = ({ expiresAt: _, ...rights }: Principal) => JSON.stringify(rights);
  return rightsOf(one) === rightsOf(other);
}

function changedRights(): Refusal {
  return new Refusal(
    'FORBIDDEN',
    'What the credential allows was changed: subscribe again, with the last cursor.',
  );
}

function interval(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms);
  timer.unref();
  return () => clearInterval(timer);
}
