import type { Refusal } from '../subgraphs/errors.ts';
import type { Access, Caller, CredentialHeaders } from './access.ts';
import type { Answer, Operation } from './engine/index.ts';
import type { Graph } from './graph.ts';
import type { Stopping } from './leaving.ts';
import type { LiveItem } from './live-group.ts';
import type { Metrics } from './metrics.ts';
import type { Persisted } from './persisted.ts';
import type { GraphqlParams } from './request.ts';
import { longestAnsweringMs, tooLate, withHint } from './told.ts';
import type { Tracing } from './tracing.ts';
import type { Uses } from './uses.ts';

// What is asked and answered, by whatever transport it comes: the operation, its answer, and the items of a stream.

export interface AnsweringOptions {
  persisted: Persisted;
  metrics: Metrics | undefined;
  tracing: Tracing | undefined;
  /** Where it is counted what of the schema that will go is asked for. */
  uses: Uses;
}

export type Answering = ReturnType<typeof createAnswering>;

export function createAnswering({ persisted, metrics, tracing, uses }: AnsweringOptions) {
  const operationOf = ({ engine }: Graph, caller: Caller, params: GraphqlParams): Operation | Answer => {
    const text = persisted.textOf(params);
    const prepared =
      typeof text === 'string'
        ? engine.prepare(caller.view, text, params.operationName)
        : { errors: text.errors, answer: text };
    if ('answer' in prepared) {
      metrics?.operation('unknown', 'refused');
      tracing?.refused(caller, prepared.answer);
      return caller.seesPart && caller.principal.kind === 'anonymous' ? withHint(prepared) : prepared.answer;
    }
    persisted.remember(params);
    return prepared;
  };

  /** The answer to a query or mutation; `tooLate` when it takes longer than anybody should wait. */
  const executed = async (
    { engine }: Graph,
    operation: Operation,
    caller: Caller,
    { variables }: GraphqlParams,
    stopping: Stopping,
    by: (execute: () => Promise<Answer>) => Promise<Answer> = (execute) => execute(),
  ): Promise<Answer> => {
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      stopping.abort();
    }, longestAnsweringMs);
    const started = performance.now();
    let answer: Answer;
    try {
      answer = await by(() => engine.execute(operation, { caller, variables, signal: stopping.signal }));
    } finally {
      clearTimeout(deadline);
    }
    metrics?.operation(operation.kind, late ? 'timeout' : answer, performance.now() - started);
    if (answer.hasData) uses.note(caller, operation, variables);
    return late ? tooLate : (caller.charge?.told(answer) ?? answer);
  };

  /** The results of any operation: one of a query or mutation, many of a subscription. */
  const resultsOf = async (
    graph: Graph,
    operation: Operation,
    caller: Caller,
    params: GraphqlParams,
    credentials: CredentialHeaders,
    controller: AbortController,
    after?: string,
  ): Promise<AsyncIterable<LiveItem> | Answer> => {
    const { access, live } = graph;
    const { variables } = params;
    // Ended by the client's leaving, or by ours before it: then the client is told why.
    const own = new AbortController();
    controller.signal.addEventListener('abort', () => own.abort(), { once: true });
    if (controller.signal.aborted) own.abort();
    if (operation.kind === 'subscription') {
      const items = await live.subscribe({ operation, caller, variables, after, signal: own.signal });
      metrics?.operation('subscription', 'json' in items ? 'refused' : 'ok');
      if (!('json' in items)) uses.note(caller, operation, variables);
      return 'json' in items ? items : whileValid(items, access, caller, credentials, own);
    }
    const answer = await executed(graph, operation, caller, params, own);
    return answer.hasData ? once(answer) : answer;
  };

  /** A stream ends, with the refusal, when its credential does. */
  async function* whileValid(
    items: AsyncIterable<LiveItem>,
    access: Access,
    caller: Caller,
    credentials: CredentialHeaders,
    stream: AbortController,
  ): AsyncGenerator<LiveItem, void> {
    let refusal: Refusal | undefined;
    const forget = access.watch(credentials, caller, (why) => {
      refusal = why;
      stream.abort();
    });
    answering.streams++;
    try {
      for await (const item of items) {
        caller.charge?.again();
        yield item;
      }
      if (refusal !== undefined) throw refusal;
    } finally {
      answering.streams--;
      forget();
    }
  }

  const answering = {
    /** How many streams of clients are open. */
    streams: 0,
    operationOf,
    executed,
    resultsOf,
  };
  return answering;
}

/** The one item of a query or mutation. */
export async function* once({ json }: Answer): AsyncGenerator<LiveItem, void> {
  yield { json, cursor: undefined };
}
