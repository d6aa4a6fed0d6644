import { buildASTSchema, execute, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { Subgraph } from '../../../gateway/engine/index.ts';
import { federate } from '../../kit/federation.ts';

const sdl = `
  type Query { a: A aa: [A] must: A! list: [A!] lists: [[A!]!] musts: [A!]! any: [Any!] scalars: Scalars }
  type A { id: ID! n: Int m: Int! b: B bb: B! }
  type B { n: Int m: Int! a: A! }
  type C { c: Int! }
  union Any = A | C
  enum Color { RED GREEN }
  scalar Json
  type Scalars { string: String int: Int float: Float boolean: Boolean id: ID color: Color json: Json strings: [String!] must: Int! }
`;
const schema = buildASTSchema(parse(sdl));

/** A federation of one subgraph that answers with `data`, whatever it is asked. */
function answering(data: Record<string, unknown>) {
  const reach: Subgraph<unknown> = {
    execute: () => ({ data: structuredClone(data) }),
    subscribe: async () => ({}),
  };
  return federate({ one: { sdl, reach } });
}

const good = { id: '1', n: 1, m: 2, b: { n: 1, m: 2, a: { id: '2', m: 1 } }, bb: { m: 1 } };

describe('a missing value', () => {
  it.each([
    ['a nullable field', '{ a { n } }', { a: { n: null } }],
    ['a non-null field', '{ a { id m } }', { a: { id: '1', m: null } }],
    ['a field two levels below', '{ a { id bb { m } } }', { a: { id: '1', bb: { m: null } } }],
    ['a chain of non-null fields', '{ a { b { a { m } } } }', { a: { b: { n: 1, a: { m: null } } } }],
    ['a root field', '{ must { n } a { n } }', { must: null, a: { n: 1 } }],
    ['everything', '{ must { m } }', {}],
    ['an item', '{ aa { m } }', { aa: [good, null, { m: null }] }],
    ['a non-null item', '{ list { m } }', { list: [good, null] }],
    ['below a non-null item', '{ list { m } a { n } }', { list: [good, { m: null }], a: good }],
    ['a list in a list', '{ lists { m } }', { lists: [[good], [good, { m: null }]] }],
    ['below a non-null list', '{ musts { m } }', { musts: [{ m: 1 }, {}] }],
    [
      'a member of a union',
      '{ any { ... on C { c } } }',
      { any: [{ __typename: 'C', c: 1 }, { __typename: 'C' }] },
    ],
    ['two fields of one object', '{ a { m bb { m } } aa { bb { m } m } }', { a: {}, aa: [{}, good] }],
    ['an aliased field', '{ x: a { y: m } }', { a: {}, x: { y: null } }],
  ])('costs what the specification says: %s', async (_, text, data) => {
    const expected = await execute({
      schema,
      document: parse(text),
      rootValue: data,
      fieldResolver: (source, _args, _context, info) => source[info.path.key],
    });
    const { json, errors } = await answering(data).answer(text);
    expect(JSON.stringify(JSON.parse(json).data)).toBe(JSON.stringify(expected.data));
    expect(errors.map(({ path }) => path)).toEqual(expected.errors?.map(({ path }) => path) ?? []);
    expect(errors.map(({ message }) => message)).toEqual(
      expected.errors?.map(({ message }) => message) ?? [],
    );
  });

  it('is no error of its own where a failed call explains it', async () => {
    const reach: Subgraph<unknown> = {
      execute: () => {
        throw new Error('broken');
      },
      subscribe: async () => ({}),
    };
    const { data, errors } = await federate({ one: { sdl, reach } }).run('{ musts { m } a { n } }');
    expect(data).toBeNull();
    expect(errors!.map(({ path }) => path)).toEqual([['musts'], ['a']]);
  });
});

describe('a value', () => {
  const write = async (fields: string, scalars: Record<string, unknown>) => {
    const { json, errors } = await answering({ scalars }).answer(`{ scalars { ${fields} } }`);
    return { json: json.slice(json.indexOf('"scalars":') + 10, -2), errors };
  };

  it.each([
    ['plain', '"plain"'],
    ['', '""'],
    ['with "quotes" and \\', '"with \\"quotes\\" and \\\\"'],
    ['\n\t\u0000', '"\\n\\t\\u0000"'],
    ['\ud800 alone', '"\\ud800 alone"'],
    ['😀 pair', '"😀 pair"'],
    [`${'long '.repeat(20)}"`, `"${'long '.repeat(20)}\\""`],
  ])('that is a string is written as JSON.stringify writes it: %j', async (string, expected) => {
    expect((await write('string', { string })).json).toBe(`{"string":${expected}}`);
    expect(expected).toBe(JSON.stringify(string));
  });

  it('is written by the rules of its scalar', async () => {
    const { json } = await write('int float boolean id color json strings', {
      int: -5,
      float: 1e21,
      boolean: false,
      id: 12,
      color: 'GREEN',
      json: { a: [1, '"'] },
      strings: ['x', 'y'],
    });
    expect(json).toBe(
      '{"int":-5,"float":1e+21,"boolean":false,"id":"12","color":"GREEN","json":{"a":[1,"\\""]},"strings":["x","y"]}',
    );
  });

  it('that its scalar does not have is null with an error', async () => {
    const { json, errors } = await write('int string boolean', { int: 1.5, string: {}, boolean: 'yes' });
    expect(json).toBe('{"int":null,"string":null,"boolean":null}');
    expect(errors.map(({ path }) => path)).toEqual([
      ['scalars', 'int'],
      ['scalars', 'string'],
      ['scalars', 'boolean'],
    ]);
  });

  it('that its enum does not have is null', async () => {
    expect(await write('color', { color: 'BLUE' })).toEqual({ json: '{"color":null}', errors: [] });
  });

  it('of a custom scalar may be a big integer', async () => {
    expect((await write('json', { json: 2n ** 64n })).json).toBe('{"json":18446744073709551616}');
  });

  it('known by its interface alone meets the conditions that all its types meet', async () => {
    const reach: Subgraph<unknown> = {
      execute: () => ({ data: { node: { __typename: 'Node', id: '1', size: 2 } } }),
      subscribe: async () => ({}),
    };
    const shapes = `type Query { node: Node } interface Node { id: ID! size: Int } union All = A | B union Some = A
      type A implements Node { id: ID! size: Int } type B implements Node { id: ID! size: Int }`;
    const { run } = federate({ one: { sdl: shapes, reach } });
    expect(
      await run('{ node { ... on All { ... on Node { id } } ... on Some { ... on Node { size } } } }'),
    ).toEqual({
      data: { node: { id: '1' } },
    });
  });

  it('of an unknown type is null', async () => {
    const { run } = answering({ any: null, aa: [] });
    expect(await run('{ any { __typename } }')).toEqual({ data: { any: null } });
    const { data } = await answering({ any: [{ __typename: 'Ghost' }] }).run('{ any { __typename } }');
    expect(data).toEqual({ any: null });
  });
});
