import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type DocumentNode, GraphQLError } from 'graphql';
import { CloseCode, type Context, makeServer, type SubscribePayload } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { CredentialHeaders } from './access.ts';
import type { FormattedError } from './engine/index.ts';
import type { LiveItem } from './live-group.ts';
import { BadRequest } from './request.ts';

// WebSocket: graphql-transport-ws. graphql-ws keeps the protocol; only `next` frames are written here, because their
// payload is written once for all sockets and not once for each.

export interface SocketOptions {
  /** Runs an operation. The errors of one that is refused become an `error` message. */
  run(
    payload: SubscribePayload,
    credentials: CredentialHeaders,
    controller: AbortController,
    request: IncomingMessage,
  ): Promise<Running | Refused>;
  /** Throws for credentials that are not valid, with a message for the client. */
  authenticate(credentials: CredentialHeaders, request: IncomingMessage): Promise<unknown>;
  /** Whether a page of this origin may connect to this host. */
  isAllowedOrigin(origin: string, host: string | undefined): boolean;
  /** The errors that a fault is told as. */
  errorsOf(error: unknown): readonly FormattedError[];
}

/** An operation under way: its document, by which graphql-ws tells its kind, and its results. */
export interface Running {
  document: DocumentNode;
  operationName: string | undefined;
  items: AsyncIterable<LiveItem>;
  /** It ends by itself, so shutting down waits for it. */
  short: boolean;
}

export interface Refused {
  errors: readonly FormattedError[];
}

export interface Sockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  readonly count: number;
  /** Closes every socket with 1001 and takes no more. */
  close(): Promise<void>;
}

type Connection = Context<Record<string, unknown>, Extra>;

interface Extra {
  socket: WebSocket;
  request: IncomingMessage;
}

const protocol = 'graphql-transport-ws';
const longestMessage = 1_048_576;
const bufferedBytes = 1_048_576;
const pingEveryMs = 12_000;
const subscriptionsPerSocket = 200;
/** How long queries and mutations that run at shutdown may take. */
const drainMs = 10_000;

export function createSockets(options: SocketOptions): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: longestMessage,
    handleProtocols: (offered) => (offered.has(protocol) ? protocol : false),
  });
  // Everything that ends by itself and that shutting down waits for.
  const busy = new Set<Promise<unknown>>();
  const tracked = <T>(work: Promise<T>): Promise<T> => {
    busy.add(work);
    const forget = () => void busy.delete(work);
    work.then(forget, forget);
    return work;
  };

  async function prepare(context: Connection, id: string, payload: SubscribePayload) {
    const controller = new AbortController();
    const stop = () => controller.abort();
    const { socket } = context.extra;
    socket.once('close', stop);
    controller.signal.addEventListener('abort', () => socket.off('close', stop), { once: true });
    try {
      if (Object.keys(context.subscriptions).length > subscriptionsPerSocket) {
        throw new BadRequest(400, `A connection has at most ${subscriptionsPerSocket} operations at a time.`);
      }
      const credentials = credentialsOf(context.connectionParams, context.extra);
      const running = await options.run(payload, credentials, controller, context.extra.request);
      if ('errors' in running) {
        stop();
        return wireErrors(running.errors);
      }
      // The client may have gone, or completed, before there was anything to complete.
      if (socket.readyState !== socket.OPEN || !(id in context.subscriptions)) stop();
      const frames = framesOf(context, id, running.items, controller, options.errorsOf);
      if (running.short) void tracked(frames.written);
      return { document: running.document, operationName: running.operationName, frames } as never;
    } catch (error) {
      stop();
      return wireErrors(options.errorsOf(error));
    }
  }

  const graphql = makeServer<Record<string, unknown>, Extra>({
    async onConnect({ connectionParams, extra }) {
      try {
        await options.authenticate(credentialsOf(connectionParams, extra), extra.request);
        return true;
      } catch (error) {
        // A fault of ours is no reason to give up; a refusal is.
        const [told] = options.errorsOf(error);
        const refused = told?.extensions?.code === 'BAD_CREDENTIAL' || told?.extensions?.code === 'FORBIDDEN';
        extra.socket.close(refused ? CloseCode.Forbidden : 1011, told?.message.slice(0, 120));
        return false;
      }
    },
    onSubscribe(context, id, payload) {
      return tracked(prepare(context, id, payload));
    },
    execute: takeFrames,
    subscribe: takeFrames,
  });

  server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const closed = graphql.opened(
      {
        protocol: socket.protocol,
        send: (message) => sent(socket, message),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (take) =>
          socket.on('message', (data) => {
            take(String(data)).catch(() =>
              socket.close(CloseCode.InternalServerError, 'Internal server error'),
            );
          }),
      },
      { socket, request },
    );
    const stopPinging = keepAlive(socket);
    socket.once('close', (code, reason) => {
      stopPinging();
      void closed(code, String(reason));
    });
    socket.on('error', () => socket.terminate());
  });

  return {
    get count() {
      return server.clients.size;
    },
    upgrade(request, socket, head) {
      const { origin, host } = request.headers;
      if (origin !== undefined && !options.isAllowedOrigin(origin, host)) {
        refuseUpgrade(socket, '403 Forbidden');
        return;
      }
      server.handleUpgrade(request, socket, head, (opened) => server.emit('connection', opened, request));
    },
    async close() {
      const patience = new Promise((resolve) => setTimeout(resolve, drainMs, 'late').unref());
      while (busy.size > 0 && (await Promise.race([Promise.allSettled(busy), patience])) !== 'late');
      for (const socket of server.clients)
        socket.close(1001, 'Laurel is shutting down: reconnect with your last cursor.');
      const gone = setTimeout(() => {
        for (const socket of server.clients) socket.terminate();
      }, 2_000);
      await new Promise<void>((resolve) => {
        const check = () => (server.clients.size === 0 ? resolve() : setTimeout(check, 20));
        check();
      });
      clearTimeout(gone);
    },
  };
}

