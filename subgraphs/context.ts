import type { CursorSeal } from './cursor.ts';
import type { Sql } from './db.ts';
import type { Files } from './files.ts';
import type { LogTail } from './log-tail.ts';
import type { Principal } from './principal.ts';
import type { SessionTokens } from './session-token.ts';

// What a resolver gets. One Context per call to a subgraph; its loaders live and die with it.

/** What lives as long as the process. */
export interface Resources {
  sql: Sql;
  tail: LogTail;
  cursors: CursorSeal;
  tokens: SessionTokens;
  files: Files;
  /** The clock; the only fake that tests use. */
  now(): Date;
}

export interface Context extends Resources {
  principal: Principal;
  /** What was read for this call, by loader; only loader.ts looks inside. */
  loaders: Map<unknown, unknown>;
}

export function contextFor(resources: Resources, principal: Principal): Context {
  // What is added after a spread costs a hidden class for each object, and whoever reads it a search.
  return { principal, loaders: new Map(), ...resources };
}

/** The real clock. */
export const systemClock = (): Date => new Date();
