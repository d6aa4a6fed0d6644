import { GraphQLError, Kind, parse } from 'graphql';
import type { TestSubgraph } from './federation.ts';

// One small world served twice: whole, to compare with, and by five subgraphs that each know a part of it. Every feature
// of federation that can be planned wrongly is in it somewhere.

const catalog = `
  type Query {
    users: [User!]!
    user(id: ID!): User
    nodes: [Node]
    things: [Thing!]
    top(n: Int = 2): [Item]
    shelves: [[Media!]]!
    search(filter: Filter): [Item!]
    echo(value: JSON, rows: [[Int!]]): JSON
  }
  type Mutation {
    count(by: Int = 1): Int!
    rename(id: ID!, name: String): User
  }
  scalar Date
  scalar JSON
  enum Currency { EUR USD }
  enum Kind { BOOK FILM }
  input Filter { kinds: [Kind!] below: Float currency: Currency! = EUR either: [Filter!] }
  union Thing = User | Book | Film
  interface Node { id: ID! name: String }
  interface Item { id: ID! price(currency: Currency, factor: Int = 1): Float maker: User }
  interface Media @key(fields: "id") { id: ID! name: String maker: User }
  type User implements Node @key(fields: "id") {
    id: ID!
    name: String
    email: String!
    born: Date
    settings: JSON
    friends: [User!]!
    team: Team
    best: Item
    prize: Item @inaccessible
  }
  type Book implements Node & Item & Media @key(fields: "id") {
    id: ID!
    name: String
    price(currency: Currency, factor: Int = 1): Float
    maker: User
    pages: Int!
    chapters: Int!
  }
  type Film implements Node & Item & Media @key(fields: "id") {
    id: ID!
    name: String
    price(currency: Currency, factor: Int = 1): Float
    maker: User
    minutes: Int
    sequel: Film
  }
  type Team @key(fields: "league { key } number") { league: League! number: Int! name: String home: Place }
  type League @shareable { key: ID! title: String }
  type Place @shareable { name: String! lines: [[String!]] host: User }
`;

const game = `
  type Query { leaders: [User] leader: User! ranks: [Rank!]! }
  type Mutation { score(user: ID!, by: Int!): User! }
  enum Rank { NOVICE EXPERT }
  type User @key(fields: "id") {
    id: ID!
    xp(factor: Int = 1): Int!
    rank: Rank
    badges: [Badge!]
    rival: User
  }
  type Badge @key(fields: "key") @key(fields: "serial") {
    key: ID!
    serial: Int!
    label: String!
    owner: User!
    grid: [[Int!]]!
  }
  type Team @key(fields: "league { key } number") @key(fields: "code") {
    league: League!
    number: Int!
    code: ID!
    score: Int
    members: [User]
  }
  type League @shareable { key: ID! title: String }
`;

const shop = `
  type Query { cheapest: Item offers: [Thing] }
  type Mutation { buy(item: ID!): Item }
  enum Currency { EUR USD }
  union Thing = Book | Film | Badge
  interface Item { id: ID! stock: Int! }
  type Book implements Item @key(fields: "id") {
    id: ID!
    stock: Int!
    chapters: Int! @external
    related: [Item]
    bundle: [Thing!]
  }
  type Film implements Item @key(fields: "id") {
    id: ID!
    stock: Int!
    minutes: Int @external
    price(currency: Currency, factor: Int = 1): Float @external
    costly: Boolean @requires(fields: "price(currency: USD, factor: 3)")
  }
  type User @key(fields: "id") {
    id: ID!
    team: Team @external
    prize: Item @external
    cart: [Item!]
    spent: Float
    greeting(loud: Boolean = false): String @requires(fields: "team { name league { title } }")
    gift: Int @requires(fields: "prize { __typename ... on Book { chapters } ... on Film { minutes } }")
  }
  type Team { name: String @external league: League! @external }
  type League @shareable { title: String }
  type Badge @key(fields: "serial") { serial: Int! cost: Int refund: Float! }
`;

