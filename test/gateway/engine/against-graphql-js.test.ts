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

/** What was answered wrongly once, as short as it gets. */
const onceWrong = [
  '{ clubs { award { text stars of { id } } } }',
  '{ clubs { award { of { rating ... on Node { id } } } } }',
  '{ topRated { ... on Node { _id: id } } }',
  '{ topRated { ... on Book { pages } } }',
  '{ topRated { reviews { at } ... on Film { reviews { text } } } }',
  '{ topRated { reviews { of { ... on Thing { ... on Media { rating } } } } } }',
  '{ shelves { reviews { text } ... on Book { reviews { text author { id } } } } }',
  '{ nodes { ... on Film { reviews { text } } ... on Book { rating } ... on User { mood } } }',
  '{ top { maker { gift } ... on Book { maker { greeting } } } }',
  '{ leader { rival { best { maker { rank } ... on Film { maker { xp } } } } } }',
];

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
      return { text, variables };
    }
  };

  const compare = async (text: string, variables: Record<string, unknown>, about: string) => {
    const expected = await refer(parse(text), variables);
    reset();
    const { json, errors } = await answer(text, variables);
    const found = `${about}: ${text} ${JSON.stringify(variables)}\n${JSON.stringify(errors)}`;
    expect(json.slice(json.indexOf('"data":') + '"data":'.length, -1), found).toBe(expected.data);
    expect(expected.differences(errors), found).toEqual([]);
  };

  it.each(onceWrong)('answers %s as graphql-js does', (text) => compare(text, {}, 'once wrong'));

  it(`answers ${operations} operations as graphql-js does`, async () => {
    for (let seed = from; seed < from + operations; seed += 1) {
      const { text, variables } = valid(seed);
      await compare(text, variables, `seed ${seed}`);
    }
  });
});
