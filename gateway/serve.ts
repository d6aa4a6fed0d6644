import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type ErrorCode, Refusal } from '../subgraphs/errors.ts';
import { type Caller, headersOf } from './access.ts';
import { addressOf } from './address.ts';
import { createAnswering, once } from './answering.ts';
import type { Apollo, Asked } from './apollo.ts';
import type { Budgets } from './budget.ts';
import { Throttled } from './charge.ts';
import type { Answer } from './engine/index.ts';
import type { Unread } from './frame.ts';
import type { Graph } from './graph.ts';
import { sendPage } from './graphiql.ts';
import { abortOnLeaving, Leaving } from './leaving.ts';
import type { Memory } from './live-group.ts';
import type { LiveItems } from './live-item.ts';
import type { Metrics } from './metrics.ts';
import type { Persisted } from './persisted.ts';
import { jsonType, sendAnswer, sendJson, wantsPage } from './reply.ts';
import { accepted, BadRequest, checked, notJson, paramsOf, textOf } from './request.ts';
import { serveSdl } from './sdl.ts';
import { createSockets, type Refused, type Running, refuseUpgrade, type Sockets } from './socket.ts';
import { writeEvents } from './sse.ts';
import { createTally, type TallySizes } from './tally.ts';
import {
  clientError,
  isRefusal,
  longestBody,
  refuseUnread,
  shuttingDown,
  toldErrors,
  tooLate,
} from './told.ts';
import type { Tracing } from './tracing.ts';
import type { Uses } from './uses.ts';

// The front: one path for queries, mutations, streams and GraphiQL, and two for whoever watches over the process.

export interface ServeOptions {
  /** What new requests are served from; those under way stay with what they began with. */
  graph(): Graph;
  persisted: Persisted;
  /** Lets plugins have a say in what is answered over HTTP. */
  apollo: Apollo | undefined;
  metrics: Metrics | undefined;
  tracing: Tracing | undefined;
  /** Whether `GET /metrics` tells them to everybody. */
  showMetrics: boolean;
  /** What callers may spend. */
  budgets: Budgets;
  /** What they use of what will go. */
  uses: Uses;
  log: Logger;
  /** Origins of web pages that may call, besides its own. */
  origins: readonly string[];
  trustProxy: boolean;
  /** How much clients may hold. */
  bounds?: Bounds | undefined;
  /** Serves other paths beside the graph. */
  routes?: ((app: FastifyInstance) => void) | undefined;
  /** What keeps the process from answering; undefined when nothing does. */
  unready?: () => Promise<string | undefined>;
}

/** How much clients may hold; what is left out has a default that suits a process of some gigabytes. */
export interface Bounds {
  /** Streams, and WebSockets, of one caller at a time. */
  streams?: TallySizes;
  sockets?: TallySizes;
  /** Bytes that WebSockets don't read. */
  unread?: Unread;
  /** What shared streams remember for those who fall behind. */
  memory?: Memory;
}

export interface Server {
  listen(address: { host: string; port: number }): Promise<{ port: number }>;
  /** Takes no new requests, ends streams with a word, lets running requests finish. */
  close(): Promise<void>;
}

const path = '/graphql';
/** What refuses a whole request, whichever operation it holds. */
const statuses: Partial<Record<ErrorCode, number>> = { BAD_CREDENTIAL: 401, FORBIDDEN: 403, THROTTLED: 429 };
/** How long a request may take to arrive, and to be answered. */
const longestReadingMs = 30_000;
const mostStreams = { known: 2_000, system: 50_000, anonymous: 100 };
const mostSockets = { known: 1_000, system: 50_000, anonymous: 100 };
/** How long requests that run at shutdown may take. */
const drainMs = 10_000;

