// What a credential may be allowed, one list for all subgraphs. A scope is the first word of a permission that the
// vendors name ("Get User Data" is users:read), and every object field that isn't public names the one it needs.
// Source: Returning.AI docs, "Authentication"; permissions named at the calls of its Integration API.

export const scopes = {
  'users:read': 'Profiles: names, e-mail addresses, external ids. Returning.AI: Get User Data.',
  'community:read': 'The community itself and its channels.',
  'fields:read': 'Custom fields, their values and histories. Returning.AI: userFields.',
  'fields:write': 'Recording changes of custom fields. Returning.AI: userFields.',
  'stats:read': 'XP, coins, levels, badges, daily stats and the ledger. Returning.AI: Get User Stats.',
  'events:write': 'Tracking events that earn or cost. GamifyHost: secret key.',
  'badges:write': 'Awarding badges.',
  'messages:read': 'Messages and their reactions. Returning.AI: getMessages.',
  'messages:write': 'Sending, replying and reacting. Returning.AI: sendMessages.',
  'keys:read': "A person's own keys; for administrators all. Returning.AI: User API, API keys.",
  'keys:write': 'Making, changing, rotating and revoking them. Returning.AI: User API, API keys.',
  'audit:read': 'Who did what with keys and sessions. Open Loyalty: audit log.',
} as const;

export type Scope = keyof typeof scopes;

export const allScopes = Object.keys(scopes) as Scope[];
