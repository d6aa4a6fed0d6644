import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, parse, print, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { streamDocument, withCursor } from '../../client/document.ts';
import { XpOfDocument } from './generated/graph.ts';

const schema = buildSchema(readFileSync(join(import.meta.dirname, '../../schema/api.graphql'), 'utf8'));
const twins = { xp: 'xpEvents', messages: 'messageEvents' };

/** What our server says of a document. */
function faultsOf(text: string): string[] {
  return validate(schema, parse(text)).map(({ message }) => message);
}

describe('the document of a stream', () => {
  it.each([
    ['without a cursor', 'subscription { xp { ... on XpChanged { total } } }'],
    ['with one', 'subscription ($after: EventCursor) { xp(after: $after) { cursor __typename } }'],
    [
      'under another name',
      'subscription ($p: [ID!]) { mine: xp(userIds: $p) { ... on StreamGap { reason } } }',
    ],
    [
      'with fragments',
      `subscription Talk($in: [ID!]!) { messages(channelIds: $in) { ...item } }
       fragment item on StreamItem { cursor ... on MessagePosted { message { ...words } } }
       fragment words on Message { body }`,
    ],
    ['of a code generator', XpOfDocument],
    ['that is parsed', parse('subscription { xp { cursor } }')],
  ])('is valid %s, and so is the query that fills its gaps', (_what, query) => {
    const { text, pull } = streamDocument(query, twins);
    expect(faultsOf(text)).toEqual([]);
    expect(faultsOf(pull?.text ?? '{')).toEqual([]);
  });

  it('takes out of an item what it asked for itself, and nothing else', () => {
    const { itemOf } = streamDocument('subscription { mine: xp { cursor } }', twins);
    const data = {
      mine: {
        cursor: 'a',
        laurel_type: 'StreamGap',
        laurel_cursor: 'a',
        laurel_from: 'b',
        laurel_gap: 'SLOW_CONSUMER',
      },
    };
    expect(itemOf(data)).toEqual({
      type: 'StreamGap',
      cursor: 'a',
      gap: { from: 'b', reason: 'SLOW_CONSUMER' },
      ending: undefined,
    });
    expect(data).toEqual({ mine: { cursor: 'a' } });
  });

  it('is the same when it is made twice, so that it can be registered', () => {
    const once = withCursor('subscription ($userIds: [ID!]) { xp(userIds: $userIds) { __typename } }');
    expect(withCursor(once)).toBe(once);
    expect(print(parse(once))).toBe(once);
  });

  it('is named by the stream and not by what is selected', () => {
    const about = (selection: string) =>
      streamDocument(`subscription { xp(userIds: ["a"]) { ${selection} } }`, {}).about;
    expect(about('cursor')).toBe('xp(userIds: ["a"])');
    expect(about('__typename')).toBe(about('cursor'));
  });

  it('fills no gap of a stream that tells how things stand after it', () => {
    const query = 'subscription ($userIds: [ID!]) { xp(userIds: $userIds, snapshot: true) { cursor } }';
    expect(streamDocument(query, twins).pull).toBeUndefined();
  });

  it.each([
    ['{ viewer { id } }', undefined, 'Expected a subscription, got a query.'],
    [
      'subscription A { xp { cursor } } subscription B { xp { cursor } }',
      undefined,
      'Expected one operation, got 2.',
    ],
    ['subscription A { xp { cursor } }', 'B', 'Expected one operation "B", got 0.'],
    [
      'subscription { ...all } fragment all on Subscription { xp { cursor } }',
      undefined,
      'Expected the subscription to select one stream, as a field and not by a fragment.',
    ],
    [
      'subscription { xp(after: "a") { cursor } }',
      undefined,
      'Expected the argument `after` as a variable, or not at all.',
    ],
  ])('is refused: %s', (query, operationName, message) => {
    expect(() => streamDocument(query, {}, operationName)).toThrow(new TypeError(message));
  });
});
