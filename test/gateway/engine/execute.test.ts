import { describe, expect, it } from 'vitest';
import { federate } from '../../kit/federation.ts';

const people = [
  { id: 'u1', name: 'Ada', friends: ['u2', 'u3'] },
  { id: 'u2', name: 'Bob', friends: ['u1'] },
  { id: 'u3', name: 'Cyd', friends: [] },
];
const person = (id: string) => people.find((one) => one.id === id);

function community() {
  return federate({
    identity: {
      sdl: `
        type Query { users: [User!]! user(id: ID!): User }
        type User @key(fields: "id") { id: ID! name: String! friends: [User!]! }
      `,
      resolvers: {
        Query: { users: () => people, user: (_: unknown, { id }: { id: string }) => person(id) },
        User: {
          __resolveReference: ({ id }: { id: string }) => person(id),
          friends: (user: { friends: string[] }) => user.friends.map(person),
        },
      },
    },
    game: {
      sdl: `type User @key(fields: "id") { id: ID! xp: Int badges: [Badge!] } type Badge @key(fields: "code") { code: ID! label: String }`,
      resolvers: {
        User: {
          xp: ({ id }: { id: string }) => Number(id.slice(1)) * 10,
          badges: () => [{ code: 'gold', label: 'Gold' }],
        },
      },
    },
    messaging: {
      sdl: `type User @key(fields: "id") { id: ID! messages: Int rank: Int @requires(fields: "xp") xp: Int @external }
            type Badge @key(fields: "code") { code: ID! holders: Int }`,
      resolvers: {
        User: { messages: () => 7, rank: ({ xp }: { xp: number }) => xp + 1 },
        Badge: { holders: () => 2 },
      },
    },
  });
}

describe('entities', () => {
  it('costs one call per subgraph and level, however many entities', async () => {
    const { run, calls } = community();
    const { data, errors } = await run('{ users { name xp messages badges { label holders } } }');
    expect(errors).toBeUndefined();
    expect(data.users[2]).toEqual({
      name: 'Cyd',
      xp: 30,
      messages: 7,
      badges: [{ label: 'Gold', holders: 2 }],
    });
    expect(calls.map((call) => call.subgraph).sort()).toEqual(['game', 'identity', 'messaging', 'messaging']);
  });

  it('asks for each entity once, wherever it stands', async () => {
    const { run, calls } = community();
    const { data } = await run('{ users { id friends { id xp friends { xp } } } }');
    expect(data.users[0].friends[0]).toEqual({ id: 'u2', xp: 20, friends: [{ xp: 10 }] });
    const asked = calls
      .filter((call) => call.subgraph === 'game')
      .flatMap((call) => Object.values(call.variables!));
    for (const representations of asked as { id: string }[][]) {
      expect(new Set(representations.map(({ id }) => id)).size).toBe(representations.length);
    }
  });

  it('hands a required field of one subgraph to another', async () => {
    const { run } = community();
    expect((await run('{ user(id: "u2") { rank } }')).data).toEqual({ user: { rank: 21 } });
  });

  it('makes no call for nothing', async () => {
    const { run, calls } = community();
    expect((await run('{ user(id: "nobody") { xp } }')).data).toEqual({ user: null });
    expect(calls.length).toBe(1);
  });
});

