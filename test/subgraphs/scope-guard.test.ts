import { parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { Subgraph } from '../../subgraphs/feature.ts';
import { gamification } from '../../subgraphs/gamification/index.ts';
import { identity } from '../../subgraphs/identity/index.ts';
import { messaging } from '../../subgraphs/messaging/index.ts';
import { anonymous } from '../../subgraphs/principal.ts';
import { scopeGuard } from '../../subgraphs/scope-guard.ts';
import { allScopes, type Scope } from '../../subgraphs/scopes.ts';

/** Lets a caller with these scopes ask, or throws. */
function guard({ schema }: Subgraph, operation: string, scopes: readonly Scope[]): void {
  const document = parse(operation);
  expect(validate(schema, document)).toEqual([]);
  scopeGuard(schema)(document, { kind: 'integration', scopes });
}

const entities = (selection: string) => `{ _entities(representations: []) { ${selection} } }`;
const award = `mutation { awardBadge(input: { badgeId: "b", userId: "u", idempotencyKey: "k" }) { replayed } }`;

describe('scope guard', () => {
  it.each<[string, Subgraph, string, Scope, string]>([
    ['a root field', identity, '{ user(by: { id: "u" }) { id } }', 'users:read', 'Query.user'],
    ['a field', identity, entities('... on User { id email }'), 'users:read', 'User.email'],
    ['a type', gamification, entities('... on User { level { number } }'), 'stats:read', 'User.level'],
    ['a type reached by a reference', gamification, entities('... on Badge { id }'), 'stats:read', 'Badge'],
    ['a mutation', gamification, award, 'badges:write', 'Mutation.awardBadge'],
    ['a subscription', gamification, 'subscription { xp { cursor } }', 'stats:read', 'Subscription.xp'],
    ['a field behind an alias', identity, entities('... on User { id: email }'), 'users:read', 'User.email'],
    [
      'a field in a named fragment',
      messaging,
      `${entities('... on Channel { ...Said }')} fragment Said on Channel { messages { pageInfo { endCursor } } }`,
      'messages:read',
      'Channel.messages',
    ],
    [
      'a type reached by a named fragment',
      messaging,
      `${entities('...Said')} fragment Said on Message { body }`,
      'messages:read',
      'Message',
    ],
  ])('FORBIDDEN: %s without its scope', (_what, subgraph, operation, scope, coordinate) => {
    const others = allScopes.filter((one) => one !== scope);
    expect(() => guard(subgraph, operation, others)).toThrow(`${coordinate} needs the scope ${scope}.`);
    expect(() => guard(subgraph, operation, allScopes)).not.toThrow();
  });

  it('FORBIDDEN: a selection that is skipped by a condition all the same', () => {
    const operation = entities('... on User { id email @skip(if: true) }');
    expect(() => guard(identity, operation, [])).toThrow('User.email');
  });

  it.each([
    'mutation { endSession(input: {}) { userErrors { code } } }',
    '{ viewer { sessions { nodes { id } } } }',
  ])('FORBIDDEN: without a credential, where any will do: %s', (operation) => {
    const document = parse(operation);
    const check = scopeGuard(identity.schema);
    expect(() => check(document, anonymous)).toThrow(/ needs a credential\.$/);
    check(document, { kind: 'personal', scopes: [] });
  });

  it('lets everybody ask what is public', () => {
    guard(identity, '{ viewer { scopes user { id } } }', []);
    guard(identity, '{ __schema { types { name } } }', []);
  });
});
