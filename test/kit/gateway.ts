import { pino } from 'pino';
import type { Caller } from '../../gateway/access.ts';
import { inProcess, type Subgraph } from '../../gateway/engine/index.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../gateway/gateway.ts';
import { compose, subgraphSchema, type TestSubgraph } from './federation.ts';

// A gateway that everybody may call, over small subgraphs in this process, on a port of its own.

export interface TestGateway extends Gateway {
  endpoint: string;
}

/** The options of a gateway over these subgraphs. */
export function gatewayOptions(subgraphs: Record<string, TestSubgraph>): GatewayOptions {
  const local = new Map<string, Subgraph<Caller>>(
    Object.entries(subgraphs).map(([name, subgraph]) => [
      name,
      inProcess<Caller>({ name, schema: subgraphSchema(subgraph), contextOf: () => ({}) }),
    ]),
  );
  return {
    supergraph: compose(subgraphs),
    reach: (name) => local.get(name),
    auth: 'none',
    config: { origins: [], trustProxy: false },
    log: pino({ level: 'silent' }),
    unready: async () => undefined,
  };
}

/** Starts a gateway over these subgraphs; whoever starts it closes it. */
export async function gatewayOver(
  subgraphs: Record<string, TestSubgraph>,
  options: Partial<GatewayOptions> = {},
): Promise<TestGateway> {
  const gateway = createGateway({ ...gatewayOptions(subgraphs), ...options });
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  return Object.assign(gateway, { endpoint: `http://127.0.0.1:${port}/graphql` });
}
