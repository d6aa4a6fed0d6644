import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from './access.ts';
import { contractOf } from './contract.ts';

// The schema as a file, for tools that read SDL: for each caller the one that it sees.

const path = '/schema.graphql';

export interface SdlOptions {
  /** @throws BAD_CREDENTIAL, FORBIDDEN */
  callerOf(request: FastifyRequest): Promise<Caller>;
  sendErrors(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply;
}

/** Adds `GET /schema.graphql`. Who has the file already and says so by `If-None-Match` is told no more than that. */
export function serveSdl(app: FastifyInstance, { callerOf, sendErrors }: SdlOptions): void {
  app.get(path, async (request, reply) => {
    let caller: Caller;
    try {
      caller = await callerOf(request);
    } catch (error) {
      return sendErrors(request, reply, error);
    }
    const { sdl, sha256 } = contractOf(caller.view.schema);
    const etag = `"${sha256}"`;
    reply
      .header('etag', etag)
      // Kept by its reader alone, and asked for again each time: scopes may change at any moment.
      .header('cache-control', 'private, no-cache')
      .header('vary', 'authorization, x-api-key, x-community');
    if (names(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.header('content-type', 'text/plain; charset=utf-8').send(sdl);
  });
}

/** Whether `If-None-Match` names a file. Source: RFC 9110, section 13.1.2 */
function names(ifNoneMatch: string | undefined, etag: string): boolean {
  const named = ifNoneMatch?.split(',').map((one) => one.trim().replace(/^W\//, '')) ?? [];
  return named.includes('*') || named.includes(etag);
}
