import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import type { Values } from './engine/index.ts';

// GraphQL over HTTP: what a request asks for, and how its answer is to be written.
// https://graphql.github.io/graphql-over-http/draft/

export interface GraphqlParams {
  /** The text; null when the operation is named by `documentId` or by its hash in `extensions`. */
  query: string | null;
  documentId: string | null;
  operationName: string | null;
  variables: Values | null;
  extensions: Values | null;
}

/** A request that isn't a well-formed GraphQL request: the HTTP status, what would be right, and the code for programs. */
export class BadRequest extends Error {
  constructor(
    readonly status: 400 | 405 | 406 | 415 | 429,
    message: string,
    readonly headers: Record<string, string> = {},
    readonly code = 'BAD_REQUEST',
  ) {
    super(message);
  }
}

export type MediaType =
  | 'application/graphql-response+json'
  | 'application/json'
  | 'text/event-stream'
  | 'text/html';

/** What is said to a body of another media type. */
export const unreadableType = 'Send the request as application/json in UTF-8.';

/**
 * The best media type for an answer among those offered, by the `accept` header.
 * @returns undefined when none of them is accepted.
 */
export function accepted(accept: string | undefined, offered: readonly MediaType[]): MediaType | undefined {
  // What most programs send that aren't browsers.
  if (accept === 'application/json' && offered.includes(accept)) return accept;
  if (accept === undefined || accept.trim() === '')
    return offered.find((type) => type === 'application/json');
  const ranges = accept.split(',').map((part) => {
    const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    const charset = parameters.find((parameter) => parameter.startsWith('charset='));
    const readable = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
    return { range, quality: readable ? Number(quality?.slice(2) ?? 1) : 0 };
  });
  let best: { type: MediaType; quality: number; exact: number } | undefined;
  for (const { range, quality } of ranges) {
    if (!(quality > 0)) continue;
    for (const type of offered) {
      // A page and a stream are given only to who names them.
      const loose = type === 'application/graphql-response+json' || type === 'application/json';
      const exact =
        range === type ? 2 : loose && range === 'application/*' ? 1 : loose && range === '*/*' ? 0 : -1;
      if (exact < 0 || (exact < 2 && type !== 'application/json')) continue;
      if (best === undefined || quality > best.quality || (quality === best.quality && exact > best.exact)) {
        best = { type, quality, exact };
      }
    }
  }
  return best?.type;
}

/** Reads the parameters of a GET or a POST. @throws BadRequest */
export function paramsOf({ method, query, body, headers }: FastifyRequest): GraphqlParams {
  if (method === 'GET') return fromUrl(query as Record<string, unknown>);
  if (body === undefined) mustBeJson(headers);
  if (Array.isArray(body)) {
    throw new BadRequest(
      400,
      'Send one operation a request, not a list of them.',
      {},
      'BATCH_LIMIT_EXCEEDED',
    );
  }
  if (typeof body !== 'object' || body === null)
    throw new BadRequest(400, 'The body is a JSON object with `query`.');
  return checked(body as Record<string, unknown>);
}

/** The text of a body that is to be JSON. @throws BadRequest */
export function textOf({ headers }: FastifyRequest, body: Buffer): string {
  mustBeJson(headers);
  if (!isUtf8(body)) throw new BadRequest(400, 'The body is not valid UTF-8.');
  return body.toString();
}

/** Refuses what no page may send without a preflight, and what can't be read. @throws BadRequest */
function mustBeJson(headers: FastifyRequest['headers']): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    const readable = { 'accept-encoding': 'identity' };
    throw new BadRequest(415, 'Send the body as it is, without content-encoding.', readable);
  }
  const contentType = headers['content-type'] ?? '';
  if (!/^application\/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?$/i.test(contentType)) {
    throw new BadRequest(415, unreadableType);
  }
}

/** What is wrong with a body that was refused as JSON. */
export function notJson(text: string): BadRequest {
  if (text === '') return new BadRequest(400, 'The body is a JSON object with `query`.');
  try {
    JSON.parse(text);
    const keys = '`__proto__` or `constructor.prototype`';
    return new BadRequest(400, `The body has a key ${keys}, which no object may have.`);
  } catch (error) {
    return new BadRequest(400, `The body is not valid JSON: ${slipOf(error)}.`);
  }
}

/** Where JSON went wrong, as the engine tells it: `Unexpected token 'x', "{x}" is not valid JSON`. */
function slipOf(error: unknown): string {
  return (error as SyntaxError).message.replace(/ is not valid JSON$/, '');
}

function fromUrl(url: Record<string, unknown>): GraphqlParams {
  const { query, documentId, operationName, variables, extensions } = url;
  return checked({
    query,
    documentId,
    operationName: operationName === '' ? null : operationName,
    variables: parsed(variables, 'variables'),
    extensions: parsed(extensions, 'extensions'),
  });
}

/** Checks parameters, wherever they came from. @throws BadRequest */
export function checked(params: Record<string, unknown>): GraphqlParams {
  const { operationName = null, variables = null, extensions = null, documentId = null } = params;
  if (documentId !== null && typeof documentId !== 'string') {
    throw new BadRequest(400, '`documentId` is a string or null.');
  }
  if (operationName !== null && typeof operationName !== 'string') {
    throw new BadRequest(400, '`operationName` is a string or null.');
  }
  if (!isMap(variables)) throw new BadRequest(400, '`variables` is an object or null.');
  if (!isMap(extensions)) throw new BadRequest(400, '`extensions` is an object or null.');
  const named = documentId !== null || isMap(extensions?.persistedQuery ?? undefined);
  // Over WebSocket there has to be a text, if an empty one, beside a name.
  const query = named && (params.query === '' || params.query === undefined) ? null : params.query;
  if (typeof query !== 'string' && !(named && query === null)) {
    throw new BadRequest(400, '`query` is a string and required.');
  }
  return { query, documentId, operationName, variables, extensions };
}

function isMap(value: unknown): value is Values | null {
  return typeof value === 'object' && !Array.isArray(value);
}

function parsed(text: unknown, name: string): unknown {
  if (text === undefined || text === '') return null;
  try {
    return JSON.parse(String(text));
  } catch (error) {
    throw new BadRequest(400, `\`${name}\` is not valid JSON: ${slipOf(error)}.`);
  }
}
