import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, MessageType, parseMessage, type SubscribePayload } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type CredentialHeaders, headersOf } from './access.ts';
import type { FormattedError } from './engine/index.ts';
import { bytesOf, heldBytes, mostUnread, sendBytes, sharedBytesOf, type Unread, type Wire } from './frame.ts';
import { Leaving, type Stopping } from './leaving.ts';
import type { LiveItems } from './live-item.ts';

// WebSocket: graphql-transport-ws, as graphql-ws's PROTOCOL.md has it. graphql-ws reads the messages; what happens to them
// is written here, because the payload of an event is written once for all sockets and not once for each.

export interface SocketOptions {
  /** Runs an operation. The errors of one that is refused become an `error` message. */
  run(
    payload: SubscribePayload,
    credentials: CredentialHeaders,
    leaving: Stopping,
    request: IncomingMessage,
  ): Promise<Running | Refused>;
  /**
   * Throws for credentials that are not valid, or whose holder has too many connections, with a message for the client.
   * @returns what is called when the connection is over.
   */
  authenticate(credentials: CredentialHeaders, request: IncomingMessage): Promise<() => void>;
  /** Whether a page of this origin may connect to this host. */
  isAllowedOrigin(origin: string, host: string | undefined): boolean;
  /** The errors that a fault is told as. */
  errorsOf(error: unknown): readonly FormattedError[];
  /** How long a client may take to its connection_init. Default 3,000. */
  initWithinMs?: number;
  /** How often a peer is asked whether it is there, and how long its answer may take. Default 25,000. */
  pingEveryMs?: number;
  /** Default: `mostUnread`. */
  unread?: Unread | undefined;
}

/** An operation under way, and its results. */
export interface Running {
  items: LiveItems;
  /** It ends by itself, so shutting down waits for it. */
  short: boolean;
}

export interface Refused {
  errors: readonly FormattedError[];
}

export interface Sockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  readonly count: number;
  /** Bytes that were sent and that no peer took yet. */
  readonly unread: number;
  /** Closes every socket with 1001 when its operations are over, and takes no more. Whoever calls ends the streams. */
  close(): Promise<void>;
}

/** Keeps the process from shutting down while the work runs. */
type Tracked = <T>(work: Promise<T>) => Promise<T>;

const protocol = 'graphql-transport-ws';
const longestMessage = 1_048_576;
const operationsPerSocket = 200;
/** How long queries and mutations that run at shutdown may take. */
const drainMs = 10_000;
/** How long a client that doesn't read may keep the last words of its streams. */
const lastWordMs = 1_000;

