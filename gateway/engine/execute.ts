import { parse } from 'graphql';
import { askedIn, fragmentsIn, operationIn } from './asked.ts';
import { type Data, type Representation, type Rewrite, rewrite, type Types, type Walk } from './entity.ts';
import { depthOfNull, distinct, explain, fail, missingIn, record } from './loss.ts';
import { merge } from './merge.ts';
import type { Values } from './operation.ts';
import { type Path, type Place, pathOf } from './path.ts';
import { entityFields } from './planner/separate.ts';
import { type Fetch, picked, type Run } from './run.ts';
import type { Result, ResultError } from './subgraph.ts';

// Plan -> merged data. A plan is a tree of steps; a step never throws: what goes wrong becomes errors at the places it
// concerns, and the rest of the plan goes on.

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

/** Fetches root fields. */
export function fetchRoot(fetch: Fetch, types: Types): Step {
  return (run) => {
    const lost = () => lostAtRoot(run, fetch, types);
    const take = (result: Result) => mergeRoot(run, fetch, types, result);
    return callSubgraph(run, fetch, picked(run.values, fetch.variables), lost, take);
  };
}

/** Puts one result of a root fetch (or one event of a stream) into the merged data. */
export function mergeRoot(run: Run, fetch: Fetch, types: Types, result: Result): void {
  const { data, errors = [] } = result;
  for (const error of errors) {
    const path = error.path ?? (fetch.rootKeys.length === 1 ? fetch.rootKeys : undefined);
    record(run, fetch, error, path, path && depthOfNull(data, path));
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
  /** The interface whose objects it asks for their types, where they were known by the interface's name alone. */
  readonly identifies: string | undefined;
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
    const lost = () => lostEntities(run, fetch, collected, types);
    const take = (result: Result) => mergeEntities(run, fetch, collected, types, result);
    return callSubgraph(run, fetch, variables, lost, take);
  };
}

function mergeEntities(
  run: Run,
  fetch: Fetch,
  batches: readonly Collected[],
  types: Types,
  { data, errors = [] }: Result,
): void {
  if (errors.length > 0) placeErrors(run, fetch, batches, errors, data);
  if (data) for (const collected of batches) putBack(collected, data, types);
  if (errors.length === 0) return;
  // The error of one field may have cost its entity.
  const failed = (key: string, index: number) =>
    errors.some(({ path }) => path?.[1] === undefined || (path[0] === key && Number(path[1]) === index));
  explain(run, fetch, lostEntities(run, fetch, batches, types, failed));
}

/** What a fetch of entities was to bring and didn't; of some entities only, if `isMeant` says so. */
function lostEntities(
  run: Run,
  fetch: Fetch,
  batches: readonly Collected[],
  { isOf }: Types,
  isMeant: (key: string, index: number) => boolean = () => true,
): Path[] {
  const document = parse(fetch.text, { noLocation: true });
  const fetched = { fragments: fragmentsIn(document), renamed: fetch.renamed, isOf };
  return batches.flatMap((collected) => {
    const { key } = collected.batch;
    const asked = entityFields(document, key);
    return located(run, collected)
      .filter((_, index) => isMeant(key, index))
      .flatMap((places) => places.flatMap(({ object, place }) => missingIn(object, asked, fetched, place)));
  });
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
  const add = (object: Data) => {
    const written = representation.write(object);
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
  const put = (object: Data, result: unknown, shared: boolean) => {
    if (typeof result === 'object' && result !== null) merge(object, result as Data, isAbstract, shared);
    else if (isAbstract(object.__typename) && object.__typename === batch.identifies)
      object.__typename = unknownType;
  };
  // The first place may have the result itself, the others get copies before that: no two places share an object.
  for (const { index, object } of others) put(object, results[index], true);
  for (let index = 0; index < objects.length; index += 1) put(objects[index]!, results[index], false);
}

/** Stands for the type of an object that no subgraph could tell: no type has this name, so the object becomes null. */
const unknownType = '';

function placeErrors(
  run: Run,
  fetch: Fetch,
  batches: readonly Collected[],
  errors: readonly ResultError[],
  data: Result['data'],
): void {
  const places = new Map(
    batches.map((one) => [
      one.batch.key,
      // Two paths may lead to one object.
      located(run, one).map((standing) => distinct(standing.map(({ place }) => pathOf(place)))),
    ]),
  );
  for (const error of errors) {
    const [key, index, ...rest] = error.path ?? [];
    const paths = index === undefined ? undefined : places.get(String(key))?.[Number(index)];
    if (paths) {
      // The entity's own place stands for the first two steps of the path.
      const depth = Math.max(depthOfNull(data, error.path!) - 2, 0);
      for (const path of paths) record(run, fetch, error, [...path, ...rest], path.length + depth);
      continue;
    }
    const batch = batches.find((candidate) => candidate.batch.key === key);
    const prefixes = (batch ? [batch] : batches).flatMap((one) => one.prefixes);
    for (const prefix of distinct(prefixes)) record(run, fetch, error, prefix);
  }
}

/** Where the objects of each representation stand. */
function located(
  run: Run,
  { batch, objects, others }: Collected,
): { readonly object: Data; readonly place: Place | undefined }[][] {
  const indices = new Map(objects.map((object, index) => [object, index]));
  for (const { object, index } of others) indices.set(object, index);
  const places: ReturnType<typeof located> = objects.map(() => []);
  const locate = (object: Data, place: Place | undefined) => {
    const index = indices.get(object);
    if (index !== undefined) places[index]!.push({ object, place });
  };
  for (const { walk } of batch.paths) walk(run.data, locate, true);
  return places;
}

/**
 * Calls a subgraph and hands on what it answers; a call that fails becomes one error at each place that it costs.
 * @returns undefined when the subgraph answered at once.
 */
function callSubgraph(
  run: Run,
  fetch: Fetch,
  variables: Values | undefined,
  lost: () => Path[],
  take: (result: Result) => void,
): Promise<void> | undefined {
  const { services, signal, caller } = run;
  if (signal?.aborted) return undefined;
  const failed = (error: unknown) => {
    if (!signal?.aborted) fail(run, fetch, error, lost());
  };
  let answered: Promise<Result> | Result;
  try {
    const { kind, text } = fetch;
    const subgraph = services.subgraphs.get(fetch.subgraph);
    if (!subgraph) throw new Error(`The supergraph has no subgraph "${fetch.subgraph}".`);
    services.onCall?.(fetch.subgraph, text, variables);
    answered = subgraph.execute({ kind, text, variables, caller, signal });
  } catch (error) {
    failed(error);
    return undefined;
  }
  if ('then' in answered) return answered.then(take, failed);
  take(answered);
  return undefined;
}
