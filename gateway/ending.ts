import { randomInt } from 'node:crypto';
import type { Refusal } from '../subgraphs/errors.ts';
import { Throttled } from './charge.ts';
import type { Engine, FormattedError, Operation, Values } from './engine/index.ts';
import { LiveFailure } from './live-item.ts';

// The last word of a stream that we end while there may be more to tell: an item of the stream where the field has one,
// else an error.

export type EndReason = 'DRAINING' | 'TOKEN_EXPIRING' | 'PERMISSION_REVOKED' | 'BUDGET_EXHAUSTED';

/** Why a stream ends. */
export interface Ending {
  reason: EndReason;
  reconnectAfterMs: number;
  /** What is thrown where there is no item that says it. */
  error: unknown;
}

/** Over this many milliseconds those spread who have to reconnect at the same time. */
const spreadMs = 2_000;
/** When whoever lost the subgraph behind its stream tries again, at the earliest. */
const outageMs = 1_000;

/** This process goes, or the subgraph behind the stream is gone for longer than we wait. */
export function draining(error: unknown, afterMs = 0): Ending {
  return { reason: 'DRAINING', reconnectAfterMs: afterMs + randomInt(spreadMs), error };
}

export function tokenExpiring(error: Refusal): Ending {
  return { reason: 'TOKEN_EXPIRING', reconnectAfterMs: 0, error };
}

export function permissionRevoked(error: unknown): Ending {
  return { reason: 'PERMISSION_REVOKED', reconnectAfterMs: 0, error };
}

/** The ending that a failure stands for; throws a failure that stands for none. */
export function endingFor(error: unknown): Ending {
  if (error instanceof Throttled) {
    const seconds = Number(error.details.retryAfterSeconds);
    return { reason: 'BUDGET_EXHAUSTED', reconnectAfterMs: seconds * 1_000, error };
  }
  const code = error instanceof LiveFailure ? codeOf(error.errors) : (error as { code?: unknown }).code;
  if (code === 'FORBIDDEN') return permissionRevoked(error);
  if (isDown(code)) return draining(error, outageMs);
  throw error;
}

/** Whether what was asked for may be there again if it is asked for later. */
export function isDown(code: unknown): boolean {
  return code === 'SUBGRAPH_UNAVAILABLE' || code === 'SUBGRAPH_TIMEOUT' || code === 'INTERNAL';
}

/** The ending as an item for a client that stands at `cursor`; undefined where there is no such item. */
export function endingJson(
  { write }: Pick<Engine<never>, 'write'>,
  operation: Operation,
  variables: Values | null | undefined,
  { reason, reconnectAfterMs }: Ending,
  cursor: string | undefined,
): string | undefined {
  const item = operation.resumable?.ending;
  if (item === undefined || cursor === undefined) return undefined;
  return write(
    operation,
    { __typename: item.type, [item.cursor]: cursor, reason, reconnectAfterMs },
    variables,
  );
}

function codeOf([error]: readonly FormattedError[]): unknown {
  return error?.extensions?.code;
}
