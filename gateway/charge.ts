import { Refusal } from '../subgraphs/errors.ts';
import type { Caller } from './access.ts';
import type { ApolloAnswer } from './apollo.ts';
import type { Bucket } from './bucket.ts';
import type { Answer, Engine, Values } from './engine/index.ts';

// What callers are told of their budgets. One request is told the same everywhere: in `extensions.cost`, in headers and by
// the field `rateLimit`.

/** What an operation took of its caller's budget, and what was left then. */
export class Charge {
  readonly cost: number;
  readonly limit: number;
  readonly remaining: number;
  readonly restorePerSecond: number;
  /** Takes the same once more, for an event of a stream. @throws Throttled */
  readonly again: () => void;
  private readonly resetSeconds: number;
  private readonly at = Date.now();

  /** @param now  by the bucket's clock. */
  constructor(cost: number, bucket: Bucket, now: number, again: () => void) {
    this.cost = cost;
    this.limit = bucket.size.points;
    this.remaining = Math.floor(bucket.left(now));
    this.restorePerSecond = bucket.size.restored;
    this.resetSeconds = bucket.secondsUntil(this.limit, now);
    this.again = again;
  }

  /** Whole seconds until there is room for so many points more; undefined when there never will be. */
  waitSeconds(points: number): number | undefined {
    if (points > this.limit) return undefined;
    return Math.max(0, Math.ceil((points - this.remaining) / this.restorePerSecond));
  }

  /** When the budget is whole again, if nothing more is spent. */
  get resetAt(): Date {
    return new Date(this.at + 1_000 * this.resetSeconds);
  }

  /** Names: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06 */
  get headers(): Record<string, string> {
    return {
      'ratelimit-limit': String(this.limit),
      'ratelimit-remaining': String(this.remaining),
      'ratelimit-reset': String(Math.ceil(this.resetSeconds)),
    };
  }

  /** `extensions.cost`, in Shopify's words. */
  get extension(): object {
    return {
      requestedQueryCost: this.cost,
      throttleStatus: {
        maximumAvailable: this.limit,
        currentlyAvailable: this.remaining,
        restoreRate: this.restorePerSecond,
      },
    };
  }

  /** The answer with `extensions.cost`, put behind what is written already. */
  told(answer: Answer | ApolloAnswer): Answer {
    const { json } = answer;
    if ('extensions' in answer && answer.extensions !== undefined) {
      // They are the last that is written.
      const before = json.slice(0, -JSON.stringify(answer.extensions).length - 1);
      const extensions = { ...answer.extensions, cost: this.extension };
      return { ...answer, json: `${before}${JSON.stringify(extensions)}}` };
    }
    const { cost, limit, remaining, restorePerSecond } = this;
    // All are numbers, and this is written with every answer.
    const throttle = `{"maximumAvailable":${limit},"currentlyAvailable":${remaining},"restoreRate":${restorePerSecond}}`;
    const told = `{"cost":{"requestedQueryCost":${cost},"throttleStatus":${throttle}}}`;
    return { ...answer, json: `${json.slice(0, -1)},"extensions":${told}}` };
  }
}

/** There is no room in the budget now for an operation, or for an event of a stream. */
export class Throttled extends Refusal {
  readonly headers: Record<string, string>;
  readonly cost: object;

  /** @param charge  what would have been taken. */
  constructor(charge: Charge, seconds: number) {
    const retryAfterSeconds = Math.max(1, Math.ceil(seconds));
    super(
      'THROTTLED',
      `The budget has no room for ${charge.cost} points now: come back in ${retryAfterSeconds} s, to a stream with its last cursor.`,
      { retryAfterSeconds },
    );
    this.headers = { ...charge.headers, 'retry-after': String(retryAfterSeconds) };
    this.cost = charge.extension;
  }
}

/** What an operation would cost its caller. */
export interface OperationCost {
  /** Points. */
  cost: number;
  /** Seconds until the budget has room for them; 0: now, null: never. */
  waitSeconds: number | null;
}

/**
 * What an operation would cost its caller; nothing is executed, nor taken.
 * @throws BAD_ARGUMENT for one that would be refused.
 */
export function explainCost(
  { prepare }: Pick<Engine<Caller>, 'prepare'>,
  { view, charge }: Caller,
  text: string,
  operationName?: string | null,
  variables?: Values | null,
): OperationCost {
  const operation = prepare(view, text, operationName);
  if ('errors' in operation) throw new Refusal('BAD_ARGUMENT', `query: ${operation.errors[0]?.message}`);
  const cost = operation.cost(variables);
  if (cost !== undefined) return { cost, waitSeconds: charge ? (charge.waitSeconds(cost) ?? null) : 0 };
  const coerced = operation.coerce(variables);
  throw new Refusal('BAD_ARGUMENT', `variables: ${'errors' in coerced ? coerced.errors[0]?.message : ''}`);
}
