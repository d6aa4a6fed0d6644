import { GraphQLError, GraphQLScalarType, GraphQLSchema, printSchema } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { Limits } from '../../../gateway/engine/index.ts';
import { federate } from '../../kit/federation.ts';

const library = (limits: Partial<Limits> = {}) =>
  federate(
    {
      books: {
        sdl: `
          "What can be asked."
          type Query { book(id: ID!): Book search(filter: Filter, first: Int = 2): [Book!] concealed: String @inaccessible }
          "A book."
          type Book @key(fields: "id") { id: ID! title: String hidden: String @inaccessible author: Book kind: Kind }
          input Filter { text: String!, kinds: [Kind!] = [NOVEL], hidden: Int @inaccessible }
          enum Kind { NOVEL POEM "Not for clients." DRAFT @inaccessible }
          scalar Json @specifiedBy(url: "https://example.test/json")
          extend type Query { echo(value: Json): Json old: Int @deprecated(reason: "Ask echo.") }
        `,
        resolvers: {
          Query: {
            book: (_: unknown, { id }: { id: string }) => ({ id, title: `Title ${id}`, kind: 'DRAFT' }),
            search: (_: unknown, args: unknown) => [{ id: 's', title: JSON.stringify(args) }],
            echo: (_: unknown, { value }: { value: unknown }) => value,
          },
        },
      },
      sales: {
        sdl: 'type Book @key(fields: "id") { id: ID! sold: Int }',
        resolvers: { Book: { sold: () => 5 } },
      },
    },
    { limits },
  );

const codes = (response: { errors?: { extensions: { code: string } }[] }) =>
  response.errors?.map((error) => error.extensions.code);

describe('an operation', () => {
  it('that is not GraphQL is refused without data', async () => {
    const answer = await library().answer('{ book(');
    expect(answer).toMatchObject({
      hasData: false,
      errors: [{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }],
    });
    expect(answer.json).not.toContain('"data"');
  });

  it.each([
    [
      'a cyclic fragment',
      '{ book(id: 1) { ...A } } fragment A on Book { author { ...B } } fragment B on Book { ...A }',
    ],
    ['a fragment inside itself', '{ ...A } fragment A on Query { ...A }'],
    ['an unknown fragment', '{ ...A }'],
    ['an unknown type', '{ ... on Nothing { id } }'],
    ['an unused variable', 'query($a: Int) { book(id: 1) { id } }'],
    ['a leaf with a selection', '{ book(id: 1) { id { id } } }'],
    ['an object without one', '{ book(id: 1) }'],
  ])('with %s never reaches the planner', async (_, text) => {
    const { run, calls } = library();
    expect(codes(await run(text))).toContain('GRAPHQL_VALIDATION_FAILED');
    expect(calls).toEqual([]);
  });

  it('is chosen from several by its name', async () => {
    const { run } = library();
    const text = 'query A { book(id: 1) { id } } query B { book(id: 2) { id } }';
    expect(await run(text, {}, 'B')).toEqual({ data: { book: { id: '2' } } });
    expect(codes(await run(text))).toEqual(['OPERATION_RESOLUTION_FAILURE']);
    expect(codes(await run(text, {}, 'C'))).toEqual(['OPERATION_RESOLUTION_FAILURE']);
  });

  it('is prepared once', () => {
    const { engine } = library();
    const view = { key: 'all', schema: engine.schema };
    expect(engine.prepare(view, '{ book(id: 1) { id } }')).toBe(
      engine.prepare(view, '{ book(id: 1) { id } }'),
    );
    expect(engine.cache).toMatchObject({ hits: 1, misses: 1 });
  });

  it('may use names that a planner or JavaScript would trip over', async () => {
    const { run } = library();
    const { data } = await run(
      '{ __proto__: book(id: 1) { id: title sold __typename: id constructor: id a: id b: id } }',
    );
    expect(JSON.stringify(data)).toBe(
      '{"__proto__":{"id":"Title 1","sold":5,"__typename":"1","constructor":"1","a":"1","b":"1"}}',
    );
  });
});

describe('bad input', () => {
  it.each([
    ['braces', `${'{a'.repeat(2_400)}${'}'.repeat(2_400)}`],
    ['lists', `{ a(b: ${'['.repeat(2_400)}${']'.repeat(2_400)}) }`],
    ['braces without an end', '{a'.repeat(2_400)],
    ['nothing', ''],
    ['a comment', '# only'],
    ['a type', 'type A { b: Int }'],
    ['a lone fragment', 'fragment A on Book { id }'],
    ['a null character', '{ a\u0000 }'],
  ])('of %s is refused', async (_, text) => {
    const answer = await library().answer(text);
    expect(answer.hasData).toBe(false);
    expect(answer.errors.length).toBeGreaterThan(0);
    expect(JSON.stringify(answer.errors)).not.toContain('INTERNAL');
  });
});

