import { type DocumentNode, parse } from 'graphql';
import { askedIn, fragmentsIn, operationIn } from './asked.ts';
import { type Data, type Representation, type Rewrite, rewrite, type TypeTest, type Walk } from './entity.ts';
import type { FormattedError } from './error.ts';
import { type ClientPath, clientPathOf, missingIn } from './loss.ts';
import { merge } from './merge.ts';
import type { Values } from './operation.ts';
import { type Path, type Place, pathOf } from './path.ts';
import { entityFields } from './separate.ts';
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
  /** Where everything that is missing is explained by an error that stands elsewhere. */
  readonly failures: Path[];
  readonly values: Values;
  readonly caller: unknown;
  readonly signal: AbortSignal | undefined;
  readonly services: Services;
  /** What was planned: the client's selections in wire names. */
  readonly document: DocumentNode | undefined;
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
  /** Whether a subgraph knows an interface as an object. */
  readonly isInterfaceObject: (subgraph: string, name: string) => boolean;
}

/** Fetches root fields. */
export function fetchRoot(fetch: Fetch, types: Types): Step {
  return async (run) => {
    const lost = () => lostAtRoot(run, fetch, types);
    const result = await callSubgraph(run, fetch, picked(run.values, fetch.variables), lost);
    if (result) mergeRoot(run, fetch, types, result);
  };
}

/** Puts one result of a root fetch (or one event of a stream) into the merged data. */
export function mergeRoot(run: Run, fetch: Fetch, types: Types, result: Result): void {
  const { data, errors = [] } = result;
  for (const error of errors) {
    const path = error.path ?? (fetch.rootKeys.length === 1 ? fetch.rootKeys : undefined);
    record(run, fetch, error, path);
  }
  if (data) {
    for (const change of fetch.rewrites) rewrite(data, change, types.isOf);
    merge(run.data, data, types.isAbstract, false);
  } else if (errors.length > 0) {
    // The error of one field may have cost the others.
    explain(run, fetch, lostAtRoot(run, fetch, types));
  }
}

function lostAtRoot(run: Run, fetch: Fetch, { isOf }: Types): Path[] {
  const document = parse(fetch.text, { noLocation: true });
  const fetched = { fragments: fragmentsIn(document), renamed: fetch.renamed, isOf };
  const asked = askedIn(operationIn(document).selectionSet, fetched.fragments);
  return missingIn(run.data, asked, fetched, undefined);
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
  const result = await callSubgraph(run, fetch, variables, () => lostEntities(fetch, batches, types));
  if (!result) return;
  const { data, errors = [] } = result;
  for (const error of errors) placeError(run, fetch, batches, error);
  if (data) for (const collected of batches) putBack(collected, data, types);
  // The error of one field may have cost its entity.
  const failed = (key: string, index: number) =>
    errors.some(({ path }) => path?.[1] === undefined || (path[0] === key && Number(path[1]) === index));
  if (errors.length > 0) explain(run, fetch, lostEntities(fetch, batches, types, failed));
}

/** What a fetch of entities was to bring and didn't; of some entities only, if `isMeant` says so. */
function lostEntities(
  fetch: Fetch,
  batches: readonly Collected[],
  { isOf }: Types,
  isMeant: (key: string, index: number) => boolean = () => true,
): Path[] {
  const document = parse(fetch.text, { noLocation: true });
  const fetched = { fragments: fragmentsIn(document), renamed: fetch.renamed, isOf };
  return batches.flatMap(({ batch, entities }) => {
    const asked = entityFields(document, batch.key);
    return entities
      .filter((_, index) => isMeant(batch.key, index))
      .flatMap((places) => places.flatMap(({ object, place }) => missingIn(object, asked, fetched, place)));
  });
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
  lost: () => Path[],
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
    const places = lost().map((path) => placed(run, fetch, path));
    for (const path of distinct(places)) {
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
  const { message, extensions } = toldOf(run.services, fetch.subgraph, error);
  const place = path && placed(run, fetch, path);
  run.errors.push({ message, ...(place && place.length > 0 && { path: place }), extensions });
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

/** Where an error at a subgraph's path stands for the client: at the nearest place that the client selected. */
function placed(run: Run, fetch: Fetch, at: readonly (string | number)[]): Path {
  const { path, isWhole } = clientPath(run, fetch, at);
  // What the planner selected besides is there for the sake of something below.
  if (!isWhole) run.failures.push(path);
  return path;
}

/** Notes that nothing more is to be said of what is missing at these places. */
function explain(run: Run, fetch: Fetch, places: readonly Path[]): void {
  for (const place of places) run.failures.push(clientPath(run, fetch, place).path);
}

function clientPath(
  { document, wireNames }: Run,
  fetch: Fetch,
  path: readonly (string | number)[],
): ClientPath {
  return document ? clientPathOf(path, document, fetch.renamed, wireNames) : { path: [], isWhole: false };
}

/** Those of the variables that have a value. */
export function picked(values: Values, names: readonly string[]): Values | undefined {
  if (names.length === 0) return undefined;
  const some: Values = {};
  for (const name of names) if (Object.hasOwn(values, name)) some[name] = values[name];
  return some;
}
