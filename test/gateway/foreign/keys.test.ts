import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// An entity is found by whatever key both sides know, over as many subgraphs as it takes, and each is called once.

// biome-ignore lint/suspicious/noExplicitAny: representations hold whatever their key says.
type Sent = any;

describe('an entity', () => {
  const stock: Record<string, { sku: string; size: number; hall: string }> = {
    p1: { sku: 's1', size: 1, hall: 'h1' },
    p2: { sku: 's2', size: 2, hall: 'h2' },
  };
  const bySku = (sku: string) => Object.values(stock).find((one) => one.sku === sku)!;
  const shop = foreign({
    catalog: {
      sdl: `type Query { products: [Product] lost: Product }
            type Product @key(fields: "id") { id: ID! }`,
      resolvers: {
        Query: {
          products: () => [{ id: 'p1' }, null, { id: 'p2' }, { id: 'p1' }],
          lost: () => ({ id: 'p3' }),
        },
      },
    },
    codes: {
      sdl: `type Product @key(fields: "id") @key(fields: "sku") { id: ID! sku: ID }`,
      resolvers: {
        Product: {
          __resolveReference: ({ id, sku }: Sent) => (id ? { id, sku: stock[id]?.sku ?? null } : { sku }),
        },
      },
    },
    sizes: {
      sdl: `type Product @key(fields: "sku") @key(fields: "sku size") { sku: ID size: Int note: String }`,
      resolvers: {
        Product: { size: ({ sku }: Sent) => bySku(sku).size, note: ({ sku }: Sent) => `note of ${sku}` },
      },
    },
    halls: {
      sdl: `type Product @key(fields: "sku size") @key(fields: "place { hall { id } row } tags") {
              sku: ID size: Int place: Place @shareable tags: [String!] @shareable
            }
            type Place @shareable { hall: Hall row: Int! }
            type Hall @key(fields: "id") { id: ID! }`,
      resolvers: {
        Product: {
          place: ({ sku, size }: Sent) => ({ hall: { id: bySku(sku).hall }, row: size }),
          tags: ({ sku }: Sent) => [sku, 'all'],
        },
      },
    },
    guards: {
      sdl: `type Product @key(fields: "place { hall { id } row } tags") {
              place: Place @shareable tags: [String!] @shareable guard: String! seal: Seal
            }
            type Place @shareable { hall: Hall row: Int! }
            type Hall @key(fields: "id") { id: ID! name: String }
            type Seal @key(fields: "id", resolvable: false) { id: ID! }`,
      resolvers: {
        Product: {
          guard: ({ place, tags }: Sent) => `${place.hall.id}/${place.row}/${tags}`,
          seal: ({ place }: Sent) => ({ id: place.row }),
        },
        Hall: { name: ({ id }: Sent) => `Hall ${id}` },
      },
    },
    seals: {
      sdl: 'type Seal @key(fields: "id") { id: ID! text: String }',
      resolvers: { Seal: { text: ({ id }: Sent) => `Seal ${id}` } },
    },
  });

  it('is found by composite, nested and list keys, over several hops', async () => {
    expect(await shop.ask('{ products { guard } }')).toEqual({
      data: {
        products: [{ guard: 'h1/1/s1,all' }, null, { guard: 'h2/2/s2,all' }, { guard: 'h1/1/s1,all' }],
      },
    });
    expect(shop.calls).toEqual(['catalog', 'codes', 'sizes', 'halls', 'guards']);
  });

  it('is found by a key that only its neighbour knows', async () => {
    expect(await shop.ask('{ products { note id } }')).toEqual({
      data: {
        products: [
          { note: 'note of s1', id: 'p1' },
          null,
          { note: 'note of s2', id: 'p2' },
          { note: 'note of s1', id: 'p1' },
        ],
      },
    });
    expect(shop.calls).toEqual(['catalog', 'codes', 'sizes']);
  });

  it('of which a subgraph knows no more than the key is not asked of it', async () => {
    expect(await shop.ask('{ products { seal { id text } place { hall { name } } } }')).toEqual({
      data: {
        products: [
          { seal: { id: '1', text: 'Seal 1' }, place: { hall: { name: 'Hall h1' } } },
          null,
          { seal: { id: '2', text: 'Seal 2' }, place: { hall: { name: 'Hall h2' } } },
          { seal: { id: '1', text: 'Seal 1' }, place: { hall: { name: 'Hall h1' } } },
        ],
      },
    });
  });

  it('whose key is null is asked of nobody', async () => {
    expect(await shop.ask('{ lost { id sku note } }')).toEqual({
      data: { lost: { id: 'p3', sku: null, note: null } },
    });
    expect(shop.calls).toEqual(['catalog', 'codes']);
  });

  it('is the same under every alias, and none of them is taken for its key', async () => {
    expect(await shop.ask('{ a: products { id: sku sku: id note: id } }')).toEqual({
      data: {
        a: [
          { id: 's1', sku: 'p1', note: 'p1' },
          null,
          { id: 's2', sku: 'p2', note: 'p2' },
          { id: 's1', sku: 'p1', note: 'p1' },
        ],
      },
    });
  });

  it('has at each place what was asked for there, and nothing of another place', async () => {
    const hall = (id: string) => ({ place: { hall: { name: `Hall ${id}` } } });
    expect(
      await shop.ask('{ one: products { place { row } } two: products { place { hall { name } } } }'),
    ).toEqual({
      data: {
        one: [{ place: { row: 1 } }, null, { place: { row: 2 } }, { place: { row: 1 } }],
        two: [hall('h1'), null, hall('h2'), hall('h1')],
      },
    });
  });

  it.each([
    ['@skip(if: true)', {}],
    ['@include(if: false)', {}],
    ['@skip(if: $yes)', { yes: true }],
    ['@include(if: $no)', { no: false }],
  ])('is not fetched where everything of it is left out: %s', async (condition, variables) => {
    const declared = Object.keys(variables).map((name) => `query ($${name}: Boolean!)`);
    expect(
      await shop.ask(
        `${declared} { products { id ${condition} ... on Product ${condition} { note } } }`,
        variables,
      ),
    ).toEqual({
      data: { products: [{}, null, {}, {}] },
    });
    expect(shop.calls).toEqual(['catalog']);
  });

  it('keeps its keys to itself where the client leaves them out', async () => {
    const text = `query ($yes: Boolean!) { products { id @skip(if: $yes) ...F @include(if: $yes) } } fragment F on Product { note }`;
    expect((await shop.ask(text, { yes: true })).data.products[0]).toEqual({ note: 'note of s1' });
    expect((await shop.ask(text, { yes: false })).data.products[0]).toEqual({ id: 'p1' });
  });
});