describe('what is hidden', () => {
  it('is refused in the same words as what does not exist', async () => {
    const { run } = library();
    const message = async (text: string) => (await run(text)).errors![0].message;
    const unknown = await message('{ nothing }');
    expect(await message('{ concealed }')).toBe(unknown.replaceAll('nothing', 'concealed'));
    expect(await message('{ conceale }')).not.toContain('concealed');
  });

  it('is not in the schema, which keeps descriptions, defaults and directives', () => {
    const sdl = printSchema(library().engine.schema);
    expect(sdl).not.toMatch(/hidden|concealed|DRAFT|join__|link__/);
    for (const part of [
      '"""A book."""',
      'first: Int = 2',
      '@deprecated(reason: "Ask echo.")',
      '@specifiedBy',
    ]) {
      expect(sdl).toContain(part);
    }
  });

  it('leaves one-of inputs what they are', () => {
    const sdl = 'type Query { a(either: Either): Int } input Either @oneOf { a: Int b: Int }';
    const { engine } = federate({
      one: { sdl, reach: { execute: () => ({}), subscribe: async () => ({}) } },
    });
    expect(engine.schema.getType('Either')).toMatchObject({ isOneOf: true });
  });

  it('stays out of suggestions for callers of a narrower view', () => {
    const { engine } = library();
    const config = engine.schema.toConfig();
    const narrow = new GraphQLSchema({ ...config, query: engine.schema.getType('Book') as never });
    const refused = engine.prepare({ key: 'narrow', schema: narrow }, '{ searc }');
    expect(JSON.stringify(refused)).not.toContain('search');
  });

  it('is null where a subgraph sends it as a value', async () => {
    expect(await library().run('{ book(id: 1) { kind } }')).toEqual({ data: { book: { kind: null } } });
  });
});

describe('variables', () => {
  it('are coerced once, with their defaults', async () => {
    const { run, calls } = library();
    await run(
      'query($f: Filter, $n: Int = 7, $id: ID!) { search(filter: $f, first: $n) { id } book(id: $id) { id } }',
      {
        f: { text: 'x' },
        id: 4,
        unused: true,
      },
    );
    expect(calls[0]!.variables).toEqual({ f: { text: 'x', kinds: ['NOVEL'] }, n: 7, id: '4' });
  });

  it('that are wrong refuse the request', async () => {
    const { run, calls } = library();
    const text = 'query($id: ID!, $n: Int) { book(id: $id) { id } search(first: $n) { id } }';
    expect(await run(text, { n: 'many' })).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT' } }, { extensions: { code: 'BAD_USER_INPUT' } }],
    });
    expect(calls).toEqual([]);
  });

  it('that are wrong are not said again at full length', async () => {
    const long = { a: 'x'.repeat(100_000) };
    const response = await library().run('query($id: ID!) { book(id: $id) { id } }', { id: long });
    expect(codes(response)).toEqual(['BAD_USER_INPUT']);
    const message = response.errors?.[0]?.message ?? '';
    expect(message).toMatch(/^Variable "\$id" got invalid value { a: "x+…$/);
    expect(message.length).toBeLessThan(1_100);
  });

  it('of a custom scalar pass through as they are', async () => {
    const value = { a: [1, { b: null }], c: 'd' };
    expect(await library().run('query($v: Json) { echo(value: $v) }', { v: value })).toEqual({
      data: { echo: value },
    });
  });

  it('go only to the subgraphs that use them', async () => {
    const { run, calls } = library();
    await run('query($id: ID!, $yes: Boolean!) { book(id: $id) { sold @include(if: $yes) } }', {
      id: '1',
      yes: true,
    });
    expect(calls.map(({ variables }) => Object.keys(variables!))).toEqual([['id'], ['representations']]);
  });
});

