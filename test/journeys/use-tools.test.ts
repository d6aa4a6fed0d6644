import { createHash, randomUUID } from 'node:crypto';
import { codegen } from '@graphql-codegen/core';
import * as operations from '@graphql-codegen/typescript-operations';
import { diff } from '@graphql-inspector/core';
import { buildClientSchema, buildSchema, getIntrospectionQuery, parse, printSchema } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { allScopes } from '../../subgraphs/scopes.ts';
import { type Data, data, type Headers, keyOf, query } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';
import type { Handle } from '../kit/processes.ts';

// A partner's tools against the live endpoint, with keys that see a part of the graph.

const keys: [string, (laurel: Handle) => Promise<Headers>][] = [
  ['a personal key', async (laurel) => keyOf(laurel, 'personalKey')],
  ['a key of the partner audience', partnerKey],
];

/** The headers of a new key that has all scopes, and sees what partners do. */
async function partnerKey(laurel: Handle): Promise<Headers> {
  const { createApiKey } = await data(
    laurel,
    'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { audience } userErrors { message } } }',
    {
      input: {
        kind: 'INTEGRATION',
        name: 'Partner',
        scopes: allScopes,
        audience: 'PARTNER',
        idempotencyKey: randomUUID(),
      },
    },
  );
  expect(createApiKey).toMatchObject({ apiKey: { audience: 'PARTNER' }, userErrors: [] });
  return { authorization: `Bearer ${createApiKey.secret}` };
}

inBothForms("a partner's tools", (laurel) => {
  describe.each(keys)('with %s', (_name, keyFor) => toolsWith(laurel, keyFor));

  it('see no administration with a key of the partner audience, whichever way they ask', async () => {
    const partner = await partnerKey(laurel());
    const { viewer } = await data(laurel(), '{ viewer { apiKey { id audience scopes } } }', {}, partner);
    expect(viewer.apiKey).toMatchObject({ audience: 'PARTNER', scopes: allScopes });
    for (const hidden of [
      'apiKeys { nodes { id } }',
      'auditEntries { nodes { id } }',
      'viewer { sessions { nodes { id } } }',
    ]) {
      const name = /(\w+) \{ nodes/.exec(hidden)![1]!;
      const asked = await query(laurel(), `{ ${hidden} }`, {}, partner);
      const unknown = await query(laurel(), `{ ${hidden.replace(name, `${name}X`)} }`, {}, partner);
      expect(asked.data).toBeUndefined();
      expect(asked.errors![0]!.message.replace(name, `${name}X`)).toBe(unknown.errors![0]!.message);
    }
  });
});

function toolsWith(laurel: () => Handle, keyFor: (laurel: Handle) => Promise<Headers>): void {
  let headers: Headers;
  beforeAll(async () => {
    headers = await keyFor(laurel());
  });
  const key = () => headers;
  const file = (headers: Record<string, string>) =>
    fetch(new URL('/schema.graphql', laurel().endpoint), { headers });
  const introspected = async () =>
    buildClientSchema(
      await data(laurel(), getIntrospectionQuery({ oneOf: true, specifiedByUrl: true }), {}, key()),
    );
  const contract = async (selection: string): Promise<Data> => {
    const { viewer } = await data(laurel(), `{ viewer { apiKey { contract { ${selection} } } } }`, {}, key());
    return viewer.apiKey.contract;
  };

  it('see the same schema in introspection, in the file and in the contract', async () => {
    const response = await file(key());
    const sdl = await response.text();
    const asSdl = printSchema(await introspected());
    expect(await diff(buildSchema(sdl), buildSchema(asSdl))).toEqual([]);
    const told = await contract('sha256 sdl deprecations { coordinate }');
    expect(told).toEqual({
      sdl,
      sha256: createHash('sha256').update(sdl).digest('hex'),
      deprecations: [],
    });
    expect(response.headers.get('etag')).toBe(`"${told.sha256}"`);
    expect((await file({ ...key(), 'if-none-match': `"${told.sha256}"` })).status).toBe(304);
  });

  it('hear that nothing changed since now', async () => {
    const { sha256 } = await contract('sha256');
    expect(await contract(`changesSince(version: "${sha256}") { message }`)).toEqual({ changesSince: [] });
    expect(await contract(`changesSince(version: "${'0'.repeat(64)}") { message }`)).toEqual({
      changesSince: null,
    });
  });

  it('generate types for what the key sees, and refuse what it does not', async () => {
    const schema = parse(printSchema(await introspected()));
    const generate = (text: string) =>
      codegen({
        filename: 'graph.ts',
        schema,
        documents: [{ location: 'query.graphql', document: parse(text) }],
        plugins: [{ operations: {} }],
        pluginMap: { operations },
        config: {},
      });
    const text = await generate(
      'query Again($id: ID!) { node(id: $id) { __typename ... on User { displayName } } }',
    );
    expect(text).toContain('export type AgainQuery =');
    expect(text).toContain('displayName: string');
    await expect(
      generate('mutation LetIn { createSession(input: {}) { replayed } }').catch((error) => {
        throw new Error(JSON.stringify([error, ...(error.errors ?? [])].map(({ message }) => message)));
      }),
    ).rejects.toThrow(/createSession/);
  });
}