const reviews = `
  type Query { topRated: [Media!] latest: Review review(id: ID!): Review }
  scalar Date
  type Media @key(fields: "id") @interfaceObject { id: ID! rating: Float reviews: [Review!]! }
  type Review @key(fields: "id") {
    id: ID!
    text: String!
    stars: Int!
    at: Date
    author: User @provides(fields: "name")
    of: Media!
  }
  type User @key(fields: "id") { id: ID! name: String @external mood: String reviews: [Review!]! }
`;

const clubs = `
  type Query { clubs: [Team!]! }
  type Team @key(fields: "code") { code: ID! captain: User! stadium: Place award: Review }
  type Place @shareable { name: String! lines: [[String!]] host: User }
  type User @key(fields: "id", resolvable: false) { id: ID! }
  type Review @key(fields: "id", resolvable: false) { id: ID! }
`;

/** Fields that a subgraph has to be sent before it can compute others. */
const required: Record<string, Record<string, readonly string[]>> = {
  shop: { Film: ['price'], User: ['team', 'prize'] },
};

type Thing = Record<string, unknown>;

export interface World {
  /** The root value that graphql-js needs to serve the world whole. */
  readonly root: Thing;
  readonly subgraphs: Record<string, TestSubgraph>;
  /** Undoes what mutations did. */
  reset(): void;
}

/**
 * The objects that both sides serve.
 * @param faulty  whether some values are missing where they must not be, are of another type, or are errors.
 */
