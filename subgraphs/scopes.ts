// What a credential may be allowed, one list for all subgraphs. A scope is the first word of a permission that the
// vendors name ("Get User Data" is users:read), and every object field that isn't public names the one it needs.
// Source: Returning.AI docs, "Authentication"; permissions named at the calls of its Integration API.

export const scopes = {
  'users:read': 'Profiles: names, e-mail addresses, external ids. Returning.AI: Get User Data.',
  'community:read': 'The community itself, its channels and roles.',
  'community:write': 'What the community allows: whether events make people members.',
  'roles:write': 'Making, changing, giving and taking roles. Returning.AI: Manage Roles.',
  'channels:write': 'Opening, changing and closing channels. Returning.AI: Manage Channels.',
  'fields:read': 'Custom fields, their values and histories. Returning.AI: userFields.',
  'fields:write': 'Recording changes of custom fields. Returning.AI: userFields.',
  'stats:read': 'XP, coins, levels, badges, daily stats and the ledger. Returning.AI: Get User Stats.',
  'events:write': 'Tracking events that earn or cost. GamifyHost: secret key.',
  'ledger:write': 'Adjusting, spending and taking back what people have, by entries of their ledgers.',
  'rules:write': 'What events earn, levels, and what the community makes of its units.',
  'badges:write': 'Awarding badges.',
  'leaderboards:write': 'Making, changing and deleting leaderboards. Returning.AI: leaderboard.',
  'messages:read': 'Messages and their reactions. Returning.AI: getMessages.',
  'messages:write': 'Sending, replying and reacting. Returning.AI: sendMessages.',
  'keys:read': "A person's own keys; for administrators all. Returning.AI: User API, API keys.",
  'keys:write': 'Making, changing, rotating and revoking them. Returning.AI: User API, API keys.',
  'sessions:write': "Letting people in, with the system key, and ending others' sessions.",
  'penalties:read': "Warnings, suspensions and bans: one's own; others' for those who give them.",
  'penalties:write': 'Warning, suspending and banning. Returning.AI: Misconduct.',
  'audit:read': 'Who did what with keys, sessions and people. Open Loyalty: audit log.',
} as const;

export type Scope = keyof typeof scopes;

/** What a session allows where nobody says otherwise: what people do by themselves. */
export const personScopes: readonly Scope[] = [
  'users:read',
  'community:read',
  'fields:read',
  'stats:read',
  'messages:read',
  'messages:write',
  'keys:read',
  'keys:write',
  'penalties:read',
];

/**
 * What everybody sees, without any credential: fields that are reached from a root or by an entity's key over nothing
 * that asks for a scope or a credential. A test finds them by walking the supergraph, so that none gets here by omission.
 */
export const publicFields: Readonly<Record<string, readonly string[]>> = {
  Query: ['viewer', 'node', 'nodes', 'rateLimit', 'explainCost'],
  // Null without a credential, and about its own sender otherwise.
  Viewer: ['scopes', 'user', 'apiKey', 'community'],
  ApiKey: [
    ...['id', 'kind', 'name', 'prefix', 'scopes', 'channelIds', 'audience', 'user'],
    ...['createdAt', 'expiresAt', 'lastUsedAt', 'revokedAt', 'contract'],
  ],
  // About the budget of whoever asks.
  RateLimit: ['cost', 'limit', 'remaining', 'restorePerSecond', 'resetAt'],
  OperationCost: ['cost', 'waitSeconds'],
  // About the schema that the asking key sees, and no other.
  SchemaContract: ['sha256', 'sdl', 'deprecations', 'changesSince'],
  Deprecation: ['coordinate', 'reason', 'removalDate', 'lastUsedAt', 'callsLast30Days'],
  SchemaChange: ['coordinate', 'criticality', 'message'],
  // Ids alone; what they name asks for a scope, and `node` gives none without it.
  Node: ['id'],
  User: ['id'],
  Community: ['id'],
  Channel: ['id'],
  Mutation: ['refreshSession'],
  RefreshSessionPayload: ['accessToken', 'accessTokenExpiresAt', 'refreshToken', 'userErrors'],
  UserError: ['code', 'message', 'path'],
};

export const allScopes = Object.keys(scopes) as Scope[];
