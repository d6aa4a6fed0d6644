// The database out of reach: how that is recognised, and what is said of it.

/**
 * Whether an error says that the database was out of reach, or went away meanwhile: a write may or may not have
 * happened, and may be tried again only where it is recognised.
 */
export function isOutage(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && outages.test(code);
}

// Of postgres.js, of the network, and of PostgreSQL: shutting down, crashed, starting, broken connections, too many.
const outages =
  /^(CONNECTION_(CLOSED|DESTROYED|ENDED)|CONNECT_TIMEOUT|ECONN\w+|EPIPE|E(HOST|NET)UNREACH|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|57P0[1-3]|08...|53300)$/;

/** Whether an error says that a connection has ended, or is ending, under a statement. */
export function isCutOff(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && cutOff.test(code);
}

const cutOff = /^(CONNECTION_CLOSED|ECONNRESET|EPIPE|ETIMEDOUT|57P0[12])$/;

/** The database is out of reach: no answer to remember, as a Refusal is, and no bug of anybody's. */
export class Unavailable extends Error {
  readonly code = 'UNAVAILABLE';
  readonly extensions = { code: this.code, retryAfterSeconds: 1 };

  constructor() {
    super('The database is out of reach for the moment: try again, a write with the same key or reference.');
  }
}
