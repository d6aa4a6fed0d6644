import type { Caller, CredentialHeaders } from './access.ts';
import type { Answer, Operation } from './engine/index.ts';
import { createFollowing } from './following.ts';
import type { Graph } from './graph.ts';
import { type Stopping, stopping } from './leaving.ts';
import type { LiveItems } from './live-item.ts';
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
  const following = createFollowing();

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
    by?: (execute: () => Promise<Answer>) => Promise<Answer>,
  ): Promise<Answer> => {
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      stopping.abort();
    }, longestAnsweringMs);
    const started = performance.now();
    let answer: Answer;
    try {
      const execute = (given: typeof variables) =>
        engine.execute(operation, { caller, variables: given, signal: stopping.signal });
      // A plugin may change the variables in place after their cost was taken.
      answer = await (by ? by(() => execute(variables && { ...variables })) : execute(variables));
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
    leaving: Stopping,
    after?: string,
  ): Promise<LiveItems | Answer> => {
    if (operation.kind === 'subscription') {
      const { variables } = params;
      const items = await following.follow(graph, {
        ...{ operation, caller, variables, credentials, after },
        left: leaving.signal,
      });
      metrics?.operation('subscription', 'json' in items ? 'refused' : 'ok');
      if (!('json' in items)) uses.note(caller, operation, variables);
      return items;
    }
    const answer = await executed(graph, operation, caller, params, stopping(leaving.signal));
    return answer.hasData ? once(answer) : answer;
  };

  return {
    operationOf,
    executed,
    resultsOf,
    /** How many streams of clients are open. */
    streams: () => following.count,
    /** Ends the streams of all clients with a word. */
    drain: () => following.drain(),
  };
}

/** The one item of a query or mutation. */
export function once({ json }: Answer): LiveItems {
  return { tell: async (take) => take({ json, cursor: undefined }) };
}
