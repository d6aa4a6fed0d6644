import { createHash } from 'node:crypto';
import { buildClientSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schemaFiles } from '../../gateway/schema.ts';
import { data, type Headers, keyOf } from '../kit/client.ts';
import { type TestLaurel, testLaurel } from '../kit/laurel.ts';

let laurel: TestLaurel;
beforeAll(async () => {
  laurel = await testLaurel();
});
afterAll(() => laurel?.close());

const get = (headers: Headers = {}, method = 'GET') =>
  fetch(new URL('/schema.graphql', laurel.handle.endpoint), { method, headers });

describe('GET /schema.graphql', () => {
  it('is all of the schema to a system key', async () => {
    const response = await get(keyOf(laurel.handle, 'systemKey'));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe(schemaFiles()['api.graphql']);
  });

  it('is what introspection shows to the same key', async () => {
    const headers = await laurel.keyWith(['messages:read', 'users:read']);
    const text = await (await get(headers)).text();
    const introspected = await data(
      laurel.handle,
      getIntrospectionQuery({ oneOf: true, specifiedByUrl: true }),
      {},
      headers,
    );
    expect(text).toBe(`${printSchema(lexicographicSortSchema(buildClientSchema(introspected)))}\n`);
    expect(text).toContain('type Message implements Node');
    expect(text).not.toContain('stats:read');
  });

  it('is the public part to whoever has no credential', async () => {
    const text = await (await get()).text();
    expect(text).toContain('viewer: Viewer');
    expect(text).not.toMatch(/email|Subscription|users:read|sendMessage|createApiKey/);
  });

  it('is refused to a wrong credential as elsewhere', async () => {
    const response = await get({ 'x-api-key': 'hello' });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(response.headers.get('etag')).toBeNull();
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_CREDENTIAL' } }] });
  });

  it('has the SHA-256 of the text as its ETag, and may be kept by its reader alone', async () => {
    const response = await get(keyOf(laurel.handle, 'personalKey'));
    const sha256 = createHash('sha256')
      .update(await response.text())
      .digest('hex');
    expect(response.headers.get('etag')).toBe(`"${sha256}"`);
    expect(response.headers.get('cache-control')).toBe('private, no-cache');
    expect(response.headers.get('vary')).toBe('authorization, x-api-key, x-community');
  });

  it.each([
    ['the same', (etag: string) => etag],
    ['one of several', (etag: string) => `"other", ${etag}`],
    ['the same, made weak by somebody between', (etag: string) => `W/${etag}`],
    ['any', () => '*'],
  ])('is not sent again to who has %s', async (_what, named) => {
    const etag = (await get()).headers.get('etag') ?? '';
    const again = await get({ 'if-none-match': named(etag) });
    expect(again.status).toBe(304);
    expect(again.headers.get('etag')).toBe(etag);
    expect(await again.text()).toBe('');
  });

  it('is sent to who has that of another key', async () => {
    const etag = (await get()).headers.get('etag') ?? '';
    const other = await get({ ...keyOf(laurel.handle, 'systemKey'), 'if-none-match': etag });
    expect(other.status).toBe(200);
  });

  it('tells its size and ETag to HEAD', async () => {
    const [head, whole] = [await get({}, 'HEAD'), await get()];
    expect(head.status).toBe(200);
    expect(head.headers.get('etag')).toBe(whole.headers.get('etag'));
    expect(head.headers.get('content-length')).toBe(whole.headers.get('content-length'));
  });
});
