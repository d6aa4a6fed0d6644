import { parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { federate } from '../../kit/federation.ts';
import { worldOf, worldValues } from '../../kit/five-subgraphs.ts';
import { generateOperation } from '../../kit/operations.ts';
import { isOverFetched } from '../../kit/over-fetched.ts';
import { reference } from '../../kit/reference.ts';

// The same objects behind one merged schema and behind a federation of five: whatever is asked, both answer the same.

// More of them: OPERATIONS=10000 FROM=5000 npx vitest run --testTimeout 0 test/gateway/engine/against
const operations = Number(process.env.OPERATIONS ?? 120);
const from = Number(process.env.FROM ?? 0);

describe.each([
  ['healthy', false],
  ['faulty', true],
])('a federation over %s data', (_, faulty) => {
  const { root, subgraphs, reset } = worldOf(faulty);
  const { engine, answer } = federate(subgraphs, {
    limits: { fields: 10_000, depth: 50, aliases: 1_000, directives: 1_000 },
    // Which of a subgraph's errors are about nulls is told by their message alone.
    maskErrors: false,
  });
  const refer = reference(engine.schema, root, reset);

  /** The next valid operation from a seed on, of which the planner asks no more than it must. */
  const valid = (seed: number) => {
    for (let at = seed * 1_000; ; at += 1) {
      const { text, variables } = generateOperation(engine.schema, at, worldValues);
      const document = parse(text);
      if (validate(engine.schema, document).length > 0) continue;
      // On healthy data nothing fails that is asked in vain.
      if (faulty && isOverFetched(engine.schema, document, variables)) continue;
      return { text, variables, document };
    }
  };

  it(`answers ${operations} operations as graphql-js does`, async () => {
    for (let seed = from; seed < from + operations; seed += 1) {
      const { text, variables, document } = valid(seed);
      const expected = await refer(document, variables);
      reset();
      const { json, errors } = await answer(text, variables);
      const about = `seed ${seed}: ${text} ${JSON.stringify(variables)}\n${JSON.stringify(errors)}`;
      expect(json.slice(json.indexOf('"data":') + '"data":'.length, -1), about).toBe(expected.data);
      expect(expected.differences(errors), about).toEqual([]);
    }
  });
});
