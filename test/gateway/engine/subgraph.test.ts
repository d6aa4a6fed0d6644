import { buildASTSchema, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { inProcess } from '../../../gateway/engine/index.ts';
import { federate } from '../../kit/federation.ts';

describe('a subgraph in process', () => {
  const subgraphSdl = `type Query { v(at: Int!): V } type V { string: String int: Int float: Float boolean: Boolean id: ID color: Color day: Day any: [U] }
    enum Color { RED GREEN } scalar Day union U = X | Y type X { x: Int! } type Y { y: [Int!] }`;
  const values = [
    {
      string: 5,
      int: '7',
      float: '1.5',
      boolean: 1,
      id: 9,
      color: 'RED',
      day: 'd',
      any: [{ __typename: 'X', x: 1 }],
    },
    {
      string: true,
      int: 1.5,
      float: 'x',
      boolean: 'yes',
      id: {},
      color: 'BLUE',
      day: { a: 1 },
      any: [{ __typename: 'X' }, null],
    },
    {
      string: 'a',
      int: true,
      float: 2,
      boolean: false,
      id: 'z',
      color: null,
      day: 0,
      any: [{ __typename: 'Y', y: [1, null] }],
    },
  ];

  it('is compiled from the third use on, and answers as before', async () => {
    const { run, inProcess: local } = federate({
      one: {
        sdl: subgraphSdl,
        resolvers: { Query: { v: (_: unknown, { at }: { at: number }) => values[at] } },
      },
    });
    const text =
      'query($at: Int!) { v(at: $at) { string int float boolean id color day any { __typename ... on X { x } ... on Y { y } } } }';
    const answers = [];
    for (let use = 0; use < 2; use += 1) answers.push(await run(text, { at: use + 1 }));
    expect(local.one!.compiled).toBe(0);
    for (const at of [1, 2]) {
      const { data, errors } = await run(text, { at });
      expect(data).toEqual(answers[at - 1]!.data);
      const paths = (list?: { path: unknown }[]) => list?.map(({ path }) => JSON.stringify(path)).sort();
      expect(paths(errors)).toEqual(paths(answers[at - 1]!.errors));
    }
    expect(local.one!.compiled).toBe(1);
  });

  it('gets a fresh context for each call', async () => {
    const contexts = new Set<unknown>();
    const one = inProcess<string>({
      name: 'one',
      schema: buildASTSchema(parse('type Query { a: Int }')),
      contextOf(caller) {
        const context = { caller };
        contexts.add(context);
        return context;
      },
    });
    const call = {
      kind: 'query' as const,
      text: '{ a }',
      variables: undefined,
      caller: 'me',
      signal: undefined,
    };
    for (let use = 0; use < 4; use += 1) await one.execute(call);
    expect(contexts.size).toBe(4);
  });
});
