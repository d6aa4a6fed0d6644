import { hash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { Refusal } from '../subgraphs/errors.ts';
import type { Principal } from '../subgraphs/principal.ts';

// Whose a credential is, remembered. Identity tells what changed of all credentials since a number; one such question,
// every 400 ms while there is anything to watch over, keeps as true what was asked for up to a minute before, so a
// credential that has ended is refused, and its streams end, within a second. While identity doesn't answer, what was
// asked longer than a second ago counts for nothing.
//
// What streams tell is more exact: nobody hears of what happened after they lost the right to. An event comes with the
// number of the last change that was known where it was read (`upTo`), news are asked for when that is beyond those that
// came, they put the credentials that they name in doubt, and whoever is in doubt is told nothing until it is asked for
// again (`doubt`). While nothing changes that is two comparisons of numbers an event.

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
   * Calls `onEnd`, once, when a credential ends or allows something else than it did.
   * @param principal  what it was when its holder was let in.
   */
  watch(credential: Credential, principal: Principal, onEnd: OnEnd<Principal>): Watching;
  /** Resolves when the news up to a number came; undefined when they have. While identity doesn't answer it waits. */
  upTo(number: number): Promise<void> | undefined;
  /** Asks for no more news; resolves when the last came. */
  close(): Promise<void>;
}

/** Why a credential is no more what it was; and what it is now, if it is valid. */
export type OnEnd<Now> = (why: Refusal, now: Now | 'expired' | 'refused') => void | Promise<void>;

/** A credential that is watched. */
export interface Watching {
  /**
   * Undefined while it allows what it did, by the news that came. Else resolves when that is known, and `onEnd` has been
   * called if it doesn't.
   */
  doubt(): Promise<void> | undefined;
  stop(): void;
}

/** Runs something every so many milliseconds; returns how to stop. */
export type Every = (ms: number, run: () => void) => () => void;

interface Known {
  principal: Promise<Principal>;
  /** Undefined while it is asked for, and when it was refused. */
  settled: Principal | undefined;
  askedAt: number;
}

/** What watches ask of whoever keeps them. */
interface Keeper {
  look(watch: Watch): void;
  ask(credential: Credential): Promise<Principal>;
  /** Whether it was kept until now. */
  forget(watch: Watch): boolean;
}

/** One object, since each item of each stream asks it whether it may be told. */
class Watch implements Watching {
  principal: Principal;
  /** Set while it isn't known what the credential allows now. */
  inDoubt: Doubt | undefined = undefined;
  private readonly keeper: Keeper;
  private readonly credential: Credential;
  private readonly onEnd: OnEnd<Principal>;

  constructor(keeper: Keeper, credential: Credential, principal: Principal, onEnd: OnEnd<Principal>) {
    this.keeper = keeper;
    this.credential = credential;
    this.principal = principal;
    this.onEnd = onEnd;
  }

  doubt(): Promise<void> | undefined {
    if (isOver(this.principal)) this.keeper.look(this);
    return this.inDoubt?.over;
  }

  ask(): Promise<Principal> {
    return this.keeper.ask(this.credential);
  }

  async end(why: Refusal, now: Principal | 'expired' | 'refused'): Promise<void> {
    if (!this.keeper.forget(this)) return;
    await this.onEnd(why, now);
    this.settle();
  }

  stop(): void {
    this.keeper.forget(this);
    this.settle();
  }

  private settle(): void {
    this.inDoubt?.settle();
    this.inDoubt = undefined;
  }
}

interface Doubt {
  /** Nobody is asked at this moment; the next look asks. */
  unasked: boolean;
  over: Promise<void>;
  settle(): void;
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
  /** Resolves when it is over, with whether news came. */
  let asking: Promise<boolean> | undefined;
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
      for (const watch of watches) putInDoubt(watch);
    } else if (ids.length > 0) {
      const changed = new Set(ids);
      for (const one of known.values()) {
        if (one.settled === undefined || isOf(one.settled, changed)) one.askedAt = Number.NEGATIVE_INFINITY;
      }
      for (const watch of watches) if (isOf(watch.principal, changed)) putInDoubt(watch);
    }
    position = last;
    coveredTo = startedAt;
  };

  const askForNews = (): Promise<boolean> => {
    asking ??= news()
      .then(
        () => {
          for (const watch of watches) look(watch);
          return true;
        },
        // Without news nothing is trusted for long, which is all there is to do.
        () => false,
      )
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };

  const isTold = (number: number) => number <= (position ?? 0);

  const newsUpTo = async (number: number) => {
    // What is under way may have been asked for too early; what is asked for from here on knows the number.
    await asking;
    while (!closed && !isTold(number) && !(await askForNews())) await pause(askEveryMs);
  };

  /** Whether a principal is what its credential allows by the news that came. */
  const isCurrent = ({ name }: Credential, principal: Principal): boolean => {
    const one = known.peek(name);
    return position !== null && one?.settled === principal && one.askedAt >= coveredFrom;
  };

  const look = (watch: Watch) => {
    if (isOver(watch.principal)) void watch.end(badCredential(), 'expired');
    const { inDoubt: doubt } = watch;
    if (!doubt?.unasked || !watches.has(watch)) return;
    doubt.unasked = false;
    const settle = () => {
      // What came to light while it was asked is another doubt.
      if (watch.inDoubt === doubt) watch.inDoubt = undefined;
      doubt.settle();
    };
    watch
      .ask()
      .then(
        (principal) => {
          if (!isSame(principal, watch.principal)) return watch.end(changedRights(), principal);
          watch.principal = principal;
        },
        (error: unknown) => {
          if (error instanceof Refusal) return watch.end(error, 'refused');
          throw error;
        },
      )
      // A fault says nothing about the credential; the next look may.
      .then(settle, () => {
        doubt.unasked = true;
      });
  };

  const tick = () => {
    if (watches.size === 0 && neededAt < clock() - attentiveMs) {
      stop?.();
      stop = undefined;
      return;
    }
    for (const watch of watches) look(watch);
    void askForNews();
  };

  const attend = () => {
    neededAt = clock();
    if (!closed) stop ??= every(askEveryMs, tick);
  };

  const keeper: Keeper = {
    look,
    ask: (credential) => principals.of(credential),
    forget: (watch) => watches.delete(watch),
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
      const watch = new Watch(keeper, credential, principal, onEnd);
      watches.add(watch);
      attend();
      // Something may have happened between letting in and watching.
      if (!isCurrent(credential, principal)) {
        putInDoubt(watch);
        look(watch);
      }
      return watch;
    },
    upTo(number) {
      if (isTold(number) || closed) return undefined;
      attend();
      return newsUpTo(number);
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

/** Nobody is told anything by it until it was asked for again; if it is asked for now, the answer may be from before. */
function putInDoubt(watch: Watch): void {
  if (watch.inDoubt?.unasked) return;
  let settle = () => {};
  const over = new Promise<void>((resolve) => {
    settle = resolve;
  });
  watch.inDoubt = { unasked: true, over, settle };
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
