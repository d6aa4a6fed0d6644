import { maxHeaderSize } from 'node:http';
import type { Socket } from 'node:net';
import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { Refusal } from '../subgraphs/errors.ts';
import { faultId } from '../subgraphs/fault.ts';
import { Unavailable } from '../subgraphs/outage.ts';
import type { Answer, FormattedError } from './engine/index.ts';
import { LiveFailure } from './live-item.ts';
import { BadRequest, unreadableType } from './request.ts';

// How the front words what it doesn't answer.

/** The longest body of a request, in bytes. */
export const longestBody = 1_048_576;
/** How long the rest of a request that was refused unread may go on to come. */
const unreadMs = 2_000;
/** How long a request may take to be answered. */
export const longestAnsweringMs = 30_000;

/** What a client is told of an error. Anything unexpected is a bug: the client gets an id, the log the rest. */
export function toldErrors(error: unknown, log: Logger): FormattedError[] {
  if (error instanceof Refusal || error instanceof Unavailable)
    return [{ message: error.message, extensions: error.extensions }];
  if (error instanceof BadRequest) return [{ message: error.message, extensions: { code: error.code } }];
  if (error instanceof LiveFailure) return [...error.errors];
  if (error instanceof GraphQLError) return [error.toJSON() as FormattedError];
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code === 'string' && code.startsWith('SUBGRAPH_')) {
    return [{ message: (error as Error).message, extensions: { code } }];
  }
  const id = faultId();
  log.error({ err: error, id }, 'request failed');
  return [
    { message: `Something went wrong on our side; its id is ${id}.`, extensions: { code: 'INTERNAL', id } },
  ];
}

export function isRefusal(error: unknown): boolean {
  return error instanceof Refusal || error instanceof BadRequest;
}

export const shuttingDown: FormattedError = {
  message: 'Laurel is shutting down: try again, a stream with its last cursor.',
  extensions: { code: 'SHUTTING_DOWN' },
};

export const tooLate: Answer = refusal([
  {
    message: `The operation took longer than ${longestAnsweringMs / 1_000} seconds: ask for less at a time.`,
    extensions: { code: 'REQUEST_TIMEOUT' },
  },
]);

/** The most likely reason why somebody without a credential asks for what isn't there. */
export function withHint({ errors }: Pick<Answer, 'errors'>): Answer {
  const hint =
    'Without a credential only the public part of the graph is seen: send x-api-key or authorization.';
  return refusal(errors.map((error) => ({ ...error, message: `${error.message} ${hint}` })));
}

function refusal(errors: readonly FormattedError[]): Answer {
  return { json: JSON.stringify({ errors }), hasData: false, errors };
}

/** The words for a request that Fastify refused before it came to GraphQL. */
export function clientError(status: number, { message }: Error): FormattedError {
  if (status === 413) {
    const extensions = { code: 'BODY_LIMIT_EXCEEDED', limit: longestBody };
    return { message: `The body has at most ${longestBody} bytes.`, extensions };
  }
  const told = status === 415 ? unreadableType : message;
  return { message: told, extensions: { code: 'BAD_REQUEST' } };
}

/** Answers what can't be read as HTTP, mostly because its headers are too long. */
export function refuseUnread(error: { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', `All headers together have at most ${maxHeaderSize} bytes.`]
      : ['400 Bad Request', 'The request is not well-formed HTTP.'];
  const body = JSON.stringify({ errors: [{ message, extensions: { code: 'BAD_REQUEST' } }] });
  const head = `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\nconnection: close\r\n\r\n${body}`);
  // Closing before the rest was read would take the answer away from whoever still sends it.
  socket.removeAllListeners('data').resume();
  setTimeout(() => socket.destroy(), unreadMs).unref();
}
