import { Pool } from 'undici';
import { type Result, resultFrom, SubgraphFailure, streamResult } from './subgraph.ts';

// The streams of a subgraph that takes no WebSocket: server-sent events, each stream a response of its own, as graphql-sse's
// PROTOCOL.md has them. Here too a stream ends only on the subgraph's `complete`.

export interface EventsPayload {
  query: string;
  variables: Record<string, unknown> | undefined;
}

export class SubgraphEvents {
  private readonly name: string;
  private readonly path: string;
  private readonly pool: Pool;

  /** @param timeoutMs  how long the subgraph may take to open a stream. */
  constructor(name: string, url: string, timeoutMs: number) {
    const { origin, pathname, search } = new URL(url);
    this.name = name;
    this.path = pathname + search;
    // A stream keeps its connection for itself and may be silent for as long as it likes.
    this.pool = new Pool(origin, { headersTimeout: timeoutMs, bodyTimeout: 0 });
  }

  /** Opens a stream; the result that refuses it, where the subgraph sent one. @throws SubgraphFailure */
  async subscribe(
    payload: EventsPayload,
    headers: Record<string, string> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<AsyncIterable<Result> | Result> {
    const { name, path } = this;
    const response = await this.pool
      .request({
        path,
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify(payload),
        signal,
      })
      .catch((error: unknown) => {
        throw (error as { code?: unknown }).code === 'UND_ERR_HEADERS_TIMEOUT'
          ? new SubgraphFailure('SUBGRAPH_TIMEOUT', `Subgraph "${name}" did not answer in time.`, error)
          : new SubgraphFailure('SUBGRAPH_UNAVAILABLE', `Subgraph "${name}" is unavailable.`, error);
      });
    const { statusCode, body } = response;
    const type = String(response.headers['content-type'] ?? '');
    if (statusCode === 200 && /^text\/event-stream\b/i.test(type)) return resultsIn(name, body, signal);
    const text = await body.text().catch(() => '');
    const refusal = statusCode === 200 || statusCode === 400 ? refusalIn(text) : undefined;
    if (refusal) return refusal;
    const cause = new Error(`Status ${statusCode}: ${text.slice(0, 500)}`);
    throw statusCode < 500
      ? new SubgraphFailure(
          'SUBGRAPH_ERROR',
          `Subgraph "${name}" offers no streams, neither by graphql-transport-ws nor by server-sent events.`,
          cause,
        )
      : new SubgraphFailure('SUBGRAPH_UNAVAILABLE', `Subgraph "${name}" is unavailable.`, cause);
  }

  async dispose(): Promise<void> {
    await this.pool.destroy();
  }
}

/** The errors of a subgraph that answered in JSON instead of opening a stream. */
function refusalIn(text: string): Result | undefined {
  try {
    const errors = resultFrom(JSON.parse(text))?.errors;
    return errors && { errors };
  } catch {
    return undefined;
  }
}

async function* resultsIn(
  name: string,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Result, void> {
  let isFirst = true;
  let problem: unknown = new Error('It ended without `complete`.');
  try {
    for await (const { event, data } of eventsIn(body)) {
      if (event === 'complete') return;
      if (event !== 'next' && event !== 'message') continue;
      yield streamResult(JSON.parse(data), isFirst);
      isFirst = false;
    }
  } catch (error) {
    problem = error;
  }
  if (signal?.aborted) return;
  throw new SubgraphFailure('SUBGRAPH_UNAVAILABLE', `Subgraph "${name}" broke off its stream.`, problem);
}

/** Unlike in a browser an event needs no data: a `complete` may have none. */
async function* eventsIn(body: AsyncIterable<Uint8Array>): AsyncGenerator<{ event: string; data: string }> {
  let event = 'message';
  let data: string[] = [];
  for await (const line of linesIn(body)) {
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (line === '') {
      if (event !== 'message' || data.length > 0) yield { event, data: data.join('\n') };
      event = 'message';
      data = [];
    }
  }
}

/** Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
async function* linesIn(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    // The last carriage return may be half of an end of line.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
