import type { DocumentNode, FragmentDefinitionNode } from 'graphql';
import { type Asked, askedIn, keyOf, operationIn } from './asked.ts';
import type { Data, TypeTest } from './entity.ts';
import { type Path, type Place, pathOf } from './path.ts';
import { type Fetch, failureOf, type Run, toldOf } from './run.ts';
import type { ResultError } from './subgraph.ts';
import type { WireNames } from './wire.ts';

// What a failure costs, and where it stands in the client's words.

/** Tells a call that failed: one error at each place that it costs. */
export function fail(run: Run, fetch: Fetch, error: unknown, lost: readonly Path[]): void {
  const { message, extensions } = failureOf(run.services, fetch.subgraph, error);
  for (const path of distinct(lost.map((place) => placed(run, fetch, place)))) {
    run.errors.push({ message, ...(path.length > 0 && { path }), extensions });
  }
}

/**
 * How far a path leads into a result before it meets a null: all of it, or to the object or list that an error in something
 * non-null has left null.
 */
export function depthOfNull(data: unknown, path: readonly (string | number)[]): number {
  let value = data;
  let depth = 0;
  while (depth < path.length && typeof value === 'object' && value !== null) {
    value = (value as Data)[path[depth]!];
    depth += 1;
  }
  return depth;
}

/**
 * Tells an error of a subgraph.
 * @param depth  how much of the path leads to what the error left null: it explains all that is missing there.
 */
export function record(
  run: Run,
  fetch: Fetch,
  error: ResultError,
  path: readonly (string | number)[] | undefined,
  depth = 0,
): void {
  if (path && depth > 0) explain(run, fetch, [path.slice(0, depth)]);
  const place = path && placed(run, fetch, path);
  const identity = JSON.stringify([fetch.subgraph, error.message, place]);
  if (run.told.has(identity)) return;
  run.told.add(identity);
  const { message, extensions } = toldOf(run.services, fetch.subgraph, error);
  run.errors.push({ message, ...(place && place.length > 0 && { path: place }), extensions });
}

/** Notes that nothing more is to be said of what is missing at these places. */
export function explain(run: Run, fetch: Fetch, places: readonly Path[]): void {
  for (const place of places) run.failures.push(clientPath(run, fetch, place).path);
}

export function distinct(paths: readonly Path[]): Path[] {
  return [...new Map(paths.map((path) => [path.join('\0'), path])).values()];
}

/** What it takes to find a fetch's fields in the merged data. */
export interface Fetched {
  readonly fragments: readonly FragmentDefinitionNode[];
  /** Names that the planner made up -> what they stand for. */
  readonly renamed: ReadonlyMap<string, string>;
  readonly isOf: TypeTest;
}

/** Where fields that were asked for have no value yet, not even null. */
export function missingIn(
  object: Data,
  asked: readonly Asked[],
  fetched: Fetched,
  place: Place | undefined,
): Path[] {
  return asked.flatMap(({ node, of }) => {
    const { __typename } = object;
    if (node.name.value === '__typename') return [];
    if (of !== undefined && __typename !== undefined && !fetched.isOf(__typename, of)) return [];
    const key = fetched.renamed.get(keyOf(node)) ?? keyOf(node);
    const here = { up: place, key };
    if (object[key] === undefined) return [pathOf(here)];
    const inner = askedIn(node.selectionSet, fetched.fragments);
    return inner.length > 0 ? missingBelow(object[key], inner, fetched, here) : [];
  });
}

function missingBelow(value: unknown, asked: readonly Asked[], fetched: Fetched, place: Place): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  if (!Array.isArray(value)) return missingIn(value as Data, asked, fetched, place);
  return value.flatMap((item, index) => missingBelow(item, asked, fetched, { up: place, key: index }));
}

/** A path in the client's words, as far as the client selected what stands there. */
export interface ClientPath {
  readonly path: Path;
  /** False when it goes on to something that only the planner selected. */
  readonly isWhole: boolean;
}

/**
 * Translates a path; indices that a server sent as strings become numbers.
 * @param document  the client's selections in wire names, without named fragments.
 */
export function clientPathOf(
  path: readonly (string | number)[],
  document: DocumentNode,
  renamed: ReadonlyMap<string, string>,
  wireNames: WireNames,
): ClientPath {
  const known: Path = [];
  let sets = [operationIn(document).selectionSet];
  for (const key of path) {
    if (typeof key === 'number' || /^\d+$/.test(key)) {
      known.push(Number(key));
      continue;
    }
    const name = renamed.get(key) ?? key;
    const nodes = sets.flatMap((set) => askedIn(set)).filter(({ node }) => keyOf(node) === name);
    if (nodes.length === 0) return { path: known, isWhole: false };
    known.push(wireNames.clientName(name));
    sets = nodes.flatMap(({ node }) => node.selectionSet ?? []);
  }
  return { path: known, isWhole: true };
}

/** Where an error at a subgraph's path stands for the client: at the nearest place that the client selected. */
function placed(run: Run, fetch: Fetch, at: readonly (string | number)[]): Path {
  const { path, isWhole } = clientPath(run, fetch, at);
  // What the planner selected besides is there for the sake of something below.
  if (!isWhole) run.failures.push(path);
  return path;
}

function clientPath(
  { document, wireNames }: Run,
  fetch: Fetch,
  path: readonly (string | number)[],
): ClientPath {
  return document ? clientPathOf(path, document, fetch.renamed, wireNames) : { path: [], isWhole: false };
}
