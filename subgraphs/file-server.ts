import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import type { Resources } from './context.ts';
import { fileTypeOf, fileTypes, sniffedBytes } from './file-type.ts';
import { filesPath } from './files.ts';

// The bytes of files over HTTP, by signed links: a PUT for whoever got a ticket, a GET for whoever got a message. What is
// sent is looked at before it is stored, and served so that no browser takes it for anything else.

/** What is known of a file; a subgraph keeps it. */
export interface FileRecords {
  /** A file that may be sent now, and its size at most in bytes; undefined when none may. */
  awaited(
    resources: Resources,
    communityId: string,
    fileId: string,
  ): Promise<{ maxBytes: number } | undefined>;
  /** Its bytes are stored. @returns false when others were first. */
  stored(
    resources: Resources,
    communityId: string,
    fileId: string,
    found: { contentType: string; bytes: number },
  ): Promise<boolean>;
  /** A file that may be read; undefined when there is none, any more. */
  readable(
    resources: Resources,
    communityId: string,
    fileId: string,
  ): Promise<{ fileName: string; contentType: string; bytes: number } | undefined>;
}

/** Answers everything below `/files/` with the files of a subgraph. */
export function serveFiles(
  app: FastifyInstance,
  records: FileRecords,
  resources: Resources,
  log: Logger,
): void {
  const { files, now } = resources;
  app.register(async (inner) => {
    inner.removeAllContentTypeParsers();
    // Bodies are read as they come, not into memory.
    inner.addContentTypeParser('*', (_request, _payload, done) => done(null));
    inner.setErrorHandler((error, _request, reply) => {
      log.error({ err: error }, 'a file could not be served');
      return refuse(reply, 500, 'Something went wrong on our side.');
    });

    inner.put(`${filesPath}*`, async (request, reply) => {
      const link = files.read('PUT', request.url, now());
      if (link === undefined)
        return refuse(reply, 403, 'The link is forged or has expired: ask for another.');
      const { communityId, fileId } = link;
      const awaited = await records.awaited(resources, communityId, fileId);
      if (awaited === undefined)
        return refuse(reply, 409, 'The file is there already, or was not wanted any more.');
      const tooLarge = `The file is larger than the ${awaited.maxBytes} bytes that were asked for.`;
      if (Number(request.headers['content-length'] ?? 0) > awaited.maxBytes)
        return refuse(reply, 413, tooLarge);

      const body = new Body(request.raw, awaited.maxBytes);
      const contentType = await fileTypeOf(await body.head());
      if (contentType === undefined) {
        const taken = Object.keys(fileTypes).join(', ');
        return refuse(reply, 415, `The file is none of the types that are taken: ${taken}.`);
      }
      const key = `${communityId}/${fileId}`;
      try {
        await files.store.put(key, Readable.from(body));
      } catch (error) {
        if (body.isTooLarge) return refuse(reply, 413, tooLarge);
        if (request.raw.readableAborted) return reply.hijack();
        throw error;
      }
      if (!(await records.stored(resources, communityId, fileId, { contentType, bytes: body.bytes })))
        return refuse(reply, 409, 'The file is there already, or was not wanted any more.');
      return reply.code(204).send();
    });

    inner.get(`${filesPath}*`, async (request, reply) => {
      const link = files.read(request.method, request.url, now());
      if (link === undefined)
        return refuse(reply, 403, 'The link is forged or has expired: read the message again for another.');
      const { communityId, fileId } = link;
      const file = await records.readable(resources, communityId, fileId);
      const bytes = file && (await files.store.open(`${communityId}/${fileId}`));
      if (file === undefined || bytes === undefined)
        return refuse(reply, 404, 'There is no such file any more.');
      reply.headers({
        ...safeHeaders,
        'content-type': file.contentType === 'text/plain' ? 'text/plain; charset=utf-8' : file.contentType,
        'content-length': String(file.bytes),
        'content-disposition': dispositionOf(file.fileName, fileTypes[file.contentType]?.isShown ?? false),
        'cache-control': 'private, max-age=300',
      });
      return reply.send(bytes);
    });

    inner.route({
      method: ['POST', 'PATCH', 'DELETE'],
      url: `${filesPath}*`,
      handler: (_request, reply) =>
        refuse(reply.header('allow', 'GET, HEAD, PUT'), 405, 'A file is read by GET and sent by PUT.'),
    });
  });
}

/** No browser guesses another type, runs anything, or looks at what stands around it. */
const safeHeaders = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
  'referrer-policy': 'no-referrer',
};

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  // What of the body hasn't come isn't waited for.
  if (status >= 400) reply.header('connection', 'close');
  return reply.code(status).headers(safeHeaders).send({ error: message });
}

/** Source: RFC 6266 and RFC 8187; names beyond ASCII are percent-encoded. */
function dispositionOf(fileName: string, isShown: boolean): string {
  const plain = fileName.replace(/[^\w .()-]/g, '_');
  const encoded = encodeURIComponent(fileName).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return `${isShown ? 'inline' : 'attachment'}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** A request's body: its head first, then all of it, no more than it may be. */
class Body implements AsyncIterable<Buffer> {
  bytes = 0;
  isTooLarge = false;
  private readonly chunks: AsyncIterator<Buffer>;
  private readonly maxBytes: number;
  private first: Buffer = Buffer.alloc(0);

  constructor(body: AsyncIterable<Buffer>, maxBytes: number) {
    this.chunks = body[Symbol.asyncIterator]();
    this.maxBytes = maxBytes;
  }

  async head(): Promise<Buffer> {
    while (this.first.length < sniffedBytes) {
      const { done, value } = await this.chunks.next();
      if (done) break;
      this.first = Buffer.concat([this.first, value]);
    }
    return this.first.subarray(0, sniffedBytes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    yield this.counted(this.first);
    for (let next = await this.chunks.next(); !next.done; next = await this.chunks.next()) {
      yield this.counted(next.value);
    }
  }

  private counted(chunk: Buffer): Buffer {
    this.bytes += chunk.length;
    this.isTooLarge = this.bytes > this.maxBytes;
    if (this.isTooLarge) throw new Error('The body is larger than it may be.');
    return chunk;
  }
}
