import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApolloAnswer } from './apollo.ts';
import type { Answer } from './engine/index.ts';
import { accepted, type MediaType } from './request.ts';

// How an answer leaves as HTTP: its media type and its status.
// https://graphql.github.io/graphql-over-http/draft/

/** Answers with an operation's result. */
export function sendAnswer(
  reply: FastifyReply,
  type: MediaType,
  answer: Answer | ApolloAnswer,
): FastifyReply {
  const { json, hasData } = answer;
  const head = 'head' in answer ? answer.head : undefined;
  // application/json is from before answers had statuses: a request that could be read is answered with 200.
  const status = head?.status ?? (hasData || type === 'application/json' ? 200 : 400);
  reply.header('cache-control', 'no-store').code(status).header('content-type', `${type}; charset=utf-8`);
  if (head !== undefined) reply.headers(Object.fromEntries(head.headers));
  return reply.send(json);
}

/** Answers with what no operation came to. */
export function sendJson(reply: FastifyReply, status: number, type: MediaType, body: object): FastifyReply {
  return reply.code(status).header('content-type', `${type}; charset=utf-8`).send(JSON.stringify(body));
}

/** The JSON that a client prefers for errors, whatever it asked for. */
export function jsonType({ headers }: FastifyRequest): MediaType {
  return (
    accepted(headers.accept, ['application/json', 'application/graphql-response+json']) ?? 'application/json'
  );
}

/** Whether somebody looks at the graph in a browser; GraphiQL keeps its query in the address, so that one too is its own. */
export function wantsPage({ method, query, headers }: FastifyRequest): boolean {
  const offered: MediaType[] = [
    'application/json',
    'application/graphql-response+json',
    'text/event-stream',
    'text/html',
  ];
  const asks = ['documentId', 'extensions'].some((name) => name in (query as object));
  return method === 'GET' && !asks && accepted(headers.accept, offered) === 'text/html';
}
