import type { GraphQLScalarType, GraphQLSchema } from 'graphql';
import { answerOf, introspect, rootOf } from './answer.ts';
import type { Data, Types } from './entity.ts';
import { type Answer, type Refused, refused } from './error.ts';
import { mergeRoot, sequence } from './execute.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { copied } from './merge.ts';
import { type Operation, Operations, type Values, type View } from './operation.ts';
import { type Plan, Planner } from './planner/plan.ts';
import { Projecting, type Projection, projectionOf } from './project.ts';
import { failureOf, picked, type Run, type Services, toldOf } from './run.ts';
import { checkScalars } from './scalar.ts';
import { eventsOf, isStream, type StreamEvent } from './stream.ts';
import type { Result, Signal, Subgraph, SubgraphFailure } from './subgraph.ts';
import { readSupergraph } from './supergraph.ts';
import type { Variant } from './variant.ts';
import { readCosts } from './weights.ts';

// A federation engine: it knows a supergraph and how to reach its subgraphs, no server, no key and nothing of any domain.
// An operation goes through five phases: prepare (parse, limits, validate), coerce, plan, execute, project.

export type { Answer, FormattedError, Refused } from './error.ts';
export { type OverHttpOptions, overHttp } from './http.ts';
export { defaultLimits, type Limits } from './limits.ts';
export { Operation, type Values, type View } from './operation.ts';
export type { StreamEvent } from './stream.ts';
export {
  type Call,
  type InProcess,
  type InProcessOptions,
  inProcess,
  type Result,
  type Signal,
  type Subgraph,
  SubgraphFailure,
} from './subgraph.ts';

export interface EngineOptions<Caller> {
  /** The composed supergraph's SDL. */
  supergraph: string;
  /** How to reach each `join__Graph`. */
  subgraph(name: string, url: string | undefined): Subgraph<Caller>;
  /** What is known of the supergraph's scalars: values that these refuse are refused. */
  scalars?: readonly GraphQLScalarType[];
  /** Those given replace their defaults. */
  limits?: Partial<Limits>;
  /** Whether errors of subgraphs without a code lose their message. Default true. */
  maskErrors?: boolean;
  /** Operations, and plans, kept ready. Default 1,000. */
  cacheSize?: number;
  /** Labels of progressive `@override` that are on. */
  overrideLabels?: ReadonlySet<string>;
  /** A number from 0 to 100 for each request: its side of `@override(label: "percent(x)")`. Default at random. */
  percentage?(): number;
  /** Told of each call to a subgraph before it is made. */
  onCall?(subgraph: string, text: string, variables: Values | undefined): void;
  /** Told of each plan that had to be made, for whom, and since when by `performance.now()`. */
  onPlan?(caller: Caller, started: number): void;
  /** Told of what went wrong inside; may return an id that the client is told. */
  onFault?(error: unknown, where: string): string | undefined;
}

export interface EngineRequest<Caller> {
  caller: Caller;
  variables?: Values | null;
  signal?: Signal;
}

export interface StreamRequest<Caller> extends EngineRequest<Caller> {
  /** Resumes after this cursor, whatever the operation itself says; null begins live. */
  after?: unknown;
}

export interface Stream<Caller = unknown> {
  /** The subgraph's items in order. Throws if the subgraph breaks the stream off; ends only if it completes it. */
  events: AsyncIterable<StreamEvent>;
  /**
   * Fetches what an event lacks and writes it: the same for every caller of the stream, as often as wanted. Without data
   * for an event that refuses the stream.
   * @param caller  who asks subgraphs; by default who opened the stream.
   */
  answer(event: StreamEvent, caller?: Caller): Promise<Answer>;
  cancel(): Promise<void>;
  /** It doesn't end with the request's signal any more; `cancel` ends it. */
  outlive(): void;
}

