import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// What fails costs its own fields: each error stands at the place that lost its value, once, and nothing else is an error.

const refuse = (code: string) => () => {
  throw Object.assign(new Error('Refused.'), { extensions: { code } });
};

interface Reference {
  id: string;
}

const people = foreign({
  people: {
    sdl: `type Query { all: [Person] must: [Person!]! one: Person! me: Person }
          type Mutation { first: Int! second: Int! third: Int quiet: Int }
          type Person @key(fields: "id") { id: ID! name: String! }`,
    resolvers: {
      Query: {
        all: () => [{ id: '1', name: 'Ada' }, null, { id: '3', name: 'Cyd' }, { id: '1', name: 'Ada' }],
        must: () => [
          { id: '1', name: 'Ada' },
          { id: '3', name: 'Cyd' },
        ],
        one: () => ({ id: '1', name: 'Ada' }),
        me: () => ({ id: '404' }),
      },
      Mutation: { first: () => 1, second: refuse('NO'), third: () => 3, quiet: refuse('NO') },
    },
  },
  game: {
    sdl: `type Person @key(fields: "id") @key(fields: "tag") {
            id: ID! tag: ID level: Int! rank: Int! bad: Int! odd: Int badges: [Badge!]
          }
          type Badge { label: String! }`,
    resolvers: {
      Person: {
        __resolveReference: ({ id }: Reference) => (id === '404' ? null : { id }),
        tag: ({ id }: Reference) => (id === '1' ? refuse('NO_TAG')() : `t${id}`),
        level: () => 4,
        rank: () => 5,
        bad: refuse('BAD'),
        odd: ({ id }: Reference) => (id === '1' ? refuse('ODD')() : Number(id)),
        badges: () => [{ label: 'gold' }, { label: null }],
      },
    },
  },
  tags: {
    sdl: 'type Person @key(fields: "tag") { tag: ID price: Int! colour: String }',
    resolvers: { Person: { price: () => 3, colour: () => 'red' } },
  },
  dead: {
    down: true,
    sdl: `type Query { gone: Int goneToo: [Int!]! }
          type Person @key(fields: "id") { id: ID! mail: String phone: String! boxes: [Box!] secret: ID }
          type Box { size: Int }`,
  },
  letters: {
    sdl: `type Person @key(fields: "id") { id: ID! secret: ID @external letter: String @requires(fields: "secret")
            stamp: String! @requires(fields: "secret") }`,
    resolvers: { Person: { letter: () => 'Dear', stamp: () => 'stamp' } },
  },
});

describe('an error of an entity', () => {
  it('stands at each place of the entity, and leaves the others what they are', async () => {
    const { data, errors } = await people.ask('{ all { name odd } }');
    expect(data).toEqual({
      all: [{ name: 'Ada', odd: null }, null, { name: 'Cyd', odd: 3 }, { name: 'Ada', odd: null }],
    });
    expect(errors).toEqual([
      { code: 'ODD', path: ['all', 0, 'odd'] },
      { code: 'ODD', path: ['all', 3, 'odd'] },
    ]);
  });

  it('is the only one though it cost its neighbours', async () => {
    expect(await people.ask('{ one { level bad rank } }')).toEqual({
      data: null,
      errors: [{ code: 'BAD', path: ['one', 'bad'] }],
    });
    expect(await people.ask('{ all { rank b: bad } }')).toEqual({
      data: { all: [null, null, null, null] },
      errors: [0, 2, 3].map((index) => ({ code: 'BAD', path: ['all', index, 'b'] })),
    });
  });

  it('deeper inside keeps its path', async () => {
    expect(await people.ask('{ one { name badges { label } } }')).toEqual({
      data: { one: { name: 'Ada', badges: null } },
      errors: [{ code: 'SUBGRAPH_ERROR', path: ['one', 'badges', 1, 'label'] }],
    });
  });

  it('at a key that the client did not ask for stands at the entity', async () => {
    expect(await people.ask('{ must { colour } }')).toEqual({
      data: { must: [{ colour: null }, { colour: 'red' }] },
      errors: [{ code: 'NO_TAG', path: ['must', 0] }],
    });
    expect(await people.ask('{ must { price } }')).toEqual({
      data: null,
      errors: [{ code: 'NO_TAG', path: ['must', 0] }],
    });
  });

  it('is none of its own where an entity is not found, unless a value must be there', async () => {
    expect(await people.ask('{ me { odd tag } }')).toEqual({ data: { me: { odd: null, tag: null } } });
    expect(await people.ask('{ me { odd rank } }')).toEqual({
      data: { me: null },
      errors: [{ code: 'NULL_FOR_NON_NULL', path: ['me', 'rank'] }],
    });
  });
});

describe('an error of a root field', () => {
  it('is the only one though it cost its neighbours', async () => {
    expect(await people.ask('mutation { first second third }')).toEqual({
      data: null,
      errors: [{ code: 'NO', path: ['second'] }],
    });
  });

  it('costs no more than its own field', async () => {
    expect(await people.ask('mutation { first quiet again: third }')).toEqual({
      data: { first: 1, quiet: null, again: 3 },
      errors: [{ code: 'NO', path: ['quiet'] }],
    });
  });
});

describe('a subgraph that is down', () => {
  const gone = (...path: (string | number)[]) => ({ code: 'SUBGRAPH_UNAVAILABLE', path });

  it('costs the fields that it has, at each of their places', async () => {
    expect(await people.ask('{ must { name m: mail boxes { size } level } gone }')).toEqual({
      data: {
        must: [
          { name: 'Ada', m: null, boxes: null, level: 4 },
          { name: 'Cyd', m: null, boxes: null, level: 4 },
        ],
        gone: null,
      },
      errors: [
        gone('gone'),
        gone('must', 0, 'boxes'),
        gone('must', 0, 'm'),
        gone('must', 1, 'boxes'),
        gone('must', 1, 'm'),
      ],
    });
  });

  it('costs the parent of a value that must be there, with one error', async () => {
    expect(await people.ask('{ all { name phone } }')).toEqual({
      data: { all: [null, null, null, null] },
      errors: [gone('all', 0, 'phone'), gone('all', 2, 'phone'), gone('all', 3, 'phone')],
    });
    expect(await people.ask('{ goneToo one { name } }')).toEqual({ data: null, errors: [gone('goneToo')] });
  });

  it('costs what other subgraphs compute from its fields, which are not asked', async () => {
    expect(await people.ask('{ one { name letter } }')).toEqual({
      data: { one: { name: 'Ada', letter: null } },
      errors: [gone('one')],
    });
    expect(people.calls).toEqual(['people']);
    expect(await people.ask('{ all { stamp } }')).toEqual({
      data: { all: [null, null, null, null] },
      errors: [gone('all', 0), gone('all', 2), gone('all', 3)],
    });
  });
});
