import fc from 'fast-check';
import type { GraphQLSchema } from 'graphql';
import { worldValues } from './five-subgraphs.ts';
import { type GeneratedOperation, generateOperation } from './operations.ts';

// What nobody sends who means well, as fast-check's arbitraries: operations with pieces torn out and put in, documents that
// are deep, wide, cyclic or unfold into millions of fields, and variables of every wrong kind.

/** Operations that are valid for a schema, but for a few. */
export function operations(schema: GraphQLSchema): fc.Arbitrary<GeneratedOperation> {
  return fc.nat().map((seed) => generateOperation(schema, seed, worldValues));
}

/** Pieces of a document that surprise wherever they stand. */
const pieces = [
  ...['{', '}', '(', ')', '[', ']', '!', '$', '@', ':', '=', '|', '&', '...', ',', '#', '"', '"""', '\\', ''],
  ...['\0', '\ufeff', '\u2028', '\ud800', '\u{1f600}', 'é', '\r', '\t'],
  ...['0', '-0', '00', '1.', '-', '1e400', '1e-400', '99999999999999999999', '2147483648', '0x1', '.5'],
  ...[
    'null',
    'true',
    'on',
    'fragment',
    'query',
    'mutation',
    'subscription',
    'extend',
    'type',
    'query Q { ranks }',
  ],
  ...['__proto__', 'constructor', 'toString', '_entities', '_service', '__typename', 'x'.repeat(5_000)],
  ...[
    '@skip',
    '@include(if: null)',
    '@include(if: "yes")',
    '@skip(if: $v0)',
    '@defer',
    '@stream',
    '@unknown(a: 1)',
  ],
  ...[
    '$undefined',
    '$v0',
    '($v0: Int)',
    '(id: 1, id: 2)',
    '{ a: { b: [1, {}] } }',
    '"\\ud800"',
    '"\\u{110000}"',
  ],
  ...[
    '...F0',
    '...Missing',
    '... on Nothing { id }',
    '... on Currency { id }',
    'fragment F0 on User { ...F0 }',
  ],
  ...['__schema { types { name } }', '__type(name: "User") { fields { name } }', 'id: name', 'name: id'],
];

/** Operations with pieces put in, cut out and doubled. */
export function broken(schema: GraphQLSchema): fc.Arbitrary<GeneratedOperation> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat({ max: 12 }),
    piece: fc.oneof(fc.constantFrom(...pieces), fc.string()),
    isDouble: fc.boolean(),
  });
  return fc
    .tuple(operations(schema), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([operation, edits]) => ({
      ...operation,
      text: edits.reduce((text, { at, length, piece, isDouble }) => {
        const start = Math.floor(at * text.length);
        const end = start + length;
        return text.slice(0, start) + piece + text.slice(isDouble ? start : end);
      }, operation.text),
    }));
}

const repeated = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');

