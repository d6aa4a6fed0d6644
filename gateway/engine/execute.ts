import { type Data, type Representation, type Rewrite, rewrite, type Types, type Walk } from './entity.ts';
import type { FormattedError } from './error.ts';
import { merge } from './merge.ts';
import type { Values } from './operation.ts';
import { type Path, type Place, pathOf } from './path.ts';
import {
  type Call,
  type Result,
  type ResultError,
  type Signal,
  type Subgraph,
  SubgraphFailure,
} from './subgraph.ts';
import type { WireNames } from './wire.ts';

// Plan -> merged data. A plan is a tree of steps; a step never throws: what goes wrong becomes errors at the places it
// concerns, and the rest of the plan goes on.

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
  /** Where calls failed altogether: everything missing below is explained by that. */
  readonly failures: Path[];
  readonly values: Values;
  readonly caller: unknown;
  readonly signal: Signal | undefined;
  readonly services: Services;
  readonly wireNames: WireNames;
}

/** @returns undefined when it is done already. */
export type Step = (run: Run) => Promise<void> | undefined;

/** One step after the other, whatever fails. */
export function sequence(steps: readonly Step[]): Step {
  if (steps.length === 1) return steps[0]!;
  const from = (at: number, run: Run): Promise<void> | undefined => {
    for (let next = at; next < steps.length; next += 1) {
      const pending = steps[next]!(run);
      if (pending) return pending.then(() => from(next + 1, run));
    }
    return undefined;
  };
  return (run) => from(0, run);
}

/** All steps at once. */
export function parallel(steps: readonly Step[]): Step {
  if (steps.length === 1) return steps[0]!;
  return (run) => {
    const pending: Promise<void>[] = [];
    for (const step of steps) {
      const one = step(run);
      if (one) pending.push(one);
    }
    return pending.length > 0 ? Promise.all(pending).then(nothing) : undefined;
  };
}

function nothing(): void {}

