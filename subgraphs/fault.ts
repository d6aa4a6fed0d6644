import { randomBytes } from 'node:crypto';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Logger } from 'pino';
import { Refusal } from './errors.ts';
import { isOutage, Unavailable } from './outage.ts';

// What becomes of an error on its way out of a subgraph, in whichever process it is.

/**
 * As it goes to the gateway: a Refusal as it is, an invalid operation as graphql-js says it, an outage as UNAVAILABLE, a bug as
 * INTERNAL.
 */
export function formattedError(error: GraphQLError, log: Logger): GraphQLFormattedError {
  const { message, locations, path: at, extensions } = error;
  const cause = error.originalError;
  const common = { ...(locations && { locations }), ...(at && { path: at }) };
  if (cause instanceof Refusal) return { message, ...common, extensions: cause.extensions };
  if (cause === undefined || cause instanceof GraphQLError || typeof extensions?.code === 'string') {
    return { message, ...common, extensions: { code: 'BAD_USER_INPUT', ...extensions } };
  }
  if (isOutage(cause)) {
    log.warn({ err: cause, path: at }, 'the database is out of reach');
    const { message, extensions } = new Unavailable();
    return { message, ...common, extensions };
  }
  const id = faultId();
  log.error({ err: cause, id, path: at }, 'resolver failed');
  return {
    message: `Something went wrong on our side; its id is ${id}.`,
    ...common,
    extensions: { code: 'INTERNAL', id },
  };
}

/** What a client and the log call one fault by. */
export function faultId(): string {
  return randomBytes(6).toString('hex');
}