/** Documents by the way in which they are too much. */
const shapes: Record<string, (size: number) => string> = {
  'fields inside fields': (size) => `{ users ${'{ friends '.repeat(size)}{ id }${' }'.repeat(size)} }`,
  'fields inside fields, never closed': (size) => '{ users '.repeat(size),
  'lists inside lists': (size) => `{ echo(value: ${'['.repeat(size)}${']'.repeat(size)}) }`,
  'objects inside objects': (size) => `{ echo(value: ${'{a:'.repeat(size)}1${'}'.repeat(size)}) }`,
  'lists inside types': (size) => `query($v0: ${'['.repeat(size)}Int${']'.repeat(size)}) { ranks }`,
  'fragments inside fragments': (size) =>
    `{ users ${'{ ... on User '.repeat(size)}{ id }${' }'.repeat(size)} }`,
  'the same field': (size) => `{ ${'ranks '.repeat(size)} }`,
  'the same field below': (size) => `{ users { ${'friends { id } '.repeat(size)} } }`,
  aliases: (size) => `{ ${repeated(size, (index) => `a${index}: ranks`)} }`,
  'aliases below': (size) => `{ leader { ${repeated(size, (index) => `a${index}: xp(factor: ${index})`)} } }`,
  'conflicting fields': (size) => `{ leader { ${repeated(size, (index) => `xp(factor: ${index})`)} } }`,
  'a chain of fragments': (size) =>
    `{ leader { ...F0 } } ${repeated(size, (index) => `fragment F${index} on User { ...F${index + 1} }`)} fragment F${size} on User { id }`,
  'fragments that double': (size) =>
    `{ leader { ...F0 } } ${repeated(size, (index) => `fragment F${index} on User { a: rival { ...F${index + 1} } b: rival { ...F${index + 1} } }`)} fragment F${size} on User { id }`,
  'fragments in a circle': (size) =>
    `{ leader { ...F0 } } ${repeated(size, (index) => `fragment F${index} on User { rival { ...F${(index + 1) % size} } }`)}`,
  'unused fragments': (size) => `{ ranks } ${repeated(size, (index) => `fragment F${index} on User { id }`)}`,
  'fragments of one name': (size) => `{ leader { ...F } } ${'fragment F on User { id } '.repeat(size)}`,
  'spreads of one fragment': (size) => `{ leader { ${'...F '.repeat(size)} } } fragment F on User { id }`,
  directives: (size) => `{ ranks ${'@include(if: true) '.repeat(size)} }`,
  'unknown directives': (size) => `{ ranks ${repeated(size, (index) => `@d${index}`)} }`,
  operations: (size) => repeated(size, (index) => `query Q${index} { ranks }`),
  'operations of one name': (size) => 'query Q { ranks } '.repeat(size),
  'nameless operations': (size) => '{ ranks } '.repeat(size),
  variables: (size) => `query(${repeated(size, (index) => `$v${index}: Int`)}) { ranks }`,
  'a variable declared again': (size) => `query(${'$v0: ID! '.repeat(size)}) { user(id: $v0) { id } }`,
  arguments: (size) => `{ user(${'id: "u1" '.repeat(size)}) { id } }`,
  'type conditions': (size) =>
    `{ nodes { ${repeated(size, (index) => `... on ${['User', 'Book', 'Film', 'Item', 'Media', 'Thing'][index % 6]} { id }`)} } }`,
  'a long name': (size) => `{ ${'ranks'.repeat(size)} }`,
  'a long alias': (size) => `{ ${'a'.repeat(size)}: ranks }`,
  'a long number': (size) => `{ top(n: ${'9'.repeat(size)}) { id } }`,
  'a long string': (size) => `{ user(id: "${'\\u0041'.repeat(size)}") { id } }`,
  'a long block string': (size) => `{ user(id: """${'\n "" \\""" '.repeat(size)}""") { id } }`,
  'a long comment': (size) => `#${'#'.repeat(size)}\n{ ranks }`,
  'nothing but commas': (size) => `${','.repeat(size)}{${','.repeat(size)}ranks}`,
  'introspection inside introspection': (size) =>
    `{ __schema { types { ${'fields { type { '.repeat(size)}name${' } }'.repeat(size)} } } }`,
  'definitions of types': (size) => `{ ranks } ${repeated(size, (index) => `type T${index} { id: ID }`)}`,
};

/** Documents of every hostile shape, from none of it to far too much. */
export const oversized: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...Object.values(shapes)),
    fc.oneof(
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 30, max: 400 }),
      fc.constantFrom(5_000, 50_000),
    ),
  )
  .map(([shape, size]) => shape(size));

/** What may come as the value of a variable: any JSON, and what is nearly right. */
const variable: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom<unknown>('u1', 'EUR', 'GBP', 1, 0, -1, 1.5, 2_147_483_648, 1e300, true, null, '', [], {}, [
    null,
  ]),
  fc.constantFrom<unknown>(
    { currency: 'EUR' },
    { currency: null },
    { currency: 'EUR', kinds: ['BOOK', 1] },
    { x: 1 },
  ),
  fc.integer({ min: 1, max: 100 }).map((depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth))),
  fc.constant(JSON.parse('{"__proto__": {"currency": "EUR"}, "constructor": null}')),
);

/** Operations whose variables are wrong, missing or too many. */
export function misused(schema: GraphQLSchema): fc.Arbitrary<GeneratedOperation> {
  const name = fc.oneof(
    fc.nat({ max: 9 }).map((index) => `v${index}`),
    fc.string(),
    fc.constant('__proto__'),
  );
  const others = fc.dictionary(name, variable, { maxKeys: 4 });
  return fc.tuple(operations(schema), others, fc.boolean()).map(([operation, given, isAdded]) => ({
    ...operation,
    variables: isAdded ? { ...operation.variables, ...given } : given,
  }));
}

/** The names that an operation may be asked for by: mostly none. */
export const operationName = fc.option(
  fc.oneof(fc.constantFrom('', 'Q', 'Q0', 'F0', '__proto__'), fc.string()),
  {
    nil: undefined,
    freq: 3,
  },
);