/** One of two steps, by a boolean variable. */
export function condition(variable: string, yes: Step | undefined, no: Step | undefined): Step {
  return (run) => (run.values[variable] === true ? yes?.(run) : no?.(run));
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

/** Fetches root fields. */
export function fetchRoot(fetch: Fetch, types: Types): Step {
  const places = () => fetch.rootKeys.map((key) => [key]);
  return (run) =>
    callSubgraph(run, fetch, picked(run.values, fetch.variables), places, (result) =>
      mergeRoot(run, fetch, types, result),
    );
}

/** Puts one result of a root fetch (or one event of a stream) into the merged data. */
export function mergeRoot(run: Run, fetch: Fetch, types: Types, result: Result): void {
  if (result.errors)
    for (const error of result.errors) {
      const path = error.path ?? (fetch.rootKeys.length === 1 ? fetch.rootKeys : undefined);
      record(run, fetch, error, path);
    }
  if (!result.data) return;
  for (const change of fetch.rewrites) rewrite(result.data, change, types.isOf);
  merge(run.data, result.data, types.isAbstract, false);
}

/** One `_entities` field of a fetch: the entities at some paths of the merged data. */
export interface Batch {
  readonly key: string;
  readonly variable: string;
  readonly paths: readonly { readonly walk: Walk; readonly prefix: Path }[];
  readonly representation: Representation;
  readonly inputRewrites: readonly Rewrite[];
  readonly outputRewrites: readonly Rewrite[];
}

/** Fetches fields of entities that are already known by their keys. */
export function fetchEntities(fetch: Fetch, batches: readonly Batch[], types: Types): Step {
  return (run) => {
    if (run.signal?.aborted) return undefined;
    const collected = batches.map((batch) => collect(run, batch, types));
    // Nothing to ask for is no call.
    if (collected.every(({ representations }) => representations.length === 0)) return undefined;
    const variables = picked(run.values, fetch.variables) ?? {};
    for (const { batch, representations } of collected) variables[batch.variable] = representations;
    const places = () => distinct(collected.flatMap(({ prefixes }) => prefixes));
    return callSubgraph(run, fetch, variables, places, ({ data, errors }) => {
      if (errors) placeErrors(run, fetch, collected, errors);
      if (data) for (const one of collected) putBack(one, data, types);
    });
  };
}

/** Representations without duplicates, and the objects that each of them stands for. */
interface Collected {
  readonly batch: Batch;
  readonly representations: Data[];
  /** The first object of each representation. */
  readonly objects: Data[];
  /** Further objects of a representation, by its index. */
  readonly others: { readonly index: number; readonly object: Data }[];
  /** Of the paths that led to an object, the part before the first list. */
  readonly prefixes: Path[];
}

function collect(run: Run, batch: Batch, { isOf }: Types): Collected {
  const { representation, inputRewrites } = batch;
  const collected: Collected = { batch, representations: [], objects: [], others: [], prefixes: [] };
  const { representations, objects, others, prefixes } = collected;
  const known = new Map<string | number, number>();
  const strict = run.errors.length > 0;
  const add = (object: Data) => {
    const written = representation.write(object, strict);
    if (!written) return;
    for (const change of inputRewrites) rewrite(written, change, isOf);
    const identity = representation.identity(written);
    const index = known.get(identity);
    if (index !== undefined) {
      others.push({ index, object });
      return;
    }
    known.set(identity, representations.length);
    representations.push(written);
    objects.push(object);
  };
  for (const { walk, prefix } of batch.paths) {
    const before = objects.length + others.length;
    walk(run.data, add, false);
    if (objects.length + others.length > before) prefixes.push(prefix);
  }
  return collected;
}

function putBack({ batch, objects, others }: Collected, data: Data, { isOf, isAbstract }: Types): void {
  const results = data[batch.key];
  if (!Array.isArray(results)) return;
  for (const change of batch.outputRewrites) {
    const first = change.path[0];
    const fromRoot = first?.key !== undefined && first.key in data;
    rewrite(fromRoot ? data : results, change, isOf);
  }
  // The first place may have the result itself, the others get copies before that: no two places share an object.
  for (const { index, object } of others) {
    const result = results[index];
    if (typeof result === 'object' && result !== null) merge(object, result, isAbstract, true);
  }
  for (let index = 0; index < objects.length; index += 1) {
    const result = results[index];
    if (typeof result === 'object' && result !== null) merge(objects[index]!, result, isAbstract, false);
  }
}

function placeErrors(
  run: Run,
  fetch: Fetch,
  batches: readonly Collected[],
  errors: readonly ResultError[],
): void {
  const located = new Map<Collected, Path[][]>();
  for (const error of errors) {
    const [key, index, ...rest] = error.path ?? [];
    const batch = batches.find((candidate) => candidate.batch.key === key);
    if (batch && !located.has(batch)) located.set(batch, placesOf(run, batch));
    const places = batch && index !== undefined ? located.get(batch)?.[Number(index)] : undefined;
    if (places) {
      for (const path of places) record(run, fetch, error, [...path, ...rest]);
      continue;
    }
    const prefixes = (batch ? [batch] : batches).flatMap((one) => one.prefixes);
    for (const prefix of distinct(prefixes)) record(run, fetch, error, prefix);
  }
}

/** Where the objects of each representation stand. */
function placesOf(run: Run, { batch, objects, others }: Collected): Path[][] {
  const indices = new Map(objects.map((object, index) => [object, index]));
  for (const { object, index } of others) indices.set(object, index);
  const places: Path[][] = objects.map(() => []);
  const locate = (object: Data, place: Place | undefined) => {
    const index = indices.get(object);
    if (index !== undefined) places[index]!.push(pathOf(place));
  };
  for (const { walk } of batch.paths) walk(run.data, locate, true);
  // Two paths may lead to one object.
  return places.map(distinct);
}

function distinct(paths: readonly Path[]): Path[] {
  return [...new Map(paths.map((path) => [path.join('\0'), path])).values()];
}

/**
 * Calls a subgraph and hands on what it answers; a call that fails becomes one error at each place that it costs.
 * @returns undefined when the subgraph answered at once.
 */
function callSubgraph(
  run: Run,
  fetch: Fetch,
  variables: Values | undefined,
  places: () => Path[],
  take: (result: Result) => void,
): Promise<void> | undefined {
  const { services, signal, caller } = run;
  if (signal?.aborted) return undefined;
  const fail = (error: unknown) => {
    if (signal?.aborted) return;
    const { message, extensions } = failureOf(services, fetch.subgraph, error);
    for (const place of places()) {
      const path = clientPath(run, fetch, place);
      run.failures.push(path);
      run.errors.push({ message, ...(path.length > 0 && { path }), extensions });
    }
  };
  let answered: Promise<Result> | Result;
  try {
    const { kind, text } = fetch;
    const subgraph = services.subgraphs.get(fetch.subgraph);
    if (!subgraph) throw new Error(`The supergraph has no subgraph "${fetch.subgraph}".`);
    services.onCall?.(fetch.subgraph, text, variables);
    answered = subgraph.execute({ kind, text, variables, caller, signal });
  } catch (error) {
    fail(error);
    return undefined;
  }
  if ('then' in answered) return answered.then(take, fail);
  take(answered);
  return undefined;
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

function record(
  run: Run,
  fetch: Fetch,
  error: ResultError,
  path: readonly (string | number)[] | undefined,
): void {
  const told = toldOf(run.services, fetch.subgraph, error);
  if (path)
    run.errors.push({
      message: told.message,
      path: clientPath(run, fetch, path),
      extensions: told.extensions,
    });
  else run.errors.push(told);
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

/** A subgraph's path in the client's words; indices that a server sent as strings are numbers. */
function clientPath(run: Run, fetch: Fetch, path: readonly (string | number)[]): Path {
  return path.map((key) => {
    if (typeof key === 'number') return key;
    if (/^\d+$/.test(key)) return Number(key);
    const name = fetch.renamed.get(key) ?? key;
    return run.wireNames.clientName(name);
  });
}

/** Those of the variables that have a value. */
export function picked(values: Values, names: readonly string[]): Values | undefined {
  if (names.length === 0) return undefined;
  const some: Values = {};
  for (const name of names) if (Object.hasOwn(values, name)) some[name] = values[name];
  return some;
}
