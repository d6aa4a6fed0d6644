import { describe, expect, it } from 'vitest';
import type { Values } from '../../../gateway/engine/index.ts';
import { federate } from '../../kit/federation.ts';

const shop = federate({
  shop: {
    sdl: `
      type Query {
        person: Person
        people(first: Int = 5): [Person!]
        usual(first: Int, last: Int): PersonConnection
        orders(first: Int, last: Int): OrderConnection
          @listSize(assumedSize: 7, slicingArguments: ["first", "last"], sizedFields: ["nodes"], requireOneSlicingArgument: false)
        price(currency: String @cost(weight: 3), filter: Filter): Int @cost(weight: 5)
        free: Person @cost(weight: 0)
        gift: Gift
        node: Node
        dear: [Dear!] @listSize(assumedSize: 4)
      }
      type Mutation { buy: Person send: Int pay: Int @cost(weight: 50) }
      type Subscription { sold: Order }
      interface Node { id: ID! photo: Photo }
      type Person implements Node @key(fields: "id") {
        id: ID! photo: Photo @cost(weight: 9) friends: [Person!] tags: [String!] self: Person
      }
      type Photo { url: String }
      type PersonConnection { nodes: [Person!] edges: [PersonEdge!] info: Photo }
      type PersonEdge { node: Person }
      type OrderConnection { nodes: [Order!] related: [Order!] }
      type Order implements Node { id: ID! photo: Photo buyer: Person lines(first: Int): [Line!] @listSize(assumedSize: 3) }
      type Line { text: String }
      union Gift = Person | Dear
      type Dear @cost(weight: 6) { note: Fancy }
      scalar Fancy @cost(weight: 2)
      input Filter { word: String @cost(weight: 2) inner: Filter, list: [Filter!] plain: Int }
    `,
  },
});

const costOf = (text: string, variables: Values = {}, engine = shop.engine) => {
  const operation = engine.prepare({ key: 'all', schema: engine.schema }, text);
  if ('errors' in operation) throw new Error(operation.answer.json);
  return operation.cost(variables);
};

