import { type ExecutionResult, graphql, parse, subscribe } from 'graphql';
import { expect } from 'vitest';
import { contextFor, type Resources } from '../../subgraphs/context.ts';
import type { Subgraph } from '../../subgraphs/feature.ts';
import type { Principal } from '../../subgraphs/principal.ts';

// Operations on one subgraph's schema, as a given principal. Whether its scopes cover them is not checked here:
// scope-guard.test.ts and the gateway's tests do.

// biome-ignore lint/suspicious/noExplicitAny: the shape of an answer is what a test is about.
export type Answer = any;
type Variables = Record<string, unknown>;

export interface Asking {
  /** The data of an operation that must not bring errors. */
  ask(principal: Principal, operation: string, variables?: Variables): Promise<Answer>;
  /** The top-level errors of an operation, as a client reads them: code and path. */
  errorsOf(
    principal: Principal,
    operation: string,
    variables?: Variables,
  ): Promise<{ code: unknown; path: unknown }[]>;
  /** Entities of one type by id, as another subgraph's query would bring them, in the order of the ids. */
  entities(
    principal: Principal,
    type: string,
    ids: readonly string[],
    selection: string,
    variables?: Variables,
  ): Promise<Answer[]>;
  /** The first root field of each result of a subscription. */
  listen(principal: Principal, operation: string, variables?: Variables): Promise<AsyncGenerator<Answer>>;
}

export function asking({ schema }: Subgraph, resources: () => Resources): Asking {
  const run = (principal: Principal, source: string, variableValues: Variables) =>
    graphql({ schema, source, variableValues, contextValue: contextFor(resources(), principal) });

  const ask: Asking['ask'] = async (principal, operation, variables = {}) => {
    const { data, errors } = await run(principal, operation, variables);
    expect(errors?.map((error) => error.originalError ?? error)).toBeUndefined();
    return plain(data);
  };
  return {
    ask,
    async errorsOf(principal, operation, variables = {}) {
      const { errors = [] } = await run(principal, operation, variables);
      return errors.map(({ extensions, path, message }) => ({ code: extensions.code ?? message, path }));
    },
    async entities(principal, type, ids, selection, variables = {}) {
      const names = Object.keys(variableTypes).filter((name) => selection.includes(`$${name}`));
      const declared = names.map((name) => `, $${name}: ${variableTypes[name]}`);
      const data = await ask(
        principal,
        `query ($keys: [_Any!]!${declared.join('')}) {
          _entities(representations: $keys) { ... on ${type} ${selection} }
        }`,
        { ...variables, keys: ids.map((id) => ({ __typename: type, id })) },
      );
      return data._entities;
    },
    async listen(principal, operation, variables = {}) {
      const results = await subscribe({
        schema,
        document: parse(operation),
        variableValues: variables,
        contextValue: contextFor(resources(), principal),
      });
      if (!(Symbol.asyncIterator in results)) throw results.errors?.[0]?.originalError ?? results.errors?.[0];
      return firstFields(results);
    },
  };
}

/** The types of the variables that tests give to `entities`. */
const variableTypes: Record<string, string> = {
  first: 'Int',
  last: 'Int',
  after: 'String',
  before: 'String',
  range: 'DateRangeInput',
};

// Not `async function*`: its `return()` would wait for the next event, which may never come.
function firstFields(results: AsyncGenerator<ExecutionResult>): AsyncGenerator<Answer> {
  return {
    async next() {
      const { done, value } = await results.next();
      if (done) return { done, value: undefined };
      expect(value.errors).toBeUndefined();
      return { done: false, value: Object.values(plain(value.data))[0] };
    },
    return: () => results.return(undefined) as Promise<IteratorReturnResult<undefined>>,
    throw: (error: unknown) => results.throw(error),
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await results.return(undefined);
    },
  };
}

/** The next items of a stream. */
export async function take(items: AsyncIterator<Answer>, count: number): Promise<Answer[]> {
  const taken: Answer[] = [];
  while (taken.length < count) {
    const { done, value } = await items.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

/** graphql-js makes objects without a prototype, which `toEqual` tells from `{}`. */
function plain(data: unknown): Answer {
  return JSON.parse(JSON.stringify(data ?? null));
}
