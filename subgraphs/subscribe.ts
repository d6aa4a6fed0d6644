import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute } from 'graphql';

// graphql-js's `subscribe`, but that each result says what a gateway has to know before it tells it to anybody: up to where
// it must have read whose credentials have changed (`credentialsAt` in log.ts). It stands beside the data, so that clients
// don't see it.

/** What a stream yields, where it is about a community's doings. */
export interface Told {
  credentialsAt?: number;
}

export async function subscribe(
  args: ExecutionArgs,
): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> {
  const source = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in source)) return source;
  const events = (source as AsyncIterable<Told>)[Symbol.asyncIterator]();
  const end = async () => {
    await events.return?.();
    return { done: true as const, value: undefined };
  };
  const results: AsyncIterableIterator<ExecutionResult> = {
    async next() {
      const { done, value } = await events.next();
      if (done) return { done, value: undefined };
      const result = await execute({ ...args, rootValue: value });
      const { credentialsAt } = value;
      return {
        done: false,
        value: credentialsAt === undefined ? result : { ...result, extensions: { credentialsAt } },
      };
    },
    return: end,
    [Symbol.asyncIterator]: () => results,
  };
  return results;
}
