import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// Interfaces and unions of which each subgraph knows another part.

interface Reference {
  id: string;
}
const typed = (__typename: string, id: string, rest: object = {}) => ({ __typename, id, ...rest });

describe('a union with other members in each subgraph', () => {
  const graph = foreign({
    films: {
      sdl: `type Query { media: Media @shareable list: [Media] wrapped: Wrapper @shareable }
            union Media = Book | Film
            type Wrapper @shareable { media: Media }
            type Book @key(fields: "id") { id: ID! title: String }
            type Film @key(fields: "id") { id: ID! title: String! length: Int }`,
      resolvers: {
        Query: {
          media: () => typed('Book', 'b', { title: 'Book b' }),
          wrapped: () => ({ media: typed('Book', 'b', { title: 'Book b' }) }),
          list: () => [
            typed('Film', 'f', { title: 'Film f', length: 90 }),
            null,
            typed('Book', 'b', { title: 'Book b' }),
          ],
        },
        Book: { __resolveReference: ({ id }: Reference) => ({ id, title: `Book ${id}` }) },
      },
    },
    songs: {
      sdl: `type Query { media: Media @shareable more: [Media!] wrapped: Wrapper @shareable }
            union Media = Book | Song
            type Wrapper @shareable { media: Media }
            type Book @key(fields: "id") { id: ID! pages: Int }
            type Song @key(fields: "id") { id: ID! title: String notes: [String] }`,
      resolvers: {
        Query: {
          media: () => typed('Book', 'b'),
          wrapped: () => ({ media: typed('Book', 'b') }),
          more: () => [typed('Song', 's', { title: 'Song s', notes: ['c'] }), typed('Book', 'b2')],
        },
        Book: { pages: () => 300 },
      },
    },
  });

  it('gives each member its fields, of whatever subgraph', async () => {
    const fields =
      '{ __typename ... on Book { id title pages } ... on Film { length } ... on Song { notes } }';
    expect(await graph.ask(`{ media ${fields} list ${fields} more ${fields} }`)).toEqual({
      data: {
        media: { __typename: 'Book', id: 'b', title: 'Book b', pages: 300 },
        list: [
          { __typename: 'Film', length: 90 },
          null,
          { __typename: 'Book', id: 'b', title: 'Book b', pages: 300 },
        ],
        more: [
          { __typename: 'Song', notes: ['c'] },
          { __typename: 'Book', id: 'b2', title: 'Book b2', pages: 300 },
        ],
      },
    });
  });

  it('is asked nowhere for members that it does not have there', async () => {
    expect(await graph.ask('{ media { ... on Song { title } ... on Film { name: title } } }')).toEqual({
      data: { media: {} },
    });
    expect(graph.calls).toHaveLength(1);
    expect(await graph.ask('{ wrapped { media { ... on Book { title pages } } } }')).toEqual({
      data: { wrapped: { media: { title: 'Book b', pages: 300 } } },
    });
  });

  it('tells fields of one name and several types apart', async () => {
    expect(
      await graph.ask('{ list { ... on Film { title length } ... on Book { name: title title: id } } }'),
    ).toMatchObject({ errors: [{ code: 'GRAPHQL_VALIDATION_FAILED' }] });
    expect(
      await graph.ask('{ list { ... on Film { a: title b: length } ... on Book { c: title b: pages } } }'),
    ).toEqual({ data: { list: [{ a: 'Film f', b: 90 }, null, { c: 'Book b', b: 300 }] } });
  });
});

