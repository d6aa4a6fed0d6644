import type { GraphQLFormattedError } from 'graphql';
import type { StreamDocument } from './document.ts';
import { isOutOfReach, LiveError, lost, refusedBy, remedyFor } from './failure.ts';
import { Pauses, type Retrying, type Sleepers } from './pause.ts';
import type { Keeper } from './store.ts';
import type { Payload, RawResult, Transport } from './transport.ts';

// One stream as the app sees it: one sequence of results, each once and in order, over as many connections as it takes.

/** A result of a stream. */
export interface StreamResult<Data = Record<string, unknown>> {
  data: Data;
  errors?: readonly GraphQLFormattedError[];
  extensions?: Record<string, unknown>;
  /** The type of the item: `XpChanged`, `StreamReady`, … */
  item: string;
  /** Where the stream stands after it. */
  cursor: string;
}

/** Events are missing, and nobody has them any more: whatever the app made of the stream, it has to ask for anew. */
export interface Gap {
  /** `RETENTION_EXCEEDED`, `SLOW_CONSUMER`; or `BAD_CURSOR`: the stored cursor is worth nothing, it begins from now on. */
  reason: string;
  /** The last cursor before the gap. */
  from: string;
}

export interface Following {
  document: StreamDocument;
  variables: Record<string, unknown>;
  extensions: Record<string, unknown> | undefined;
  transport: Transport;
  /** Whether there are other credentials to be had. */
  canRenew: boolean;
  retry: Retrying;
  sleepers: Sleepers;
  keeper: Keeper;
  signal: AbortSignal;
  /** All that was missed has come. */
  onLive(): void;
  /** The stream pauses, and goes on in a while. */
  onLost(error: LiveError, inMs: number): void;
  onGap(gap: Gap): void;
}

/** How many events are known to have been handed out, so that none is twice. */
const remembered = 1_000;
/** Items that say that nothing is missing from here on but what was said to be. */
const liveItems = ['StreamReady', 'StreamResumed', 'StreamGap'];

/**
 * The results of a stream until the server completes it or `signal` aborts. One counts as handed out when the next is
 * asked for, or no more are; its cursor is kept then, and not before.
 * @throws LiveError  when going on is no use.
 */
export async function* follow(following: Following): AsyncGenerator<StreamResult, void> {
  const { document, variables, transport, canRenew, retry, sleepers, keeper, signal } = following;
  const pauses = new Pauses(retry);
  const seen = new Recent(remembered);
  let cursor = (await keeper.stored()) ?? textOf(variables[document.after]);
  let renewed = false;

  async function* handOut(result: StreamResult): AsyncGenerator<StreamResult, void> {
    try {
      yield result;
    } finally {
      cursor = result.cursor;
      await keeper.keep(cursor);
    }
  }

  /** One connection's results, until it ends as it should. */
  async function* connected(): AsyncGenerator<StreamResult, void> {
    for await (const raw of transport.open(payload(document, cursor), cursor, signal)) {
      const { data, item } = itemIn(raw);
      if (item.ending !== undefined) throw endedBy(item.ending);
      pauses.reset();
      renewed = false;
      if (item.gap !== undefined) {
        const filled = yield* pulled(item.gap.from);
        if (filled) throw new LiveError('BEHIND', 'The gap is filled, and the stream goes on behind it.');
        following.onGap(item.gap);
      }
      if (!liveItems.includes(item.type) && !seen.add(`${item.type} ${item.cursor}`)) continue;
      yield* handOut({ ...raw, data, item: item.type, cursor: item.cursor });
      if (liveItems.includes(item.type)) following.onLive();
    }
  }

  /** What the log has after a cursor, with a word on what it hasn't. @returns whether it could be asked */
  async function* pulled(from: string): AsyncGenerator<StreamResult, boolean> {
    const { pull } = document;
    if (pull === undefined) return false;
    try {
      for (let after: string | undefined = from; after !== undefined; ) {
        const { data: answer, errors = [] } = await only(
          transport.open(payload(pull, after), undefined, signal),
        );
        const page = answer == null ? undefined : pull.pageOf(answer);
        if (page === undefined) throw refusedBy(errors);
        for (const data of page.items) {
          const item = document.itemOf(data);
          if (item.gap !== undefined) following.onGap(item.gap);
          else if (!seen.add(`${item.type} ${item.cursor}`)) continue;
          yield* handOut({ data, item: item.type, cursor: item.cursor });
        }
        cursor = page.endCursor ?? cursor;
        after = page.hasNextPage ? page.endCursor : undefined;
      }
      return true;
    } catch (error) {
      // This caller may not ask, or the cursor is worth nothing.
      const isRefused = error instanceof LiveError && ['restart', 'give up'].includes(remedyFor(error));
      if (!isRefused) throw error;
      return false;
    }
  }

  const payload = (
    asked: { text: string; operationName?: string | undefined; first?: number },
    after: string | undefined,
  ): Payload => ({
    query: asked.text,
    operationName: asked.operationName,
    extensions: following.extensions,
    variables: {
      ...variables,
      [document.after]: after ?? null,
      ...(asked.first === undefined ? {} : { laurel_first: asked.first }),
    },
  });
  const itemIn = ({ data, errors = [] }: RawResult) => {
    if (data == null) throw refusedBy(errors);
    return { data, item: document.itemOf(data) };
  };

  try {
    while (!signal.aborted) {
      const { generation } = transport;
      try {
        return yield* connected();
      } catch (error) {
        if (!(error instanceof LiveError)) throw error;
        if (signal.aborted) return;
        const remedy = remedyFor(error);
        if (remedy === 'reopen') continue;
        if (remedy === 'restart' && cursor !== undefined) {
          following.onGap({ reason: error.code, from: cursor });
          cursor = undefined;
          await keeper.forget();
          continue;
        }
        const isNew = !renewed && canRenew;
        const inMs = remedy === 'retry' || (remedy === 'renew' && isNew) ? pauses.next(error) : undefined;
        if (inMs === undefined) throw error;
        if (remedy === 'renew') renewed = true;
        if (remedy === 'renew' || error.code === 'DRAINING') transport.renew(generation, remedy === 'renew');
        following.onLost(error, inMs);
        await sleepers.sleep(inMs, signal, !isOutOfReach(error));
      }
    }
  } finally {
    await keeper.flush();
  }
}

/** The result of an operation that has one. */
async function only(results: AsyncIterable<RawResult>): Promise<RawResult> {
  for await (const result of results) return result;
  throw lost();
}

/** The failure that a stream's last item stands for. */
function endedBy({ reason, reconnectAfterMs }: { reason: string; reconnectAfterMs: number }): LiveError {
  return new LiveError(reason, `The server ended the stream: ${reason}.`, { retryAfterMs: reconnectAfterMs });
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The latest of what was added. */
class Recent {
  private readonly most: number;
  private readonly values = new Set<string>();

  constructor(most: number) {
    this.most = most;
  }

  /** Whether it is new. */
  add(value: string): boolean {
    if (this.values.has(value)) return false;
    this.values.add(value);
    if (this.values.size > this.most) this.values.delete(this.values.values().next().value as string);
    return true;
  }
}
