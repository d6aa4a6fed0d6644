import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// What is hidden works for the subgraphs and is nowhere for the clients: not in the schema, not in values, not by its type.

const graph = foreign({
  a: {
    sdl: `
      extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [
        "@key", "@shareable", "@inaccessible", "@tag", "@composeDirective", "@external", "@requires"
      ]) @link(url: "https://example.test/owner/v1.0", import: ["@owner"]) @composeDirective(name: "@owner")
      directive @owner(team: String!) on FIELD_DEFINITION | OBJECT
      type Query {
        users: [User] things: [Thing] nodes: [Node] must: [Node!] kinds: [Kind] kind(of: Kind, secret: Int @inaccessible): Kind
        find(by: Filter): String secret: String @inaccessible hidden: Hidden @inaccessible lone: Node
      }
      type User @key(fields: "id") @owner(team: "people") @tag(name: "public") {
        id: ID! code: ID! @inaccessible @shareable name: String @tag(name: "public") kind: Kind
      }
      type Hidden @inaccessible { id: ID! }
      union Thing = User | Ghost
      interface Node { id: ID! }
      type Book implements Node { id: ID! pages: Int }
      type Ghost implements Node @inaccessible { id: ID! }
      enum Kind { GOOD BAD @inaccessible }
      input Filter { name: String hidden: Int @inaccessible }`,
    resolvers: {
      Query: {
        users: () => [{ id: '1', code: 'c1', name: 'Ada', kind: 'BAD' }],
        things: () => [
          { __typename: 'Ghost', id: 'g' },
          { __typename: 'User', id: '1', name: 'Ada' },
        ],
        nodes: () => [
          { __typename: 'Book', id: 'b', pages: 3 },
          { __typename: 'Ghost', id: 'g' },
        ],
        must: () => [{ __typename: 'Ghost', id: 'g' }],
        lone: () => ({ __typename: 'Ghost', id: 'g' }),
        kinds: () => ['GOOD', 'BAD', 'GOOD'],
        kind: (_: unknown, { of }: { of?: string }) => of,
        find: (_: unknown, args: unknown) => JSON.stringify(args),
      },
    },
  },
  b: {
    sdl: `type User @key(fields: "code") { code: ID! mail: String }`,
    resolvers: { User: { mail: ({ code }: { code: string }) => `${code}@example.test` } },
  },
  c: {
    sdl: `type User @key(fields: "id") { id: ID! code: ID! @external badge: String @requires(fields: "code") }`,
    resolvers: { User: { badge: ({ code }: { code: string }) => `badge ${code}` } },
  },
});

describe('what is hidden from clients', () => {
  it('is a key or a required field for the subgraphs all the same', async () => {
    expect(await graph.ask('{ users { mail badge } }')).toEqual({
      data: { users: [{ mail: 'c1@example.test', badge: 'badge c1' }] },
    });
  });

  it.each([
    ['a field', '{ users { code } }'],
    ['a root field', '{ secret }'],
    ['an argument', '{ kind(secret: 1) }'],
    ['an enum value', '{ kind(of: BAD) }'],
    ['an input field', '{ find(by: {hidden: 1}) }'],
    ['a member', '{ things { ... on Ghost { id } } }'],
    ['an implementer', '{ nodes { ... on Ghost { id } } }'],
    ['a type', '{ users { ... on Hidden { id } } }'],
  ])('is unknown to them: %s', async (_, text) => {
    const { data, errors } = await graph.ask(text);
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ code: 'GRAPHQL_VALIDATION_FAILED' }]);
    expect(graph.calls).toEqual([]);
  });

  it.each([
    ['an enum value', 'query ($kind: Kind) { kind(of: $kind) }', { kind: 'BAD' }],
    ['an input field', 'query ($by: Filter) { find(by: $by) }', { by: { hidden: 1 } }],
  ])('is refused in variables: %s', async (_, text, variables) => {
    expect(await graph.ask(text, variables)).toEqual({ errors: [{ code: 'BAD_USER_INPUT' }] });
  });

  it('is null as a value and as a type', async () => {
    expect(
      await graph.ask(
        '{ kinds users { kind } nodes { __typename id } things { t: __typename } lone { id } }',
      ),
    ).toEqual({
      data: {
        kinds: ['GOOD', null, 'GOOD'],
        users: [{ kind: null }],
        nodes: [{ __typename: 'Book', id: 'b' }, null],
        things: [null, { t: 'User' }],
        lone: null,
      },
    });
  });

  it('costs the parent of a value that must be there', async () => {
    expect(await graph.ask('{ must { id } nodes { ... on Book { pages } } }')).toEqual({
      data: { must: null, nodes: [{ pages: 3 }, null] },
      errors: [{ code: 'NULL_FOR_NON_NULL', path: ['must', 0] }],
    });
  });

  it('is not introspected, nor are tags and composed directives seen on what is', async () => {
    const { data } = await graph.ask(`{
      __schema { types { name } directives { name } }
      kind: __type(name: "Kind") { enumValues { name } }
      filter: __type(name: "Filter") { inputFields { name } }
      thing: __type(name: "Thing") { possibleTypes { name } }
      node: __type(name: "Node") { possibleTypes { name } }
      user: __type(name: "User") { fields { name } }
      hidden: __type(name: "Hidden") { name }
      users { name }
    }`);
    expect(data).toMatchObject({
      kind: { enumValues: [{ name: 'GOOD' }] },
      filter: { inputFields: [{ name: 'name' }] },
      thing: { possibleTypes: [{ name: 'User' }] },
      node: { possibleTypes: [{ name: 'Book' }] },
      hidden: null,
      users: [{ name: 'Ada' }],
    });
    expect(data.user.fields.map(({ name }: { name: string }) => name).sort()).toEqual([
      'badge',
      'id',
      'kind',
      'mail',
      'name',
    ]);
    const names = data.__schema.types.map(({ name }: { name: string }) => name);
    expect(
      names.filter((name: string) => /Ghost|Hidden|join__|link__|_Any|_Entity|_Service/.test(name)),
    ).toEqual([]);
  });
});
