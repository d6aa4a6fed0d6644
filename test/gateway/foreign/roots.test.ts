import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// Root fields that several subgraphs share, mutations across subgraphs, and types that merge by union or intersection.

interface Reference {
  id: string;
}

describe('a root field of several subgraphs', () => {
  const graph = foreign({
    users: {
      sdl: `type Query { node(id: ID!): Node @shareable shop(id: ID!): Shop @shareable now: Now @shareable }
            interface Node { id: ID! } type User implements Node @key(fields: "id") { id: ID! name: String }
            type Shop @key(fields: "id") { id: ID! name: String } type Now @shareable { day: Int hour: Int }`,
      resolvers: {
        Query: {
          node: (_: unknown, { id }: Reference) => ({ __typename: 'User', id, name: `User ${id}` }),
          shop: (_: unknown, { id }: Reference) => ({ id, name: `Shop ${id}` }),
          now: () => ({ day: 1, hour: 2 }),
        },
        Shop: { __resolveReference: ({ id }: Reference) => ({ id, name: `Shop ${id}` }) },
      },
    },
    carts: {
      sdl: `type Query { node(id: ID!): Node @shareable shop(id: ID!): Shop @shareable now: Now @shareable }
            interface Node { id: ID! } type User implements Node @key(fields: "id") { id: ID! cart: Int }
            type Shop @key(fields: "id") { id: ID! stock: Int } type Now @shareable { day: Int minute: Int }`,
      resolvers: {
        Query: {
          node: (_: unknown, { id }: Reference) => ({ __typename: 'User', id }),
          shop: (_: unknown, { id }: Reference) => ({ id }),
          now: () => ({ day: 1, minute: 3 }),
        },
        User: { cart: () => 4 },
        Shop: { stock: () => 5 },
      },
    },
  });

  it('is asked of one of them where that is enough', async () => {
    expect(await graph.ask('{ shop(id: "s") { stock } }')).toEqual({ data: { shop: { stock: 5 } } });
    expect(graph.calls).toEqual(['carts']);
    expect(
      await graph.ask('query ($id: ID!) { node(id: $id) { id ... on User { name } } }', { id: 'u' }),
    ).toEqual({
      data: { node: { id: 'u', name: 'User u' } },
    });
    expect(graph.calls).toEqual(['users']);
  });

  it('is made whole by the others', async () => {
    expect(
      await graph.ask('{ node(id: "u") { ... on User { name cart } } shop(id: "s") { name stock } }'),
    ).toEqual({
      data: { node: { name: 'User u', cart: 4 }, shop: { name: 'Shop s', stock: 5 } },
    });
  });

  it('is merged of all where it has no key', async () => {
    expect(await graph.ask('{ now { day hour minute } again: now { minute } }')).toEqual({
      data: { now: { day: 1, hour: 2, minute: 3 }, again: { minute: 3 } },
    });
  });

  it('stands beside introspection and the name of its type, in the order asked', async () => {
    const answer = await graph.ask(
      '{ z: __typename now { t: __typename day } schema: __schema { queryType { name } } a: now { day } type: __type(name: "Now") { name } }',
    );
    expect(JSON.stringify(answer)).toBe(
      '{"data":{"z":"Query","now":{"t":"Now","day":1},"schema":{"queryType":{"name":"Query"}},"a":{"day":1},"type":{"name":"Now"}}}',
    );
    expect(graph.calls).toHaveLength(1);
    expect(await graph.ask('{ __typename @skip(if: true) t: __typename }')).toEqual({ data: { t: 'Query' } });
    expect(graph.calls).toEqual([]);
  });
});