export interface Engine<Caller> {
  /** The schema clients see at most: nothing `@inaccessible`, descriptions kept. */
  readonly schema: GraphQLSchema;
  readonly subgraphs: ReadonlyMap<string, Subgraph<Caller>>;
  /** Operations taken from the cache, and those that had to be prepared. */
  readonly cache: { readonly hits: number; readonly misses: number };
  /** Plans taken from the cache, and those that had to be made. */
  readonly plans: { readonly hits: number; readonly misses: number };
  /**
   * Reads one operation of a document. Cached.
   * @returns the operation, or the errors to answer with.
   */
  prepare(view: View, text: string, operationName?: string | null): Operation | Refused;
  /** Runs a query or mutation. Never throws: whatever goes wrong is in the answer. */
  execute(operation: Operation, request: EngineRequest<Caller>): Promise<Answer>;
  /** Opens a subscription; an answer if it is refused before its first event. */
  subscribe(operation: Operation, request: StreamRequest<Caller>): Promise<Stream<Caller> | Answer>;
  /**
   * Writes an item of a subscription that no subgraph sent, as the client selects its type.
   * @param item  `__typename` and leaf fields by their names; what isn't there is null.
   * @returns the answer's JSON; undefined where the client would not see such an item.
   */
  write(
    operation: Operation,
    item: Data & { __typename: string },
    variables?: Values | null,
  ): string | undefined;
  dispose(): Promise<void>;
}

/** What a variant of an operation needs to run, for one side of progressive overrides. */
interface Ready {
  readonly plan: Plan;
  readonly project: Projection;
}

