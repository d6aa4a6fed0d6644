// What is asked. Variables differ from request to request, so that no gateway lives on answering equal requests together.

export interface Scenario {
  name: string;
  /** Short, for `--scenario`. */
  key: string;
  query: string;
  variables(turn: number): Record<string, unknown>;
}

const userFields = `
  id displayName email avatarUrl bio joinedAt status
  roles { name color } visitCount fields { key label ... on NumberFieldValue { number } ... on TextFieldValue { text } }
  xp coins level { number title } badges { awardedAt badge { title iconUrl } }
  messages(first: 2) { id body sentAt reactions { emoji count } channel { name } }
`;

export const scenarios: readonly Scenario[] = [
  {
    key: 'users',
    name: '50 users',
    query: `query Users($skip: Int) { users(first: 50, skip: $skip) { totalCount nodes { ${userFields} } } }`,
    variables: (turn) => ({ skip: turn }),
  },
  {
    key: 'user',
    name: '1 user',
    query: `query User($id: ID!) { user(id: $id) { ${userFields} } }`,
    variables: (turn) => ({ id: `usr_${turn}` }),
  },
  {
    key: 'chain',
    name: 'five hops',
    query: `query Chain($id: ID!) { user(id: $id) {
      displayName
      lastMessage { body channel { name moderator { topBadge { title sponsor {
        lastMessage { body channel { name topic } }
      } } } } }
    } }`,
    variables: (turn) => ({ id: `usr_${turn}` }),
  },
  {
    key: 'mutation',
    name: 'mutation',
    query: `mutation Rename($input: RenameUserInput!) { renameUser(input: $input) {
      user { id displayName xp level { number } }
      userErrors { code message path }
    } }`,
    // People whom the other scenarios don't show.
    variables: (turn) => ({ input: { id: `usr_${80 + turn}`, displayName: `Robin the ${turn}.` } }),
  },
  {
    key: 'abstract',
    name: 'abstract types',
    query: `query Abstract($skip: Int) {
      search(first: 40, skip: $skip) {
        __typename
        ... on User { displayName xp fields {
          __typename key label
          ... on NumberFieldValue { number }
          ... on TextFieldValue { text }
          ... on ChoiceFieldValue { options }
        } }
        ... on Channel { name topic messages(first: 2) { body reactions { emoji count } } }
        ... on Message { body sentAt author { displayName } }
      }
      feed(first: 40, skip: $skip) {
        __typename id happenedAt actor { displayName status }
        ... on BadgeEarned { badge { title } }
        ... on LevelReached { level { number title } }
        ... on CoinsSpent { amount item }
      }
    }`,
    variables: (turn) => ({ skip: turn }),
  },
];

/** How many different requests a scenario has. */
export const turns = 16;

/** The bodies of a scenario's requests. */
export function bodiesOf({ query, variables }: Scenario): string[] {
  return Array.from({ length: turns }, (_, turn) => JSON.stringify({ query, variables: variables(turn) }));
}
