import { lost, responseFailure } from './failure.ts';
import type { Connecting, Payload, RawResult, Transport } from './transport.ts';

// Streams as server-sent events, one request each: for networks that let no WebSocket through. `EventSource` can send
// neither a body nor a credential, so this is `fetch`, reading as long as the app does.

export interface EventsOptions {
  /** What to fetch with; it has to hand out bodies as they come. Default: the platform's `fetch`. React Native: `expo/fetch`. */
  fetch?: typeof globalThis.fetch;
  /** How long a stream may be silent before it is given up, in milliseconds; the server says a word every 12,000. Default 30,000. */
  silentMs?: number;
}

/** Streams as server-sent events. Browsers open six of them to a host at most, unless it speaks HTTP/2. */
export function serverSentEvents(options: EventsOptions = {}): (connecting: Connecting) => Transport {
  return (connecting) => new EventsTransport(options, connecting);
}

class EventsTransport implements Transport {
  generation = 0;
  private readonly options: EventsOptions;
  private readonly connecting: Connecting;
  /** When each open stream last said something, and how to give it up. */
  private readonly heard = new Map<AbortController, number>();
  private renewed = false;

  constructor(options: EventsOptions, connecting: Connecting) {
    this.options = options;
    this.connecting = connecting;
  }

  async *open(
    payload: Payload,
    after: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<RawResult, void> {
    const { fetch = globalThis.fetch, silentMs = 30_000 } = this.options;
    const credentials = await this.connecting.credentials(this.renewed);
    this.renewed = false;
    const request = new AbortController();
    const abort = () => request.abort();
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    let silence: ReturnType<typeof setTimeout> | undefined;
    const hear = () => {
      clearTimeout(silence);
      silence = setTimeout(abort, silentMs);
      this.heard.set(request, Date.now());
    };
    try {
      hear();
      const response = await fetch(this.connecting.url, {
        method: 'POST',
        headers: {
          ...credentials,
          'content-type': 'application/json',
          accept: 'text/event-stream',
          ...(after === undefined ? {} : { 'last-event-id': after }),
        },
        body: JSON.stringify(payload),
        signal: request.signal,
      });
      if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
        throw await responseFailure(response);
      }
      this.connecting.onReached();
      for await (const { event, data } of eventsIn(response, hear)) {
        if (signal.aborted || event === 'complete') return;
        if (event === 'next') yield JSON.parse(data) as RawResult;
      }
      if (!signal.aborted) throw lost();
    } catch (error) {
      if (signal.aborted) return;
      throw error instanceof Error && error.name === 'LiveError' ? error : lost(error);
    } finally {
      clearTimeout(silence);
      signal.removeEventListener('abort', abort);
      this.heard.delete(request);
      abort();
    }
  }

  renew(generation: number, credentials: boolean): void {
    if (generation !== this.generation) return;
    this.generation++;
    this.renewed ||= credentials;
  }

  check(): void {
    const { silentMs = 30_000 } = this.options;
    for (const [request, at] of this.heard) if (Date.now() - at > silentMs / 2) request.abort();
  }

  close(): void {
    for (const request of this.heard.keys()) request.abort();
  }
}

/** The events of a body, as https://html.spec.whatwg.org/multipage/server-sent-events.html has them. */
async function* eventsIn(
  { body }: Response,
  onBytes: () => void,
): AsyncGenerator<{ event: string; data: string }, void> {
  const reader = body?.getReader();
  if (reader === undefined) throw lost(new TypeError('`fetch` hands out no body as it comes.'));
  const decoder = new TextDecoder();
  let rest = '';
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    rest += decoder.decode(value, { stream: true });
    // A carriage return at the end may be half of a line's end.
    const blocks = rest.split(/(?:\r\n|\n|\r(?!$|\n)){2}/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = block.split(/\r\n|\n|\r/);
      const valuesOf = (field: string) =>
        lines
          .filter((line) => line === field || line.startsWith(`${field}:`))
          .map((line) => line.slice(field.length + 1).replace(/^ /, ''));
      const data = valuesOf('data').join('\n');
      const event = valuesOf('event').at(-1) ?? 'message';
      if (valuesOf('data').length > 0) yield { event, data };
    }
  }
}
