import type { GraphQLFormattedError } from 'graphql';

// What a stream needs of whatever carries it.

/** The parameters of a GraphQL request. */
export interface Payload {
  query: string;
  variables: Record<string, unknown>;
  operationName?: string | undefined;
  extensions?: Record<string, unknown> | undefined;
}

export interface RawResult {
  data?: Record<string, unknown> | null;
  errors?: readonly GraphQLFormattedError[];
  extensions?: Record<string, unknown>;
}

export interface Transport {
  /**
   * Runs an operation. Ends when the server completed it or `signal` aborts.
   * @param after  the cursor that it goes on after, also in the variables.
   * @throws LiveError  whatever else ends it.
   */
  open(payload: Payload, after: string | undefined, signal: AbortSignal): AsyncGenerator<RawResult, void>;
  /** Changes with each `renew`. */
  readonly generation: number;
  /**
   * What is opened from now on gets a new connection; with new credentials if `credentials`. Nothing happens when
   * another stream of the same generation was faster.
   */
  renew(generation: number, credentials: boolean): void;
  /** Finds out whether connections that should be there still are. */
  check(): void;
  close(): void;
}

/** What names the caller: the headers of the README's "Keys", by their names. */
export type Credentials = Record<string, string>;

/** What every transport is made of. */
export interface Connecting {
  /** The graph's address, `http(s)://…/graphql`. */
  url: string;
  /** Asked for each new connection. @param renew  those given before were refused, or soon will be. */
  credentials(renew: boolean): Promise<Credentials>;
  /** The server was reached. */
  onReached(): void;
}
