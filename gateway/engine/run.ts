import type { DocumentNode } from 'graphql';
import type { Data, Rewrite } from './entity.ts';
import type { FormattedError } from './error.ts';
import type { Values } from './operation.ts';
import type { Path } from './path.ts';
import { type Call, type ResultError, type Signal, type Subgraph, SubgraphFailure } from './subgraph.ts';
import type { WireNames } from './wire.ts';

// One execution of a plan: what it knows, and what clients are told of what goes wrong in it.

/** What all runs of an engine share. */
export interface Services {
  readonly subgraphs: ReadonlyMap<string, Subgraph<unknown>>;
  readonly maskErrors: boolean;
  readonly onCall: ((subgraph: string, text: string, variables: Values | undefined) => void) | undefined;
  /** Logs what went wrong inside; returns an id to tell the client. */
  onFault(error: unknown, where: string): string | undefined;
}

/** One execution of a plan. */
export interface Run {
  readonly data: Data;
  readonly errors: FormattedError[];
  /** The subgraphs' errors so far: a plan may ask for one field twice, and is told once. */
  readonly told: Set<string>;
  /** Where everything that is missing is explained by an error that stands elsewhere. */
  readonly failures: Path[];
  readonly values: Values;
  readonly caller: unknown;
  readonly signal: Signal | undefined;
  readonly services: Services;
  /** What was planned: the client's selections in wire names. */
  readonly document: DocumentNode | undefined;
  readonly wireNames: WireNames;
}

/** An operation for one subgraph, as planned. */
export interface Fetch {
  readonly subgraph: string;
  readonly kind: Call<unknown>['kind'];
  readonly text: string;
  readonly variables: readonly string[];
  /** Names that the planner made up -> what they stand for. */
  readonly renamed: ReadonlyMap<string, string>;
  readonly rewrites: readonly Rewrite[];
  /** The response keys of its root fields. */
  readonly rootKeys: readonly string[];
}

/** What clients are told of a call that failed. */
export function failureOf(services: Services, subgraph: string, error: unknown): FormattedError {
  const id = services.onFault(
    error instanceof SubgraphFailure ? (error.cause ?? error) : error,
    `subgraph ${subgraph}`,
  );
  if (error instanceof SubgraphFailure) {
    return { message: error.message, extensions: { code: error.code, subgraph, ...(id && { id }) } };
  }
  return {
    message: `Subgraph "${subgraph}" could not be asked.`,
    extensions: { code: 'INTERNAL', subgraph, ...(id && { id }) },
  };
}

/** What clients are told of a subgraph's error: coded ones as they are, the others masked. */
export function toldOf(services: Services, subgraph: string, error: ResultError): FormattedError {
  const { stacktrace: _, ...extensions } = error.extensions ?? {};
  const { code } = extensions;
  // Apollo Server gives this code to what has none.
  if (typeof code === 'string' && code !== 'INTERNAL_SERVER_ERROR')
    return { message: error.message, extensions };
  if (!services.maskErrors) {
    return { message: error.message, extensions: { code: 'SUBGRAPH_ERROR', subgraph, ...extensions } };
  }
  const id = services.onFault(error, `subgraph ${subgraph}`);
  return {
    message: `Subgraph "${subgraph}" failed to answer this field.`,
    extensions: { code: 'SUBGRAPH_ERROR', subgraph, ...(id && { id }) },
  };
}

/** Those of the variables that have a value. */
export function picked(values: Values, names: readonly string[]): Values | undefined {
  if (names.length === 0) return undefined;
  const some: Values = {};
  for (const name of names) if (Object.hasOwn(values, name)) some[name] = values[name];
  return some;
}
