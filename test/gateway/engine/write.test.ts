import { describe, expect, it } from 'vitest';
import { federate } from '../../kit/federation.ts';

// Items of a stream that no subgraph sent: the engine writes them as the client selects them.

const log = {
  sdl: `extend schema
          @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@composeDirective"])
          @link(url: "https://example.test/stream/v1.0", import: ["@resumable"])
          @composeDirective(name: "@resumable")
        directive @resumable(cursor: String!, after: String!, ending: String) on FIELD_DEFINITION
        type Query { ok: Boolean }
        type Subscription {
          log(after: String): Item! @resumable(cursor: "cursor", after: "after", ending: "Ending")
          plain(after: String): Item! @resumable(cursor: "cursor", after: "after")
        }
        interface Item { cursor: String! }
        type Entry implements Item { cursor: String! at: Int }
        type Ending implements Item { cursor: String! reason: Reason! afterMs: Int note: String sure: Boolean! }
        type Other { reason: String }
        enum Reason { OVER DONE }`,
};

const { engine } = federate({ log });

function written(text: string, item: object, variables = {}) {
  const operation = engine.prepare({ key: 'all', schema: engine.schema }, text);
  if ('answer' in operation) throw new Error(operation.answer.json);
  const json = engine.write(operation, item as never, variables);
  return json && JSON.parse(json).data;
}

const ending = { __typename: 'Ending', cursor: 'c', reason: 'OVER', afterMs: 5, sure: true };

describe('an item of its own', () => {
  it.each([
    [
      'by its fields',
      '{ log { cursor ... on Ending { reason } } }',
      { log: { cursor: 'c', reason: 'OVER' } },
    ],
    [
      'under the names of the client',
      '{ a: log { cursor: __typename reason: cursor ... on Ending { cause: reason __proto__: afterMs } } }',
      { a: { cursor: 'Ending', reason: 'c', cause: 'OVER', ['__proto__']: 5 } },
    ],
    [
      'through fragments',
      '{ log { ...I } } fragment I on Item { ...E } fragment E on Ending { __typename reason }',
      { log: { __typename: 'Ending', reason: 'OVER' } },
    ],
    ['without what is for other types', '{ log { ... on Entry { at } } }', { log: {} }],
    ['with null for what it lacks', '{ log { ... on Ending { note } } }', { log: { note: null } }],
  ])('is written %s', (_how, selection, expected) => {
    expect(written(`subscription S ${selection}`, ending)).toEqual(expected);
  });

  it('is written as its variables decide', () => {
    const text = `subscription ($with: Boolean!) { log { ... on Ending @include(if: $with) { reason } } }`;
    expect(written(text, ending, { with: true })).toEqual({ log: { reason: 'OVER' } });
    expect(written(text, ending, { with: false })).toEqual({ log: {} });
  });

  it.each([
    [
      'it lacks a field that may not be null',
      '{ log { ... on Ending { sure } } }',
      { ...ending, sure: undefined },
    ],
    ['a value is none of its enum', '{ log { ... on Ending { reason } } }', { ...ending, reason: 'X' }],
    ['its type is no item of the field', '{ log { cursor } }', { __typename: 'Other', reason: 'x' }],
    ['its type is not there', '{ log { cursor } }', { __typename: 'Nothing' }],
  ])('is not written when %s', (_why, selection, item) => {
    expect(written(`subscription ${selection}`, item)).toBeUndefined();
  });

  it('is named by the directive of the field', () => {
    const endingOf = (text: string) => {
      const operation = engine.prepare({ key: 'all', schema: engine.schema }, text);
      return 'answer' in operation ? undefined : operation.resumable?.ending;
    };
    expect(endingOf('subscription { log { cursor } }')).toEqual({ type: 'Ending', cursor: 'cursor' });
    expect(endingOf('subscription { plain { cursor } }')).toBeUndefined();
  });
});
