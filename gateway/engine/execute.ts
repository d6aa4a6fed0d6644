import { type Data, type Representation, type Rewrite, rewrite, type TypeTest, type Walk } from './entity.ts';
import type { FormattedError } from './error.ts';
import { merge } from './merge.ts';
import type { Values } from './operation.ts';
import { type Path, type Place, pathOf } from './path.ts';
import { type Call, type Result, type ResultError, type Subgraph, SubgraphFailure } from './subgraph.ts';
import type { WireNames } from './wire.ts';

// Plan -> merged data. A plan is a tree of steps; a step never throws: what goes wrong becomes errors at the places it
// concerns, and the rest of the plan goes on.

/** What all runs of an engine share. */
export interface Services {
  readonly subgraphs: ReadonlyMap<string, Subgraph<unknown>>;
  readonly maskErrors: boolean;
  onCall(subgraph: string, text: string, variables: Values | undefined): void;
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
  readonly signal: AbortSignal | undefined;
  readonly services: Services;
  readonly wireNames: WireNames;
}

export type Step = (run: Run) => Promise<void> | undefined;

/** One step after the other, whatever fails. */
export function sequence(steps: readonly Step[]): Step {
  if (steps.length === 1) return steps[0]!;
  return async (run) => {
    for (const step of steps) {
      const pending = step(run);
      if (pending) await pending;
    }
  };
}

/** All steps at once. */
export function parallel(steps: readonly Step[]): Step {
  if (steps.length === 1) return steps[0]!;
  return async (run) => {
    await Promise.all(steps.map((step) => step(run)));
  };
}

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

/** What a step knows of the types. */
export interface Types {
  readonly isOf: TypeTest;
  readonly isAbstract: (name: unknown) => boolean;
}

/** Fetches root fields. */
export function fetchRoot(fetch: Fetch, types: Types): Step {
  return async (run) => {
    const places = () => fetch.rootKeys.map((key) => [key]);
    const result = await callSubgraph(run, fetch, picked(run.values, fetch.variables), places);
    if (result) mergeRoot(run, fetch, types, result);
  };
}

/** Puts one result of a root fetch (or one event of a stream) into the merged data. */
export function mergeRoot(run: Run, fetch: Fetch, types: Types, result: Result): void {
  for (const error of result.errors ?? []) {
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
    return fetchCollected(run, fetch, collected, types);
  };
}

async function fetchCollected(
  run: Run,
  fetch: Fetch,
  batches: readonly Collected[],
  types: Types,
): Promise<void> {
  const variables = picked(run.values, fetch.variables) ?? {};
  for (const { batch, representations } of batches) variables[batch.variable] = representations;
  const result = await callSubgraph(run, fetch, variables, () => distinct(batches.flatMap(prefixesOf)));
  if (!result) return;
  for (const error of result.errors ?? []) placeError(run, fetch, batches, error);
  if (!result.data) return;
  for (const collected of batches) putBack(collected, result.data, types);
}

/** Representations without duplicates, and the objects that each of them stands for. */
interface Collected {
  readonly batch: Batch;
  readonly representations: Data[];
  readonly entities: { readonly object: Data; readonly place: Place | undefined; readonly prefix: Path }[][];
}

function collect(run: Run, batch: Batch, { isOf }: Types): Collected {
  const representations: Data[] = [];
  const entities: Collected['entities'] = [];
  const known = new Map<string, number>();
  for (const { walk, prefix } of batch.paths) {
    walk(run.data, (object, place) => {
      const representation = batch.representation.write(object);
      if (!representation) return;
      for (const change of batch.inputRewrites) rewrite(representation, change, isOf);
      const identity = batch.representation.identity(representation);
      const index = known.get(identity);
      if (index !== undefined) {
        entities[index]!.push({ object, place, prefix });
        return;
      }
      known.set(identity, representations.length);
      representations.push(representation);
      entities.push([{ object, place, prefix }]);
    });
  }
  return { batch, representations, entities };
}

function putBack({ batch, entities }: Collected, data: Data, { isOf, isAbstract }: Types): void {
  const results = data[batch.key];
  if (!Array.isArray(results)) return;
  for (const change of batch.outputRewrites) {
    const first = change.path[0];
    const fromRoot = first?.key !== undefined && first.key in data;
    rewrite(fromRoot ? data : results, change, isOf);
  }
  for (let index = 0; index < entities.length; index += 1) {
    const result = results[index];
    if (typeof result !== 'object' || result === null) continue;
    const places = entities[index]!;
    // The last place may have the result itself, the others get copies: no two places share an object.
    const last = places.length - 1;
    for (let at = 0; at <= last; at += 1) merge(places[at]!.object, result, isAbstract, at < last);
  }
}

function placeError(run: Run, fetch: Fetch, batches: readonly Collected[], error: ResultError): void {
  const [key, index, ...rest] = error.path ?? [];
  const batch = batches.find((candidate) => candidate.batch.key === key);
  const places = index === undefined ? undefined : batch?.entities[Number(index)];
  if (places) {
    // Two paths may lead to one object.
    for (const path of distinct(places.map(({ place }) => pathOf(place)))) {
      record(run, fetch, error, [...path, ...rest]);
    }
    return;
  }
  for (const prefix of distinct((batch ? [batch] : batches).flatMap(prefixesOf)))
    record(run, fetch, error, prefix);
}

function prefixesOf({ entities }: Collected): Path[] {
  return entities.flatMap((places) => places.map(({ prefix }) => prefix));
}

function distinct(paths: readonly Path[]): Path[] {
  return [...new Map(paths.map((path) => [path.join('\0'), path])).values()];
}

/** Calls a subgraph; a call that fails becomes one error at each place that it costs. */
async function callSubgraph(
  run: Run,
  fetch: Fetch,
  variables: Values | undefined,
  places: () => Path[],
): Promise<Result | undefined> {
  const { services, signal, caller } = run;
  if (signal?.aborted) return undefined;
  try {
    const { kind, text } = fetch;
    const subgraph = services.subgraphs.get(fetch.subgraph);
    if (!subgraph) throw new Error(`The supergraph has no subgraph "${fetch.subgraph}".`);
    services.onCall(fetch.subgraph, text, variables);
    return await subgraph.execute({ kind, text, variables, caller, signal });
  } catch (error) {
    if (signal?.aborted) return undefined;
    const { message, extensions } = failureOf(services, fetch.subgraph, error);
    for (const place of places()) {
      const path = clientPath(run, fetch, place);
      run.failures.push(path);
      run.errors.push({ message, ...(path.length > 0 && { path }), extensions });
    }
    return undefined;
  }
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
