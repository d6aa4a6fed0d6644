import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ApolloServerPlugin, HTTPGraphQLHead } from '@apollo/server';
import type { FastifyRequest } from 'fastify';
import { type DocumentNode, GraphQLError, type GraphQLSchema, Kind } from 'graphql';
import type { Logger } from 'pino';
import { StartFailure } from '../subgraphs/start-failure.ts';
import type { Caller } from './access.ts';
import type { Config } from './config.ts';
import type { Answer, FormattedError, Operation } from './engine/index.ts';
import type { GraphqlParams } from './request.ts';

// Apollo Server between the front and the engine, for its plugins. HTTP, credentials, persisted operations and limits stay
// the front's, and what an operation may ask for is judged by the engine before Apollo sees it: Apollo knows the whole
// schema, and its words about a field that isn't there name those a caller must not see.

/** What plugins find in `contextValue`. */
export interface ApolloContext {
  readonly caller: Caller;
  /** Ours, not theirs. */
  readonly run: Run;
}

/** A request as the front has read it. */
export interface Asked {
  readonly http: FastifyRequest;
  readonly caller: Caller;
  readonly params: GraphqlParams;
  /** The whole schema of the graph that answers. */
  readonly schema: GraphQLSchema;
}

/** An answer as plugins left it. */
export interface ApolloAnswer extends Answer {
  /** The status, if a plugin set one, and the headers that they set. */
  readonly head: HTTPGraphQLHead;
  /** What plugins put beside the data, which stands in the text too. */
  readonly extensions?: Record<string, unknown> | undefined;
}

export interface Apollo {
  /** Stands before this graph from now on. */
  serve(schema: GraphQLSchema, supergraph: string): void;
  /** Starts the plugins. @throws StartFailure */
  start(): Promise<void>;
  /** Lets an operation through, which `execute` runs unless a plugin answers it. */
  answer(asked: Asked, operation: Operation, execute: () => Promise<Answer>): Promise<ApolloAnswer>;
  /** Tells plugins of a request that is not executed. */
  refuse(asked: Asked, answer: Answer): Promise<ApolloAnswer>;
  stop(): Promise<void>;
}

/** One request on its way through Apollo Server. */
interface Run extends Asked {
  readonly operation: Operation | undefined;
  readonly execute: (() => Promise<Answer>) | undefined;
  answer: Answer | undefined;
  /** The result that plugins get, until one of them has looked at its data. */
  untouched: Result | undefined;
}

interface Result {
  data?: Record<string, unknown> | null;
  errors?: readonly FormattedError[];
  extensions?: Record<string, unknown>;
}

/** Apollo Server with the plugins that the configuration names; loaded only if it asks for it. @throws StartFailure */
export async function openApollo(
  { front, apolloPlugins }: Pick<Config, 'front' | 'apolloPlugins'>,
  log: Logger,
): Promise<Apollo | undefined> {
  if (front !== 'apollo') return undefined;
  const plugins = await Promise.all(apolloPlugins.map(pluginsIn));
  return createApollo(plugins.flat(), log);
}

