import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

// The page for a person with a browser.

const firstQuery = `# Laurel. Without a key you see the public part of the graph.
# With one more: put { "x-api-key": "…" } or { "authorization": "Bearer …" } under Headers below.
{
  viewer {
    scopes
    user {
      id
    }
  }
}
`;

let page: Promise<Buffer> | undefined;

/** GraphiQL, all of it in one page, so that it works without internet. */
export async function sendPage(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  endpoint: string,
): Promise<FastifyReply> {
  page ??= import('@graphql-yoga/render-graphiql').then(({ renderGraphiQL }) =>
    promisify(gzip)(
      renderGraphiQL({
        title: 'Laurel',
        endpoint,
        subscriptionsProtocol: 'WS',
        defaultQuery: firstQuery,
      }),
    ),
  );
  const zipped = await page;
  reply
    .header('content-type', 'text/html; charset=utf-8')
    .header('x-frame-options', 'DENY')
    .header('vary', 'accept, accept-encoding');
  if (/\bgzip\b/.test(String(headers['accept-encoding'])))
    return reply.header('content-encoding', 'gzip').send(zipped);
  return reply.send(gunzipSync(zipped));
}
