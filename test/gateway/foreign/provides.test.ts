import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// What a subgraph provides saves a call, and only there; what is external stays with whoever owns it.

const address = { city: 'Bonn', zip: 53111 };

describe('a provided field', () => {
  const library = foreign({
    books: {
      sdl: `type Query { books: [Book] plain: Book media: [Media] any: [Any] }
            type Book @key(fields: "id") { id: ID! author: Author @provides(fields: "name address { city }") editor: Author }
            type Author @key(fields: "id") { id: ID! name: String @external address: Address @external }
            type Address { city: String @external }
            interface Media { id: ID! } union Any = Film | Song
            type Film implements Media @key(fields: "id") { id: ID! title: String @external }
            type Song implements Media @key(fields: "id") { id: ID! }
            extend type Query {
              films: [Any] @provides(fields: "... on Film { title }")
              shown: [Media] @provides(fields: "... on Film { title }")
            }`,
      resolvers: {
        Query: {
          books: () => [{ id: 'b', author: { id: 'a', name: 'Ada', address }, editor: { id: 'e' } }],
          films: () => [
            { __typename: 'Film', id: 'f', title: 'Film f' },
            { __typename: 'Song', id: 's' },
          ],
          shown: () => [{ __typename: 'Film', id: 'f', title: 'Film f' }],
          media: () => [{ __typename: 'Film', id: 'f' }],
          any: () => [{ __typename: 'Song', id: 's' }, null, { __typename: 'Film', id: 'f' }],
        },
      },
    },
    authors: {
      sdl: `type Author @key(fields: "id") { id: ID! name: String @shareable address: Address @shareable }
            type Address @shareable { city: String zip: Int }
            type Film @key(fields: "id") { id: ID! title: String @shareable length: Int }
            type Song @key(fields: "id") { id: ID! title: String }`,
      resolvers: {
        Author: { name: () => 'Ada', address: () => address },
        Film: { title: ({ id }: { id: string }) => `Film ${id}`, length: () => 90 },
        Song: { title: ({ id }: { id: string }) => `Song ${id}` },
      },
    },
  });

  it('is taken where it is provided, nested ones too', async () => {
    expect(await library.ask('{ books { author { name address { city } } } }')).toEqual({
      data: { books: [{ author: { name: 'Ada', address: { city: 'Bonn' } } }] },
    });
    expect(library.calls).toEqual(['books']);
  });

  it('is fetched where it is not', async () => {
    expect(await library.ask('{ books { editor { name } author { address { zip } } } }')).toEqual({
      data: { books: [{ editor: { name: 'Ada' }, author: { address: { zip: 53111 } } }] },
    });
    expect(library.calls[0]).toBe('books');
    expect(new Set(library.calls)).toEqual(new Set(['books', 'authors']));
  });

  it.each(['films', 'shown'])(
    'of members and implementers is taken where it is provided: %s',
    async (root) => {
      const { data } = await library.ask(`{ ${root} { ... on Film { title } } }`);
      expect(data[root][0]).toEqual({ title: 'Film f' });
      expect(library.calls).toEqual(['books']);
    },
  );

  it('of members and implementers is fetched where it is not', async () => {
    expect(
      await library.ask(
        '{ media { ... on Film { title } } any { ... on Song { title } ... on Film { length title } } }',
      ),
    ).toEqual({
      data: {
        media: [{ title: 'Film f' }],
        any: [{ title: 'Song s' }, null, { length: 90, title: 'Film f' }],
      },
    });
    expect(library.calls).toEqual(['books', 'authors']);
  });
});

describe('an extended type with external fields, as in the first federation', () => {
  const shop = foreign({
    users: {
      sdl: `type Query { users: [User] } type User @key(fields: "id") { id: ID! name: String }`,
      resolvers: {
        Query: {
          users: () => [
            { id: 'u1', name: 'Ada' },
            { id: 'u2', name: null },
          ],
        },
        User: { __resolveReference: ({ id }: { id: string }) => ({ id, name: id === 'u1' ? 'Ada' : null }) },
      },
    },
    reviews: {
      sdl: `extend type User @key(fields: "id") {
              id: ID! @external name: String @external
              reviews: [Review] nick: String @requires(fields: "name") friend: User
            }
            type Review @key(fields: "id") { id: ID! by: User @provides(fields: "name") of: Product }
            extend type Product @key(fields: "upc") { upc: String! @external reviews: [Review] }`,
      resolvers: {
        User: {
          reviews: ({ id }: { id: string }) => [{ id: 'r', by: { id, name: 'provided' }, of: { upc: 'p' } }],
          nick: ({ name }: { name: string | null }) => `nick ${name}`,
          friend: () => ({ id: 'u1' }),
        },
      },
    },
    products: {
      sdl: `extend type Query { top: [Product] } type Product @key(fields: "upc") { upc: String! price: Int weight: Int name: String! }`,
      resolvers: {
        Query: { top: () => [{ upc: 'p', price: 7, weight: 2, name: 'Pen' }] },
        Product: {
          __resolveReference: ({ upc }: { upc: string }) => ({ upc, price: 7, weight: 2, name: 'Pen' }),
        },
      },
    },
    post: {
      sdl: `extend type Product @key(fields: "upc") {
              upc: String! @external weight: Int @external price: Int @external
              shipping: Int @requires(fields: "price weight") inStock: Boolean
            }`,
      resolvers: {
        Product: {
          shipping: ({ price, weight }: Record<string, number>) => price! * weight!,
          inStock: () => true,
        },
      },
    },
  });

  it('is one type to the client', async () => {
    expect(
      await shop.ask('{ users { name reviews { of { name shipping inStock reviews { id } } } } }'),
    ).toEqual({
      data: {
        users: ['Ada', null].map((name) => ({
          name,
          reviews: [{ of: { name: 'Pen', shipping: 14, inStock: true, reviews: null } }],
        })),
      },
    });
  });

  it('is computed from required fields, wherever it stands', async () => {
    expect(await shop.ask('{ users { nick } }')).toEqual({
      data: { users: [{ nick: 'nick Ada' }, { nick: 'nick null' }] },
    });
    expect(shop.calls).toEqual(['users', 'reviews']);
  });

  it('is computed inside an entity of its own type and subgraph', async () => {
    expect(await shop.ask('{ users { reviews { by { nick } } friend { nick friend { nick } } } }')).toEqual({
      data: {
        users: ['nick Ada', 'nick null'].map((nick) => ({
          reviews: [{ by: { nick } }],
          friend: { nick: 'nick Ada', friend: { nick: 'nick Ada' } },
        })),
      },
    });
  });
});
