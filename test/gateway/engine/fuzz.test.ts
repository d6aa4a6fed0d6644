import fc from 'fast-check';
import {
  type DocumentNode,
  execute,
  GraphQLError,
  getOperationAST,
  getVariableValues,
  parse,
  validate,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { federate } from '../../kit/federation.ts';
import { worldOf } from '../../kit/five-subgraphs.ts';
import { broken, misused, operationName, oversized } from '../../kit/hostile.ts';
import { flawsOf } from '../../kit/well-formed.ts';

// Whatever is asked, there is a well-formed answer, never a fault of ours; and what graphql-js answers, the engine answers the
// same way.

// More of them: FUZZ_RUNS=10000 npx vitest run --testTimeout 0 test/gateway/engine/fuzz
// Once more:    FUZZ_SEED=<as fast-check prints it>
const numRuns = Number(process.env.FUZZ_RUNS ?? 100);
const seed = process.env.FUZZ_SEED === undefined ? undefined : Number(process.env.FUZZ_SEED);

const { root, subgraphs, reset } = worldOf(false);
const federation = federate(subgraphs);
const { schema } = federation.engine;

interface Request {
  text: string;
  variables: Record<string, unknown>;
  name: string | undefined;
}

/** The document, if graphql-js would run it with these variables. */
function accepted({ text, variables, name }: Request): DocumentNode | undefined {
  try {
    const document = parse(text, { maxTokens: 10_000 });
    const operation = getOperationAST(document, name || undefined);
    if (!operation || validate(schema, document).length > 0) return undefined;
    const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
    return errors ? undefined : document;
  } catch (error) {
    // Too deep for graphql-js to read.
    if (error instanceof GraphQLError || error instanceof RangeError) return undefined;
    throw error;
  }
}

async function check(request: Request): Promise<void> {
  const { text, variables, name } = request;
  reset();
  const { json, hasData, errors } = await federation.answer(text, variables, name);
  expect(flawsOf(json)).toEqual([]);
  const isTooMuch = errors.some(({ extensions }) => String(extensions?.code).endsWith('LIMIT_EXCEEDED'));
  const document = isTooMuch ? undefined : accepted(request);
  expect(hasData, JSON.stringify(errors)).toBe(document !== undefined);
  if (!document) return;
  reset();
  const { data } = await execute({
    schema,
    document,
    rootValue: root,
    variableValues: variables,
    operationName: name || undefined,
  });
  expect(json.slice(json.indexOf('"data":') + '"data":'.length, -1)).toBe(JSON.stringify(data));
}

async function holds(requests: fc.Arbitrary<Request>): Promise<void> {
  await fc.assert(fc.asyncProperty(requests, check), { numRuns, seed });
}

const named = (operations: fc.Arbitrary<Omit<Request, 'name'>>) =>
  fc.tuple(operations, operationName).map(([operation, name]): Request => ({ ...operation, name }));

describe('the engine answers', () => {
  it('operations with pieces torn out and put in', () => holds(named(broken(schema))));

  it('documents that are too deep, too wide or never end', () =>
    holds(named(oversized.map((text) => ({ text, variables: {} })))));

  it('variables of every kind', () => holds(named(misused(schema))));

  it('any text', () => holds(named(fc.string({ unit: 'binary' }).map((text) => ({ text, variables: {} })))));
});
