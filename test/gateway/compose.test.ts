import { describe, expect, it } from 'vitest';
import { compose } from '../../gateway/compose.ts';
import { linked } from '../kit/federation.ts';

// Which subgraphs disagree, and how to mend it.

/** What is said of two subgraphs, `users` and `games`, that don't compose. */
function said(users: string, games: string): string {
  try {
    compose([
      { name: 'users', url: 'http://users.test', sdl: linked(users) },
      { name: 'games', url: 'http://games.test', sdl: linked(games) },
    ]);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('They compose.');
}

describe('subgraphs that do not compose', () => {
  it.each([
    [
      'type Query { a: Int @shareable }',
      'type Query { a: String @shareable }',
      'the same type in all of them',
    ],
    ['type Query { a: Int }', 'type Query { a: Int }', 'mark the field @shareable'],
    [
      'type Query { e(e: E): E @shareable } enum E { A B }',
      'type Query { e(e: E): E @shareable } enum E { A }',
      'define the same values',
    ],
    ['type Query { u: U } type U { a: Int }', 'input U { a: Int }', 'the same kind of type'],
    [
      'type Query { a(x: Int!): Int @shareable }',
      'type Query { a: Int @shareable }',
      'add the argument to all',
    ],
    [
      'type Query { u: U } type U @key(fields: "id") { id: ID! }',
      'type U { id: ID! @shareable x: Int }',
      'give the type a @key',
    ],
  ])('are both named, with what to do: %s', (users, games, mending) => {
    const text = said(users, games);
    expect(text).toMatch(/^The subgraphs do not compose:\n- /);
    expect(text).toMatch(/"users"/);
    expect(text).toMatch(/"games"/);
    expect(text).toContain(`To mend it: `);
    expect(text).toContain(mending);
  });

  it('are told by name where one is wrong by itself', () => {
    const wrong = said(
      'type Query { u: U } type U @key(fields: "nope") { id: ID! }',
      'type Query { b: Int }',
    );
    expect(wrong).toContain('- In subgraph "users": On type "U", for @key(fields: "nope")');
    const unread = said('type Query {\n  a: Int\n', 'type Query { b: Int }');
    expect(unread).toMatch(
      /- In subgraph "users": Syntax Error: Expected Name, found <EOF>\. \(line \d+, column \d+\)/,
    );
  });

  it('have each fault told once', () => {
    const fault = said(
      'type Query { u: U } type U @key(fields: "id") { id: ID! }',
      'type U { id: ID! @shareable x: Int }',
    );
    const lines = fault.split('\n- ');
    expect(lines).toHaveLength(new Set(lines).size);
  });
});