describe('federation directives', () => {
  it('lets a subgraph provide what another owns', async () => {
    const { run, calls } = federate({
      books: {
        sdl: `type Query { book: Book } type Book { title: String author: Author @provides(fields: "name") }
              type Author @key(fields: "id") { id: ID! name: String @external }`,
        resolvers: { Query: { book: () => ({ title: 'T', author: { id: 'a', name: 'Ada' } }) } },
      },
      authors: { sdl: 'type Author @key(fields: "id") { id: ID! name: String @shareable born: Int }' },
    });
    expect((await run('{ book { author { name } } }')).data).toEqual({ book: { author: { name: 'Ada' } } });
    expect(calls).toHaveLength(1);
  });

  it('knows entities by nested and by several keys', async () => {
    const { run } = federate({
      a: {
        sdl: `type Query { seat: Seat } type Seat @key(fields: "row { hall { id } number } column") { row: Row! column: Int! }
              type Row { hall: Hall! number: Int! } type Hall @key(fields: "id") { id: ID! }`,
        resolvers: { Query: { seat: () => ({ row: { hall: { id: 'h' }, number: 3 }, column: 4 }) } },
      },
      b: {
        sdl: `type Seat @key(fields: "row { hall { id } number } column") @key(fields: "code") { row: Row! column: Int! code: ID! }
              type Row @shareable { hall: Hall! number: Int! } type Hall @key(fields: "id") { id: ID! }`,
        resolvers: {
          Seat: {
            code: (seat: { row: { number: number }; column: number }) => `${seat.row.number}-${seat.column}`,
          },
        },
      },
      c: {
        sdl: 'type Seat @key(fields: "code") { code: ID! taken: String }',
        resolvers: { Seat: { taken: ({ code }: { code: string }) => `by ${code}` } },
      },
    });
    expect(await run('{ seat { taken } }')).toEqual({ data: { seat: { taken: 'by 3-4' } } });
  });

  it('requires fields with arguments, beside the same field with others', async () => {
    const { run } = federate({
      shop: {
        sdl: `type Query { items: [Item] book: Book } interface Item { price(in: String): Int }
              type Book implements Item @key(fields: "id") { id: ID! price(in: String): Int size: Size }
              type Size { width: Int height: Int }`,
        resolvers: {
          Query: {
            items: () => [{ __typename: 'Book', id: 'b', size: { width: 2, height: 3 } }],
            book: () => ({ id: 'b', size: { width: 2, height: 3 } }),
          },
          Book: {
            price: (_: unknown, args: { in?: string }) =>
              args.in === 'EUR' ? 1 : args.in === 'USD' ? 100 : 50,
          },
        },
      },
      post: {
        sdl: `type Book @key(fields: "id") { id: ID! price(in: String): Int @external size: Size @external
                shipping: Int @requires(fields: "price(in: \\"EUR\\") size { height }") duty: Int @requires(fields: "price(in: \\"USD\\")") }
              type Size { height: Int @external }`,
        resolvers: {
          Book: {
            shipping: ({ price, size }: { price: number; size: { height: number } }) => price + size.height,
            duty: ({ price }: { price: number }) => price,
          },
        },
      },
    });
    const text =
      '{ items { price(in: "GBP") ... on Book { size { width } shipping } } book { price(in: "GBP") shipping duty } }';
    expect(await run(text)).toEqual({
      data: {
        items: [{ price: 50, size: { width: 2 }, shipping: 4 }],
        book: { price: 50, shipping: 4, duty: 100 },
      },
    });
  });

  it('knows an object of which every fragment selects nothing', async () => {
    const { run } = shapes();
    expect(await run('{ any { ... on User { ... on Node { ... on Bot { name } } } } }')).toEqual({
      data: { any: [{}, null, {}] },
    });
  });

  const shapes = () =>
    federate({
      a: {
        sdl: `type Query { nodes: [Node!]! any: [Any] } union Any = User | Bot
              interface Node @key(fields: "id") { id: ID! name: String }
              type User implements Node @key(fields: "id") { id: ID! name: String age: Int }
              type Bot implements Node @key(fields: "id") { id: ID! name: String never: Int! }
              type Ghost implements Node @key(fields: "id") @inaccessible { id: ID! name: String }`,
        resolvers: {
          Query: {
            nodes: () => [
              { __typename: 'User', id: 'u', name: 'U', age: 7 },
              { __typename: 'Bot', id: 'b', name: 'B' },
            ],
            any: () => [
              { __typename: 'Bot', id: 'b', name: 'B' },
              null,
              { __typename: 'User', id: 'u', age: 7 },
            ],
          },
          Node: {
            __resolveReference: ({ id }: { id: string }) => ({
              __typename: id === 'u' ? 'User' : 'Bot',
              id,
              name: id.toUpperCase(),
              age: 7,
            }),
          },
          User: { __resolveReference: ({ id }: { id: string }) => ({ id, age: 7, name: 'U' }) },
        },
      },
      b: {
        sdl: `type Query { top: [Node!]! any2: [Any] } union Any = User | Group
              type Node @key(fields: "id") @interfaceObject { id: ID! score: Int }
              type User @key(fields: "id") { id: ID! mail: String } type Group { title: String }`,
        resolvers: {
          Query: {
            top: () => [{ id: 'b' }, { id: 'u' }],
            any2: () => [
              { __typename: 'Group', title: 'G' },
              { __typename: 'User', id: 'u' },
            ],
          },
          Node: { score: ({ id }: { id: string }) => id.length },
          User: { mail: () => 'u@example.test' },
        },
      },
    });

  it('adds fields to all implementers of an interface by an interface object', async () => {
    const { run } = shapes();
    expect(await run('{ nodes { name score } }')).toEqual({
      data: {
        nodes: [
          { name: 'U', score: 1 },
          { name: 'B', score: 1 },
        ],
      },
    });
    expect(await run('{ top { score } }')).toEqual({ data: { top: [{ score: 1 }, { score: 1 }] } });
  });

  it('finds the concrete type behind an interface object, under an alias too', async () => {
    const { run } = shapes();
    expect(await run('{ top { t: __typename score ... on User { age mail } } }')).toEqual({
      data: {
        top: [
          { t: 'Bot', score: 1 },
          { t: 'User', score: 1, age: 7, mail: 'u@example.test' },
        ],
      },
    });
  });

  it('asks an interface object only for the types that are asked, beside other entities too', async () => {
    const { run, calls } = shapes();
    expect(await run('{ any { ... on Bot { score } ... on User { mail } } }')).toEqual({
      data: { any: [{ score: 1 }, null, { mail: 'u@example.test' }] },
    });
    const { variables } = calls.find(({ subgraph }) => subgraph === 'b')!;
    expect(Object.values(variables!).flat()).toEqual([
      { __typename: 'Node', id: 'b' },
      { __typename: 'User', id: 'u' },
    ]);
  });

  it('gives null for an object whose type an error hides', async () => {
    const { run } = shapes();
    const { data, errors } = await run('{ top { score ... on User { age } ... on Bot { never } } }');
    expect(data).toBeNull();
    expect(errors!.map(({ path }) => path)).toEqual([['top', 0, 'never']]);
  });

  it('follows unions whose members differ between subgraphs', async () => {
    const { run } = shapes();
    const fields = '{ __typename ... on User { age mail } ... on Bot { name } ... on Group { title } }';
    expect(await run(`{ any ${fields} any2 ${fields} }`)).toEqual({
      data: {
        any: [{ __typename: 'Bot', name: 'B' }, null, { __typename: 'User', age: 7, mail: 'u@example.test' }],
        any2: [
          { __typename: 'Group', title: 'G' },
          { __typename: 'User', age: 7, mail: 'u@example.test' },
        ],
      },
    });
  });

  it('merges aliases, fragments and nested fields of one key in the order of the query', async () => {
    const { answer } = shapes();
    const { json } = await answer(`
      { z: nodes { ...A kind: __typename } nodes { ...A id } }
      fragment A on Node { name ... on User { mail age } ...B } fragment B on Node { id again: name }`);
    expect(json).toBe(
      '{"data":{"z":[{"name":"U","mail":"u@example.test","age":7,"id":"u","again":"U","kind":"User"},' +
        '{"name":"B","id":"b","again":"B","kind":"Bot"}],' +
        '"nodes":[{"name":"U","mail":"u@example.test","age":7,"id":"u","again":"U"},{"name":"B","id":"b","again":"B"}]}}',
    );
  });

  it('moves a field by an override', async () => {
    const { run, calls } = federate({
      old: {
        sdl: 'type Query { a: A } type A @key(fields: "id") { id: ID! n: Int }',
        resolvers: { Query: { a: () => ({ id: 1, n: 1 }) } },
      },
      young: {
        sdl: 'type A @key(fields: "id") { id: ID! n: Int @override(from: "old") }',
        resolvers: { A: { n: () => 2 } },
      },
    });
    expect(await run('{ a { n } }')).toEqual({ data: { a: { n: 2 } } });
    expect(calls.map(({ subgraph }) => subgraph)).toEqual(['old', 'young']);
  });

  it.each([
    [10, 2],
    [90, 1],
  ])('moves a field for a part of the requests by a progressive override (%i %%)', async (percentage, n) => {
    const { run } = federate(
      {
        old: {
          sdl: 'type Query { a: A } type A @key(fields: "id") { id: ID! n: Int }',
          resolvers: { Query: { a: () => ({ id: 1, n: 1 }) } },
        },
        young: {
          sdl: 'type A @key(fields: "id") { id: ID! n: Int @override(from: "old", label: "percent(50)") }',
          resolvers: { A: { n: () => 2 } },
        },
      },
      { percentage: () => percentage },
    );
    expect(await run('{ a { n } }')).toEqual({ data: { a: { n } } });
  });
});

