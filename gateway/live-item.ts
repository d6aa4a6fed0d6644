import type { FormattedError, StreamEvent } from './engine/index.ts';

// What a subscription tells. An item is handed on by plain calls all the way from the upstream to the socket: where one
// event goes to thousands, each promise on the way costs as much as the rest.

/** One item for one client: the response as JSON, and where the stream stands after it. */
export interface LiveItem {
  json: string;
  cursor: string | undefined;
  /** The item can't be shared, since it is about whoever asks: its event, to be answered for each. */
  personal?: StreamEvent;
}

/** Takes an item; a promise when it wants no other before that. What it throws ends the telling. */
export type Take = (item: LiveItem) => Promise<void> | undefined;

/** The items of an operation, of which a query has one. */
export interface LiveItems {
  /** Hands on all items, in order; resolves when there are no more. To be called once. Throws what broke them off. */
  tell(take: Take): Promise<void>;
}

/** A stream that was refused after it had begun, or when it was opened again; its errors are for the client. */
export class LiveFailure extends Error {
  constructor(readonly errors: readonly FormattedError[]) {
    super(errors[0]?.message ?? 'The stream could not be opened again.');
  }
}

/** An event turned out to be about each person. */
export class Personal extends Error {
  constructor(readonly event: StreamEvent) {
    super('The stream is about whoever asks.');
  }
}

/** Whether something is about one person, and who asked for it is a class of people. */
export function needsUser({ errors = [] }: Pick<StreamEvent, 'errors'>): boolean {
  return errors.some(({ extensions }) => extensions?.code === 'NEEDS_USER');
}