describe('conditions', () => {
  const text = `query($yes: Boolean!) {
    book(id: 1) { title @skip(if: $yes) sold @include(if: $yes) ... @include(if: $yes) { id title } }
    search @skip(if: $yes) { id }
  }`;

  it('decide what is asked, in the order of the query', async () => {
    const { answer } = library();
    expect((await answer(text, { yes: true })).json).toBe(
      '{"data":{"book":{"sold":5,"id":"1","title":"Title 1"}}}',
    );
    expect((await answer(text, { yes: false })).json).toBe(
      '{"data":{"book":{"title":"Title 1"},"search":[{"id":"s"}]}}',
    );
  });

  it('spare the calls of what is left out', async () => {
    const { run, calls } = library();
    await run('query($yes: Boolean!) { book(id: 1) { id sold @include(if: $yes) } }', { yes: false });
    expect(calls.map(({ subgraph }) => subgraph)).toEqual(['books']);
  });

  it('may leave nothing of an object, or of everything', async () => {
    const { run, calls } = library();
    expect(await run('{ book(id: 1) { id @skip(if: true) } }')).toEqual({ data: { book: {} } });
    expect(await run('{ book(id: 1) @skip(if: true) { id } }')).toEqual({ data: {} });
    expect(calls).toHaveLength(1);
  });
});

describe('introspection', () => {
  it('mixes with data in the order of the query', async () => {
    const { answer } = library();
    const { json } = await answer(
      `query($n: String!) {
      t: __typename book(id: 1) { sold } a: __schema { queryType { name } } __type(name: $n) { name } title: book(id: 2) { id }
    }`,
      { n: 'Kind' },
    );
    expect(json).toBe(
      '{"data":{"t":"Query","book":{"sold":5},"a":{"queryType":{"name":"Query"}},"__type":{"name":"Kind"},"title":{"id":"2"}}}',
    );
  });

  it('calls no subgraph', async () => {
    const { run, calls } = library();
    expect(await run('{ __typename __type(name: "Nothing") { name } }')).toEqual({
      data: { __typename: 'Query', __type: null },
    });
    expect(calls).toEqual([]);
  });
});

