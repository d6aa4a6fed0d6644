import type { TestSubgraph } from '../kit/federation.ts';

// The graph that every gateway serves: four small subgraphs shaped like Laurel's, with fixed data in memory. Resolvers
// go by keys and answer at once, so that what is measured is the gateway. Rows refer to rows, as in a schema that was never
// split; a subgraph shows of them what its SDL has.

const users = 100;
const channels = 12;
const roles = ['Admin', 'Moderator', 'Member', 'Guest'];
const levels = ['Newcomer', 'Regular', 'Scholar', 'Mentor', 'Sage'];
const words = 'how the weekly board is counted small win today see you there on friday with the others'.split(
  ' ',
);

/** The same text for the same number. */
const sentence = (seed: number, length: number) =>
  Array.from({ length }, (_, index) => words[(seed * 7 + index * 3) % words.length]).join(' ');
const dayOf = (seed: number) => new Date(Date.UTC(2026, 0, 1 + (seed % 300), seed % 24)).toISOString();
const indexOf = (id: string) => Number(id.slice(id.indexOf('_') + 1));
const range = <T>(length: number, make: (index: number) => T) =>
  Array.from({ length }, (_, index) => make(index));
const slice = <T>(rows: readonly T[], { first, skip = 0 }: { first: number; skip?: number }) =>
  rows.slice(skip, skip + first);

interface Keyed {
  id: string;
}

/** Rows by their ids' numbers. */
const at =
  <T>(rows: readonly T[]) =>
  ({ id }: Keyed) =>
    rows[indexOf(id)]!;

const userRows = range(users, (index) => ({
  __typename: 'User',
  id: `usr_${index}`,
  displayName: `Robin Nº ${index}`,
  email: `robin.${index}@example.com`,
  avatarUrl: `https://cdn.example.com/avatars/${index}.webp`,
  bio: sentence(index, 14),
  joinedAt: dayOf(index),
  status: index % 9 === 0 ? 'AWAY' : 'ACTIVE',
}));

const identity: TestSubgraph = {
  sdl: `
    scalar DateTime
    enum UserStatus { ACTIVE AWAY }
    type Query { users(first: Int!, skip: Int): UserConnection!  user(id: ID!): User }
    type UserConnection { nodes: [User!]! totalCount: Int! }
    type User @key(fields: "id") {
      id: ID! displayName: String! email: String avatarUrl: String bio: String joinedAt: DateTime! status: UserStatus!
    }
    type Mutation { renameUser(input: RenameUserInput!): RenameUserPayload! }
    input RenameUserInput { id: ID! displayName: String! }
    type RenameUserPayload { user: User userErrors: [RenameUserError!]! }
    type RenameUserError { code: String! message: String! path: [String!] }
  `,
  resolvers: {
    Query: {
      users: (_: unknown, page: { first: number; skip?: number }) => ({
        nodes: slice(userRows, page),
        totalCount: users,
      }),
      user: (_: unknown, key: Keyed) => at(userRows)(key),
    },
    User: { __resolveReference: at(userRows) },
    Mutation: {
      renameUser: (_: unknown, { input }: { input: Keyed & { displayName: string } }) => {
        const user = at(userRows)(input);
        user.displayName = input.displayName;
        return { user, userErrors: [] };
      },
    },
  },
};

const roleRows = roles.map((name, index) => ({ id: `rol_${index}`, name, color: `#${index}${index}88aa` }));

const fieldRows = range(users, (index) => [
  { __typename: 'NumberFieldValue', key: 'deposits', label: 'Deposits', number: index * 12.5 },
  { __typename: 'TextFieldValue', key: 'city', label: 'City', text: sentence(index, 2) },
  {
    __typename: 'ChoiceFieldValue',
    key: 'interests',
    label: 'Interests',
    options: [words[index % words.length], words[(index + 5) % words.length]],
  },
]);

const channelRows = range(channels, (index) => ({
  __typename: 'Channel',
  id: `chn_${index}`,
  name: `channel-${index}`,
  topic: sentence(index, 6),
  moderator: userRows[(index * 5 + 3) % users]!,
}));

const messageRows = range(users * 3, (index) => ({
  __typename: 'Message',
  id: `msg_${index}`,
  body: index % 10 === 0 ? `"${sentence(index, 10)}"\nand more` : sentence(index, 12),
  sentAt: dayOf(index),
  author: userRows[index % users]!,
  channel: channelRows[(index * 5) % channels]!,
  reactions: range(index % 3, (nth) => ({ emoji: ['👍', '🎉', '❤️'][nth]!, count: nth + 1 })),
}));

const found = range(60, (index) =>
  index % 3 === 0 ? userRows[index]! : index % 3 === 1 ? channelRows[index % channels]! : messageRows[index]!,
);

