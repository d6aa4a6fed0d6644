import Fastify, { type FastifyRequest } from 'fastify';
import { type ExecutionArgs, GraphQLError, getOperationAST, parse, validate } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import mercurius from 'mercurius';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import { keepDoing } from './chore.ts';
import { contextFor, type Resources } from './context.ts';
import { schemaProblem } from './db.ts';
import { Refusal } from './errors.ts';
import { formattedError } from './fault.ts';
import type { Subgraph } from './feature.ts';
import { serveFiles } from './file-server.ts';
import { keepPruned } from './log.ts';
import { keepReading } from './log-reader.ts';
import { type Principal, principalHeader, principalVerifier, type SigningKeys } from './principal.ts';
import { scopeGuard } from './scope-guard.ts';
import { allScopes } from './scopes.ts';
import { subscribe } from './subscribe.ts';

// A subgraph as a process of its own: mercurius answers queries and mutations, graphql-ws serves streams, at one path.

export interface ServeSubgraphOptions {
  subgraph: Subgraph;
  resources: Resources;
  log: Logger;
  /** Keys that principals are signed with; undefined: it stands alone and everybody is a system key of `communityId`. */
  keys: SigningKeys | undefined;
  communityId?: string | undefined;
}

export interface SubgraphServer {
  listen(address: { host: string; port: number }): Promise<{ port: number }>;
  close(): Promise<void>;
}

const path = '/graphql';

export async function createSubgraphServer(options: ServeSubgraphOptions): Promise<SubgraphServer> {
  const { subgraph, resources, log, keys, communityId } = options;
  const { schema } = subgraph;
  const guard = scopeGuard(schema);
  const everybody: Principal = {
    kind: 'system',
    scopes: allScopes,
    ...(communityId === undefined ? {} : { communityId }),
  };
  const verify = keys === undefined ? async () => everybody : principalVerifier(keys);
  const formatted = (error: GraphQLError) => formattedError(error, log);

  const app = Fastify({ bodyLimit: 8_388_608, forceCloseConnections: 'idle' });
  app.setErrorHandler((error, _request, reply) => {
    // Before anything is executed: the principal was refused, or the request is not GraphQL.
    const refusal = error instanceof Refusal ? error : undefined;
    const status =
      refusal?.code === 'BAD_CREDENTIAL' ? 401 : ((error as { statusCode?: number }).statusCode ?? 500);
    reply.code(status).send({
      data: null,
      errors: [formatted(new GraphQLError((error as Error).message, { originalError: error as Error }))],
    });
  });
  await app.register(mercurius, {
    schema,
    path,
    jit: 3,
    graphiql: false,
    context: async (request: FastifyRequest) => {
      const header = request.headers[principalHeader];
      return contextFor(resources, await verify(typeof header === 'string' ? header : undefined));
    },
    errorFormatter: ({ data, errors }) => ({
      statusCode: 200,
      response: { data: data ?? null, errors: errors?.map((error) => formatted(error) as never) ?? [] },
    }),
  });
  app.graphql.addHook('preExecution', async (_schema, document, context) => {
    guard(document, (context as unknown as { principal: Principal }).principal);
  });
  if (subgraph.files !== undefined) serveFiles(app, subgraph.files, resources, log);
  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) => {
    const problem = await schemaProblem(resources.sql).catch(() => 'The database does not answer.');
    return problem === undefined ? { status: 'ready' } : reply.code(503).send({ status: 'unready', problem });
  });

  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1_048_576 });
  const streams = useServer(
    {
      schema,
      subscribe,
      async onSubscribe(_context, _id, { query, variables, operationName, extensions }) {
        try {
          const token = extensions?.[principalHeader];
          const principal = await verify(typeof token === 'string' ? token : undefined);
          const document = parse(query);
          const invalid = validate(schema, document);
          if (invalid.length > 0) return invalid;
          guard(document, principal);
          return {
            schema,
            document,
            operationName,
            variableValues: variables,
            contextValue: contextFor(resources, principal),
            rootValue:
              getOperationAST(document, operationName)?.operation === 'subscription' ? undefined : {},
          } as ExecutionArgs;
        } catch (error) {
          return [asGraphqlError(error)];
        }
      },
      onError: (_context, _id, _payload, errors) => errors.map((error) => formatted(error as GraphQLError)),
      onNext: (_context, _id, _payload, _args, { errors, ...result }) =>
        errors && { ...result, errors: errors.map((error) => formatted(error as GraphQLError)) },
    },
    sockets,
  );
  app.server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request));
  });

  const readers = keepReading(resources.sql, resources.tail, subgraph.readers(resources), (error) =>
    log.error({ err: error }, 'background reader failed'),
  );

  const chores = keepDoing(resources, subgraph.chores, (error) =>
    log.error({ err: error }, 'a chore failed'),
  );

  const stopPruning = keepPruned(resources.sql, subgraph.prunes(resources), (error) =>
    log.error({ err: error }, 'what is old could not be pruned'),
  );

  return {
    async listen({ host, port }) {
      await app.listen({ host, port });
      return { port: (app.server.address() as { port: number }).port };
    },
    async close() {
      stopPruning();
      await readers.stop();
      await chores.stop();
      await streams.dispose();
      await app.close();
    },
  };
}

function asGraphqlError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  return new GraphQLError((error as Error).message, { originalError: error as Error });
}
