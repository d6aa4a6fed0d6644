// Every code of the subgraphs, in one table: the README's table is printed from it, and no Refusal has another.

/** Where a code is reported: in a payload's `userErrors`, or among the top-level `errors` of the response. */
type Place = 'payload' | 'top';

interface ErrorMeaning {
  meaning: string;
  place: Place;
}

export const errorCatalogue = {
  VALIDATION_FAILED: { meaning: 'An input value is outside its bounds; `path` names it.', place: 'payload' },
  NOT_FOUND: { meaning: 'Nothing in this community has that id or identifier.', place: 'payload' },
  CONFLICT: { meaning: 'The change contradicts what is stored.', place: 'payload' },
  RULE_NOT_FOUND: { meaning: 'No enabled rule has this event type.', place: 'payload' },
  LIMIT_EXCEEDED: {
    meaning: 'A limit of what is stored is reached; the message names it.',
    place: 'payload',
  },
  INSUFFICIENT_BALANCE: {
    meaning: 'A unit that may not go below zero would; `path` names the input.',
    place: 'payload',
  },
  FIELD_LOCKED: { meaning: 'The field takes no changes.', place: 'payload' },
  FORBIDDEN: { meaning: 'The credential does not allow this, here.', place: 'payload' },
  IDEMPOTENCY_KEY_REUSED: {
    meaning: 'The key or reference was used before with another input.',
    place: 'payload',
  },
  SESSION_ENDED: {
    meaning: 'The session has ended, or the refresh token was used before: begin a new one.',
    place: 'payload',
  },
  BAD_PAGE: { meaning: 'Paging arguments contradict each other or are out of range.', place: 'top' },
  BAD_CURSOR: { meaning: 'The cursor was not issued for this list or stream.', place: 'top' },
  BAD_ARGUMENT: {
    meaning: 'An argument is out of range; the message names it and its bounds.',
    place: 'top',
  },
  RANKS_NOT_READY: {
    meaning: 'The ranks of this period are still being counted; `Leaderboard.runs` says how far they are.',
    place: 'top',
  },
  BAD_CREDENTIAL: { meaning: 'The credential is malformed, unknown, revoked or expired.', place: 'top' },
  THROTTLED: {
    meaning: 'Too much was asked for, or tried; `retryAfterSeconds` says when to come back.',
    place: 'top',
  },
  COMMUNITY_REQUIRED: { meaning: 'The request names no community.', place: 'top' },
  NEEDS_USER: { meaning: 'The field is about the caller, and this caller is no person.', place: 'top' },
  UNAVAILABLE: {
    meaning:
      'The database is out of reach for the moment: try again, a write with the same key or reference.',
    place: 'top',
  },
  INTERNAL: {
    meaning: 'A fault of ours; the id in the message stands in the log.',
    place: 'top',
  },
} as const satisfies Record<string, ErrorMeaning>;

export type ErrorCode = keyof typeof errorCatalogue;

/** An expected "no": what was wrong and what would be right. Anything thrown that isn't a Refusal is a bug. */
export class Refusal extends Error {
  /**
   * @param details  facts a program can act on; they become the error's `extensions`.
   * @param path     the input's path, for codes reported in `userErrors`: `['input', 'value']`.
   */
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Record<string, unknown> = {},
    readonly path?: readonly string[],
  ) {
    super(message);
    this.name = 'Refusal';
  }

  /** graphql-js copies this to the response as it is. */
  get extensions(): Record<string, unknown> {
    return { code: this.code, ...this.details };
  }

  get place(): Place {
    return errorCatalogue[this.code].place;
  }
}
