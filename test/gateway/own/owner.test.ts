import { afterEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../../gateway/access.ts';
import { compose } from '../../../gateway/compose.ts';
import { type Subgraph, SubgraphFailure } from '../../../gateway/engine/index.ts';
import { createGateway } from '../../../gateway/gateway.ts';
import { ownPart } from '../../../gateway/own/index.ts';
import { Refusal } from '../../../subgraphs/errors.ts';
import { newId } from '../../../subgraphs/id.ts';
import { type Data, query } from '../../kit/client.ts';
import { linked } from '../../kit/federation.ts';
import { gatewayOptions, gatewayOver, type TestGateway } from '../../kit/gateway.ts';
import type { Handle } from '../../kit/processes.ts';

// Nodes whose owners fail. The gateway is open to everybody, its subgraphs are small ones in place of Laurel's.

const user = newId('User');
const channel = newId('Channel');
let refusal: Error | undefined;

const small = {
  identity: {
    sdl: 'type Query { name: String } type User @key(fields: "id") { id: ID! name: String }',
    resolvers: { User: { __resolveReference: ({ id }: { id: string }) => (id === user ? { id } : null) } },
  },
  community: {
    sdl: 'type Query { topic: String } type Channel @key(fields: "id") { id: ID! topic: String }',
    resolvers: {
      Channel: {
        __resolveReference: ({ id }: { id: string }) => {
          if (refusal !== undefined) throw refusal;
          return { id };
        },
      },
    },
  },
};

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  refusal = undefined;
});

/** A gateway over the two and its own; `more` reaches them in other ways. */
async function started(more: Record<string, Subgraph<Caller>> = {}): Promise<TestGateway> {
  const { reach } = gatewayOptions(small);
  const parts = Object.entries(small).map(([name, { sdl }]) => ({
    name,
    sdl: linked(sdl),
    url: `http://${name}.test`,
  }));
  gateway = await gatewayOver(small, {
    supergraph: compose([...parts, ownPart]),
    reach: (name) => more[name] ?? reach?.(name),
  });
  return gateway;
}

const nodes = async (gateway: TestGateway, ...ids: string[]): Promise<Data> =>
  query(gateway as unknown as Handle, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids }, {});

const down = (): never => {
  throw new SubgraphFailure('SUBGRAPH_UNAVAILABLE', 'Subgraph "identity" is unavailable.');
};

describe('a node', () => {
  it('is found in any graph that names the gateway, whatever URL stands there', async () => {
    const unknown = newId('User');
    // Nobody serves messages here.
    expect(await nodes(await started(), user, unknown, newId('Message'), channel)).toEqual({
      data: { nodes: [{ id: user }, null, null, { id: channel }] },
    });
  });

  it('is an error of its own, beside the others, where its owner does not answer', async () => {
    const gateway = await started({ identity: { execute: down, subscribe: down } });
    // From its third use on an operation is compiled.
    for (let use = 1; use <= 4; use++) {
      expect(await nodes(gateway, user, channel)).toEqual({
        data: { nodes: [null, { id: channel }] },
        errors: [
          {
            message: 'Subgraph "identity" is unavailable.',
            path: ['nodes', 0],
            extensions: { code: 'SUBGRAPH_UNAVAILABLE', subgraph: 'identity' },
          },
        ],
      });
    }
  });

  it.each(['FORBIDDEN', 'NOT_FOUND', 'COMMUNITY_REQUIRED'] as const)(
    'is null without an error where its owner says %s',
    async (code) => {
      refusal = new Refusal(code, `There is a channel "secret".`);
      expect(await nodes(await started(), channel, user)).toEqual({ data: { nodes: [null, { id: user }] } });
    },
  );

  it("has its owner's faults for itself, and not their words", async () => {
    refusal = new Error('connection to 10.0.0.7 lost');
    expect(await nodes(await started(), user, channel)).toEqual({
      data: { nodes: [{ id: user }, null] },
      errors: [
        {
          message: 'Subgraph "community" failed to answer this field.',
          path: ['nodes', 1],
          extensions: { code: 'SUBGRAPH_ERROR', subgraph: 'community' },
        },
      ],
    });
  });
});

describe('a gateway', () => {
  it('is not ready when only its own subgraph answers', async () => {
    const { reach: _, unready: _always, ...options } = gatewayOptions(small);
    const parts = Object.entries(small).map(([name, { sdl }]) => ({
      name,
      sdl: linked(sdl),
      url: 'http://127.0.0.1:1/graphql',
    }));
    const made = createGateway({ ...options, supergraph: compose([...parts, ownPart]) });
    const { port } = await made.listen({ host: '127.0.0.1', port: 0 });
    gateway = Object.assign(made, { endpoint: `http://127.0.0.1:${port}/graphql` });
    const health = await fetch(new URL('/health/ready', gateway.endpoint));
    expect(health.status).toBe(503);
    expect(await health.json()).toEqual({ status: 'unready', problem: 'No subgraph answers.' });
  });
});