describe('mutations', () => {
  const log: string[] = [];
  const step =
    (name: string, fails = false) =>
    async () => {
      await new Promise((resolve) => setImmediate(resolve));
      log.push(name);
      if (fails) throw new Error(name);
      return log.length;
    };
  const federation = federate({
    a: {
      sdl: 'type Query { q: Int } type Mutation { a1: Int a2: Int fails: Int }',
      resolvers: { Mutation: { a1: step('a1'), a2: step('a2'), fails: step('fails', true) } },
    },
    b: { sdl: 'type Mutation { b1: Int }', resolvers: { Mutation: { b1: step('b1') } } },
  });

  it('run one after the other across subgraphs, whatever fails', async () => {
    log.length = 0;
    const { data, errors } = await federation.run('mutation { a1 b1 fails a2 again: b1 }');
    expect(log).toEqual(['a1', 'b1', 'fails', 'a2', 'b1']);
    expect(data).toEqual({ a1: 1, b1: 2, fails: null, a2: 4, again: 5 });
    expect(errors).toMatchObject([{ path: ['fails'] }]);
  });
});

describe('a mutation', () => {
  it('is complete with all below it before the next one begins', async () => {
    const order: string[] = [];
    const { run } = federate({
      a: {
        sdl: 'type Query { q: Int } type Mutation { make: Thing again: Int } type Thing @key(fields: "id") { id: ID! }',
        resolvers: {
          Mutation: {
            make: () => order.push('make') && { id: '1' },
            again: () => order.push('again'),
          },
        },
      },
      b: {
        sdl: 'type Thing @key(fields: "id") { id: ID! part: Part } type Part @key(fields: "id") { id: ID! }',
        resolvers: { Thing: { part: () => order.push('part') && { id: '2' } } },
      },
      c: {
        sdl: 'type Part @key(fields: "id") { id: ID! name: String }',
        resolvers: { Part: { name: () => order.push('name') && 'Part' } },
      },
    });
    const { data } = await run('mutation { make { part { ...P } } again } fragment P on Part { name }');
    expect(data).toEqual({ make: { part: { name: 'Part' } }, again: 4 });
    expect(order).toEqual(['make', 'part', 'name', 'again']);
  });
});

