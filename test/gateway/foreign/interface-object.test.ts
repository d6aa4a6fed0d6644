import { describe, expect, it } from 'vitest';
import { foreign } from '../../kit/foreign.ts';

// Subgraphs that know an interface as an object add fields to all its implementers without knowing one; what an object really
// is has to be asked of whoever owns the interface.

interface Reference {
  id: string;
  score?: number;
  name?: string;
}
const isUser = (id: string) => id.startsWith('u');
const nodeOf = (id: string) => ({ __typename: isUser(id) ? 'User' : 'Bot', id, name: `Name ${id}`, age: 7 });

const graph = foreign({
  owner: {
    sdl: `type Query { nodes: [Node!] bot: Bot }
          interface Node @key(fields: "id") { id: ID! name: String }
          type User implements Node @key(fields: "id") { id: ID! name: String age: Int friend: Node }
          type Bot implements Node @key(fields: "id") { id: ID! name: String }`,
    resolvers: {
      Query: { nodes: () => ['u1', 'b1'].map(nodeOf), bot: () => nodeOf('b1') },
      Node: { __resolveReference: ({ id }: Reference) => nodeOf(id) },
      User: { __resolveReference: ({ id }: Reference) => nodeOf(id), friend: () => nodeOf('b2') },
      Bot: { __resolveReference: ({ id }: Reference) => nodeOf(id) },
    },
  },
  scores: {
    sdl: `type Query { top: [Node] best: Node }
          type Node @key(fields: "id") @interfaceObject { id: ID! score: Int! next: Node likes: [Node] }`,
    resolvers: {
      Query: { top: () => [{ id: 'b1' }, null, { id: 'u1' }], best: () => ({ id: 'u2' }) },
      Node: {
        score: ({ id }: Reference) => Number(id.slice(1)) * 10,
        next: ({ id }: Reference) => ({ id: isUser(id) ? 'b3' : 'u3' }),
        likes: () => [{ id: 'u1' }, null, { id: 'b1' }],
      },
    },
  },
  ranks: {
    sdl: `type Query { ranked: [Node] }
          type Node @key(fields: "id") @interfaceObject {
            id: ID! score: Int! @external name: String @external
            rank: String @requires(fields: "score") label: String @requires(fields: "name")
          }`,
    resolvers: {
      Query: { ranked: () => [{ id: 'u1' }, { id: 'b1' }] },
      Node: {
        rank: ({ id, score }: Reference) => `${id} with ${score}`,
        label: ({ id, name }: Reference) => `${id} is ${name}`,
      },
    },
  },
  mails: {
    sdl: `type User @key(fields: "id") { id: ID! mail: String! }
          type Post @key(fields: "id") { id: ID! } extend type Query { posts: [Post] }`,
    resolvers: {
      Query: { posts: () => [{ id: 'p' }] },
      User: { mail: ({ id }: Reference) => `${id}@example.test` },
    },
  },
  links: {
    sdl: `type Post @key(fields: "id") { id: ID! by: Node }
          type Node @key(fields: "id", resolvable: false) @interfaceObject { id: ID! }`,
    resolvers: { Post: { by: () => ({ id: 'u9' }) } },
  },
});

describe('an interface object', () => {
  it('adds fields to every implementer', async () => {
    expect(await graph.ask('{ nodes { name score } bot { score likes { id } } }')).toEqual({
      data: {
        nodes: [
          { name: 'Name u1', score: 10 },
          { name: 'Name b1', score: 10 },
        ],
        bot: { score: 10, likes: [{ id: 'u1' }, null, { id: 'b1' }] },
      },
    });
  });

  it('answers its own fields without asking what it is', async () => {
    expect(await graph.ask('{ top { id score next { id score } } }')).toEqual({
      data: {
        top: [
          { id: 'b1', score: 10, next: { id: 'u3', score: 30 } },
          null,
          { id: 'u1', score: 10, next: { id: 'b3', score: 30 } },
        ],
      },
    });
    expect(graph.calls).toEqual(['scores']);
  });

  it('is known by its concrete type where that is asked for, under any alias', async () => {
    expect(
      await graph.ask('{ top { __typename type: __typename score } best { next { t: __typename } } }'),
    ).toEqual({
      data: {
        top: [
          { __typename: 'Bot', type: 'Bot', score: 10 },
          null,
          { __typename: 'User', type: 'User', score: 10 },
        ],
        best: { next: { t: 'Bot' } },
      },
    });
  });

  it('has the fields of its concrete type, over several hops', async () => {
    expect(
      await graph.ask(
        '{ top { ... on User { age mail friend { name score } } ... on Bot { botName: name } } }',
      ),
    ).toEqual({
      data: {
        top: [
          { botName: 'Name b1' },
          null,
          { age: 7, mail: 'u1@example.test', friend: { name: 'Name b2', score: 20 } },
        ],
      },
    });
  });

  it('has its own fields under conditions for each of its types', async () => {
    expect(
      await graph.ask(
        '{ top { ... on User { score } ... on Bot { points: score id } } nodes { ... on Bot { score } } }',
      ),
    ).toEqual({
      data: { top: [{ points: 10, id: 'b1' }, null, { score: 10 }], nodes: [{}, { score: 10 }] },
    });
    expect(await graph.ask('{ top { likes { id ... on Bot { key: id next { score } } } } }')).toEqual({
      data: {
        top: [0, 1, 2].map((index) =>
          index === 1 ? null : { likes: [{ id: 'u1' }, null, { id: 'b1', key: 'b1', next: { score: 30 } }] },
        ),
      },
    });
  });

  it('computes from fields of the interface, and of other interface objects', async () => {
    expect(await graph.ask('{ nodes { rank label } best { label rank } ranked { rank } }')).toEqual({
      data: {
        nodes: [
          { rank: 'u1 with 10', label: 'u1 is Name u1' },
          { rank: 'b1 with 10', label: 'b1 is Name b1' },
        ],
        best: { label: 'u2 is Name u2', rank: 'u2 with 20' },
        ranked: [{ rank: 'u1 with 10' }, { rank: 'b1 with 10' }],
      },
    });
  });

  it('computes for those types that are asked for it', async () => {
    expect(await graph.ask('{ ranked { ... on User { label } ... on Bot { id rank } } }')).toEqual({
      data: { ranked: [{ label: 'u1 is Name u1' }, { id: 'b1', rank: 'b1 with 10' }] },
    });
    expect(await graph.ask('{ top { label ... on Bot { score rank } } }')).toEqual({
      data: {
        top: [{ label: 'b1 is Name b1', score: 10, rank: 'b1 with 10' }, null, { label: 'u1 is Name u1' }],
      },
    });
  });

  it('that cannot be resolved leads on to those that can', async () => {
    expect(await graph.ask('{ posts { by { id name score ... on User { mail } } } }')).toEqual({
      data: { posts: [{ by: { id: 'u9', name: 'Name u9', score: 90, mail: 'u9@example.test' } }] },
    });
  });
});