describe('mutations across subgraphs', () => {
  const order: string[] = [];
  const done = (name: string) => async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push(name);
    return { id: name };
  };
  const graph = foreign({
    a: {
      sdl: `type Query { q: Int } type Mutation { make(name: String): Thing again: Thing fail: Thing }
            type Thing @key(fields: "id") { id: ID! }`,
      resolvers: {
        Mutation: {
          make: done('make'),
          again: done('again'),
          fail: () => {
            order.push('fail');
            throw new Error('no');
          },
        },
      },
    },
    b: {
      sdl: `type Mutation { other: Thing } type Thing @key(fields: "id") { id: ID! size: Int }`,
      resolvers: {
        Mutation: { other: done('other') },
        Thing: {
          size({ id }: Reference) {
            order.push(`size of ${id}`);
            return id.length;
          },
        },
      },
    },
  });

  it('run one after the other, each with all below it, whatever fails', async () => {
    order.length = 0;
    expect(
      await graph.ask(
        'mutation { make(name: "x") { id size } fail { size } other { size id } again { size } __typename }',
      ),
    ).toEqual({
      data: {
        make: { id: 'make', size: 4 },
        fail: null,
        other: { size: 5, id: 'other' },
        again: { size: 5 },
        __typename: 'Mutation',
      },
      errors: [{ code: 'SUBGRAPH_ERROR', path: ['fail'] }],
    });
    expect(order).toEqual([
      'make',
      'size of make',
      'fail',
      'other',
      'size of other',
      'again',
      'size of again',
    ]);
  });

  it('are left out by their conditions, and run once under one key', async () => {
    order.length = 0;
    expect(
      await graph.ask(
        'mutation ($no: Boolean = false) { make { id } ... on Mutation { make { size } } again @include(if: $no) { id } }',
      ),
    ).toEqual({ data: { make: { id: 'make', size: 4 } } });
    expect(order).toEqual(['make', 'size of make']);
  });
});

describe('types that merge', () => {
  const graph = foreign({
    a: {
      sdl: `type Query { echo(in: In, mode: Mode): String status: [Status] item: Item }
            input In { name: String! size: Int = 3 onlyA: Int inner: In } enum Mode { FAST SLOW }
            enum Status { ON OFF BROKEN } enum Size { S M } type Item @key(fields: "id") { id: ID! size: Size }`,
      resolvers: {
        Query: {
          echo: (_: unknown, args: unknown) => JSON.stringify(args),
          status: () => ['ON', 'BROKEN'],
          item: () => ({ id: 'i', size: 'M' }),
        },
      },
    },
    b: {
      sdl: `type Query { tell(in: In): String } type Mutation { set(mode: Mode): Int }
            input In { name: String! size: Int = 3 inner: In } enum Mode { FAST TURBO }
            enum Status { ON UNKNOWN } extend type Query { more: [Status] }
            type Item @key(fields: "id") { id: ID! fits(size: Size): Boolean } enum Size { S M }`,
      resolvers: {
        Query: { tell: (_: unknown, args: unknown) => JSON.stringify(args), more: () => ['UNKNOWN', null] },
        Item: { fits: (_: unknown, { size }: { size: string }) => size === 'S' },
      },
    },
  });

  it('accept what every subgraph accepts, inputs and enums as arguments', async () => {
    expect(await graph.ask('{ echo(in: {name: "n", inner: {name: "m", size: null}}, mode: FAST) }')).toEqual({
      data: { echo: '{"in":{"name":"n","size":3,"inner":{"name":"m","size":null}},"mode":"FAST"}' },
    });
    expect(
      await graph.ask('query ($in: In!) { tell(in: $in) echo(in: $in) }', { in: { name: 'n' } }),
    ).toEqual({
      data: { tell: '{"in":{"name":"n","size":3}}', echo: '{"in":{"name":"n","size":3}}' },
    });
    for (const text of [
      '{ echo(in: {name: "n", onlyA: 1}) }',
      '{ echo(mode: SLOW) }',
      'mutation { set(mode: TURBO) }',
    ]) {
      expect(await graph.ask(text)).toMatchObject({ errors: [{ code: 'GRAPHQL_VALIDATION_FAILED' }] });
    }
  });

  it('answer what any subgraph answers, enums as values', async () => {
    expect(await graph.ask('{ status more item { size fits(size: S) } }')).toEqual({
      data: { status: ['ON', 'BROKEN'], more: ['UNKNOWN', null], item: { size: 'M', fits: true } },
    });
  });
});
