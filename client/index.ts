import { type Query, type StreamDocument, streamDocument, type TypedDocument } from './document.ts';
import { LiveError } from './failure.ts';
import { follow, type Gap, type StreamResult } from './follow.ts';
import { type Retrying, Sleepers } from './pause.ts';
import { webSocket } from './socket.ts';
import { type CursorStore, Keeper } from './store.ts';
import type { Connecting, Credentials, Transport } from './transport.ts';

// Laurel's streams for programs in JavaScript: browsers, React Native and Node. A stream is one sequence of events, each
// once and in order, however often the connection is lost, and however slowly they are taken.

export { withCursor } from './document.ts';
export { type EventsOptions, serverSentEvents } from './events.ts';
export { type SocketOptions, webSocket } from './socket.ts';
export { memoryStore } from './store.ts';
export type {
  Connecting,
  Credentials,
  CursorStore,
  Gap,
  Query,
  Retrying,
  StreamResult,
  Transport,
  TypedDocument,
};
export { LiveError };

export interface LiveOptions {
  /** The graph's address, `https://…/graphql`. */
  url: string;
  /**
   * Who is calling: the headers of the README's "Keys" by their names (`authorization`, `x-api-key`, `x-community`). A
   * function is asked for each connection, with `renew: true` when what it gave last was refused or soon will be: then it
   * refreshes its token. When it throws, that is tried again later; when what it gives is refused again, the stream ends.
   * Without it the caller is anonymous.
   */
  credentials?: Credentials | ((why: { renew: boolean }) => Credentials | Promise<Credentials>);
  /** What carries the streams: `webSocket(…)`, the default, or `serverSentEvents(…)`. */
  transport?: (connecting: Connecting) => Transport;
  /**
   * Where cursors outlast a stream, so that the next one of the same name goes on where this one was; `localStorage` and
   * `AsyncStorage` as they are, `memoryStore()`, or three functions of yours. One for each person who uses the device, or
   * one finds the other's place. By default a cursor lasts as long as its stream.
   */
  store?: CursorStore;
  /**
   * How often a cursor is written to the store at most, in milliseconds; also when a page is hidden and when a stream
   * ends. A program that crashes sees again what came since. 0 writes each before the next is handed out. Default 1,000.
   */
  storeEveryMs?: number;
  /** How long to wait before trying again. By default up to 1, 2, 4 … 30 seconds, for ever. */
  retry?: Retrying;
  /** The queries that read the same from the log as a stream, by the stream's field. Default: Laurel's own. */
  twins?: Readonly<Record<string, string>>;
  /** What happens to streams; each is told with the request that it was opened by. */
  on?: {
    /** All that was missed has come, and events come as they happen. */
    live?(request: StreamRequest): void;
    /** The stream pauses and goes on in `inMs` milliseconds, or when the network is back. */
    lost?(error: LiveError, inMs: number, request: StreamRequest): void;
    /** Events are missing that nobody has any more: ask anew for whatever was made of them. */
    gap?(gap: Gap, request: StreamRequest): void;
    /** The store failed. */
    fault?(error: unknown): void;
  };
}

/** A subscription to one stream, as graphql-ws takes it. */
export interface StreamRequest<Data = Record<string, unknown>, Variables = Record<string, unknown>> {
  /** The subscription. The argument `after` is filled in; whether it, or the cursor, stands there makes no difference. */
  query: Query<Data, Variables>;
  /** Where the stream begins may stand in the variable of `after`; what is stored beats it. */
  variables?: Variables | null | undefined;
  /** Which, where the document has several. */
  operationName?: string | null | undefined;
  extensions?: Record<string, unknown> | null | undefined;
  /** What the cursor is stored by. Default: the stream's field, its arguments and the variables. */
  name?: string | undefined;
}

/** Who takes the results of a stream. */
export interface StreamSink<Data> {
  /** The next result. When it returns a promise, the one after waits for it. */
  next(result: StreamResult<Data>): unknown;
  error(error: unknown): void;
  complete(): void;
}

export interface LiveClient {
  /** Follows a stream in a loop. Leaving the loop ends it; what the loop does not take in time stays in the server's log. */
  iterate<Data = Record<string, unknown>, Variables = Record<string, unknown>>(
    request: StreamRequest<Data, Variables>,
  ): AsyncGenerator<StreamResult<Data>, void>;
  /** Follows a stream as graphql-ws's client does, for urql, Apollo Client and others. Returns how to end it. */
  subscribe<Data = Record<string, unknown>, Variables = Record<string, unknown>>(
    request: StreamRequest<Data, Variables>,
    sink: StreamSink<Data>,
  ): () => void;
  /**
   * The network may be back: tries at once what waits, and finds out which connections are dead. Browsers do it by
   * themselves; on React Native call it when AppState becomes active and NetInfo connected.
   */
  wake(): void;
  /** Ends all streams; resolves when their cursors are stored. */
  dispose(): Promise<void>;
}

