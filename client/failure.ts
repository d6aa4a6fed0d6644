import type { GraphQLFormattedError } from 'graphql';

// What can go wrong with a stream, and what there is to do about it.

/** Why a stream ended, or why it pauses. `code` is meant for programs, `message` for people. */
export class LiveError extends Error {
  override readonly name = 'LiveError';
  /**
   * The server's own code (README, "Errors"; or a reason of StreamEnding); else `CONNECTION_LOST`, `CONNECTION_CLOSED`
   * (by the server, `closeCode` says how), `CREDENTIALS_FAILED` (the callback threw, see `cause`), `BAD_RESPONSE`.
   */
  readonly code: string;
  /** What the server said, when it said it in GraphQL. */
  readonly errors: readonly GraphQLFormattedError[];
  /** The code that the server closed the WebSocket with. */
  readonly closeCode: number | undefined;
  /** How long the server wants to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    more: {
      errors?: readonly GraphQLFormattedError[];
      closeCode?: number;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.errors = more.errors ?? [];
    this.closeCode = more.closeCode;
    this.retryAfterMs = more.retryAfterMs;
  }
}

/**
 * `retry`: pause, then go on after the last cursor. `renew`: the same with new credentials. `reopen`: at once.
 * `restart`: without the cursor, which is worth nothing. `give up`: trying again would end the same way.
 */
export type Remedy = 'retry' | 'renew' | 'reopen' | 'restart' | 'give up';

const remedies: Record<string, Remedy> = {
  CONNECTION_LOST: 'retry',
  CREDENTIALS_FAILED: 'retry',
  BEHIND: 'reopen',
  DRAINING: 'retry',
  BUDGET_EXHAUSTED: 'retry',
  TOKEN_EXPIRING: 'renew',
  PERMISSION_REVOKED: 'renew',
  BAD_CREDENTIAL: 'renew',
  BAD_CURSOR: 'restart',
  SUBGRAPH_UNAVAILABLE: 'retry',
  SUBGRAPH_TIMEOUT: 'retry',
  SUBGRAPH_ERROR: 'retry',
  SHUTTING_DOWN: 'retry',
  THROTTLED: 'retry',
  SLOW_CONSUMER: 'retry',
  REQUEST_TIMEOUT: 'retry',
  REQUEST_ABORTED: 'retry',
  UNAVAILABLE: 'retry',
  INTERNAL: 'retry',
};

/** Closing by these says that the client is wrong and stays wrong; 4403 that its credentials are. */
const fatalCloses = [1003, 1007, 1009, 4400, 4401, 4406, 4409, 4429];

/** What to do about a failure. Codes that nobody here knows are the server's way to refuse the request. */
export function remedyFor({ code, closeCode }: LiveError): Remedy {
  if (closeCode === undefined) return remedies[code] ?? 'give up';
  if (closeCode === 4403) return 'renew';
  return fatalCloses.includes(closeCode) ? 'give up' : 'retry';
}

/** Whether nobody was reached, so that the network's coming back changes everything. */
export function isOutOfReach(error: LiveError): boolean {
  return error.code === 'CONNECTION_LOST' || error.code === 'CONNECTION_CLOSED';
}

/** The failure that GraphQL errors without data tell of. */
export function refusedBy(errors: readonly GraphQLFormattedError[]): LiveError {
  const [first] = errors;
  const { code, retryAfterSeconds } = first?.extensions ?? {};
  return new LiveError(
    typeof code === 'string' ? code : 'BAD_RESPONSE',
    first?.message ?? 'The server refused the stream and gave no reason.',
    { errors, retryAfterMs: typeof retryAfterSeconds === 'number' ? retryAfterSeconds * 1_000 : undefined },
  );
}

/** The failure of a WebSocket: GraphQL errors, how it was closed, or an error without any word. */
export function socketFailure(reason: unknown): LiveError {
  if (reason instanceof LiveError) return reason;
  if (Array.isArray(reason)) return refusedBy(reason);
  const { code, reason: said } = (reason ?? {}) as { code?: unknown; reason?: unknown };
  // 1005 and 1006 are nobody's word: the connection is gone. 4499 is ours, for a peer that doesn't answer.
  if (typeof code === 'number' && ![1005, 1006, 4499].includes(code)) {
    const message = `The server closed the connection: ${said ? String(said) : `code ${code}`}`;
    return new LiveError('CONNECTION_CLOSED', message, { closeCode: code, cause: reason });
  }
  return lost(reason);
}

/** The failure of an HTTP response that is no stream. */
export async function responseFailure(response: Response): Promise<LiveError> {
  const text = await response.text().catch(() => '');
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(retryAfter) ? retryAfter * 1_000 : undefined;
  const errors = errorsIn(text);
  if (errors.length > 0) {
    const { code, message } = refusedBy(errors);
    return new LiveError(code, message, { errors, retryAfterMs });
  }
  // No word of Laurel's: something stands between.
  const { status } = response;
  const message = `The server answered with HTTP status ${status} where a stream was expected.`;
  if (status === 401) return new LiveError('BAD_CREDENTIAL', message);
  const passing = status >= 500 || status === 408 || status === 429;
  return new LiveError(passing ? 'CONNECTION_LOST' : 'BAD_RESPONSE', message, { retryAfterMs });
}

export function lost(cause?: unknown): LiveError {
  return new LiveError('CONNECTION_LOST', 'The connection to the server is lost.', { cause });
}

function errorsIn(text: string): readonly GraphQLFormattedError[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    return Array.isArray(errors) ? errors : [];
  } catch {
    return [];
  }
}
