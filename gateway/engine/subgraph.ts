import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLSchema,
  parse,
  subscribe as subscribeOfGraphql,
} from 'graphql';
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';

// One call to one subgraph. The engine knows no more of a subgraph than this interface; `inProcess` stands for a schema
// in the same process, `overHttp` (http.ts) for a server.

/** Says that nobody waits for an answer any more: an AbortSignal, or as much of one as is needed. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** One operation for one subgraph. */
export interface Call<Caller> {
  readonly kind: 'query' | 'mutation' | 'subscription';
  readonly text: string;
  readonly variables: Record<string, unknown> | undefined;
  readonly caller: Caller;
  readonly signal: Signal | undefined;
}

/** A subscription for one subgraph. */
export interface StreamCall<Caller> extends Call<Caller> {
  readonly signal: AbortSignal | undefined;
}

/** What a subgraph answered: an execution result, as a GraphQL server would send it. */
export interface Result {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly ResultError[];
  /** What the subgraph says beside it; of the events of a stream only. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface ResultError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface Subgraph<Caller> {
  /**
   * Answers one query or mutation. The engine owns the objects and lists of `data` and writes into them; the values of
   * leaf fields it only reads.
   * @throws SubgraphFailure  the subgraph gave no answer.
   */
  execute(call: Call<Caller>): Promise<Result> | Result;
  /**
   * Opens a subscription.
   * @returns the stream, which throws if the subgraph breaks it off, or a result when it is refused; a stream that is
   *          refused later ends with a result without `data`.
   * @throws SubgraphFailure  the subgraph gave no answer.
   */
  subscribe(call: StreamCall<Caller>): Promise<AsyncIterable<Result> | Result>;
  dispose?(): Promise<void>;
}

/**
 * Reads what came over the wire, where anything may come.
 * @returns undefined for what isn't an execution result.
 */
export function resultFrom(value: unknown): Result | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { data, errors } = value as Record<string, unknown>;
  if (data === undefined && !Array.isArray(errors)) return undefined;
  return {
    data: typeof data === 'object' && !Array.isArray(data) ? (data as Result['data']) : undefined,
    errors: Array.isArray(errors) ? errors.map(errorFrom) : undefined,
  };
}

/** Reads an event of a stream. The first may have no data, which refuses the stream; later ones have null at least. */
export function streamResult(value: unknown, isFirst: boolean): Result {
  const nonsense: Result = { errors: [{ message: 'An event of the stream is no result.' }] };
  const { data, errors } = resultFrom(value) ?? nonsense;
  const { extensions } = (value ?? {}) as Record<string, unknown>;
  return {
    data: isFirst ? data : (data ?? null),
    errors,
    ...(typeof extensions === 'object' && extensions !== null ? { extensions: { ...extensions } } : {}),
  };
}

function errorFrom(value: unknown): ResultError {
  const { message, path, extensions } = (value ?? {}) as Record<string, unknown>;
  return {
    message: String(message),
    path: Array.isArray(path)
      ? path.filter((key) => typeof key === 'string' || typeof key === 'number')
      : undefined,
    extensions: typeof extensions === 'object' && extensions !== null ? { ...extensions } : undefined,
  };
}

/** A subgraph that gave no answer: what is said to clients (`code`, `message`), what went wrong inside (`cause`). */
export class SubgraphFailure extends Error {
  readonly code: string;

  constructor(
    code: 'SUBGRAPH_TIMEOUT' | 'SUBGRAPH_UNAVAILABLE' | 'SUBGRAPH_ERROR',
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.code = code;
  }
}

export interface InProcessOptions<Caller> {
  name: string;
  schema: GraphQLSchema;
  /** A fresh context for each call. */
  contextOf(caller: Caller): unknown;
  /** Looks at each operation before it runs; what it throws refuses the call. */
  check?(document: DocumentNode, caller: Caller): void;
  /** Opens subscriptions. Default: graphql-js's `subscribe`. */
  subscribe?(args: ExecutionArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult>;
  /** Operations kept ready. Default 1,000. */
  cacheSize?: number;
}

/** An `inProcess` subgraph, and how often an operation was compiled rather than interpreted. */
export interface InProcess<Caller> extends Subgraph<Caller> {
  readonly compiled: number;
}

interface Prepared {
  document: DocumentNode;
  uses: number;
  compiled: CompiledQuery | undefined;
}

/** From which use on an operation is compiled: compiling costs as much as some hundred runs. */
const compileFromUse = 3;

/**
 * A schema in this process: graphql-js for an operation's first two uses, graphql-jit from the third on. Nothing is
 * serialised; results are the executors' own fresh objects, so that the engine may write into them.
 *
 * What graphql-jit asks of a schema: properties that are functions or promises need a resolver (it reads them as values),
 * and objects of abstract types a synchronous `resolveType`, `isTypeOf` or `__typename`.
 */
export function inProcess<Caller>(options: InProcessOptions<Caller>): InProcess<Caller> {
  const { schema, contextOf, check, subscribe = subscribeOfGraphql, cacheSize = 1_000 } = options;
  const operations = new LRUCache<string, Prepared>({ max: cacheSize });
  let compiled = 0;

  const prepare = (text: string): Prepared => {
    let prepared = operations.get(text);
    if (!prepared) {
      prepared = { document: parse(text, { noLocation: true }), uses: 0, compiled: undefined };
      operations.set(text, prepared);
    }
    prepared.uses += 1;
    if (prepared.uses === compileFromUse) {
      // What jit can't compile stays with graphql-js.
      const query = compileQuery(schema, prepared.document, undefined, { customJSONSerializer: false });
      if (isCompiledQuery(query)) {
        prepared.compiled = query;
        compiled += 1;
      }
    }
    return prepared;
  };

  return {
    get compiled() {
      return compiled;
    },
    execute({ text, variables, caller }) {
      const prepared = prepare(text);
      check?.(prepared.document, caller);
      const contextValue = contextOf(caller);
      const result = prepared.compiled
        ? prepared.compiled.query(undefined, contextValue, variables ?? {})
        : execute({ schema, document: prepared.document, contextValue, variableValues: variables });
      return result as Promise<ExecutionResult> | ExecutionResult;
    },
    async subscribe({ text, variables, caller }) {
      const document = parse(text, { noLocation: true });
      check?.(document, caller);
      return subscribe({ schema, document, contextValue: contextOf(caller), variableValues: variables });
    },
  };
}