/** Laurel's own queries that read a stream's log by page. */
const ownTwins = { xp: 'xpEvents', messages: 'messageEvents' };

/** @throws TypeError  `url` is no address that HTTP knows. */
export function createLiveClient(options: LiveOptions): LiveClient {
  const { credentials, transport: makeTransport = webSocket(), store, storeEveryMs = 1_000 } = options;
  const { retry = {}, twins = ownTwins, on = {} } = options;
  const { url } = options;
  if (!/^https?:\/\//.test(url)) throw new TypeError(`Expected \`url\` to be https://…, but got: ${url}`);
  const sleepers = new Sleepers();
  const open = new Map<AbortController, Keeper>();
  const transport = makeTransport({
    url,
    credentials: (renew) => credentialsFrom(credentials, renew),
    // Where one gets through, so do the others.
    onReached: () => sleepers.wake(),
  });
  const wake = () => {
    sleepers.wake();
    transport.check();
  };
  const flush = () => Promise.all([...open.values()].map((keeper) => keeper.flush()));
  const unwatch = watchPage({ onShow: wake, onHide: () => void flush() });

  function iterate<Data, Variables>(
    request: StreamRequest<Data, Variables>,
  ): AsyncGenerator<StreamResult<Data>, void> {
    const document = streamDocument(request.query, twins, request.operationName ?? undefined);
    const variables = { ...(request.variables as Record<string, unknown> | null | undefined) };
    const key = `laurel:${request.name ?? nameOf(document, variables)}`;
    const keeper = new Keeper(store, key, storeEveryMs, (error) => on.fault?.(error));
    const leaving = new AbortController();
    const told = request as StreamRequest;

    async function* results() {
      open.set(leaving, keeper);
      try {
        yield* follow({
          document,
          variables,
          extensions: request.extensions ?? undefined,
          transport,
          canRenew: typeof credentials === 'function',
          retry,
          sleepers,
          keeper,
          signal: leaving.signal,
          onLive: () => on.live?.(told),
          onLost: (error, inMs) => on.lost?.(error, inMs, told),
          onGap: (gap) => on.gap?.(gap, told),
        });
      } finally {
        open.delete(leaving);
      }
    }
    const generator = results() as AsyncGenerator<StreamResult<Data>, void>;
    const end = generator.return.bind(generator);
    // `return()` of a generator that waits isn't heard before its wait is over: end the wait first.
    return Object.assign(generator, {
      return: () => {
        leaving.abort();
        return end();
      },
    });
  }

  return {
    iterate,
    subscribe(request, sink) {
      let left = false;
      let stop = () => {};
      const run = async () => {
        try {
          const results = iterate(request);
          stop = () => void results.return();
          for await (const result of results) {
            if (left) return;
            await sink.next(result);
          }
          if (!left) sink.complete();
        } catch (error) {
          if (!left) sink.error(error);
        }
      };
      void run();
      return () => {
        left = true;
        stop();
      };
    },
    wake,
    async dispose() {
      unwatch();
      for (const leaving of open.keys()) leaving.abort();
      await flush();
      transport.close();
    },
  };
}

async function credentialsFrom(
  credentials: LiveOptions['credentials'] = {},
  renew: boolean,
): Promise<Credentials> {
  if (typeof credentials !== 'function') return credentials;
  try {
    return await credentials({ renew });
  } catch (cause) {
    throw new LiveError('CREDENTIALS_FAILED', 'The credentials could not be had.', { cause });
  }
}

/** The same for the same stream, whatever is selected of its items. */
function nameOf(
  { about, after }: StreamDocument,
  { [after]: _, ...variables }: Record<string, unknown>,
): string {
  return Object.keys(variables).length === 0 ? about : `${about} ${JSON.stringify(variables)}`;
}

interface Page {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

/** Watches a browser's page come and go; elsewhere there is nothing to watch. */
function watchPage({ onShow, onHide }: { onShow(): void; onHide(): void }): () => void {
  const page: Page & { document?: Page & { visibilityState?: string } } = globalThis;
  const onVisible = () => (page.document?.visibilityState === 'hidden' ? onHide() : onShow());
  const watched: [Page | undefined, string, () => void][] = [
    [page, 'online', onShow],
    [page, 'pageshow', onShow],
    [page, 'pagehide', onHide],
    [page.document, 'visibilitychange', onVisible],
  ];
  for (const [target, type, listener] of watched) target?.addEventListener?.(type, listener);
  return () => {
    for (const [target, type, listener] of watched) target?.removeEventListener?.(type, listener);
  };
}
