import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parse } from 'graphql';
import { LRUCache } from 'lru-cache';
import { StartFailure } from '../subgraphs/start-failure.ts';
import type { Config } from './config.ts';
import type { Answer } from './engine/index.ts';
import { BadRequest, type GraphqlParams } from './request.ts';

// Operations that are named and not sent. A client may register one by sending it once with its SHA-256 (Automatic
// Persisted Queries, as Apollo's clients speak them); the operator may hand in a file of documents to trust, and allow
// nothing else.

/** Documents by their SHA-256, in hexadecimal. */
export type TrustedDocuments = ReadonlyMap<string, string>;

export interface PersistedOptions {
  trusted?: TrustedDocuments;
  /** Whether no other text is run. Default false. */
  only?: boolean;
}

export interface Persisted {
  /**
   * The text that a request means.
   * @returns the text, or the answer that refuses it.
   * @throws BadRequest
   */
  textOf(params: GraphqlParams): string | Answer;
  /** Remembers the text of a request that came with its hash; for those that turned out to be operations. */
  remember(params: GraphqlParams): void;
}

/** Registered operations kept, by count and by characters. */
const keptCount = 10_000;
const keptCharacters = 16_777_216;

export function createPersisted({ trusted = new Map(), only = false }: PersistedOptions = {}): Persisted {
  const registered = new LRUCache<string, string>({
    max: keptCount,
    maxSize: keptCharacters,
    sizeCalculation: (text) => text.length + 64,
  });
  return {
    textOf(params) {
      const { query, documentId } = params;
      if (documentId !== null) {
        if (query !== null) throw new BadRequest(400, 'Send `documentId` or `query`, not both.');
        return trusted.get(documentId.toLowerCase().replace(/^sha256:/, '')) ?? documentNotFound;
      }
      const hash = hashOf(params);
      if (query === null) {
        if (hash === undefined) throw new BadRequest(400, '`query` is a string and required.');
        return trusted.get(hash) ?? (only ? notTrusted : (registered.get(hash) ?? notFound));
      }
      if (hash !== undefined && sha256(query) !== hash) return mismatch;
      return only && trusted.get(hash ?? sha256(query)) === undefined ? notTrusted : query;
    },
    remember(params) {
      const hash = hashOf(params);
      if (hash !== undefined && params.query !== null && !only) registered.set(hash, params.query);
    },
  };
}

/** What the configuration says of persisted operations. @throws StartFailure, one line */
export async function documentsOf({
  trustedDocuments,
  trustedOnly,
}: Pick<Config, 'trustedDocuments' | 'trustedOnly'>): Promise<PersistedOptions> {
  return trustedDocuments === undefined
    ? {}
    : { trusted: await readTrusted(trustedDocuments), only: trustedOnly };
}

/** Reads a file of trusted documents: `{ "<sha256>": "<document>" }`. @throws StartFailure, one line */
export async function readTrusted(file: string): Promise<TrustedDocuments> {
  const wrong = (what: string) =>
    new StartFailure(`LAUREL_TRUSTED_DOCUMENTS: ${file} ${what.replace(/\s+/g, ' ')}.`);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw wrong(`can't be read: ${(error as Error).message}`);
  }
  let documents: unknown;
  try {
    documents = JSON.parse(text);
  } catch (error) {
    throw wrong(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof documents !== 'object' || documents === null || Array.isArray(documents)) {
    throw wrong('is not an object of documents by their SHA-256');
  }
  return new Map(
    Object.entries(documents).map(([key, document]) => {
      const name = key.slice(0, 80);
      if (!/^[0-9a-f]{64}$/.test(key)) {
        throw wrong(`has the key "${name}", which is not a SHA-256 of 64 small hexadecimal digits`);
      }
      if (typeof document !== 'string') throw wrong(`has something else than a document at "${name}"`);
      const hash = sha256(document);
      if (hash !== key) throw wrong(`has a document at "${name}" whose SHA-256 is "${hash}"`);
      try {
        parse(document, { noLocation: true });
      } catch (error) {
        throw wrong(`has no GraphQL at "${name}": ${(error as Error).message}`);
      }
      return [key, document];
    }),
  );
}

/** The hash of an operation that is, or is to be, registered. @throws BadRequest */
function hashOf({ extensions }: GraphqlParams): string | undefined {
  const persistedQuery = extensions?.persistedQuery;
  if (persistedQuery === undefined || persistedQuery === null) return undefined;
  const { version, sha256Hash } = persistedQuery as Record<string, unknown>;
  if (version !== 1) throw new BadRequest(400, '`extensions.persistedQuery.version` is 1.');
  if (typeof sha256Hash !== 'string' || !/^[0-9a-f]{64}$/i.test(sha256Hash)) {
    throw new BadRequest(400, '`extensions.persistedQuery.sha256Hash` is a SHA-256 in hexadecimal.');
  }
  return sha256Hash.toLowerCase();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

// Apollo's clients look for this very message, or for the code.
const notFound = refusal('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
const mismatch = refusal(
  'PERSISTED_QUERY_MISMATCH',
  '`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`.',
);
const documentNotFound = refusal('DOCUMENT_NOT_FOUND', 'No trusted document has this `documentId`.');
const notTrusted = refusal(
  'OPERATION_NOT_TRUSTED',
  'This gateway runs trusted documents only: send the `documentId` of one of them.',
);

function refusal(code: string, message: string): Answer {
  const errors = [{ message, extensions: { code } }];
  return { json: JSON.stringify({ errors }), hasData: false, errors };
}
