import { type Client, type ClientOptions, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Handle } from './processes.ts';

// Clients as small as can be: one request, one stream of server-sent events, one WebSocket.

export interface GraphqlError {
  message: string;
  path?: (string | number)[];
  extensions?: { code?: string };
}

// biome-ignore lint/suspicious/noExplicitAny: a test asks for what it knows to be there.
export type Data = any;

export interface Result {
  data?: Data;
  errors?: GraphqlError[];
}

export type Headers = Record<string, string>;

/** The headers of a key by its name in demo.json. */
export function keyOf({ demo }: Handle, kind: 'systemKey' | 'integrationKey' | 'personalKey'): Headers {
  return kind === 'systemKey' ? { 'x-api-key': demo.systemKey } : { authorization: `Bearer ${demo[kind]}` };
}

/** Sends an operation by POST; with the system key unless headers say otherwise. What it cost is left out. */
export async function query(
  laurel: Handle,
  text: string,
  variables: object = {},
  headers: Headers = keyOf(laurel, 'systemKey'),
): Promise<Result> {
  const response = await post(laurel, { query: text, variables }, headers);
  const { extensions: _, ...result } = (await response.json()) as Result & { extensions?: object };
  return result;
}

/** The data of an operation that has to succeed. @throws with the errors of one that didn't */
export async function data(...request: Parameters<typeof query>): Promise<Data> {
  const result = await query(...request);
  if (result.errors !== undefined) throw new Error(JSON.stringify(result.errors));
  return result.data;
}

/** A POST of JSON, and the response as it came. */
export function post({ endpoint }: Handle, body: object | string, headers: Headers): Promise<Response> {
  return fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export interface ServerEvent {
  event: string;
  id: string | undefined;
  data: Data;
}

/** Subscribes by server-sent events; leaving the loop, or `close`, ends the request. */
export async function openEvents(
  laurel: Handle,
  text: string,
  variables: object = {},
  headers: Headers = keyOf(laurel, 'systemKey'),
): Promise<AsyncGenerator<ServerEvent, void> & { status: number; close(): void }> {
  const leaving = new AbortController();
  const response = await fetch(laurel.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query: text, variables }),
    signal: leaving.signal,
  });
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('text/event-stream')) throw new Error(`${response.status} ${await response.text()}`);
  async function* events(): AsyncGenerator<ServerEvent, void> {
    let rest = '';
    try {
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const blocks = (rest + chunk).split('\n\n');
        rest = blocks.pop() ?? '';
        yield* blocks.flatMap(eventOf);
      }
    } finally {
      leaving.abort();
    }
  }
  return Object.assign(events(), { status: response.status, close: () => leaving.abort() });
}

/** One event; none for a comment that keeps the connection open. */
function eventOf(block: string): ServerEvent[] {
  const lines = block.split('\n').map((line) => /^(event|id|data): ?(.*)$/.exec(line));
  const textOf = (name: string) => lines.find((line) => line?.[1] === name)?.[2];
  const event = textOf('event');
  if (event === undefined) return [];
  const json = textOf('data') ?? '';
  return [{ event, id: textOf('id'), data: json === '' ? undefined : JSON.parse(json) }];
}

/** A graphql-ws client that never retries by itself; `connectionParams` name the credential. */
export function socketClient(
  laurel: Handle,
  connectionParams: Record<string, unknown> = keyOf(laurel, 'systemKey'),
  options: Partial<ClientOptions> = {},
): Client {
  return createClient({
    url: laurel.endpoint.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
    ...options,
  });
}

/** The first `count` items of a stream. */
export async function take<Item>(count: number, items: AsyncIterator<Item>): Promise<Item[]> {
  const taken: Item[] = [];
  while (taken.length < count) {
    const next = await items.next();
    if (next.done) throw new Error(`The stream ended after ${taken.length} of ${count} items.`);
    taken.push(next.value);
  }
  return taken;
}

/** The n-th person of the demo, 0-63, in the order they joined. */
export async function person(laurel: Handle, n: number): Promise<{ id: string; displayName: string }> {
  const { users } = await data(laurel, '{ users(first: 100) { nodes { id displayName } } }');
  return users.nodes[n];
}

let made = 0;

/** A text that no other call made: for idempotency keys and references. */
export function unique(what: string): string {
  made++;
  return `${what}-${process.pid}-${made}-${Date.now()}`;
}
