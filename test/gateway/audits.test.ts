import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayOver, type TestGateway } from '../kit/gateway.ts';

// What the GraphQL over HTTP specification says a server must, should and may do, as graphql-http audits it.

let gateway: TestGateway;

beforeAll(async () => {
  const sdl = 'type Query { hello: String } type Mutation { greet: String }';
  gateway = await gatewayOver({ greetings: { sdl } });
});
afterAll(() => gateway.close());

const audits = serverAudits({ url: () => gateway.endpoint });

describe('GraphQL over HTTP', () => {
  it('has as many audits as we know of', () => {
    expect(audits).toHaveLength(61);
  });

  it.each(audits.map((audit) => [audit.name, audit] as const))('%s', async (_name, audit) => {
    const result = await audit.fn();
    expect(result.status === 'ok' ? 'ok' : result.reason).toBe('ok');
  });
});
