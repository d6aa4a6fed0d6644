import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a subgraph was sent is what these tests are about.
type Sent = any;

const sent = (...names: string[]) =>
  Object.fromEntries(
    names.map((name) => [name, (entity: Sent) => JSON.stringify({ ...entity, __typename: undefined })]),
  );

describe('a required field with arguments', () => {
  const rates: Record<string, number> = { EUR: 1, USD: 2 };
  const price =
    (base: number) =>
    (_: unknown, { in: currency }: { in?: string }) =>
      base * (rates[currency ?? ''] ?? 100);
  const computed = (type: string) => `
    type ${type} @key(fields: "id") {
      id: ID!
      price(in: Currency): Int @external
      shipping: Int @requires(fields: "price(in: EUR)")
      duty: Int @requires(fields: "price(in: USD)")
      plain: Int @requires(fields: "price")
    }`;
  const fromPrice = {
    shipping: (entity: Sent) => entity.price + 1,
    duty: (entity: Sent) => entity.price + 2,
    plain: (entity: Sent) => entity.price + 3,
  };
  const shop = foreign({
    items: {
      sdl: `
        enum Currency { EUR USD GBP }
        type Query { items: [Item] all: [Any!] book: Book }
        interface Item { id: ID! price(in: Currency): Int }
        union Any = Book | Pen
        type Book implements Item @key(fields: "id") { id: ID! price(in: Currency): Int }
        type Pen implements Item @key(fields: "id") { id: ID! price(in: Currency): Int }`,
      resolvers: {
        Query: {
          items: () => [{ __typename: 'Book', id: 'b' }, null, { __typename: 'Pen', id: 'p' }],
          all: () => [
            { __typename: 'Pen', id: 'p' },
            { __typename: 'Book', id: 'b' },
          ],
          book: () => ({ id: 'b' }),
        },
        Book: { price: price(10) },
        Pen: { price: price(20) },
      },
    },
    post: {
      sdl: `enum Currency { EUR USD GBP } ${computed('Book')} ${computed('Pen')}`,
      resolvers: { Book: fromPrice, Pen: fromPrice },
    },
    tax: {
      sdl: `type Book @key(fields: "id") { id: ID! shipping: Int @external duty: Int @external
              total: Int @requires(fields: "shipping duty") }`,
      resolvers: { Book: { total: (entity: Sent) => entity.shipping + entity.duty } },
    },
  });

  it('is asked for with each arguments that it is required with, in one call', async () => {
    expect(await shop.ask('{ book { shipping duty plain } }')).toEqual({
      data: { book: { shipping: 11, duty: 22, plain: 1003 } },
    });
    expect(shop.calls).toEqual(['items', 'post']);
  });

  it('is nothing to the same field that the client asks for', async () => {
    expect(
      await shop.ask('{ book { price(in: USD) shipping eur: price(in: EUR) duty price_: price } }'),
    ).toEqual({ data: { book: { price: 20, shipping: 11, eur: 10, duty: 22, price_: 1000 } } });
  });

  it.each(['items', 'all'])('is required below type conditions as well: %s', async (root) => {
    const { data, errors } = await shop.ask(`{
      ${root} { ... on Item { price(in: GBP) } ... on Book { a: shipping b: duty } ... on Pen { b: shipping a: duty } }
    }`);
    expect(errors).toBeUndefined();
    expect(data[root].filter(Boolean)).toHaveLength(2);
    expect(data[root]).toEqual(
      expect.arrayContaining([
        { price: 1000, a: 11, b: 22 },
        { price: 2000, b: 21, a: 42 },
      ]),
    );
  });

  it('is required through what is computed from it', async () => {
    expect(await shop.ask('{ items { ... on Book { total } } }')).toEqual({
      data: { items: [{ total: 33 }, null, {}] },
    });
    expect(shop.calls).toEqual(['items', 'post', 'tax']);
  });

  it('is not in the schema of the clients', async () => {
    const { data } = await shop.ask('{ __type(name: "Book") { fields { name } } }');
    expect(data.__type.fields.map(({ name }: { name: string }) => name).sort()).toEqual([
      'duty',
      'id',
      'plain',
      'price',
      'shipping',
      'total',
    ]);
  });
});