/**
 * Writes the `next` frames of one operation. To graphql-ws it is a result that yields nothing and ends, or is returned
 * when the client completes.
 */
function framesOf(
  context: Connection,
  id: string,
  items: AsyncIterable<LiveItem>,
  controller: AbortController,
  errorsOf: (error: unknown) => readonly FormattedError[],
): AsyncIterableIterator<never> & { written: Promise<void> } {
  const { socket } = context.extra;
  const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
  const { signal } = controller;
  let settle = () => {};
  const written = new Promise<void>((resolve) => {
    settle = resolve;
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const write = async () => {
    try {
      for await (const { json } of items) {
        if (signal.aborted) return;
        await sent(socket, `${head}${json}}`);
      }
    } catch (error) {
      if (signal.aborted) return;
      // An `error` message ends the operation: no `complete` may follow.
      delete context.subscriptions[id];
      await sent(socket, JSON.stringify({ id, type: 'error', payload: errorsOf(error) }));
    } finally {
      controller.abort();
      settle();
    }
  };
  return {
    written,
    async next() {
      await write();
      return { done: true, value: undefined };
    },
    async return() {
      controller.abort();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

// graphql-ws hands over what `onSubscribe` gave it.
const takeFrames = ((args: { frames: AsyncIterable<never> }) => args.frames) as never;

/** graphql-ws wants GraphQLErrors; they are sent as they were. */
function wireErrors(errors: readonly FormattedError[]): GraphQLError[] {
  return errors.map((error) => Object.assign(new GraphQLError(error.message), { toJSON: () => error }));
}

/** Answers an upgrade that is none, and waits for nothing more from its client. */
export function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}

/** Sends a frame; waits when the peer reads more slowly than we write. */
async function sent(socket: WebSocket, frame: string): Promise<void> {
  if (socket.readyState !== socket.OPEN) return;
  if (socket.bufferedAmount < bufferedBytes) {
    socket.send(frame);
    return;
  }
  await new Promise<void>((resolve) => socket.send(frame, () => resolve()));
}

/** Drops a peer that answers no ping. */
function keepAlive(socket: WebSocket): () => void {
  let alive = true;
  socket.on('pong', () => {
    alive = true;
  });
  const timer = setInterval(() => {
    if (!alive) {
      socket.terminate();
      return;
    }
    alive = false;
    socket.ping();
  }, pingEveryMs);
  return () => clearInterval(timer);
}

/** The payload of `connection_init`; where it names no credential, the headers of the upgrade. */
function credentialsOf(params: Record<string, unknown> | undefined, { request }: Extra): CredentialHeaders {
  const given = Object.fromEntries(
    Object.entries(params ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const names = ['x-api-key', 'authorization'];
  const source = names.some((name) => given[name] !== undefined) ? given : request.headers;
  return {
    ...request.headers,
    ...given,
    'x-api-key': source['x-api-key'],
    authorization: source.authorization,
    'x-community': given['x-community'] ?? request.headers['x-community'],
  };
}
