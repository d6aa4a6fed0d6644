import { type GraphQLSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { federate } from '../../kit/federation.ts';
import { generateOperation } from '../../kit/operations.ts';
import { worldOf } from '../../kit/world.ts';

// Federations of every feature, asked at random: the answer is what graphql-js makes of the same world by one schema, to the
// byte, and nothing is an error. A subgraph that is sent a wrong requirement makes one.

const federations: Record<string, Record<string, string>> = {
  'keys of all kinds, over several hops': {
    a: `type Query { ps: [P] p: P } type P @key(fields: "id") { id: ID! sku: ID @shareable }`,
    b: `type P @key(fields: "id") @key(fields: "sku pkg") { id: ID! sku: ID @shareable pkg: Int @shareable }`,
    c: `type Query { cs: [P!]! } type P @key(fields: "sku pkg") @key(fields: "dim { unit { name } size } sku") {
          sku: ID @shareable pkg: Int @shareable dim: Dim @shareable price: Int! }
        type Dim @shareable { unit: Unit size: Int! } type Unit @shareable { name: ID! }`,
    d: `type P @key(fields: "dim { unit { name } size } sku") { sku: ID @shareable dim: Dim @shareable far: Far other: P }
        type Dim @shareable { unit: Unit size: Int! } type Unit @shareable { name: ID! }
        type Far @key(fields: "id", resolvable: false) { id: ID! }`,
    e: `type Far @key(fields: "id") { id: ID! text: String! p: P } type P @key(fields: "id") { id: ID! e: Int }`,
  },
  'requirements of requirements, with arguments, of abstract types': {
    a: `type Query { us: [U] u: U i: I is: [I!] un: Un } interface I { id: ID! price(cur: String): Int size: Size }
        type Size { w: Int h: Int unit: Unit } type Unit { name: String } union Un = A | B
        type U @key(fields: "id") { id: ID! first: String last: String list: [Size] i: I un: Un uns: [Un] }
        type A implements I @key(fields: "id") { id: ID! price(cur: String): Int size: Size a: String }
        type B implements I @key(fields: "id") { id: ID! price(cur: String): Int size: Size b: Int }`,
    b: `type U @key(fields: "id") { id: ID! first: String @external last: String @external full: String @requires(fields: "first last")
          list: [Size] @external area: Int @requires(fields: "list { w h unit { name } }") i: I @external un: Un @external
          uns: [Un] @external of: Int @requires(fields: "i { id ... on A { a size { w } } ... on B { b } }")
          one: Int @requires(fields: "un { ... on A { a size { h } } ... on B { b } }")
          all: [Int] @requires(fields: "uns { ... on A { a id } ... on B { b } }") }
        type Size { w: Int @external h: Int @external unit: Unit @external } type Unit { name: String @external }
        union Un = A | B interface I { id: ID! size: Size }
        type A implements I @key(fields: "id") { id: ID! size: Size @external a: String @external price(cur: String): Int @external
          ship: Int @requires(fields: "price(cur: \\"EUR\\") size { w }") duty: Int @requires(fields: "price(cur: \\"USD\\")") }
        type B implements I @key(fields: "id") { id: ID! size: Size @external b: Int @external price(cur: String): Int @external
          ship: Int @requires(fields: "price(cur: \\"EUR\\") size { w }") }`,
    c: `type U @key(fields: "id") { id: ID! full: String @external area: Int @external card: String @requires(fields: "full area") }
        type A @key(fields: "id") { id: ID! ship: Int @external duty: Int @external total: Int @requires(fields: "ship duty") }
        type B @key(fields: "id") { id: ID! ship: Int @external total: Int! @requires(fields: "ship") }`,
    d: `type U @key(fields: "id") { id: ID! card: String @external deep: String @requires(fields: "card") }`,
  },
  'extended types, provided and external fields': {
    a: `type Query { us: [U] } type U @key(fields: "id") { id: ID! name: String }`,
    b: `extend type U @key(fields: "id") { id: ID! @external rs: [R] name: String @external nick: String @requires(fields: "name") }
        type R @key(fields: "id") { id: ID! by: U @provides(fields: "name") p: P }
        extend type P @key(fields: "upc") { upc: String! @external rs: [R] weight: Int @external price: Int @external
          ship: Int @requires(fields: "price weight") }`,
    c: `type P @key(fields: "upc") { upc: String! weight: Int price: Int name: String! } extend type Query { top: [P] }`,
  },
  'interface objects': {
    a: `type Query { nodes: [Node!] node: Node us: [U] } interface Node @key(fields: "id") { id: ID! name: String }
        type U implements Node @key(fields: "id") { id: ID! name: String mail: String }
        type P implements Node @key(fields: "id") { id: ID! name: String by: U node: Node }`,
    b: `type Query { tops: [Node!] top: Node } type Node @key(fields: "id") @interfaceObject { id: ID! score: Int! next: Node likes: [Node] }`,
    c: `type Query { cs: [Node] } type Node @key(fields: "id") @interfaceObject { id: ID! score: Int! @external
          name: String @external rank: Int @requires(fields: "score") label: String @requires(fields: "name") }`,
    d: `type U @key(fields: "id") { id: ID! xp: Int! }`,
  },
  'unions and interfaces that differ': {
    a: `type Query { any: [Any] one: Any s: Any @shareable } union Any = A | B type A @key(fields: "id") { id: ID! a: Int any: Any w: W }
        type B @key(fields: "id") { id: ID! b: String w: W @shareable } type W @shareable { v: Int any: Any }`,
    b: `type Query { any2: [Any!] s: Any @shareable } union Any = A | C type A @key(fields: "id") { id: ID! a2: Int! }
        type C @key(fields: "id") { id: ID! c: String! w: W @shareable } type W @shareable { v: Int any: Any }`,
    c: `type Query { i: [I] } interface I { id: ID! w: W } type B implements I @key(fields: "id") { id: ID! b2: String w: W @shareable }
        type C implements I @key(fields: "id") { id: ID! c2: Int w: W @shareable i: I } type W @shareable { v: Int any: Any } union Any = B | C`,
  },
  'shared roots and value types, and overrides': {
    a: `type Query { node(id: ID!): Node @shareable p(id: ID!): P @shareable both: W @shareable ps: [P] } interface Node { id: ID! }
        type P implements Node @key(fields: "id") { id: ID! a: Int old: Int box: Box @shareable } type W @shareable { x: Int xa: P }
        type Box @shareable { w: Int h: Int inner: Inner } type Inner @shareable { a: Int }`,
    b: `type Query { node(id: ID!): Node @shareable p(id: ID!): P @shareable both: W @shareable } interface Node { id: ID! }
        type P implements Node @key(fields: "id") { id: ID! b: Int cat: Cat box: Box @shareable old: Int @override(from: "a") }
        type Cat implements Node @key(fields: "id") { id: ID! n: String } type W @shareable { x: Int q: Int }
        type Box @shareable { w: Int d: Int inner: Inner } type Inner @shareable { a: Int b: Int }`,
    c: `type Query { both: W @shareable } type P @key(fields: "id") { id: ID! c: Int old: Int @external new: Int @requires(fields: "old") }
        type Cat @key(fields: "id") { id: ID! m: String! } type W @shareable { x: Int z: [P] }`,
  },
};

const values = { ID: ['P-1', 'x'], Int: [1, 2], Float: [0.5], String: ['x', 'EUR'], Boolean: [true, false] };

/** The next valid operation from a seed on. */
function valid(schema: GraphQLSchema, seed: number) {
  for (let at = seed * 1_000; ; at += 1) {
    const operation = generateOperation(schema, at, values);
    if (validate(schema, parse(operation.text)).length === 0) return operation;
  }
}

// More of them: OPERATIONS=1000 FROM=5000 npx vitest run test/gateway/foreign/generated
const operations = Number(process.env.OPERATIONS ?? 60);
const from = Number(process.env.FROM ?? 0);

describe.each(Object.entries(federations))('a federation of %s', (_, sdls) => {
  it(`answers ${operations} operations as one schema does`, async () => {
    const world = worldOf(sdls);
    const { engine, answer } = federate(world.subgraphs, {
      maskErrors: false,
      limits: { fields: 100_000, depth: 100, aliases: 10_000, directives: 10_000, rows: 1e15 },
    });
    for (let seed = from; seed < from + operations; seed += 1) {
      const { text, variables } = valid(engine.schema, seed);
      const expected = await world.answer(engine.schema, text, variables);
      const { json } = await answer(text, variables);
      expect(json, `seed ${seed}: ${text} ${JSON.stringify(variables)}`).toBe(JSON.stringify(expected));
    }
  });
});
