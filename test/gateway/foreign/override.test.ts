import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// A field that moves from one subgraph to another is asked of the new one alone, of a part of the requests if so said.

describe('an overridden field', () => {
  const moved = foreign({
    old: {
      sdl: `type Query { posts: [Post] feed: [Item] hello: String }
            interface Item @key(fields: "id") { id: ID! at: String }
            type Post implements Item @key(fields: "id") { id: ID! at: String by: String size: Int text: String }
            type Photo implements Item @key(fields: "id") { id: ID! at: String }`,
      resolvers: {
        Query: {
          posts: () => [{ id: 'p', at: 'old', by: 'old', size: 1, text: 'old' }],
          feed: () => [
            { __typename: 'Photo', id: 'f', at: 'old' },
            { __typename: 'Post', id: 'p', at: 'old' },
          ],
          hello: () => 'old',
        },
        Post: { __resolveReference: ({ id }: { id: string }) => ({ id, at: 'old', by: 'old', text: 'old' }) },
        Item: { __resolveType: ({ __typename }: { __typename: string }) => __typename },
      },
    },
    young: {
      sdl: `type Query { hello: String @override(from: "old") }
            type Post @key(fields: "id") {
              id: ID! at: String @override(from: "old") by: String @override(from: "old")
              text: String @external size: Int @external
              length: Int @override(from: "old") @requires(fields: "text size")
            }`,
      resolvers: {
        Query: { hello: () => 'young' },
        Post: {
          at: () => 'young',
          by: () => 'young',
          length: ({ text, size }: { text: string; size: number }) => text.length * size,
        },
      },
    },
    third: {
      sdl: `type Post @key(fields: "id") { id: ID! by: String @external signed: String @requires(fields: "by") }`,
      resolvers: { Post: { signed: ({ by }: { by: string }) => `by ${by}` } },
    },
  });

  it('is answered by the new subgraph, a root field too', async () => {
    expect(await moved.ask('{ hello posts { at by text } }')).toEqual({
      data: { hello: 'young', posts: [{ at: 'young', by: 'young', text: 'old' }] },
    });
  });

  it('is required of the new subgraph', async () => {
    expect(await moved.ask('{ posts { signed } }')).toEqual({ data: { posts: [{ signed: 'by young' }] } });
    expect(moved.calls).toEqual(['old', 'young', 'third']);
  });

  it('may require what stayed behind', async () => {
    expect(await moved.ask('{ posts { length } }')).toEqual({ data: { posts: [{ length: 3 }] } });
    expect(moved.calls).toEqual(['old', 'young']);
  });

  it('of one implementer moves, and of the others not', async () => {
    expect(await moved.ask('{ feed { __typename at } }')).toEqual({
      data: {
        feed: [
          { __typename: 'Photo', at: 'old' },
          { __typename: 'Post', at: 'young' },
        ],
      },
    });
  });
});

const sides = (label: string) => ({
  old: {
    sdl: `type Query { post: Post count: Int } type Post @key(fields: "id") { id: ID! by: String likes: Int }`,
    resolvers: { Query: { post: () => ({ id: 'p', by: 'old', likes: 1 }), count: () => 1 } },
  },
  young: {
    sdl: `type Query { count: Int @override(from: "old", label: "${label}") }
          type Post @key(fields: "id") {
            id: ID! by: String @override(from: "old", label: "${label}") likes: Int @external
            fame: String @requires(fields: "likes")
          }`,
    resolvers: {
      Query: { count: () => 2 },
      Post: { by: () => 'young', fame: ({ likes }: { likes: number }) => `fame ${likes}` },
    },
  },
});
const question = '{ count post { by fame likes } }';
const answers = (count: number, by: string) => ({
  data: { count, post: { by, fame: 'fame 1', likes: 1 } },
});

describe('a field that is overridden for a part of the requests', () => {
  let percentage = 0;
  const graph = foreign(sides('percent(30)'), { percentage: () => percentage });

  it.each([
    [0, 2, 'young'],
    [29.9, 2, 'young'],
    [30, 1, 'old'],
    [99, 1, 'old'],
    [1, 2, 'young'],
  ])('is answered by one side for each of them: %d %%', async (side, count, by) => {
    percentage = side;
    expect(await graph.ask(question)).toEqual(answers(count, by));
  });
});

describe('a field that is overridden by a label', () => {
  describe('that is on', () => {
    const graph = foreign(sides('move'), { labels: ['move'] });
    it('is answered by the new subgraph', async () => {
      expect(await graph.ask(question)).toEqual(answers(2, 'young'));
    });
  });
  describe('that is off', () => {
    const graph = foreign(sides('move'), { labels: ['other'] });
    it('is answered by the old subgraph', async () => {
      expect(await graph.ask(question)).toEqual(answers(1, 'old'));
    });
  });
});