describe('required fields', () => {
  const chain = foreign({
    people: {
      sdl: `type Query { people: [Person] }
            type Person @key(fields: "id") { id: ID! first: String last: String homes: [Home!] pet: Pet pets: [AnyPet] }
            type Home { rooms: [Room] city: City } type Room { width: Int! } type City { name: String }
            interface Pet { name: String } union AnyPet = Cat | Dog
            type Cat implements Pet { name: String lives: Int }
            type Dog implements Pet { name: String tricks: [String] }`,
      resolvers: {
        Query: {
          people: () => [
            {
              id: '1',
              first: 'Ada',
              last: null,
              homes: [
                { rooms: [{ width: 3 }, null], city: { name: 'Bonn' } },
                { rooms: [], city: null },
              ],
              pet: { __typename: 'Dog', name: 'Rex', tricks: ['sit'] },
              pets: [{ __typename: 'Cat', lives: 9 }, null, { __typename: 'Dog', tricks: null }],
            },
            null,
            { id: '2', homes: null, pet: null, pets: [] },
          ],
        },
      },
    },
    names: {
      sdl: `type Person @key(fields: "id") { id: ID! first: String @external last: String @external
              name: String @requires(fields: "first last") }`,
      resolvers: { Person: { name: ({ first, last }: Sent) => `${first} ${last}` } },
    },
    cards: {
      sdl: `type Person @key(fields: "id") { id: ID! name: String @external card: String @requires(fields: "name") }`,
      resolvers: { Person: { card: ({ name }: Sent) => `[${name}]` } },
    },
    stats: {
      sdl: `type Person @key(fields: "id") {
              id: ID! homes: [Home!] @external pet: Pet @external pets: [AnyPet] @external card: String @external
              space: String @requires(fields: "homes { rooms { width } city { name } }")
              petOf: String @requires(fields: "pet { name ... on Cat { lives } ... on Dog { tricks } }")
              petsOf: String @requires(fields: "pets { ... on Cat { lives } ... on Dog { tricks } }")
              print: String @requires(fields: "card")
            }
            type Home { rooms: [Room] @external city: City @external } type Room { width: Int! @external }
            type City { name: String @external }
            interface Pet { name: String } union AnyPet = Cat | Dog
            type Cat implements Pet { name: String @external lives: Int @external }
            type Dog implements Pet { name: String @external tricks: [String] @external }`,
      resolvers: { Person: sent('space', 'petOf', 'petsOf', 'print') },
    },
  });

  it('may be computed from required fields themselves, over several subgraphs', async () => {
    const { data, errors } = await chain.ask('{ people { print name } }');
    expect(errors).toBeUndefined();
    expect(chain.calls).toEqual(['people', 'names', 'cards', 'stats']);
    expect(data.people.map((person: Sent) => person && [person.name, JSON.parse(person.print).card])).toEqual(
      [['Ada null', '[Ada null]'], null, ['null null', '[null null]']],
    );
  });

  it('go along through nested lists, nulls in their places', async () => {
    const { data } = await chain.ask('{ people { space } }');
    expect(data.people.map((person: Sent) => person && JSON.parse(person.space))).toEqual([
      {
        id: '1',
        homes: [
          { rooms: [{ width: 3 }, null], city: { name: 'Bonn' } },
          { rooms: [], city: null },
        ],
      },
      null,
      { id: '2', homes: null },
    ]);
  });

  it('go along by their type, of interfaces and of unions', async () => {
    const { data } = await chain.ask('{ people { petOf petsOf } }');
    expect(JSON.parse(data.people[0].petOf)).toEqual({
      id: '1',
      pet: { __typename: 'Dog', name: 'Rex', tricks: ['sit'] },
      pets: [{ __typename: 'Cat', lives: 9 }, null, { __typename: 'Dog', tricks: null }],
    });
    expect(JSON.parse(data.people[2].petsOf)).toEqual({ id: '2', pet: null, pets: [] });
  });

  it('stay out of the answer, whatever the client calls its own fields', async () => {
    expect(await chain.ask('{ people { first: last last: id homes: name name: card } }')).toEqual({
      data: {
        people: [
          { first: null, last: '1', homes: 'Ada null', name: '[Ada null]' },
          null,
          { first: null, last: '2', homes: 'null null', name: '[null null]' },
        ],
      },
    });
  });
});
