import type { FastifyReply } from 'fastify';
import type { LiveItems } from './live-item.ts';

// Server-sent events: the "distinct connections" of graphql-sse's PROTOCOL.md, where one response is one operation.
// `id:` is the cursor, so that a browser that reconnects resumes by its Last-Event-ID.

const keepAliveMs = 12_000;

/** Writes a subscription, or the one answer of another operation, as a response; resolves when it has ended. */
export async function writeEvents(
  reply: FastifyReply,
  items: LiveItems,
  { faultJson }: { faultJson(error: unknown): string },
): Promise<void> {
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  // The first bytes tell the client, and every proxy between, that the stream is open.
  raw.write(':\n\n');
  const keepAlive = setInterval(() => raw.write(':\n\n'), keepAliveMs);
  const next = (json: string, cursor?: string) =>
    raw.write(`event: next\n${cursor === undefined ? '' : `id: ${cursor}\n`}data: ${json}\n\n`);
  try {
    await items.tell(({ json, cursor }) => (raw.destroyed || next(json, cursor) ? undefined : drained(raw)));
  } catch (error) {
    next(faultJson(error));
  } finally {
    clearInterval(keepAlive);
    if (!raw.destroyed) raw.end('event: complete\ndata:\n\n');
  }
}

function drained(raw: FastifyReply['raw']): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done);
      raw.off('close', done);
      resolve();
    };
    raw.on('drain', done);
    raw.on('close', done);
  });
}
