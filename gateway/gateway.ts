import type { Logger } from 'pino';
import { faultId } from '../subgraphs/fault.ts';
import { gatewayPrincipal, type Principal, principalHeader } from '../subgraphs/principal.ts';
import { scalars } from '../subgraphs/scalars.ts';
import { type Access, type Caller, laurelAccess, openAccess, seenBy } from './access.ts';
import type { Apollo } from './apollo.ts';
import type { Spending } from './bucket.ts';
import { type BudgetOptions, createBudgets, defaultBudgets, settleBudgets } from './budget.ts';
import type { Config } from './config.ts';
import { createEngine, type Engine, type EngineOptions, overHttp, type Subgraph } from './engine/index.ts';
import { forwarding } from './forward.ts';
import { createGraph, type Graph } from './graph.ts';
import type { Live } from './live.ts';
import { local } from './local.ts';
import type { Metrics } from './metrics.ts';
import type { OwnContext } from './own/context.ts';
import { own } from './own/index.ts';
import type { Past } from './past.ts';
import { createPersisted, type PersistedOptions } from './persisted.ts';
import { type Bounds, createServer, type ServeOptions, type Server } from './serve.ts';
import type { Tracing } from './tracing.ts';
import { createUses, tellUses } from './uses.ts';
import { viewsOf } from './view.ts';

// A gateway: a supergraph, how its subgraphs are reached, and who may call. Whoever starts it decides all three.

export interface GatewayOptions {
  supergraph: string;
  /** How a subgraph is reached; over HTTP at its URL in the supergraph when undefined. */
  reach?(name: string): Subgraph<Caller> | undefined;
  /** `laurel`: by the keys that the identity subgraph knows. `none`: everybody sees everything. */
  auth: 'laurel' | 'none';
  /** Makes the token of a principal for subgraphs in other processes. */
  sign?: (principal: Principal) => Promise<string>;
  config: Pick<Config, 'origins' | 'trustProxy'> &
    Partial<Pick<Config, 'metrics' | 'forwardHeaders' | 'timeouts' | 'overrides' | 'budgets'>>;
  /** A request's side of progressive overrides by `percent(x)`; by default at random. */
  percentage?: EngineOptions<Caller>['percentage'];
  /** The documents to trust, and whether to run nothing else. */
  documents?: PersistedOptions;
  /** Stands before the engine for its plugins; nothing does when undefined. */
  apollo?: Apollo | undefined;
  /** Where operations, calls and streams are counted; nowhere when undefined. */
  metrics?: Metrics | undefined;
  /** Where spans of operations, plans and calls go; nowhere when undefined. */
  tracing?: Tracing | undefined;
  log: Logger;
  /** How much clients may hold. */
  bounds?: Bounds;
  /** Serves other paths beside the graph. */
  routes?: ServeOptions['routes'];
  /** What keeps the process from answering; by default: that no subgraph answers. */
  unready?: () => Promise<string | undefined>;
  /** The supergraphs that were served before; nothing is known of them when undefined. */
  past?: Past;
  /** Told of each call to a subgraph. */
  onCall?: (subgraph: string, text: string, variables: Record<string, unknown> | undefined) => void;
}

export interface Gateway extends Server {
  readonly engine: Engine<Caller>;
  readonly live: Live;
  /**
   * Serves another supergraph from now on; requests and streams under way go on with the one they began with.
   * @throws Error for a supergraph that can't be served; the old one still is.
   */
  replace(supergraph: string): void;
}

/** Builds a gateway; it serves when it is told to listen. @throws Error for a supergraph that can't be read */
export function createGateway(options: GatewayOptions): Gateway {
  const { config, documents, apollo, metrics, tracing, past, log, sign, routes, unready } = options;
  const graphs = new Set<Graph>();
  const open = (supergraph: string): Graph => {
    const graph = openGraph(options, supergraph, () => {
      graphs.delete(graph);
      unwatch?.();
    });
    const { engine, live } = graph;
    const unwatch = metrics?.watch({
      operations: engine.cache,
      plans: engine.plans,
      streams: () => live.groups,
    });
    graphs.add(graph);
    if (engine.subgraphs.has(own.name)) past?.remember(supergraph);
    apollo?.serve(engine.schema, supergraph);
    return graph;
  };
  let current = open(options.supergraph);
  const budgets = createBudgets({
    ...budgetSizes(options),
    ...(options.auth === 'laurel' && {
      settle: async (spendings: readonly Spending[]) =>
        settleBudgets(current.engine, await gatewayCaller(current.engine, sign), spendings),
    }),
    onFault: (error) => log.warn({ err: error }, 'budgets could not be settled'),
  });
  const uses = createUses({
    tell: async (counted) => tellUses(current.engine, await gatewayCaller(current.engine, sign), counted),
    onFault: (error) => log.warn({ err: error }, 'uses of what is deprecated could not be told'),
  });
  const server = createServer({
    budgets,
    uses,
    graph: () => current,
    persisted: createPersisted(documents),
    apollo,
    metrics,
    tracing,
    showMetrics: config.metrics ?? false,
    log,
    origins: config.origins,
    trustProxy: config.trustProxy,
    bounds: options.bounds,
    routes,
    unready: unready ?? (() => subgraphProblem(current.engine, sign)),
  });
  return {
    async listen(address) {
      await apollo?.start();
      return server.listen(address);
    },
    get engine() {
      return current.engine;
    },
    get live() {
      return current.live;
    },
    replace(supergraph) {
      const replaced = current;
      current = open(supergraph);
      replaced.retire().catch((error) => log.error({ err: error }, 'a replaced engine could not be ended'));
    },
    async close() {
      await server.close();
      await Promise.all([budgets.close(), uses.close()]);
      await apollo?.stop();
      await Promise.all([...graphs].map((graph) => graph.dispose()));
    },
  };
}

