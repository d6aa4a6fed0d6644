import type { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { formattedError } from '../subgraphs/fault.ts';
import type { Caller } from './access.ts';
import { type InProcessOptions, inProcess, type Result, type Subgraph } from './engine/index.ts';

// A subgraph of ours in this process, to the engine like one in a process of its own.

/** A schema in this process, its errors as they would come from another process: refusals coded, bugs logged. */
export function local(options: InProcessOptions<Caller>, log: Logger): Subgraph<Caller> {
  const subgraph = inProcess(options);
  const told = (result: Result): Result =>
    result.errors === undefined
      ? result
      : { ...result, errors: result.errors.map((error) => formattedError(error as GraphQLError, log)) };
  return {
    ...subgraph,
    execute(call) {
      const result = subgraph.execute(call);
      return result instanceof Promise ? result.then(told) : told(result);
    },
    async subscribe(call) {
      const opened = await subgraph.subscribe(call);
      if (!(Symbol.asyncIterator in opened)) return told(opened);
      const results = opened[Symbol.asyncIterator]();
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            const { done, value } = await results.next();
            return done ? { done, value } : { done, value: told(value) };
          },
          return: async () => (await results.return?.()) ?? { done: true, value: undefined },
        }),
      };
    },
  };
}
