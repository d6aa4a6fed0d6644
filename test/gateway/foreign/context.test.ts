import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

describe('an argument from the context', () => {
  const graph = foreign({
    a: {
      sdl: `type Query { order: Order }
            type Order @key(fields: "id") @context(name: "order") { id: ID! currency: String! items: [Item!]! }
            type Item @key(fields: "id") {
              id: ID! price(in: String @fromContext(field: "$order { currency }")): Int name: String
            }`,
      resolvers: {
        Query: { order: () => ({ id: 'o', currency: 'EUR', items: [{ id: 'i', name: 'Pen' }] }) },
        Item: { price: (_: unknown, args: { in?: string }) => (args.in === 'EUR' ? 1 : 0) },
      },
    },
    b: {
      sdl: 'type Item @key(fields: "id") { id: ID! stock: Int }',
      resolvers: { Item: { stock: () => 3 } },
    },
  });

  it('is beyond the planner, so its field is refused rather than called without it', async () => {
    expect(await graph.ask('{ order { items { name price } } }')).toEqual({
      errors: [{ code: 'PLANNING_FAILED' }],
    });
    expect(graph.calls).toEqual([]);
  });

  it('costs no other field', async () => {
    expect(await graph.ask('{ order { currency items { name stock } } }')).toEqual({
      data: { order: { currency: 'EUR', items: [{ name: 'Pen', stock: 3 }] } },
    });
  });

  it('is not in the schema of the clients', async () => {
    const { data } = await graph.ask('{ __type(name: "Item") { fields { name args { name } } } }');
    expect(data.__type.fields).toContainEqual({ name: 'price', args: [] });
  });
});