describe('an interface', () => {
  const graph = foreign({
    catalog: {
      sdl: `type Query { items: [Item] node: Node any: Any books: [Book!] }
            interface Node { id: ID! } union Any = Book | Pen
            interface Item implements Node { id: ID! similar: [Item] owner: Owner }
            type Book implements Item & Node @key(fields: "id") { id: ID! similar: [Item] owner: Owner name: String! size: Int }
            type Pen implements Item & Node @key(fields: "id") { id: ID! similar: [Item] owner: Owner name: String size: String }
            type Owner @key(fields: "id") { id: ID! }`,
      resolvers: {
        Query: {
          items: () => [typed('Book', 'b', { name: 'B', size: 3 }), null, typed('Pen', 'p', { size: 'XL' })],
          node: () => typed('Pen', 'p'),
          any: () => typed('Book', 'b', { name: 'B' }),
          books: () => [{ id: 'b', name: 'B' }],
        },
        Book: { similar: () => [typed('Pen', 'p', { size: 'S' }), null], owner: () => ({ id: 'o1' }) },
        Pen: { similar: () => [typed('Book', 'b', { name: 'B', size: 1 })], owner: () => null },
      },
    },
    prices: {
      sdl: `type Query { cheapest: Item }
            interface Item { id: ID! price: Float }
            type Book implements Item @key(fields: "id") { id: ID! price: Float code: Int! }
            type Pen implements Item @key(fields: "id") { id: ID! price: Float code: [String!] }
            type Owner @key(fields: "id") { id: ID! items: [Item!] }`,
      resolvers: {
        Query: { cheapest: () => typed('Pen', 'p') },
        Book: { price: () => 9.5, code: () => 7 },
        Pen: { price: () => 1, code: () => ['x', 'y'] },
        Owner: { items: () => [typed('Pen', 'p'), typed('Book', 'b')] },
      },
    },
  });

  it('is asked of each subgraph for the fields that it declares there', async () => {
    expect(
      await graph.ask('{ items { __typename id price owner { items { price similar { id } } } } }'),
    ).toEqual({
      data: {
        items: [
          {
            __typename: 'Book',
            id: 'b',
            price: 9.5,
            owner: {
              items: [
                { price: 1, similar: [{ id: 'b' }] },
                { price: 9.5, similar: [{ id: 'p' }, null] },
              ],
            },
          },
          null,
          { __typename: 'Pen', id: 'p', price: 1, owner: null },
        ],
      },
    });
  });

  it('may lead back to itself, to any depth', async () => {
    expect(
      await graph.ask(
        '{ cheapest { similar { price similar { __typename price similar { ... on Book { price } } } } } }',
      ),
    ).toEqual({
      data: {
        cheapest: {
          similar: [
            { price: 9.5, similar: [{ __typename: 'Pen', price: 1, similar: [{ price: 9.5 }] }, null] },
          ],
        },
      },
    });
  });

  it('and a union meet in the types that are both', async () => {
    expect(
      await graph.ask(
        '{ any { ... on Node { id ... on Item { price ... on Pen { codes: code } } } ... on Item { ... on Book { code } } } node { ... on Any { ... on Pen { price } } } }',
      ),
    ).toEqual({ data: { any: { id: 'b', price: 9.5, code: 7 }, node: { price: 1 } } });
  });

  it('has fields of other types under one alias for each of its implementers', async () => {
    const { errors } = await graph.ask('{ items { ... on Book { x: size } ... on Pen { x: size } } }');
    expect(errors).toEqual([{ code: 'GRAPHQL_VALIDATION_FAILED' }]);
    expect(
      await graph.ask(
        '{ items { ... on Book { a: size b: code n: name } ... on Pen { c: size d: code m: name } } }',
      ),
    ).toEqual({
      data: { items: [{ a: 3, b: 7, n: 'B' }, null, { c: 'XL', d: ['x', 'y'], m: null }] },
    });
  });

  it('is not asked for types that cannot be there', async () => {
    expect(
      await graph.ask('{ books { ... on Node { ... on Item { price ... on Pen { code } } } } }'),
    ).toEqual({
      data: { books: [{ price: 9.5 }] },
    });
    expect(await graph.ask('{ books { ... on Node { ... on Pen { price } } __typename } }')).toEqual({
      data: { books: [{ __typename: 'Book' }] },
    });
    expect(graph.calls).toEqual(['catalog']);
  });

  it('has its conditions decided before anything is fetched', async () => {
    const text = `query ($no: Boolean!, $yes: Boolean = true) {
      items { ...P @include(if: $no) id @skip(if: $yes) ... @include(if: $yes) { kind: __typename } ... on Book { code @skip(if: $yes) } }
    } fragment P on Item { price }`;
    expect(await graph.ask(text, { no: false })).toEqual({
      data: { items: [{ kind: 'Book' }, null, { kind: 'Pen' }] },
    });
    expect(graph.calls).toEqual(['catalog']);
    expect(await graph.ask(text, { no: true, yes: false })).toEqual({
      data: { items: [{ price: 9.5, id: 'b', code: 7 }, null, { price: 1, id: 'p' }] },
    });
  });
});

