import type { GraphQLError } from 'graphql';
import type { Path } from './path.ts';

// Errors as they are sent, and the codes of those that the engine itself makes.

export interface FormattedError {
  message: string;
  locations?: readonly { line: number; column: number }[];
  path?: Path;
  extensions?: Record<string, unknown>;
}

/** Whole answer to one request: `{"errors":[…],"data":{…}}` as text, and what of it a server needs to know. */
export interface Answer {
  json: string;
  /** False for a request error: the answer has no "data" at all. */
  hasData: boolean;
  errors: readonly FormattedError[];
}

/** An operation that isn't executed, and why. */
export interface Refused {
  errors: readonly FormattedError[];
  answer: Answer;
}

export function refused(errors: readonly FormattedError[]): Refused {
  return { errors, answer: { json: JSON.stringify({ errors }), hasData: false, errors } };
}

/** graphql-js says a wrong value again, however long it is; more of a message than this isn't sent. */
const longestMessage = 1_000;

/** The errors of graphql-js as they are sent, each with a code. */
export function formatted(errors: readonly GraphQLError[], code: string): FormattedError[] {
  return errors.map((error) => {
    const { message, locations, path, extensions } = error.toJSON();
    return {
      message: message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message,
      ...(locations && { locations }),
      ...(path && { path: [...path] }),
      extensions: { code, ...extensions },
    };
  });
}