export function createSockets(options: SocketOptions): Sockets {
  const { pingEveryMs = 25_000, unread = mostUnread } = options;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: longestMessage,
    handleProtocols: (offered) => (offered.has(protocol) ? protocol : false),
  });
  // Shutting down waits for what ends by itself, and for the last words of streams.
  const busy = new Set<Promise<unknown>>();
  const streaming = new Set<Promise<unknown>>();
  const trackedBy =
    (works: Set<Promise<unknown>>): Tracked =>
    (work) => {
      works.add(work);
      const forget = () => void works.delete(work);
      work.then(forget, forget);
      return work;
    };
  const tracked = { short: trackedBy(busy), long: trackedBy(streaming) };

  const duplexes = new Set<Duplex>();
  const held = () => heldBytes(server.clients.size, unread);

  server.on('connection', (socket: WebSocket, request: IncomingMessage, duplex: Duplex) => {
    const connection = new Connection({ socket, duplex }, request, options, tracked, held);
    const stopPinging = keepAlive(socket, pingEveryMs);
    duplexes.add(duplex);
    socket.on('message', (data, isBinary) => connection.take(isBinary ? undefined : String(data)));
    socket.once('close', () => {
      duplexes.delete(duplex);
      stopPinging();
      connection.end();
    });
    // ws has closed the socket by then, with the code of what was wrong.
    socket.on('error', () => {});
  });

  return {
    get count() {
      return server.clients.size;
    },
    get unread() {
      let bytes = 0;
      for (const { writableLength } of duplexes) bytes += writableLength;
      return bytes;
    },
    upgrade(request, socket, head) {
      const { origin, host } = request.headers;
      if (origin !== undefined && !options.isAllowedOrigin(origin, host)) {
        refuseUpgrade(socket, '403 Forbidden');
        return;
      }
      server.handleUpgrade(request, socket, head, (opened) =>
        server.emit('connection', opened, request, socket),
      );
    },
    async close() {
      await over(busy, drainMs);
      await over(streaming, lastWordMs);
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

/** Resolves when there is no work any more, or after a time. */
async function over(works: ReadonlySet<Promise<unknown>>, patienceMs: number): Promise<void> {
  const patience = new Promise((resolve) => setTimeout(resolve, patienceMs, 'late').unref());
  while (works.size > 0 && (await Promise.race([Promise.allSettled(works), patience])) !== 'late');
}

/** One client's connection: what it was told, and the operations that it runs. */
class Connection {
  private readonly wire: Wire;
  private readonly socket: WebSocket;
  private readonly request: IncomingMessage;
  private readonly options: SocketOptions;
  private readonly tracked: { short: Tracked; long: Tracked };
  private readonly held: () => number;
  private readonly operations = new Map<string, Stopping>();
  private readonly initWait: NodeJS.Timeout;
  private initialised = false;
  private over = () => {};
  /** Set when the connection is acknowledged. */
  private credentials: CredentialHeaders | undefined;

  /** @param held  how many bytes its peer may leave unread. */
  constructor(
    wire: Wire,
    request: IncomingMessage,
    options: SocketOptions,
    tracked: { short: Tracked; long: Tracked },
    held: () => number,
  ) {
    const { socket } = wire;
    this.wire = wire;
    this.socket = socket;
    this.held = held;
    this.request = request;
    this.options = options;
    this.tracked = tracked;
    this.initWait = setTimeout(() => {
      this.close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout');
    }, options.initWithinMs ?? 3_000);
    if (socket.protocol !== protocol) {
      this.close(CloseCode.SubprotocolNotAcceptable, `Connect by the protocol ${protocol}`);
    }
  }

  /** Takes a message; undefined stands for one that is no text. */
  take(text: string | undefined): void {
    // What came behind a message that closed the socket is nothing any more.
    if (this.socket.readyState !== this.socket.OPEN) return;
    const message = messageFrom(text);
    switch (message?.type) {
      case MessageType.ConnectionInit:
        void this.initialise(message.payload);
        return;
      case MessageType.Ping:
        this.send({ type: MessageType.Pong, payload: message.payload });
        return;
      case MessageType.Pong:
        return;
      case MessageType.Subscribe:
        void this.tracked.long(this.subscribe(message.id, message.payload));
        return;
      case MessageType.Complete:
        this.operations.get(message.id)?.abort();
        this.operations.delete(message.id);
        return;
      default:
        this.close(CloseCode.BadRequest, 'Invalid message received');
    }
  }

  /** The socket is closed. */
  end(): void {
    clearTimeout(this.initWait);
    this.over();
    for (const leaving of this.operations.values()) leaving.abort();
    this.operations.clear();
  }

  private async initialise(payload: Record<string, unknown> | null | undefined): Promise<void> {
    if (this.initialised) {
      this.close(CloseCode.TooManyInitialisationRequests, 'Too many initialisation requests');
      return;
    }
    this.initialised = true;
    clearTimeout(this.initWait);
    let credentials: CredentialHeaders;
    try {
      credentials = credentialsOf(payload ?? {}, this.request);
      this.over = await this.options.authenticate(credentials, this.request);
    } catch (error) {
      const [told] = this.options.errorsOf(error);
      this.close(closeCodes[String(told?.extensions?.code)] ?? 1011, told?.message ?? '');
      return;
    }
    if (this.socket.readyState !== this.socket.OPEN) this.over();
    this.credentials = credentials;
    this.send({ type: MessageType.ConnectionAck });
  }

  private async subscribe(id: string, payload: SubscribePayload): Promise<void> {
    const { credentials, operations, options, tracked } = this;
    if (credentials === undefined) {
      this.close(CloseCode.Unauthorized, 'Unauthorized');
      return;
    }
    if (operations.has(id)) {
      this.close(CloseCode.SubscriberAlreadyExists, `Subscriber for ${id} already exists`);
      return;
    }
    if (operations.size >= operationsPerSocket) {
      this.send({ id, type: MessageType.Error, payload: [tooManyOperations] });
      return;
    }
    const leaving = new Leaving();
    operations.set(id, leaving);
    // Once the client completed, its id may be another operation's.
    const finish = (message: object) => {
      if (leaving.signal.aborted) return;
      operations.delete(id);
      this.send(message);
      leaving.abort();
    };
    try {
      const running = await tracked.short(options.run(payload, credentials, leaving, this.request));
      if ('errors' in running) {
        finish({ id, type: MessageType.Error, payload: running.errors });
        return;
      }
      const writing = this.write(id, running.items);
      await (running.short ? tracked.short(writing) : writing);
      finish({ id, type: MessageType.Complete });
    } catch (error) {
      finish({ id, type: MessageType.Error, payload: options.errorsOf(error) });
    }
  }

  private write(id: string, items: LiveItems): Promise<void> {
    const { wire, held } = this;
    const head = bytesOf(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
    return items.tell(({ json }) => sendBytes(wire, `${head}${sharedBytesOf(json)}}`, held()));
  }

  private send(message: object): void {
    void sendBytes(this.wire, bytesOf(JSON.stringify(message)), this.held());
  }

  private close(code: number, reason: string): void {
    // A close frame has room for 123 bytes.
    this.socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 123)
        .toString()
        .replace(/\ufffd+$/, ''),
    );
  }
}

/** A fault of ours (1011) is no reason to give up, and too many connections (1013) are none for long; a refusal is. */
const closeCodes: Readonly<Record<string, number>> = {
  BAD_CREDENTIAL: CloseCode.Forbidden,
  FORBIDDEN: CloseCode.Forbidden,
  CONNECTION_LIMIT_EXCEEDED: 1013,
};

const tooManyOperations: FormattedError = {
  message: `A connection has at most ${operationsPerSocket} operations at a time.`,
  extensions: { code: 'OPERATION_LIMIT_EXCEEDED', limit: operationsPerSocket },
};

/** Undefined for what is no message of the protocol. */
function messageFrom(text: string | undefined): ReturnType<typeof parseMessage> | undefined {
  try {
    return text === undefined ? undefined : parseMessage(text);
  } catch {
    return undefined;
  }
}

/** Answers an upgrade that is none, and waits for nothing more from its client. */
export function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}

/** Drops a peer that answers no ping. */
function keepAlive(socket: WebSocket, pingEveryMs: number): () => void {
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
function credentialsOf(params: Record<string, unknown>, request: IncomingMessage): CredentialHeaders {
  const given = Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const names = ['x-api-key', 'authorization'];
  const headers = headersOf(request);
  const source = names.some((name) => given[name] !== undefined) ? given : headers;
  return {
    ...headers,
    ...given,
    'x-api-key': source['x-api-key'],
    authorization: source.authorization,
    'x-community': given['x-community'] ?? headers['x-community'],
  };
}
