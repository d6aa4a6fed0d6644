/** The subgraphs' names, in the order that a newcomer reads them. */
export const subgraphNames = ['identity', 'community', 'gamification', 'messaging'] as const;

/** Where each subgraph answers when it is a process of its own and nobody says otherwise. */
export const subgraphUrls: Readonly<Record<string, string>> = Object.fromEntries(
  subgraphNames.map((name, at) => [name, `http://127.0.0.1:${4_001 + at}/graphql`]),
);