describe('limits', () => {
  const deep = (levels: number) =>
    `{ book(id: 1) ${'{ author '.repeat(levels)} { id } ${'}'.repeat(levels)} }`;

  it.each([
    ['tokens', 'TOKEN_LIMIT_EXCEEDED', { tokens: 5 }, '{ book(id: 1) { id } }', 'more than 5 tokens'],
    ['depth', 'DEPTH_LIMIT_EXCEEDED', { depth: 5 }, deep(5), 'a depth of 7, more than the 5 allowed'],
    ['aliases', 'ALIAS_LIMIT_EXCEEDED', { aliases: 1 }, '{ book(id: 1) { a: id b: id } }', '2 aliases'],
    ['root fields', 'ROOT_FIELD_LIMIT_EXCEEDED', { rootFields: 1 }, '{ __typename old }', '2 root fields'],
    ['directives', 'DIRECTIVE_LIMIT_EXCEEDED', { directives: 0 }, '{ old @skip(if: true) }', '1 directives'],
    ['fields', 'FIELD_LIMIT_EXCEEDED', { fields: 2 }, '{ book(id: 1) { id title } }', '3 fields'],
  ])('on %s name the limit and the value', async (_, code, limits, text, words) => {
    const { run, calls } = library(limits);
    const { errors } = await run(text);
    expect(errors).toMatchObject([{ extensions: { code } }]);
    expect(errors![0].message).toContain(words);
    expect(calls).toEqual([]);
  });

  it.each([
    ['by literals', '{ books(first: 30) { pages(first: 40) { id } } }', {}],
    ['by variables', 'query ($n: Int!) { books(first: $n) { pages(first: $n) { id } } }', { n: 40 }],
    ['that say no size', '{ books { pages(first: 60) { id } } }', {}],
    [
      'in fragments',
      '{ ...F } fragment F on Query { books(first: 30) { ... on Book { pages(last: 40) { id } } } }',
      {},
    ],
  ])('multiply pages inside pages %s', async (_how, text, variables) => {
    const paged = federate(
      {
        one: {
          sdl: `type Query { books(first: Int, last: Int): [Book!]! }
          type Book @key(fields: "id") { id: ID! pages(first: Int, last: Int): [Book!]! }`,
          resolvers: { Query: { books: () => [] } },
        },
      },
      { limits: { rows: 1_000 } },
    );
    const { errors } = await paged.run(text, variables);
    expect(errors).toMatchObject([{ extensions: { code: 'ROW_LIMIT_EXCEEDED', limit: 1_000 } }]);
    expect(paged.calls).toEqual([]);
    expect(await paged.run('{ books(first: 30) { pages(first: 30) { id } } }')).toEqual({
      data: { books: [] },
    });
  });

  it('count fragments wherever they are spread, and survive those that explode', async () => {
    const fragments = Array.from(
      { length: 30 },
      (_, n) => `fragment F${n} on Book { ...F${n + 1} author { ...F${n + 1} } }`,
    );
    const { errors } = await library().run(
      `{ book(id: 1) { ...F0 } } ${fragments.join(' ')} fragment F30 on Book { id }`,
    );
    expect(codes({ errors })).toContain('FIELD_LIMIT_EXCEEDED');
  });

  it('do not take brackets in strings and comments for nesting', async () => {
    const text = `{ # {{{{\n search(filter: {text: "{{{\\"{{"}) { id } other: search(filter: {text: """{{ \\""" {{{"""}) { id } }`;
    expect((await library({ nesting: 4 }).run(text)).errors).toBeUndefined();
    expect((await library({ nesting: 1 }).run(text)).errors).toMatchObject([
      { extensions: { code: 'NESTING_LIMIT_EXCEEDED' } },
    ]);
  });

  it.each([
    [
      'fragments inside fragments',
      (levels: number) => `{ book(id: 1) ${'{ ... on Book '.repeat(levels)}{ id }${' }'.repeat(levels)} }`,
    ],
    [
      'fields inside fields',
      (levels: number) => `{ book(id: 1) ${'{ author '.repeat(levels)}{ id }${' }'.repeat(levels)} }`,
    ],
  ])('let the planner read %s as deep as they let them be', async (_how, write) => {
    const { run } = library({ depth: 100 });
    for (let levels = 40; levels < 60; levels += 1) {
      const { errors = [] } = await run(write(levels));
      expect(errors.map(({ extensions }) => extensions.code)).not.toContain('PLANNING_FAILED');
    }
  });

  it('count lists and objects inside variables as nesting', async () => {
    const text = 'query ($filter: Filter) { search(filter: $filter) { id } }';
    const deep = JSON.parse(`${'{"text":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
    const { errors } = await library().run(text, { filter: deep });
    expect(codes({ errors })).toEqual(['NESTING_LIMIT_EXCEEDED']);
  });

  it('count fragments inside fragments as nesting', async () => {
    const fragments = Array.from({ length: 300 }, (_, n) => `fragment F${n} on Book { ...F${n + 1} }`);
    const { errors } = await library().run(
      `{ book(id: 1) { ...F0 } } ${fragments.join(' ')} fragment F300 on Book { id }`,
    );
    expect(codes({ errors })).toEqual(['NESTING_LIMIT_EXCEEDED']);
  });

  it('leave introspection its depth', async () => {
    const text = `{ __schema { types { fields { type { ofType { ofType { ofType { name } } } } } } } }`;
    expect((await library({ depth: 2 }).run(text)).errors).toBeUndefined();
  });
});

describe('scalars that are known', () => {
  const seen: unknown[] = [];
  const Day = new GraphQLScalarType({
    name: 'Day',
    parseValue(value) {
      if (/^\d{4}-\d\d-\d\d$/.test(String(value))) return new Date(String(value));
      throw new GraphQLError(`Day is YYYY-MM-DD, got "${value}".`);
    },
  });
  const { run, calls } = federate(
    {
      calendar: {
        sdl: `scalar Day scalar Other input Range { from: Day! to: Day }
              type Query { days(range: Range, other: Other): Int }`,
        resolvers: { Query: { days: (_: unknown, { range }: { range: unknown }) => seen.push(range) } },
      },
    },
    { scalars: [Day, new GraphQLScalarType({ name: 'Missing' })] },
  );
  const text = 'query ($range: Range, $other: Other) { days(range: $range, other: $other) }';

  it('refuse wrong variables under the names of the client, and no subgraph is asked', async () => {
    calls.length = 0;
    expect(await run(text, { range: { from: 'never' } })).toMatchObject({
      errors: [
        {
          message:
            'Variable "$range" got invalid value "never" at "range.from"; Day is YYYY-MM-DD, got "never".',
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ],
    });
    expect(calls).toEqual([]);
  });

  it('refuse wrong values in the document where they stand', async () => {
    expect(await run('{\n  days(range: { from: "never" }) }')).toMatchObject({
      errors: [{ locations: [{ line: 2, column: 23 }], extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
  });

  it('leave right values as they came, and others as they are', async () => {
    await run(text, { range: { from: '2026-01-01' }, other: { any: 'thing' } });
    await run('{ days(range: { from: "2026-01-02" }, other: "any") }');
    expect(seen).toEqual([{ from: '2026-01-01' }, { from: '2026-01-02' }]);
  });
});
