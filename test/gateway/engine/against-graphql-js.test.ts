import { buildASTSchema, execute, type GraphQLSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { federate, type TestSubgraph } from '../../kit/federation.ts';
import { generateQuery } from '../../kit/operations.ts';

// The same objects behind one merged schema and behind a federation of three: whatever is asked, the data is the same to
// the byte, and there are errors on both sides or on none.

const catalog = `
  type Query { users: [User!]! user(id: ID!): User nodes: [Node] things: [Thing!] top(n: Int = 2): [Item] }
  interface Node { id: ID! name: String }
  interface Item { id: ID! price(currency: Currency, factor: Int = 1): Float maker: User }
  union Thing = User | Book | Film
  enum Currency { EUR USD }
  type User implements Node @key(fields: "id") { id: ID! name: String email: String! friends: [User!]! team: Team best: Item }
  type Book implements Node & Item @key(fields: "id") { id: ID! name: String price(currency: Currency, factor: Int = 1): Float maker: User pages: Int! }
  type Film implements Node & Item @key(fields: "id") { id: ID! name: String price(currency: Currency, factor: Int = 1): Float maker: User minutes: Int }
  type Team @key(fields: "league { key } number") { league: League! number: Int! name: String }
  type League @shareable { key: ID! title: String }
`;
const game = `
  type Query { leaders: [User] leader: User! }
  type User @key(fields: "id") { id: ID! xp(factor: Int = 1): Int! badges: [Badge!] rival: User }
  type Badge @key(fields: "key") { key: ID! label: String! owner: User! grid: [[Int!]]! }
  type Team @key(fields: "league { key } number") { league: League! number: Int! score: Int members: [User] }
  type League @shareable { key: ID! title: String }
`;
const shop = `
  type Query { cheapest: Item }
  interface Item { id: ID! stock: Int! }
  enum Currency { EUR USD }
  type Book implements Item @key(fields: "id") { id: ID! stock: Int! related: [Item] }
  type Film implements Item @key(fields: "id") { id: ID! stock: Int! price(currency: Currency, factor: Int = 1): Float @external costly: Boolean @requires(fields: "price(currency: EUR)") }
  type User @key(fields: "id") { id: ID! cart: [Item!] spent: Float }
  type Badge @key(fields: "key") { key: ID! price: Int }
`;
const merged = `
  type Query { users: [User!]! user(id: ID!): User nodes: [Node] things: [Thing!] top(n: Int = 2): [Item] leaders: [User] leader: User! cheapest: Item }
  interface Node { id: ID! name: String }
  interface Item { id: ID! price(currency: Currency, factor: Int = 1): Float maker: User stock: Int! }
  union Thing = User | Book | Film
  enum Currency { EUR USD }
  type User implements Node { id: ID! name: String email: String! friends: [User!]! team: Team best: Item xp(factor: Int = 1): Int! badges: [Badge!] rival: User cart: [Item!] spent: Float }
  type Book implements Node & Item { id: ID! name: String price(currency: Currency, factor: Int = 1): Float maker: User pages: Int! stock: Int! related: [Item] }
  type Film implements Node & Item { id: ID! name: String price(currency: Currency, factor: Int = 1): Float maker: User minutes: Int stock: Int! costly: Boolean }
  type Team { league: League! number: Int! name: String score: Int members: [User] }
  type League { key: ID! title: String }
  type Badge { key: ID! label: String! owner: User! grid: [[Int!]]! price: Int }
`;

type Thing = Record<string, unknown>;

/** The objects that both sides serve. With `faults`, some values are missing where they must not be. */
function world(faults: boolean) {
  const users: Thing[] = [];
  const price = (base: number) => (args: { currency?: string; factor?: number }) =>
    base * (args.currency === 'USD' ? 2 : 1) * (args.factor ?? 1);
  const league = { key: 'north', title: 'The "North"' };
  const teams = [1, 2].map((number) => ({
    __typename: 'Team',
    league,
    number,
    name: `Team ${number}`,
    score: number * 100,
    members: () => [users[number], null, users[0]],
  }));
  const works: Thing[] = [1, 2, 3, 4].map((number) => ({
    __typename: number % 2 ? 'Book' : 'Film',
    id: `w${number}`,
    name: number === 3 ? null : `Work\n${number} \u2028 ü`,
    price: price(number * 1.5),
    maker: () => users[number % 3],
    pages: faults && number === 3 ? null : number * 100,
    minutes: number * 7,
    stock: faults && number === 2 ? null : number,
    related: () => [works[number % 4], works[(number + 1) % 4]],
    costly: number > 2,
  }));
  for (let number = 0; number < 4; number += 1) {
    const badges = [0, 1].map((n) => ({
      __typename: 'Badge',
      key: `b${number}-${n}`,
      label: faults && number === 1 && n === 1 ? null : `Badge ${n}`,
      owner: () => users[number],
      grid: faults && number === 2 ? [[1, null], [2]] : [[1], [], [2, 3]],
      price: n * 5,
    }));
    users.push({
      __typename: 'User',
      id: `u${number}`,
      name: number === 2 ? null : `User ${number}`,
      email: faults && number === 3 ? null : `u${number}@example.test`,
      friends: () => (number === 3 ? [] : [users[(number + 1) % 4], users[0]]),
      team: () => (number === 1 ? null : teams[number % 2]),
      best: () => works[number],
      xp: (args: { factor?: number }) => (faults && number === 0 ? null : number * 10 * (args.factor ?? 1)),
      badges,
      rival: () => users[3 - number],
      cart: () => (number === 1 ? null : [works[number], works[0]]),
      spent: number / 3,
    });
  }
  const badges = users.flatMap((user) => user.badges as Thing[]);
  const find = (list: Thing[], key: string) => (reference: Thing) =>
    list.find((one) => one[key] === reference[key]);
  const query = {
    users: () => users,
    user: (args: { id: string }) => users.find((user) => user.id === args.id),
    nodes: () => [...users.slice(0, 2), null, ...works],
    things: () => [works[0], users[0], works[1]],
    top: ({ n }: { n: number }) => works.slice(0, n),
    leaders: () => [users[1], null, users[0]],
    leader: () => users[1],
    cheapest: () => works[0],
  };
  const resolve = Object.fromEntries(
    Object.entries(query).map(([name, field]) => [name, (_: unknown, args: never) => field(args)]),
  );
  const resolveType = { __resolveType: ({ __typename }: Thing) => __typename };
  const references: Record<string, object> = {
    User: { __resolveReference: find(users, 'id') },
    Book: { __resolveReference: find(works, 'id') },
    Film: {
      __resolveReference: ({ id, price }: { id: string; price: number }) => ({
        ...works.find((work) => work.id === id),
        ...(price !== undefined && { costly: price > 4.5 }),
      }),
    },
    Badge: { __resolveReference: find(badges, 'key') },
    Team: { __resolveReference: find(teams, 'number') },
  };
  // graphql-jit reads properties without calling them, so each field has a resolver.
  const read = (name: string) => (object: Thing, args: unknown) => {
    const value = object[name];
    return typeof value === 'function' ? value.call(object, args) : value;
  };
  const resolversFor = (sdl: string): TestSubgraph => {
    const resolvers: Record<string, Record<string, unknown>> = {};
    for (const [, kind, type, body] of sdl.matchAll(/(type|interface|union) (\w+)(.*)/g)) {
      const names = [...body!.matchAll(/(\w+)(?:\([^)]*\))?: /g)].map((match) => match[1]!);
      if (type === 'Query') {
        resolvers[type] = Object.fromEntries(
          names.filter((name) => name in resolve).map((name) => [name, resolve[name]]),
        );
      } else {
        const fields = kind === 'type' ? names.map((name) => [name, read(name)]) : [];
        resolvers[type!] = {
          ...Object.fromEntries(fields),
          ...(kind === 'type' ? references[type!] : resolveType),
        };
      }
    }
    return { sdl, resolvers };
  };
  return {
    query,
    subgraphs: { catalog: resolversFor(catalog), game: resolversFor(game), shop: resolversFor(shop) },
  };
}

