import type { Access, Caller, CredentialHeaders } from './access.ts';

// Headers of clients that subgraphs get to see: those the operator names. Streams are shared only among clients whose
// forwarded headers are the same, for a subgraph may answer by them.

/** Access whose callers bring these headers along; names in lower case. */
export function forwarding(access: Access, names: readonly string[]): Access {
  if (names.length === 0) return access;
  return {
    async callerOf(headers, address) {
      return { ...(await access.callerOf(headers, address)), headers: chosen(headers, names) };
    },
    watch: (...watched) => access.watch(...watched),
    async classOf(caller) {
      const { key, caller: shared } = await access.classOf(caller);
      const { headers } = caller;
      return { key: `${key} ${JSON.stringify(headers)}`, caller: { ...shared, headers } satisfies Caller };
    },
  };
}

function chosen(headers: CredentialHeaders, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    // Over WebSocket anything may stand where a header should.
    if (
      typeof value === 'string' &&
      value.length <= longestValue &&
      /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
    ) {
      found[name] = value;
    }
  }
  return found;
}

const longestValue = 8_192;
