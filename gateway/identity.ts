import { Refusal } from '../subgraphs/errors.ts';
import { Unavailable } from '../subgraphs/outage.ts';
import type { Principal } from '../subgraphs/principal.ts';
import type { Caller } from './access.ts';
import type { Result, Subgraph } from './engine/index.ts';
import type { Identity } from './principals.ts';

// What the gateway asks Laurel's identity subgraph, in words that its clients can't use.

const authenticateText =
  'query authenticate($secret: String!, $community: String) { _authenticate(secret: $secret, community: $community) }';
const changesText = 'query changes($after: Float) { _credentialChanges(after: $after) }';

/**
 * @param gateway  makes the caller that the gateway itself is.
 * @param badCredential  makes the refusal of a credential that nobody has.
 */
export function askIdentity(
  identity: Subgraph<Caller>,
  gateway: () => Promise<Caller>,
  badCredential: () => Refusal,
): Identity {
  const ask = async (text: string, variables: Record<string, unknown>): Promise<Result> =>
    identity.execute({ kind: 'query', text, variables, caller: await gateway(), signal: undefined });
  return {
    async authenticate(secret, community) {
      const { data, errors: [error] = [] } = await ask(authenticateText, { secret, community });
      if (error?.extensions?.code === 'FORBIDDEN') throw new Refusal('FORBIDDEN', error.message);
      if (error?.extensions?.code === 'UNAVAILABLE') throw new Unavailable();
      if (error !== undefined) throw new Error(`Identity could not authenticate: ${error.message}`);
      const principal = data?._authenticate as Principal | null | undefined;
      if (principal == null) throw badCredential();
      return principal;
    },
    async changes(after) {
      const { data, errors: [error] = [] } = await ask(changesText, { after });
      if (error !== undefined) throw new Error(`Identity could not tell what changed: ${error.message}`);
      return data?._credentialChanges as { last: number; ids: string[] };
    },
  };
}