/** Apollo Server with these plugins. */
export async function createApollo(
  plugins: readonly ApolloServerPlugin<ApolloContext>[],
  log: Logger,
): Promise<Apollo> {
  const { ApolloServer, HeaderMap } = await import('@apollo/server');
  const disabled = await import('@apollo/server/plugin/disabled');
  let graph: { apiSchema: GraphQLSchema; coreSupergraphSdl: string };
  let update: ((served: typeof graph) => void) | undefined;
  let started = false;
  const server = new ApolloServer<ApolloContext>({
    gateway: {
      onSchemaLoadOrUpdate(callback) {
        update = callback;
        return () => {
          update = undefined;
        };
      },
      async load() {
        update?.(graph);
        return { executor: ({ context }) => executed((context as ApolloContext).run) };
      },
      async stop() {},
    },
    plugins: [
      // The first is told first.
      enginePlugin(),
      ...plugins,
      // It would wrap the resolvers of a schema that nothing resolves by.
      disabled.ApolloServerPluginCacheControlDisabled(),
      disabled.ApolloServerPluginLandingPageDisabled(),
    ],
    logger: log,
    introspection: true,
    hideSchemaDetailsFromClientErrors: true,
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    documentStore: null,
    stopOnTerminationSignals: false,
  });

  const through = async (run: Run): Promise<ApolloAnswer> => {
    const { http, caller, params, operation } = run;
    const { persistedQuery: _, ...extensions } = params.extensions ?? {};
    const headers = new HeaderMap();
    for (const [name, value] of Object.entries(http.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    const search = http.url.indexOf('?');
    const response = await server.executeOperation(
      {
        query: operation?.text ?? params.query ?? undefined,
        operationName: params.operationName || undefined,
        variables: params.variables ?? undefined,
        extensions,
        http: {
          method: http.method,
          headers,
          search: search < 0 ? '' : http.url.slice(search),
          body: http.body,
        },
      },
      { contextValue: { caller, run } },
    );
    if (response.body.kind !== 'single') throw new Error('A plugin answered in parts.');
    return written(run, response.body.singleResult as Result, response.http);
  };

  return {
    serve(apiSchema, coreSupergraphSdl) {
      graph = { apiSchema, coreSupergraphSdl };
      update?.(graph);
    },
    async start() {
      try {
        await server.start();
      } catch (error) {
        throw new StartFailure(`Apollo Server could not start: ${(error as Error).message}`);
      }
      started = true;
    },
    answer: (asked, operation, execute) =>
      through({ ...asked, operation, execute, answer: undefined, untouched: undefined }),
    refuse: (asked, answer) =>
      through({ ...asked, operation: undefined, execute: undefined, answer, untouched: undefined }),
    async stop() {
      if (started) await server.stop();
    },
  };
}

/** Puts the engine's verdict on a document, and its answer as it wrote it, where Apollo would put its own. */
function enginePlugin(): ApolloServerPlugin<ApolloContext> {
  /** Operations that Apollo has parsed and validated once, so that plugins were told. */
  const known = new WeakSet<Operation>();
  return {
    async requestDidStart() {
      return {
        async didResolveSource(context) {
          const { operation, schema } = context.contextValue.run;
          // A document that is there already is neither parsed nor validated. Apollo may have another schema by now.
          if (operation !== undefined && !known.has(operation) && context.schema === schema) return;
          Object.assign(context, { document: operation?.document ?? nothing });
        },
        didResolveOperation({ contextValue: { run } }) {
          if (run.operation === undefined) throw run.answer?.errors.map(graphqlError)[0];
          known.add(run.operation);
          return Promise.resolve();
        },
        async didEncounterErrors(context) {
          const { answer } = context.contextValue.run;
          if (answer !== undefined) Object.assign(context, { errors: answer.errors.map(graphqlError) });
        },
        async willSendResponse({ contextValue: { run }, response }) {
          if (run.answer === undefined || response.body.kind !== 'single') return;
          // Apollo takes what has no data for a fault of the server.
          response.http.status = undefined;
          const result = resultOf(run);
          Object.assign(response.body, { singleResult: result });
        },
      };
    },
  };
}

const nothing: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

async function executed(run: Run) {
  const answer = await run.execute?.();
  run.answer = answer;
  return answer === undefined || answer.errors.length === 0
    ? { data: {} }
    : { errors: answer.errors.map(graphqlError), ...(answer.hasData && { data: {} }) };
}

/** What plugins get to see and change. Data without errors are read from the text only if somebody asks for them. */
function resultOf(run: Run): Result {
  const { json, hasData, errors } = run.answer!;
  if (errors.length > 0) {
    // Errors of a refusal are kept for the next who sends the same.
    const { data } = JSON.parse(json) as Result;
    return { errors: structuredClone(errors), ...(hasData && { data }) };
  }
  const result: Result = {};
  const become = (data: Result['data']) => {
    run.untouched = undefined;
    Object.defineProperty(result, 'data', { value: data, writable: true, enumerable: true });
    return data;
  };
  Object.defineProperty(result, 'data', {
    configurable: true,
    enumerable: true,
    get: () => become((JSON.parse(json) as Result).data),
    set: become,
  });
  run.untouched = result;
  return result;
}

function written({ answer, untouched }: Run, result: Result, head: HTTPGraphQLHead): ApolloAnswer {
  const { errors = [], extensions } = result;
  if (answer !== undefined && result === untouched && errors.length === 0) {
    const { json } = answer;
    return {
      json:
        extensions === undefined ? json : `${json.slice(0, -1)},"extensions":${JSON.stringify(extensions)}}`,
      hasData: true,
      errors,
      head,
      extensions,
    };
  }
  const { data } = result;
  const said = { ...(errors.length > 0 && { errors }), data, extensions };
  return { json: JSON.stringify(said), hasData: data !== undefined, errors, head, extensions };
}

function graphqlError({ message, path, extensions = {} }: FormattedError): GraphQLError {
  // Apollo would take this one for the status and headers of the response.
  const { http: _, ...told } = extensions;
  return new GraphQLError(message, { extensions: told, ...(path && { path }) });
}

/** Loads a module whose default export is a plugin, or a list of them. */
async function pluginsIn(name: string): Promise<ApolloServerPlugin<ApolloContext>[]> {
  const isFile = name.startsWith('.') || isAbsolute(name);
  let exported: { default?: unknown };
  try {
    exported = await import(isFile ? pathToFileURL(resolve(name)).href : name);
  } catch (error) {
    const [reason = ''] = (error as Error).message.split('\n', 1);
    throw new StartFailure(`LAUREL_APOLLO_PLUGINS: ${name} can't be loaded: ${reason}`);
  }
  const plugins: unknown[] = [exported.default].flat();
  if (!plugins.every((plugin) => typeof plugin === 'object' && plugin !== null)) {
    throw new StartFailure(
      `LAUREL_APOLLO_PLUGINS: the default export of ${name} is a plugin, or a list of plugins.`,
    );
  }
  return plugins as ApolloServerPlugin<ApolloContext>[];
}
