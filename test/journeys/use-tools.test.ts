import { createHash } from 'node:crypto';
import { codegen } from '@graphql-codegen/core';
import * as operations from '@graphql-codegen/typescript-operations';
import { diff } from '@graphql-inspector/core';
import { buildClientSchema, buildSchema, getIntrospectionQuery, parse, printSchema } from 'graphql';
import { expect, it } from 'vitest';
import { type Data, data, keyOf } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

// A partner's tools against the live endpoint, with a key that sees a part of the graph.

inBothForms("a partner's tools", (laurel) => {
  const key = () => keyOf(laurel(), 'personalKey');
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
      generate('mutation Track { trackEvent(input: {}) { replayed } }').catch((error) => {
        throw new Error(JSON.stringify([error, ...(error.errors ?? [])].map(({ message }) => message)));
      }),
    ).rejects.toThrow(/trackEvent/);
  });
});