describe('the cost of an operation', () => {
  it.each([
    ['one for each object, and nothing for its leaves', '{ person { id tags self { id } } }', 2],
    ['nothing for the name of a type', '{ __typename }', 0],
    ['ten for introspection, however deep', '{ __schema { types { fields { name } } } }', 10],
    ['ten for each root field of a mutation', 'mutation { buy { id } send }', 20],
    ['the weight of a mutation that has one', 'mutation { pay send }', 60],
    ['one event of a subscription', 'subscription { sold { id buyer { id } } }', 2],
    ['the weight of a field instead of its type', '{ person { photo { url } } }', 1 + 9],
    ['the weight of a type', '{ dear { note } }', 4 * (6 + 2)],
    ['nothing for what is free', '{ free { id } }', 0],
    ['twenty items of a list that says nothing', '{ person { friends { self { id } } } }', 1 + 20 * (1 + 1)],
    ['the items that `first` asks for', '{ people(first: 3) { self { id } } }', 3 * (1 + 1)],
    ['the default of `first` where it is left out', '{ people { id } }', 5],
    [
      'every list of a page without `@listSize`',
      '{ usual(last: 4) { nodes { id } edges { node { id } } info { url } } }',
      1 + 4 + 4 * 2 + 1,
    ],
    ['only the sized fields of a page', '{ orders(first: 2) { nodes { id } related { id } } }', 1 + 2 + 20],
    ['the largest of several slicing arguments', '{ orders(first: 2, last: 9) { nodes { id } } }', 1 + 9],
    [
      'the assumed size where no argument says it',
      '{ orders { nodes { lines { text } } } }',
      1 + 7 * (1 + 3),
    ],
    ['pages inside pages', '{ usual(first: 10) { nodes { friends { id } } } }', 1 + 10 * (1 + 20)],
    [
      'arguments and input fields that have a weight',
      '{ price(currency: "EUR", filter: { word: "a", list: [{ word: "b" }, { plain: 1 }] }) }',
      5 + 3 + 2 + 2,
    ],
    ['only arguments that are given', '{ price }', 5],
    [
      'fragments where they are spread',
      '{ person { ...P } } fragment P on Person { self { ...Q } } fragment Q on Person { self { id } }',
      3,
    ],
    [
      'the dearest of what an object may be',
      '{ gift { ... on Person { self { self { id } } } ... on Dear { note } } }',
      6 + 2,
    ],
    [
      'all fragments on the same type',
      '{ gift { ... on Person { self { id } } ... on Person { self { self { id } } } } }',
      6 + 1 + 2,
    ],
    ['the largest weight of those that implement a field', '{ node { photo { url } } }', 1 + 9],
    [
      'nothing for what is skipped',
      '{ person { self @skip(if: true) { id } photo @include(if: false) { url } } }',
      1,
    ],
  ])('counts %s', (_, text, cost) => {
    expect(costOf(text)).toBe(cost);
  });

  it.each<[string, string, Values, number]>([
    ['pages', 'query ($n: Int) { usual(first: $n) { nodes { id } } }', { n: 30 }, 1 + 30],
    ['pages that are left open', 'query ($n: Int) { orders(first: $n) { nodes { id } } }', {}, 1 + 7],
    ['pages with a default', 'query ($n: Int = 8) { orders(first: $n) { nodes { id } } }', {}, 1 + 8],
    [
      'pages with a negative size',
      'query ($n: Int) { orders(first: $n) { nodes { id } } }',
      { n: -9 },
      1 + 7,
    ],
    [
      'pages inside pages',
      'query ($a: Int, $b: Int) { usual(first: $a) { nodes { self { id } } } orders(last: $b) { nodes { lines { text } } } }',
      { a: 2, b: 3 },
      1 + 2 * 2 + 1 + 3 * 4,
    ],
    ['input fields', 'query ($f: Filter) { price(filter: $f) }', { f: { inner: { word: 'a' } } }, 5 + 2],
    ['arguments', 'query ($c: String) { price(currency: $c) }', {}, 5],
    [
      'what is included',
      'query ($yes: Boolean!) { person { self @include(if: $yes) { id } photo @skip(if: $yes) { url } } }',
      { yes: true },
      2,
    ],
    [
      'what an object may be',
      'query ($n: Int) { node { ... on Order { lines(first: $n) { text } } ... on Person { photo { url } } } }',
      { n: 90 },
      1 + 9,
    ],
  ])('follows the variables of %s', (_, text, variables, cost) => {
    expect(costOf(text, variables)).toBe(cost);
  });

  it('is unknown while the variables are wrong', () => {
    expect(costOf('query ($n: Int) { usual(first: $n) { nodes { id } } }', { n: 'many' })).toBeUndefined();
  });

  it('knows the directives under the names that a supergraph gives them', () => {
    const { engine, supergraph } = federate({
      shop: {
        sdl: `
          extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [
            { name: "@cost", as: "@price" }, { name: "@listSize", as: "@size" }
          ])
          type Query { things: [Thing!] @size(assumedSize: 3) }
          type Thing @price(weight: 7) { id: ID }
        `,
      },
    });
    expect(supergraph).toContain('@price(weight: 7)');
    expect(costOf('{ things { id } }', {}, engine)).toBe(3 * 7);
  });

  it('refuses a supergraph with a weight below 0, at which the planner would end the process', () => {
    const sdl = `
      extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@cost"])
      type Query { refund: Int @cost(weight: -5) }`;
    expect(() => federate({ shop: { sdl } })).toThrow('Query.refund has @cost with a weight');
  });

  it('takes no other directive of the name for a weight', () => {
    const { engine, supergraph } = federate({
      shop: {
        sdl: `
          extend schema
            @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@composeDirective"])
            @link(url: "https://shop.test/money/v1.0", import: ["@cost"])
            @composeDirective(name: "@cost")
          directive @cost(weight: Int) on FIELD_DEFINITION
          type Query { thing: Int @cost(weight: 7) }
        `,
      },
    });
    expect(supergraph).toContain('@cost(weight: 7)');
    expect(costOf('{ thing }', {}, engine)).toBe(0);
  });
});