describe('a field that is null in one subgraph and not in another', () => {
  const graph = foreign({
    strict: {
      sdl: `type Query { all: [Any] boxes: [Box] } union Any = A | B
            type A @key(fields: "id") { id: ID! v: String! @shareable list: [Int!]! @shareable }
            type B @key(fields: "id") { id: ID! v: String @shareable list: [Int] @shareable }
            type Box { any: Any }`,
      resolvers: {
        Query: {
          all: () => [
            typed('A', 'a', { v: 'va', list: [1] }),
            null,
            typed('B', 'b', { v: null, list: [null] }),
          ],
          boxes: () => [
            { any: typed('B', 'b', { v: 'vb', list: null }) },
            { any: typed('A', 'a', { v: 'va', list: [] }) },
          ],
        },
      },
    },
    loose: {
      sdl: `type A @key(fields: "id") { id: ID! v: String @shareable list: [Int] @shareable }
            type B @key(fields: "id") { id: ID! v: String @shareable list: [Int] @shareable w: Int }`,
      resolvers: { B: { w: () => 1 } },
    },
  });

  it('is asked for in words that each subgraph accepts, and answered under the name of the client', async () => {
    const fields = '{ __typename ... on A { v list } ... on B { v w list } }';
    expect(await graph.ask(`{ all ${fields} boxes { any ${fields} } }`)).toEqual({
      data: {
        all: [
          { __typename: 'A', v: 'va', list: [1] },
          null,
          { __typename: 'B', v: null, w: 1, list: [null] },
        ],
        boxes: [
          { any: { __typename: 'B', v: 'vb', w: 1, list: null } },
          { any: { __typename: 'A', v: 'va', list: [] } },
        ],
      },
    });
  });
});

describe('an interface with a key', () => {
  const graph = foreign({
    owner: {
      sdl: `type Query { nodes: [Node] }
            interface Node @key(fields: "id") { id: ID! name: String }
            type User implements Node @key(fields: "id") { id: ID! name: String }
            type Bot implements Node @key(fields: "id") { id: ID! name: String model: Int }`,
      resolvers: {
        Query: {
          nodes: () => [typed('User', 'u', { name: 'Ada' }), typed('Bot', 'b', { name: 'B', model: 2 })],
        },
        Node: {
          __resolveReference: ({ id }: Reference) => typed(id === 'u' ? 'User' : 'Bot', id, { name: id }),
        },
      },
    },
    others: {
      sdl: `type Query { seen: Page } type Page { node: Node nodes: [Node!] }
            type Node @key(fields: "id") @interfaceObject { id: ID! views: Int }`,
      resolvers: {
        Query: { seen: () => ({ node: { id: 'u' }, nodes: [{ id: 'b' }, { id: 'u' }] }) },
        Node: { views: ({ id }: Reference) => (id === 'u' ? 1 : 2) },
      },
    },
  });

  it('is resolved where only the interface is known', async () => {
    expect(
      await graph.ask(
        '{ seen { node { name } nodes { ... on Bot { model } __typename views } } nodes { views } }',
      ),
    ).toEqual({
      data: {
        seen: {
          node: { name: 'u' },
          nodes: [
            { model: null, __typename: 'Bot', views: 2 },
            { __typename: 'User', views: 1 },
          ],
        },
        nodes: [{ views: 1 }, { views: 2 }],
      },
    });
  });
});