function openGraph(options: GatewayOptions, supergraph: string, disposed: () => void): Graph {
  const { reach, auth, sign, log, metrics, tracing, onCall, past, percentage } = options;
  const { forwardHeaders = [], timeouts = {}, overrides } = options.config;
  const ownSubgraph = (): Subgraph<Caller> =>
    local({ ...own, contextOf: (caller) => ownContext(caller, made, past, log) }, log);
  const made: Engine<Caller> = createEngine<Caller>({
    overrideLabels: new Set(overrides),
    ...(percentage === undefined ? {} : { percentage }),
    supergraph,
    subgraph(name, url) {
      const here = name === own.name ? ownSubgraph() : reach?.(name);
      const subgraph = here ?? distant(name, url, timeouts[name], tracing);
      const measured = metrics?.measured(name, subgraph) ?? subgraph;
      return tracing?.subgraph(name, here === undefined ? url : undefined, measured) ?? measured;
    },
    // A foreign graph may mean something else by these names.
    scalars: auth === 'laurel' ? scalars : [],
    ...(onCall === undefined ? {} : { onCall }),
    ...(tracing === undefined ? {} : { onPlan: tracing.planned }),
    onFault(error, where) {
      const id = faultId();
      log.error({ err: error, where, id }, 'subgraph fault');
      return id;
    },
  });
  const engine = tracing?.engine(made) ?? made;
  if (engine.subgraphs.size === 0) {
    throw new Error('it names no subgraphs (join__Graph), so it is a schema and not a supergraph');
  }
  for (const name of Object.keys(timeouts)) {
    if (!engine.subgraphs.has(name))
      log.warn({ name }, 'LAUREL_TIMEOUTS names no subgraph of the supergraph');
  }
  const access = forwarding(accessOf(engine, supergraph, auth, sign), forwardHeaders);
  const graph = createGraph(engine, tracing?.access(access) ?? access, disposed, options.bounds?.memory);
  return tracing === undefined ? graph : { ...graph, live: tracing.live(graph.live) };
}

function ownContext(
  caller: Caller,
  { subgraphs, prepare }: Engine<Caller>,
  past: Past | undefined,
  log: Logger,
): OwnContext {
  const scopes = caller.seesPart ? seenBy(caller.principal) : undefined;
  return {
    caller,
    subgraphs,
    prepare,
    past: () => past?.views(scopes, caller.principal.audience) ?? none(),
    fault: (error, where) => log.error({ err: error, where }, 'subgraph fault'),
    loaders: new Map(),
  };
}

async function* none(): AsyncGenerator<never, void> {}

/** A gateway whose every subgraph is down has nothing to serve; with some it serves what they know. */
async function subgraphProblem(
  engine: Engine<Caller>,
  sign: GatewayOptions['sign'],
): Promise<string | undefined> {
  const caller = await gatewayCaller(engine, sign);
  const signal = AbortSignal.timeout(2_000);
  const others = [...engine.subgraphs].filter(([name]) => name !== own.name);
  const answers = others.map(async ([, subgraph]) =>
    subgraph.execute({ kind: 'query', text: '{ __typename }', variables: undefined, caller, signal }),
  );
  return Promise.any(answers).then(
    () => undefined,
    () => 'No subgraph answers.',
  );
}

/** The gateway as a caller of subgraphs. */
async function gatewayCaller({ schema }: Engine<Caller>, sign: GatewayOptions['sign']): Promise<Caller> {
  const token = sign === undefined ? '' : await sign(gatewayPrincipal);
  return { principal: gatewayPrincipal, token, view: { key: '', schema }, seesPart: false };
}

function budgetSizes({ auth, config }: GatewayOptions): Pick<BudgetOptions, 'known' | 'anonymous'> {
  const { known, anonymous } = config.budgets ?? { known: defaultBudgets.known, anonymous: 'unset' };
  if (anonymous !== 'unset') return { known, anonymous };
  return { known, anonymous: auth === 'laurel' ? defaultBudgets.anonymous : undefined };
}

function distant(
  name: string,
  url: string | undefined,
  timeoutMs: number | undefined,
  tracing: Tracing | undefined,
): Subgraph<Caller> {
  if (url === undefined || url === '')
    throw new Error(`The supergraph has no URL for the subgraph "${name}".`);
  return overHttp<Caller>({
    name,
    url,
    headersOf: ({ token, headers }) =>
      token === '' ? { ...headers } : { ...headers, [principalHeader]: token },
    // The socket is shared, so they stand in each subscription.
    streamExtensionsOf: ({ token, headers }) => ({
      ...(headers === undefined ? {} : { headers }),
      ...(token === '' ? {} : { [principalHeader]: token }),
    }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(tracing === undefined ? {} : { onStatus: tracing.status }),
  });
}

function accessOf(
  engine: Engine<Caller>,
  supergraph: string,
  auth: 'laurel' | 'none',
  sign: GatewayOptions['sign'],
): Access {
  if (auth === 'none') return openAccess({ key: 'all', schema: engine.schema });
  const identity = engine.subgraphs.get('identity');
  if (identity === undefined)
    throw new Error('The supergraph has no subgraph "identity" to ask who is calling: use --auth none.');
  return laurelAccess({
    identity,
    viewOf: viewsOf(engine.schema, supergraph),
    ...(sign === undefined ? {} : { sign }),
  });
}