const mergedSchema = buildASTSchema(parse(merged));
const values = {
  ID: ['u0', 'u1', 'u3', 'nobody'],
  Int: [1, 2, 3],
  Float: [0.5],
  String: ['x'],
  Boolean: [true],
};

/** The next valid operation from a seed on. */
function valid(schema: GraphQLSchema, seed: number) {
  for (let at = seed * 1_000; ; at += 1) {
    const operation = generateQuery(schema, at, values);
    if (validate(schema, parse(operation.text)).length === 0) return operation;
  }
}

// More of them: OPERATIONS=10000 FROM=5000 npx vitest run test/gateway/engine/against
const operations = Number(process.env.OPERATIONS ?? 120);
const from = Number(process.env.FROM ?? 0);

describe.each([
  ['healthy', false],
  ['faulty', true],
])('a federation over %s data', (_, faults) => {
  it(`answers ${operations} operations as graphql-js does`, async () => {
    const { query, subgraphs } = world(faults);
    const federation = federate(subgraphs, {
      limits: { fields: 10_000, depth: 50, aliases: 1_000, directives: 1_000 },
    });
    for (let seed = from; seed < from + operations; seed += 1) {
      const { text, variables } = valid(mergedSchema, seed);
      const expected = await execute({
        schema: mergedSchema,
        document: parse(text),
        rootValue: query,
        variableValues: variables,
      });
      const answer = await federation.answer(text, variables);
      const about = `seed ${seed}: ${text} ${JSON.stringify(variables)}\n${JSON.stringify(answer.errors)}`;
      const data = answer.json.slice(answer.json.indexOf('"data":') + '"data":'.length, -1);
      expect(data, about).toBe(JSON.stringify(expected.data));
      // Of several values missing in one object each side may name another.
      expect(answer.errors.length > 0, about).toBe((expected.errors ?? []).length > 0);
    }
  });
});
