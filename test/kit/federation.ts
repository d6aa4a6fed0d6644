import { buildSubgraphSchema } from '@apollo/subgraph';
import { composeServices } from '@theguild/federation-composition';
import { type GraphQLSchema, parse } from 'graphql';
import {
  type Answer,
  createEngine,
  type Engine,
  type EngineOptions,
  type InProcess,
  inProcess,
  type Stream,
  type Subgraph,
  type Values,
} from '../../gateway/engine/index.ts';

// Small federations for tests: subgraphs as SDL and resolvers, composed, behind an engine that records its calls.

export interface TestSubgraph {
  sdl: string;
  // biome-ignore lint/suspicious/noExplicitAny: resolvers are written for their test alone.
  resolvers?: Record<string, any>;
  /** Another way to reach it than in process. */
  reach?: Subgraph<unknown>;
}

export interface RecordedCall {
  subgraph: string;
  text: string;
  variables: Values | undefined;
}

export interface Federation {
  engine: Engine<unknown>;
  supergraph: string;
  calls: RecordedCall[];
  faults: unknown[];
  inProcess: Record<string, InProcess<unknown>>;
  /** Prepares and runs an operation; the parsed response. */
  run(text: string, variables?: Values, operationName?: string): Promise<Response>;
  answer(text: string, variables?: Values, operationName?: string): Promise<Answer>;
  stream(text: string, variables?: Values, after?: unknown): Promise<Stream>;
}

export interface Response {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely.
  data?: any;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into errors freely.
  errors?: any[];
}

const link = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [
    "@key", "@shareable", "@requires", "@provides", "@external", "@interfaceObject", "@inaccessible", "@override",
    "@tag", "@composeDirective", "@context", "@fromContext", "@cost", "@listSize"
  ])
`;

/** A subgraph's SDL with its `@link`, unless it brings its own. */
export function linked(sdl: string): string {
  return sdl.includes('@link(') ? sdl : link + sdl;
}

export function compose(subgraphs: Record<string, { sdl: string; url?: string }>): string {
  const services = Object.entries(subgraphs).map(([name, { sdl, url }]) => ({
    name,
    url: url ?? `http://${name}.test/graphql`,
    typeDefs: parse(linked(sdl)),
  }));
  const { supergraphSdl, errors } = composeServices(services);
  if (!supergraphSdl) throw new Error(errors?.map((error) => error.message).join('\n'));
  return supergraphSdl;
}

export function subgraphSchema({ sdl, resolvers = {} }: TestSubgraph): GraphQLSchema {
  const schema = buildSubgraphSchema({
    typeDefs: parse(linked(sdl)),
    resolvers: withoutSubscribe(resolvers),
  });
  for (const [name, field] of Object.entries(resolvers.Subscription ?? {})) {
    const definition = schema.getSubscriptionType()?.getFields()[name];
    if (definition) Object.assign(definition, field);
  }
  return schema;
}

// biome-ignore lint/suspicious/noExplicitAny: as in TestSubgraph.
function withoutSubscribe({ Subscription: _, ...resolvers }: Record<string, any>) {
  return resolvers;
}

/** The subgraphs composed and served in process, each with an empty context. */
export function federate(
  subgraphs: Record<string, TestSubgraph>,
  options: Partial<EngineOptions<unknown>> = {},
): Federation {
  const supergraph = options.supergraph ?? compose(subgraphs);
  const calls: RecordedCall[] = [];
  const faults: unknown[] = [];
  const local: Record<string, InProcess<unknown>> = {};
  const engine = createEngine<unknown>({
    subgraph(name) {
      const subgraph = subgraphs[name]!;
      if (subgraph.reach) return subgraph.reach;
      const made = inProcess({ name, schema: subgraphSchema(subgraph), contextOf: () => ({}) });
      local[name] = made;
      return made;
    },
    onCall: (subgraph, text, variables) => calls.push({ subgraph, text, variables }),
    onFault: (error) => {
      faults.push(error);
      return `fault-${faults.length}`;
    },
    ...options,
    supergraph,
  });
  const view = { key: 'all', schema: engine.schema };
  const answer = async (text: string, variables?: Values, operationName?: string) => {
    const operation = engine.prepare(view, text, operationName);
    return 'answer' in operation ? operation.answer : engine.execute(operation, { caller: {}, variables });
  };
  return {
    engine,
    supergraph,
    calls,
    faults,
    inProcess: local,
    answer,
    run: async (text, variables, operationName) =>
      JSON.parse((await answer(text, variables, operationName)).json),
    async stream(text, variables, after) {
      const operation = engine.prepare(view, text);
      if ('answer' in operation) throw new Error(operation.answer.json);
      const stream = await engine.subscribe(operation, { caller: {}, variables, after });
      if ('json' in stream) throw new Error(stream.json);
      return stream;
    },
  };
}