const community: TestSubgraph = {
  sdl: `
    type Query { search(first: Int!, skip: Int): [SearchResult!]! }
    union SearchResult = User | Channel | Message
    type Message @key(fields: "id", resolvable: false) { id: ID! }
    type Channel @key(fields: "id") { id: ID! name: String! topic: String! moderator: User! }
    type Role { id: ID! name: String! color: String! }
    interface FieldValue { key: String! label: String! }
    type NumberFieldValue implements FieldValue { key: String! label: String! number: Float }
    type TextFieldValue implements FieldValue { key: String! label: String! text: String }
    type ChoiceFieldValue implements FieldValue { key: String! label: String! options: [String!]! }
    type User @key(fields: "id") { id: ID! roles: [Role!] fields: [FieldValue!] visitCount: Int }
  `,
  resolvers: {
    Query: { search: (_: unknown, page: { first: number; skip?: number }) => slice(found, page) },
    Channel: { __resolveReference: at(channelRows) },
    User: {
      roles: ({ id }: Keyed) => roleRows.slice(indexOf(id) % 3, (indexOf(id) % 3) + 2),
      fields: at(fieldRows),
      visitCount: ({ id }: Keyed) => indexOf(id) * 3,
    },
  },
};

const badgeRows = range(10, (index) => ({
  __typename: 'Badge',
  id: `bdg_${index}`,
  title: `${levels[index % 5]} of ${words[index]}`,
  iconUrl: `https://cdn.example.com/badges/${index}.svg`,
  sponsor: userRows[(index * 7 + 1) % users]!,
}));
const badgesOf = range(users, (index) =>
  range(2, (nth) => ({ badge: badgeRows[(index + nth * 3) % 10]!, awardedAt: dayOf(index + nth) })),
);
const levelOf = (index: number) => ({ number: (index % 5) + 1, title: levels[index % 5] });

const feedRows = range(60, (index) => ({
  __typename: ['BadgeEarned', 'LevelReached', 'CoinsSpent'][index % 3]!,
  id: `fed_${index}`,
  happenedAt: dayOf(index),
  actor: userRows[(index * 11) % users]!,
  badge: badgeRows[index % 10],
  level: levelOf(index),
  amount: index * 10,
  item: sentence(index, 2),
}));

const gamification: TestSubgraph = {
  sdl: `
    scalar DateTime
    type Query { feed(first: Int!, skip: Int): [FeedItem!]! }
    interface FeedItem { id: ID! happenedAt: DateTime! actor: User! }
    type BadgeEarned implements FeedItem { id: ID! happenedAt: DateTime! actor: User! badge: Badge! }
    type LevelReached implements FeedItem { id: ID! happenedAt: DateTime! actor: User! level: Level! }
    type CoinsSpent implements FeedItem { id: ID! happenedAt: DateTime! actor: User! amount: Int! item: String! }
    type Badge { id: ID! title: String! iconUrl: String! sponsor: User! }
    type BadgeAward { badge: Badge! awardedAt: DateTime! }
    type Level { number: Int! title: String! }
    type User @key(fields: "id") { id: ID! xp: Int coins: Int level: Level badges: [BadgeAward!] topBadge: Badge }
  `,
  resolvers: {
    Query: { feed: (_: unknown, page: { first: number; skip?: number }) => slice(feedRows, page) },
    User: {
      xp: ({ id }: Keyed) => indexOf(id) * 41 + 165,
      coins: ({ id }: Keyed) => indexOf(id) * 3,
      level: ({ id }: Keyed) => levelOf(indexOf(id)),
      badges: at(badgesOf),
      topBadge: ({ id }: Keyed) => badgeRows[indexOf(id) % 10],
    },
  },
};

const messaging: TestSubgraph = {
  sdl: `
    scalar DateTime
    type Message @key(fields: "id") {
      id: ID! body: String! sentAt: DateTime! author: User! channel: Channel! reactions: [Reaction!]!
    }
    type Reaction { emoji: String! count: Int! }
    type Channel @key(fields: "id") { id: ID! messages(first: Int!): [Message!] }
    type User @key(fields: "id") { id: ID! messages(first: Int!): [Message!] lastMessage: Message }
    type Query { message(id: ID!): Message }
  `,
  resolvers: {
    Query: { message: (_: unknown, key: Keyed) => at(messageRows)(key) },
    Message: { __resolveReference: at(messageRows) },
    Channel: {
      messages: ({ id }: Keyed, { first }: { first: number }) =>
        range(first, (nth) => messageRows[(indexOf(id) * 9 + nth) % messageRows.length]),
    },
    User: {
      messages: ({ id }: Keyed, { first }: { first: number }) =>
        range(first, (nth) => messageRows[indexOf(id) + nth * users]),
      lastMessage: ({ id }: Keyed) => messageRows[indexOf(id)],
    },
  },
};

export const subgraphs: Record<string, TestSubgraph> = { identity, community, gamification, messaging };