describe('errors', () => {
  const failing = (options = {}) =>
    federate(
      {
        a: {
          sdl: 'type Query { users: [User] first: User } type User @key(fields: "id") { id: ID! }',
          resolvers: {
            Query: { users: () => [{ id: '1' }, { id: '2' }, { id: '1' }], first: () => ({ id: '1' }) },
          },
        },
        b: {
          sdl: 'type User @key(fields: "id") { id: ID! coded: Int raw: Int must: Int! sure: Int! deep: [Deep] } type Deep { must: Int! }',
          resolvers: {
            User: {
              coded: ({ id }: { id: string }) => {
                if (id === '1')
                  throw Object.assign(new Error('Not yours.'), {
                    extensions: { code: 'FORBIDDEN', field: 'coded' },
                  });
                return 2;
              },
              raw: () => {
                throw new Error('password is hunter2');
              },
              must: ({ id }: { id: string }) => (id === '1' ? null : 2),
              sure: () => 1,
              deep: () => [{ must: 1 }, { must: null }],
            },
          },
        },
      },
      options,
    );

  it('of an entity stand at every place of it', async () => {
    const { data, errors } = await failing().run('{ users { coded } first { c: coded } }');
    expect(data).toEqual({ users: [{ coded: null }, { coded: 2 }, { coded: null }], first: { c: null } });
    const expected = [
      ['users', 0, 'coded'],
      ['users', 2, 'coded'],
      ['first', 'c'],
    ];
    expect(errors).toHaveLength(3);
    for (const path of expected) {
      expect(errors).toContainEqual({
        message: 'Not yours.',
        path,
        extensions: { code: 'FORBIDDEN', field: 'coded' },
      });
    }
  });

  it('below an entity keep the rest of their path', async () => {
    const { data, errors } = await failing().run('{ users { deep { must } } }');
    expect(data.users[1]).toEqual({ deep: [{ must: 1 }, null] });
    expect(errors!.map(({ path }) => path)).toEqual(
      [0, 2, 1].map((index) => ['users', index, 'deep', 1, 'must']),
    );
  });

  it('without a code lose their message, and are told to whoever keeps the log', async () => {
    const { run, faults } = failing();
    const { errors } = await run('{ first { raw } }');
    expect(errors).toEqual([
      {
        message: 'Subgraph "b" failed to answer this field.',
        path: ['first', 'raw'],
        extensions: { code: 'SUBGRAPH_ERROR', subgraph: 'b', id: 'fault-1' },
      },
    ]);
    expect(String(faults[0])).toContain('hunter2');
  });

  it('keep their message where that is wanted', async () => {
    const { errors } = await failing({ maskErrors: false }).run('{ first { raw } }');
    expect(errors![0].message).toBe('password is hunter2');
  });

  it('are one for each missing value, and the parent is null', async () => {
    const { data, errors } = await failing().run('{ users { id must } }');
    expect(data).toEqual({ users: [null, { id: '2', must: 2 }, null] });
    expect(errors!.map(({ path }) => path)).toEqual([
      ['users', 0, 'must'],
      ['users', 2, 'must'],
    ]);
  });

  it('explain all that is missing of the object they cost', async () => {
    const { data, errors } = await failing().run('{ first { sure must } }');
    expect(data).toEqual({ first: null });
    expect(errors!.map(({ path }) => path)).toEqual([['first', 'must']]);
  });

  it('are told once, however often a subgraph tells them', async () => {
    const error = { message: 'Not now.', path: ['now'], extensions: { code: 'LATER' } };
    const reach = {
      execute: () => ({ data: { now: null }, errors: [error, { ...error }] }),
      subscribe: () => Promise.reject(new Error('Nothing to subscribe to.')),
    };
    const { run } = federate({ a: { sdl: 'type Query { now: String }', reach } });
    expect(await run('{ now }')).toEqual({ data: { now: null }, errors: [error] });
  });

  it('of a client that is gone stop the plan', async () => {
    const { engine, calls } = failing();
    const operation = engine.prepare({ key: 'all', schema: engine.schema }, '{ users { coded } }');
    if ('answer' in operation) throw new Error(operation.answer.json);
    const answer = await engine.execute(operation, { caller: {}, signal: AbortSignal.abort() });
    expect(answer.hasData).toBe(false);
    expect(calls).toEqual([]);
  });
});