export function createServer(options: ServeOptions): Server {
  const { apollo, metrics, showMetrics, budgets, log, origins, trustProxy, unready, bounds = {} } = options;
  const app = Fastify({
    bodyLimit: longestBody,
    requestTimeout: longestReadingMs,
    trustProxy,
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseUnread,
  });
  let closing = false;
  const isAllowedOrigin = (origin: string, host: string | undefined) =>
    origins.includes(origin) || origin === `http://${host}` || origin === `https://${host}`;

  const errorsOf = (error: unknown) => toldErrors(error, log);
  const answering = createAnswering(options);
  const { operationOf, executed, resultsOf } = answering;

  /** Works with the graph of now, which stays while it does. */
  const using = async <T>(work: (graph: Graph) => Promise<T>): Promise<T> => {
    const graph = options.graph();
    const release = graph.use();
    try {
      return await work(graph);
    } finally {
      release();
    }
  };

  const streamTally = createTally('streams', 'STREAM_LIMIT_EXCEEDED', bounds.streams ?? mostStreams);
  const socketTally = createTally('WebSockets', 'CONNECTION_LIMIT_EXCEEDED', bounds.sockets ?? mostSockets);
  const sockets: Sockets = createSockets({
    isAllowedOrigin,
    errorsOf,
    unread: bounds.unread,
    authenticate: (credentials, request) =>
      using(async (graph) => {
        const address = addressOf(request, trustProxy);
        return socketTally.take(await graph.access.callerOf(credentials, address), address);
      }),
    async run(payload, credentials, leaving, request): Promise<Running | Refused> {
      if (closing) return { errors: [shuttingDown] };
      const graph = options.graph();
      const release = graph.use();
      const refused = (answer: Answer) => {
        release();
        return answer;
      };
      leaving.signal.addEventListener('abort', release);
      try {
        const params = checked({ ...payload });
        const address = addressOf(request, trustProxy);
        const asker = await graph.access.callerOf(credentials, address);
        const operation = operationOf(graph, asker, params);
        if ('json' in operation) return refused(operation);
        if (operation.kind === 'subscription') {
          const giveBack = streamTally.take(asker, address);
          leaving.signal.addEventListener('abort', giveBack);
          if (leaving.signal.aborted) giveBack();
        }
        const caller = budgets.charged(asker, operation, params.variables, address);
        const items = await resultsOf(graph, operation, caller, params, credentials, leaving);
        if ('json' in items) return refused(items);
        return { items, short: operation.kind !== 'subscription' };
      } catch (error) {
        release();
        metrics?.operation('unknown', isRefusal(error) ? 'refused' : 'failed');
        throw error;
      }
    },
  });

  if (origins.length > 0) {
    app.register(cors, {
      origin: [...origins],
      methods: ['GET', 'POST', 'PUT'],
      exposedHeaders: ['retry-after', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'],
      maxAge: 600,
    });
  }
  // A connection whose request ran at shutdown is not kept for another, or closing would wait for it.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close');
    done(null, payload);
  });
  // GraphQL reads its own bodies: whatever comes as something else is answered in GraphQL's way too.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const text = textOf(request, body as Buffer);
    parseJson(request, text, (error, value) => done(error && notJson(text), value));
  });
  app.setErrorHandler((error, request, reply) => {
    const { statusCode } = error as { statusCode?: number };
    if (statusCode !== undefined && statusCode < 500) {
      return sendJson(reply, statusCode, jsonType(request), {
        errors: [clientError(statusCode, error as Error)],
      });
    }
    return sendErrors(request, reply, error);
  });
  app.setNotFoundHandler((request, reply) =>
    sendJson(reply, 404, 'application/json', {
      errors: [
        {
          message: `There is nothing at ${request.url.slice(0, 100)}: the graph is at ${path}.`,
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    }),
  );

  const sendErrors = (request: FastifyRequest, reply: FastifyReply, error: unknown) => {
    const errors = errorsOf(error);
    if (error instanceof BadRequest) reply.headers(error.headers);
    const code = error instanceof Refusal ? error.code : undefined;
    if (error instanceof Throttled) reply.headers(error.headers);
    if (code === 'BAD_CREDENTIAL') reply.header('www-authenticate', 'Bearer');
    if (code === 'THROTTLED' && !(error instanceof Throttled))
      reply.header('retry-after', String((error as Refusal).details.retryAfterSeconds));
    const status = error instanceof BadRequest ? error.status : ((code && statuses[code]) ?? 500);
    metrics?.operation('unknown', isRefusal(error) ? 'refused' : 'failed');
    const told = error instanceof Throttled ? { errors, extensions: { cost: error.cost } } : { errors };
    return sendJson(reply, status, jsonType(request), told);
  };

  app.route({
    method: ['GET', 'POST'],
    url: path,
    exposeHeadRoute: false,
    async handler(request, reply) {
      if (closing) {
        reply.header('retry-after', '1');
        return sendJson(reply, 503, jsonType(request), { errors: [shuttingDown] });
      }
      try {
        if (wantsPage(request)) return await sendPage(request, reply, path);
        return await using((graph) => answer(graph, request, reply));
      } catch (error) {
        return sendErrors(request, reply, error);
      }
    },
  });

  app.route({
    method: ['HEAD', 'PUT', 'PATCH', 'DELETE'],
    url: path,
    handler: (request, reply) =>
      sendErrors(request, reply, new BadRequest(405, 'Send a query by GET or POST.', { allow: 'GET, POST' })),
  });
  app.get('/', (_request, reply) => reply.redirect(path));

  async function answer(graph: Graph, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const type = accepted(request.headers.accept, [
      'application/json',
      'application/graphql-response+json',
      'text/event-stream',
    ]);
    if (type === undefined) {
      throw new BadRequest(
        406,
        'Accept application/graphql-response+json, application/json or text/event-stream.',
      );
    }
    const params = paramsOf(request);
    const address = addressOf(request.raw, trustProxy);
    const credentials = headersOf(request.raw);
    const asker = await graph.access.callerOf(credentials, address);
    const asEvents = (items: LiveItems) =>
      writeEvents(reply, items, {
        faultJson: (error) => JSON.stringify({ errors: errorsOf(error) }),
      });
    const operation = operationOf(graph, asker, params);
    const asked = (caller: Caller): Asked => ({ http: request, caller, params, schema: graph.engine.schema });
    if ('json' in operation) {
      return type === 'text/event-stream'
        ? asEvents(once(operation))
        : sendAnswer(reply, type, (await apollo?.refuse(asked(asker), operation)) ?? operation);
    }
    if (operation.kind === 'mutation' && request.method === 'GET') {
      throw new BadRequest(405, 'A mutation changes things: send it by POST.', { allow: 'POST' });
    }
    if (operation.kind === 'subscription' && type !== 'text/event-stream') {
      throw new BadRequest(
        406,
        'A subscription needs a stream: accept text/event-stream, or use a WebSocket.',
      );
    }
    if (operation.kind === 'subscription') {
      const giveBack = streamTally.take(asker, address);
      reply.raw.once('close', giveBack);
      if (reply.raw.destroyed) giveBack();
    }
    const caller = budgets.charged(asker, operation, params.variables, address);
    reply.headers(caller.charge?.headers ?? {});
    if (type === 'text/event-stream') {
      const leaving = new Leaving();
      abortOnLeaving(reply.raw, leaving);
      const lastEventId = request.headers['last-event-id'];
      const after = typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : undefined;
      const items = await resultsOf(graph, operation, caller, params, credentials, leaving, after);
      return asEvents('json' in items ? once(items) : items);
    }
    const leaving = new Leaving();
    abortOnLeaving(reply.raw, leaving);
    const byApollo =
      apollo && ((execute: () => Promise<Answer>) => apollo.answer(asked(caller), operation, execute));
    const answered = await executed(graph, operation, caller, params, leaving, byApollo);
    return answered === tooLate
      ? sendJson(reply, 504, type, { errors: tooLate.errors })
      : sendAnswer(reply, type, answered);
  }

  serveSdl(app, {
    callerOf: ({ raw }) =>
      using(async (graph) => graph.access.callerOf(headersOf(raw), addressOf(raw, trustProxy))),
    sendErrors,
  });
  options.routes?.(app);
  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) => {
    const problem = closing ? 'shutting down' : await unready?.();
    return problem === undefined ? { status: 'ready' } : reply.code(503).send({ status: 'unready', problem });
  });

  metrics?.watchFront({
    streams: answering.streams,
    sockets: () => sockets.count,
    unread: () => sockets.unread,
  });
  if (metrics !== undefined && showMetrics) {
    app.get('/metrics', async (_request, reply) =>
      reply.header('content-type', metrics.contentType).send(await metrics.text()),
    );
  }

  const connections = new Set<Socket>();
  app.server.on('connection', (connection: Socket) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
  });

  app.server.on('upgrade', (request, socket, head) => {
    // Whoever writes to a socket that is gone must not take the process along.
    socket.on('error', () => socket.destroy());
    const [url] = (request.url ?? '').split('?', 1);
    if (url === path && !closing) sockets.upgrade(request, socket, head);
    else refuseUpgrade(socket, '404 Not Found');
  });

  return {
    async listen({ host, port }) {
      await app.listen({ host, port });
      return { port: (app.server.address() as { port: number }).port };
    },
    async close() {
      closing = true;
      await answering.drain();
      await sockets.close();
      // Connections opened ahead of need, as browsers do, hold nobody up.
      for (const connection of connections) if (connection.bytesRead === 0) connection.destroy();
      const late = setTimeout(() => app.server.closeAllConnections(), drainMs);
      await app.close();
      clearTimeout(late);
    },
  };
}