describe('a value type', () => {
  const parent = foreign({
    carts: {
      sdl: `type Query { carts: [Cart] } type Cart @key(fields: "id") { id: ID! owner: Owner @shareable }
            type Owner @shareable { id: ID! }`,
      resolvers: {
        Query: {
          carts: () => [
            { id: 'c1', owner: { id: 'o1' } },
            { id: 'c2', owner: null },
          ],
        },
      },
    },
    owners: {
      sdl: `type Cart @key(fields: "id") { id: ID! owner: Owner @shareable }
            type Owner { id: ID! @shareable name: String home: Home @shareable } type Home @shareable { street: String }`,
      resolvers: {
        Cart: {
          owner: ({ id }: Sent) => (id === 'c1' ? { id: 'o1', name: 'Ada', home: { street: 'A' } } : null),
        },
      },
    },
    homes: {
      sdl: `type Cart @key(fields: "id owner { id }") { id: ID! owner: Owner @shareable }
            type Owner @shareable { id: ID! home: Home } type Home { street: String @shareable zip: Int }`,
      resolvers: {
        Cart: { owner: ({ owner }: Sent) => owner && { ...owner, home: { street: 'A', zip: 53111 } } },
      },
    },
  });

  it('is merged of what several subgraphs know of it, by way of its parent', async () => {
    expect(await parent.ask('{ carts { owner { id name home { zip street } } } }')).toEqual({
      data: {
        carts: [{ owner: { id: 'o1', name: 'Ada', home: { zip: 53111, street: 'A' } } }, { owner: null }],
      },
    });
  });

  it('is fetched by its parent for a single field', async () => {
    expect(await parent.ask('{ carts { owner { name } } }')).toEqual({
      data: { carts: [{ owner: { name: 'Ada' } }, { owner: null }] },
    });
    expect(await parent.ask('{ carts { owner { home { zip } } } }')).toEqual({
      data: { carts: [{ owner: { home: { zip: 53111 } } }, { owner: null }] },
    });
  });
});

describe('a list of value types', () => {
  const graph = foreign({
    a: {
      sdl: `type Query { cart: Cart } type Cart @key(fields: "id") { id: ID! lines: [[Line]] @shareable }
            type Line { sku: ID! @shareable count: Int }`,
      resolvers: {
        Query: { cart: () => ({ id: 'c' }) },
        Cart: { lines: () => [[{ sku: 'x', count: 1 }, null], [], [{ sku: 'y', count: 2 }]] },
      },
    },
    b: {
      sdl: `type Cart @key(fields: "id") { id: ID! lines: [[Line]] @shareable } type Line { sku: ID! @shareable price: Int }`,
      resolvers: { Cart: { lines: () => [[{ sku: 'x', price: 5 }, null], [], [{ sku: 'y', price: 6 }]] } },
    },
    c: {
      sdl: `type Cart @key(fields: "id") { id: ID! lines: [[Line]] @shareable } type Line { sku: ID! @shareable name: String }`,
      resolvers: { Cart: { lines: () => [[{ sku: 'x', name: 'X' }, null], [], [{ sku: 'y', name: 'Y' }]] } },
    },
  });

  it('is merged item by item of what several subgraphs know', async () => {
    expect(await graph.ask('{ cart { lines { name price count sku } } }')).toEqual({
      data: {
        cart: {
          lines: [
            [{ name: 'X', price: 5, count: 1, sku: 'x' }, null],
            [],
            [{ name: 'Y', price: 6, count: 2, sku: 'y' }],
          ],
        },
      },
    });
  });
});
