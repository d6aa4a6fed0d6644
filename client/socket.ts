import { type Client, createClient } from 'graphql-ws/client';
import { LiveError, socketFailure } from './failure.ts';
import type { Connecting, Credentials, Payload, RawResult, Transport } from './transport.ts';

// Streams over one WebSocket, by graphql-ws. Its client reconnects by sending again what it sent at first, which for a
// stream is the wrong cursor: so each of its clients serves one connection here, and the next gets a new one.

export interface SocketOptions {
  /** The WebSocket to use; the platform's own by default. On Node before 22: `WebSocket` of the package `ws`. */
  webSocketImpl?: unknown;
  /** How long a connection may take to be made, in milliseconds. Default 10,000. */
  connectWithinMs?: number;
  /** How often the server is asked whether it is there, in milliseconds. Default 20,000. */
  pingEveryMs?: number;
  /** How long its answer may take before the connection is given up, in milliseconds. Default 5,000. */
  pongWithinMs?: number;
  /**
   * How many results of a stream wait at most for an app that is busy. Beyond it the stream is left, and read on from
   * the log when the app has caught up: memory stays bounded and nothing is lost. Default 1,000.
   */
  longestQueue?: number;
}

/** Streams over a WebSocket: one connection for all. The default. */
export function webSocket(options: SocketOptions = {}): (connecting: Connecting) => Transport {
  return (connecting) => new SocketTransport(options, connecting);
}

/** How long a connection without a stream is kept for the next. */
const idleMs = 1_000;

class SocketTransport implements Transport {
  generation = 0;
  private readonly options: SocketOptions;
  private readonly connecting: Connecting;
  private readonly connections = new Set<Connection>();
  private current: Connection | undefined;
  private renewed = false;

  constructor(options: SocketOptions, connecting: Connecting) {
    this.options = options;
    this.connecting = connecting;
  }

  async *open(
    payload: Payload,
    _after: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<RawResult, void> {
    const { longestQueue = 1_000 } = this.options;
    const connection = this.connection();
    const client = await connection.ready;
    if (signal.aborted) return;
    const queue: RawResult[] = [];
    let ended: { failure?: LiveError } | undefined;
    let wake = () => {};
    const end = (failure?: LiveError) => {
      ended ??= failure === undefined ? {} : { failure };
      wake();
    };
    const leave = client.subscribe(
      { ...payload, operationName: payload.operationName ?? null, extensions: payload.extensions ?? null },
      {
        next(result) {
          if (ended !== undefined) return;
          queue.push(result as RawResult);
          if (queue.length < longestQueue) return wake();
          leave();
          end(new LiveError('BEHIND', 'The app takes what comes more slowly than it comes.'));
        },
        error: (reason) => end(connection.failure ?? socketFailure(reason)),
        // A connection that closes as if all were well has completed nothing.
        complete: () => end(connection.failure),
      },
    );
    const abort = () => {
      leave();
      end();
    };
    signal.addEventListener('abort', abort);
    try {
      while (!signal.aborted) {
        const result = queue.shift();
        if (result !== undefined) {
          yield result;
          continue;
        }
        if (ended?.failure !== undefined) throw ended.failure;
        if (ended !== undefined) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', abort);
      leave();
    }
  }

  renew(generation: number, credentials: boolean): void {
    if (generation !== this.generation) return;
    this.generation++;
    this.renewed ||= credentials;
    this.current = undefined;
  }

  check(): void {
    for (const connection of this.connections) connection.ping();
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }

  private connection(): Connection {
    if (this.current !== undefined) return this.current;
    const credentials = this.connecting.credentials(this.renewed);
    this.renewed = false;
    const connection = new Connection(this.options, this.connecting, credentials, () => {
      this.connections.delete(connection);
      if (this.current === connection) this.current = undefined;
    });
    this.connections.add(connection);
    this.current = connection;
    return connection;
  }
}

/** One WebSocket, from its credentials to its close. */
class Connection {
  /** Resolves when streams can be opened. @throws LiveError */
  readonly ready: Promise<Client>;
  /** How it closed; undefined while it is there. */
  failure: LiveError | undefined;
  private readonly options: SocketOptions;
  private readonly onClosed: () => void;
  private client: Client | undefined;
  private socket: { send(text: string): void; readyState: number } | undefined;
  private pinging: ReturnType<typeof setInterval> | undefined;
  private patience: ReturnType<typeof setTimeout> | undefined;

  constructor(
    options: SocketOptions,
    connecting: Connecting,
    credentials: Promise<Credentials>,
    onClosed: () => void,
  ) {
    this.options = options;
    this.onClosed = onClosed;
    // The server waits three seconds for credentials, so they are there before it is called.
    this.ready = credentials.then(
      (given) => this.connect(connecting, given),
      (error) => {
        this.end(error);
        throw error;
      },
    );
    this.ready.catch(() => {});
  }

  /** Asks the server whether it is there. */
  ping(): void {
    const { pongWithinMs = 5_000 } = this.options;
    if (this.socket?.readyState !== 1 || this.patience !== undefined) return;
    this.socket.send('{"type":"ping"}');
    this.expectWord(pongWithinMs);
  }

  close(): void {
    // It rejects when there was no connection, and closes nothing then.
    void Promise.resolve(this.client?.dispose()).catch(() => {});
    if (this.client === undefined) this.end(undefined);
  }

  private connect({ url, onReached }: Connecting, credentials: Credentials): Client {
    const { webSocketImpl, connectWithinMs = 10_000, pingEveryMs = 20_000 } = this.options;
    const client = createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl,
      connectionParams: credentials,
      retryAttempts: 0,
      lazyCloseTimeout: idleMs,
      on: {
        connecting: () => this.expectWord(connectWithinMs),
        opened: (socket) => {
          this.socket = socket as Connection['socket'];
        },
        connected: () => {
          this.pinging = setInterval(() => this.ping(), pingEveryMs);
          onReached();
        },
        message: () => this.heardWord(),
        closed: (event) => this.end(event),
        error: (error) => this.end(error),
      },
    });
    this.client = client;
    return client;
  }

  /** Gives the connection up when nothing is heard for a while, as after a laptop's sleep. */
  private expectWord(withinMs: number): void {
    this.patience = setTimeout(() => this.client?.terminate(), withinMs);
  }

  private heardWord(): void {
    clearTimeout(this.patience);
    this.patience = undefined;
  }

  private end(reason: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = socketFailure(reason);
    this.heardWord();
    clearInterval(this.pinging);
    // So it never reconnects by itself.
    this.close();
    this.onClosed();
  }
}