export function worldOf(faulty: boolean): World {
  const fault = <T>(value: T, instead: unknown, isHere: boolean): unknown =>
    faulty && isHere ? instead : value;
  const error = (code: string) => new GraphQLError(`Refused: ${code}.`, { extensions: { code } });
  const refusing = (code: string) => () => {
    throw error(code);
  };
  let counted = 0;

  const users: Thing[] = [];
  const works: Thing[] = [];
  const badges: Thing[] = [];
  const leagues = ['north', 'south'].map((key) => ({ key, title: key === 'north' ? 'The "North"' : null }));
  const places = [0, 1].map((number) => ({
    name: fault(`Place ${number}`, null, number === 1),
    lines: [[`${number} Main St`, ''], null, []],
    host: () => users[number],
  }));
  const teams: Thing[] = [0, 1, 2].map((number) => ({
    __typename: 'Team',
    league: leagues[number % 2],
    number,
    code: `t${number}`,
    name: number === 2 ? null : `Team ${number}`,
    home: places[0],
    score: fault(number * 100, refusing('SEALED'), number === 1),
    members: () => [users[number], null, fault(users[0], error('GONE'), number === 0)],
    captain: () => fault(users[number], null, number === 2),
    stadium: number === 0 ? null : places[number - 1],
    award: () => reviewed[number],
  }));
  for (let number = 1; number <= 4; number += 1) {
    works.push({
      __typename: number % 2 ? 'Book' : 'Film',
      id: `w${number}`,
      name: number === 3 ? null : `Work\n${number} \u2028 ü`,
      price: ({ currency, factor }: { currency?: string; factor?: number }) =>
        number * 1.5 * (currency === 'USD' ? 2 : 1) * (factor ?? 1),
      maker: () => fault(users[number % 3], error('NO_MAKER'), number === 4),
      pages: fault(number * 100, null, number === 3),
      chapters: number,
      minutes: number === 4 ? null : number * 7,
      sequel: () => (number === 2 ? works[3] : null),
      stock: fault(number, null, number === 2),
      related: () => [works[number % 4], null, works[(number + 1) % 4]],
      bundle: () => [works[number - 1], badges[number], works[number % 4]],
      costly() {
        return (read(this, 'price', { currency: 'USD', factor: 3 }) as number) > 27;
      },
      // Those who review know neither the last film nor the last user of a faulty world.
      rating: fault(number / 3, null, number === 4),
      reviews: () => fault([reviewed[number], reviewed[number - 1]], null, number === 4),
    });
  }
  for (let number = 0; number < 4; number += 1) {
    const own = [0, 1].map((n) => ({
      __typename: 'Badge',
      key: `b${number}-${n}`,
      serial: number * 2 + n,
      label: fault(`Badge ${n}`, null, number === 1 && n === 1),
      owner: fault(() => users[number], refusing('FORBIDDEN'), number === 2 && n === 0),
      grid: fault([[1], [], [2, 3]], [[1, null], [2]], number === 2),
      cost: fault(n * 5, 1.5, number === 0),
      refund: fault(n / 4, refusing('NO_REFUND'), number === 3 && n === 1),
    }));
    badges.push(...own);
    const isCustomer = number !== 3;
    users.push({
      __typename: 'User',
      id: `u${number}`,
      name: number === 2 ? null : `User ${number}`,
      email: fault(`u${number}@example.test`, null, number === 3),
      born: number === 0 ? null : `200${number}-02-03`,
      settings: number === 1 ? { dark: null, sizes: [1, { wide: true }], '': '' } : number,
      friends: () =>
        number === 3 ? [] : [users[(number + 1) % 4], fault(users[0], error('BLOCKED'), number === 2)],
      team: () => (number === 1 ? null : teams[number % 3]),
      best: () => works[number],
      prize: () => works[number],
      xp: ({ factor }: { factor?: number }) => fault(number * 10 * (factor ?? 1), null, number === 0),
      rank: fault(number > 1 ? 'EXPERT' : 'NOVICE', 'LEGEND', number === 3),
      badges: fault(own, refusing('LOCKED'), number === 3),
      rival: () => users[3 - number],
      cart: () => (number === 1 || !isCustomer ? null : [works[number], works[0]]),
      spent: isCustomer ? fault(number / 3, refusing('SECRET'), number === 2) : null,
      greeting({ loud }: { loud?: boolean }) {
        const team = read(this, 'team') as Thing | null;
        const text = team && `${team.name} of ${(team.league as Thing).title}`;
        return isCustomer ? `Hello ${text}${loud ? '!' : '.'}` : null;
      },
      gift() {
        const prize = read(this, 'prize') as Thing;
        return isCustomer ? (prize.__typename === 'Book' ? prize.chapters : prize.minutes) : null;
      },
      mood: fault(number === 2 ? 'ha\u0007ppy' : null, null, number === 3),
      reviews: () => fault([reviewed[number]], null, number === 3),
    });
  }
  const reviewed: Thing[] = [0, 1, 2, 3, 4].map((number) => ({
    __typename: 'Review',
    id: `r${number}`,
    text: fault(`Review ${number}`, refusing('HELD_BACK'), number === 1),
    stars: number,
    at: number === 2 ? null : `2020-01-0${number + 1}`,
    author: () => (number > 2 ? null : users[number]),
    of: () => works[number % 3],
  }));
  const byId = (list: Thing[], id: unknown) => list.find((one) => one.id === id);

  const root: Thing = {
    users: async () => users,
    user: ({ id }: { id: string }) => byId(users, id),
    nodes: () => [...users.slice(0, 2), null, ...works],
    things: () => [works[0], users[0], works[1]],
    top: ({ n }: { n: number | null }) => works.slice(0, n ?? 3),
    shelves: () => [[works[0], works[1]], null, [], fault([works[3]], [null], true)],
    search: ({ filter }: { filter?: { kinds?: string[]; below?: number; currency: string } }) =>
      works.filter(
        (work) =>
          (filter?.kinds?.includes(String(work.__typename).toUpperCase()) ?? true) &&
          (read(work, 'price', filter ?? {}) as number) < (filter?.below ?? 100),
      ),
    echo: ({ value, rows }: { value?: unknown; rows?: unknown }) => value ?? rows,
    leaders: () => [users[1], null, users[0]],
    leader: () => users[1],
    ranks: ['EXPERT', 'NOVICE'],
    cheapest: () => works[0],
    offers: () => [badges[1], works[1], null, badges[7], works[2]],
    topRated: () => [works[2], works[1]],
    latest: async () => reviewed[1],
    review: ({ id }: { id: string }) => byId(reviewed, id),
    clubs: () => teams,
    count: ({ by }: { by: number | null }) => {
      counted += by ?? 0;
      return fault(counted, null, counted > 4);
    },
    rename: ({ id, name }: { id: string; name?: string }) => {
      const user = byId(users, id);
      return user && { ...user, name: name ?? `Nobody ${counted}` };
    },
    score: ({ user, by }: { user: string; by: number }) => {
      counted += by;
      return { ...(byId(users, user) ?? users[0]), xp: counted };
    },
    buy: ({ item }: { item: string }) => byId(works, item) ?? refusing('SOLD_OUT')(),
  };

  const known: Record<string, (reference: Thing) => Thing | undefined> = {
    User: ({ id }) => byId(users, id),
    Book: ({ id }) => byId(works, id),
    Film: ({ id }) => byId(works, id),
    Media: ({ id }) => byId(works, id),
    Review: ({ id }) => byId(reviewed, id),
    Badge: ({ key, serial }) => badges.find((badge) => badge.key === key || badge.serial === serial),
    Team: ({ league, number, code }) =>
      teams.find(
        (team) =>
          team.code === code ||
          (team.number === number && (team.league as Thing).key === (league as Thing | undefined)?.key),
      ),
  };
  /** The ids that a subgraph has no entity for. */
  const strangers: Record<string, readonly unknown[]> = {
    shop: ['u3'],
    reviews: faulty ? ['u3', 'w4'] : [],
  };

  const serve = (name: string, sdl: string): TestSubgraph => {
    const resolvers: Record<string, Thing> = {};
    for (const definition of parse(sdl).definitions) {
      if (!('name' in definition) || !definition.name) continue;
      const type = definition.name.value;
      const own: Thing = {};
      if (definition.kind === Kind.OBJECT_TYPE_DEFINITION) {
        // graphql-jit reads properties without calling them, so each field has a resolver.
        for (const { name: field } of definition.fields ?? []) {
          own[field.value] = (object: Thing | undefined, args: Thing) =>
            read(object ?? root, field.value, args);
        }
      } else if (
        definition.kind === Kind.INTERFACE_TYPE_DEFINITION ||
        definition.kind === Kind.UNION_TYPE_DEFINITION
      ) {
        own.__resolveType = (object: Thing) => object.__typename;
      } else {
        continue;
      }
      if (type in known) {
        own.__resolveReference = (reference: Thing) => {
          const found = known[type]!(reference);
          if (!found || strangers[name]?.includes(found.id)) return null;
          const { ...object } = found;
          for (const field of required[name]?.[type] ?? []) delete object[field];
          return { ...object, ...reference, __typename: found.__typename };
        };
      }
      resolvers[type] = own;
    }
    return { sdl, resolvers };
  };

  return {
    root,
    subgraphs: Object.fromEntries(
      Object.entries({ catalog, game, shop, reviews, clubs }).map(([name, sdl]) => [name, serve(name, sdl)]),
    ),
    reset: () => {
      counted = 0;
    },
  };
}

/** A field's value, as graphql-js's default resolver reads it. */
function read(object: Thing, name: string, args: unknown = {}): unknown {
  const value = object[name];
  return typeof value === 'function' ? value.call(object, args) : value;
}

/** What the generator may say for arguments. */
export const worldValues = {
  ID: ['u0', 'u1', 'u3', 'w2', 'r1', 'nobody'],
  Int: [1, 2, 3],
  Float: [0.5, 4],
  String: ['x'],
  Boolean: [true, false],
  JSON: ['{', 2.5, false],
};