export function createEngine<Caller>(options: EngineOptions<Caller>): Engine<Caller> {
  const { maskErrors = true, cacheSize = 1_000, percentage = () => Math.random() * 100 } = options;
  const costs = readCosts(options.supergraph);
  const planner = new Planner(options.supergraph, { labels: options.overrideLabels, cacheSize });
  const supergraph = readSupergraph(planner);
  checkScalars(supergraph.schema, options.scalars ?? []);
  const operations = new Operations({
    supergraph,
    limits: { ...defaultLimits, ...options.limits },
    costs,
    cacheSize,
  });
  const subgraphs = new Map(supergraph.graphs.map(({ name, url }) => [name, options.subgraph(name, url)]));
  const services: Services = {
    subgraphs: subgraphs as ReadonlyMap<string, Subgraph<unknown>>,
    maskErrors,
    onCall: options.onCall?.bind(options),
    onFault: (error, where) => options.onFault?.(error, where),
  };
  const types: Types = {
    isOf: (name, condition) =>
      name === condition || (supergraph.subtypes.get(condition)?.has(name as string) ?? false),
    isAbstract: (name) => supergraph.subtypes.has(name as string),
    isInterfaceObject: (subgraph, name) => supergraph.interfaceObjects.get(subgraph)?.has(name) ?? false,
  };

  const projections = new WeakMap<Variant, Projection>();
  const projection = (operation: Operation, variant: Variant): Projection => {
    const { root, fragments, wireNames, view, forbidden } = operation;
    let project = projections.get(variant);
    if (!project) {
      project = projectionOf({ ...variant, ...view, root, fragments, wireNames, forbidden });
      projections.set(variant, project);
    }
    return project;
  };
  const alwaysReady = new WeakMap<Variant, Ready>();
  const ready = (operation: Operation, variant: Variant, caller: Caller): Ready | Refused => {
    const refusal = operation.forbidden.size > 0 && operation.refusal(variant);
    if (refusal) return refusal;
    const known = alwaysReady.get(variant);
    if (known) {
      if (variant.text !== undefined) planner.hits += 1;
      return known;
    }
    let plan: Plan = nothing;
    if (variant.text !== undefined) {
      const { misses } = planner;
      const started = performance.now();
      try {
        const side = planner.isProgressive ? percentage() : 0;
        plan = planner.plan(variant.text, side, types);
        // A mutation's root field is complete with all below it before the next begins; one plan would overlap them.
        if (variant.parts.length > 0 && !plan.isSerial) {
          const parts = variant.parts.map((text) => planner.plan(text, side, types).step);
          plan = { ...plan, step: sequence(parts.filter((step) => step !== undefined)) };
        }
        if (planner.misses > misses) options.onPlan?.(caller, started);
      } catch (error) {
        const id = services.onFault(error, 'planning');
        const message = 'The operation could not be planned.';
        return refused([{ message, extensions: { code: 'PLANNING_FAILED', ...(id && { id }) } }]);
      }
    }
    const made = { plan, project: projection(operation, variant) };
    // With progressive overrides the next request may be on another side.
    if (!planner.isProgressive) alwaysReady.set(variant, made);
    return made;
  };

  const runOf = (
    { wireNames }: Operation,
    { document }: Variant,
    values: Values,
    { caller, signal }: EngineRequest<Caller>,
  ): Run => ({
    data: {},
    errors: [],
    told: new Set(),
    failures: [],
    values,
    caller,
    signal,
    services,
    document,
    wireNames,
  });

  return {
    schema: supergraph.schema,
    subgraphs,
    cache: operations,
    plans: planner,

    prepare: (view, text, operationName) => operations.prepare(view, text, operationName),

    async execute(operation, request) {
      if (operation.kind === 'subscription') return notHere('A subscription has to be subscribed to.');
      const coerced = operation.coerce(request.variables);
      if ('errors' in coerced) return coerced.answer;
      const { values } = coerced;
      const variant = operation.variant(values);
      const prepared = ready(operation, variant, request.caller);
      if ('errors' in prepared) return prepared.answer;
      const run = runOf(operation, variant, values, request);
      await prepared.plan.step?.(run);
      if (request.signal?.aborted) return aborted;
      return answerOf(run, run.data, prepared.project, introspect(operation, variant, request.variables));
    },

    async subscribe(operation, request) {
      if (operation.kind !== 'subscription') return notHere(`A ${operation.kind} can't be subscribed to.`);
      const coerced = operation.coerce(request.variables);
      if ('errors' in coerced) return coerced.answer;
      const values = resumedValues(operation, coerced.values, request.after);
      const variant = operation.variant(values);
      const prepared = ready(operation, variant, request.caller);
      if ('errors' in prepared) return prepared.answer;
      const { plan, project } = prepared;
      const { source } = plan;
      const subgraph = source && subgraphs.get(source.subgraph);
      if (!source || !subgraph) return notHere('The subscription selects no field.');

      const controller = new AbortController();
      const abort = () => controller.abort();
      if (request.signal?.aborted) abort();
      request.signal?.addEventListener('abort', abort, { once: true });
      const { signal } = controller;
      let opened: AsyncIterable<Result> | Result;
      try {
        const { kind, text } = source;
        const variables = picked(values, source.variables);
        services.onCall?.(source.subgraph, text, variables);
        opened = await subgraph.subscribe({ kind, text, variables, caller: request.caller, signal });
      } catch (error) {
        request.signal?.removeEventListener('abort', abort);
        return refused([failureOf(services, source.subgraph, error)]).answer;
      }
      const refusal = ({ errors = [] }: Pick<Result, 'errors'>): Answer =>
        refused(errors.map((error) => toldOf(services, source.subgraph, error))).answer;
      if (!isStream(opened)) {
        request.signal?.removeEventListener('abort', abort);
        return refusal(opened);
      }

      const results = opened[Symbol.asyncIterator]();
      const brokeOff = ({ cause }: SubgraphFailure) =>
        void services.onFault(cause, `stream of subgraph ${source.subgraph}`);
      const events = eventsOf(results, source.rootKeys[0], operation.resumable?.resume, signal, brokeOff);
      return {
        events,
        async answer(event, caller = request.caller) {
          if (event.data === undefined) return refusal(event);
          const run = runOf(operation, variant, values, { caller, signal });
          mergeRoot(run, source, types, { ...event, data: event.data && copied(event.data) });
          await plan.step?.(run);
          return answerOf(run, event.data && run.data, project, undefined);
        },
        async cancel() {
          request.signal?.removeEventListener('abort', abort);
          abort();
        },
        outlive: () => request.signal?.removeEventListener('abort', abort),
      };
    },

    write(operation, item, variables) {
      const coerced = operation.coerce(variables);
      if ('errors' in coerced) return undefined;
      const variant = operation.variant(coerced.values);
      const data = rootOf(operation, variant, item);
      const projecting = new Projecting([], [], undefined);
      const json = data && projection(operation, variant)(data, projecting);
      return json === undefined || projecting.errors.length > 0 ? undefined : `{"data":${json}}`;
    },

    async dispose() {
      await Promise.all([...subgraphs.values()].map((subgraph) => subgraph.dispose?.()));
    },
  };
}

const nothing: Plan = { source: undefined, step: undefined, isSerial: true };

const aborted: Answer = refused([
  { message: 'The request was aborted.', extensions: { code: 'REQUEST_ABORTED' } },
]).answer;

function notHere(message: string): Answer {
  return refused([{ message, extensions: { code: 'BAD_REQUEST' } }]).answer;
}

function resumedValues(operation: Operation, values: Values, after: unknown): Values {
  if (!operation.resumable) return values;
  const value = after === undefined ? operation.resumable.after(values) : after;
  return value === undefined || value === null
    ? values
    : { ...values, [operation.resumable.resume.variable]: value };
}
