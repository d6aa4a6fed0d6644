import { describe, expect, it } from 'vitest';
import { keyOf, post } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

inBothForms('GraphQL over HTTP', (laurel) => {
  const get = (parameters: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(`${laurel().endpoint}?${new URLSearchParams(parameters)}`, {
      headers: { ...keyOf(laurel(), 'systemKey'), ...headers },
    });
  const at = (path: string) => new URL(path, laurel().endpoint);

  it('says that it lives and that it is ready', async () => {
    for (const [path, status] of [
      ['/health/live', 'live'],
      ['/health/ready', 'ready'],
    ] as const) {
      const response = await fetch(at(path));
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ status });
    }
  });

  it('answers a query by GET', async () => {
    const query = 'query Q($n: Int) { users(first: $n) { nodes { id } } }';
    const response = await get({ query, operationName: 'Q', variables: '{"n":1}' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toMatchObject({
      data: { users: { nodes: [{ id: laurel().demo.userId }] } },
    });
  });

  it('changes nothing by GET', async () => {
    const response = await get({
      query: 'mutation { react(input: { messageId: "x", emoji: "x" }) { userErrors { code } } }',
    });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });

  it('chooses the status by what the client accepts', async () => {
    const invalid = { query: '{ nothing }' };
    const modern = { ...keyOf(laurel(), 'systemKey'), accept: 'application/graphql-response+json' };
    const strict = await post(laurel(), invalid, modern);
    expect([strict.status, strict.headers.get('content-type')]).toEqual([
      400,
      'application/graphql-response+json; charset=utf-8',
    ]);
    expect((await post(laurel(), invalid, keyOf(laurel(), 'systemKey'))).status).toBe(200);
  });

  const refused: [string, number, () => Promise<Response>][] = [
    [
      'a body of another type',
      415,
      () => post(laurel(), 'query=x', { 'content-type': 'application/x-www-form-urlencoded' }),
    ],
    ['a body of no type', 415, () => fetch(laurel().endpoint, { method: 'POST', body: new Uint8Array([1]) })],
    ['a form upload', 415, () => fetch(laurel().endpoint, { method: 'POST', body: new FormData() })],
    [
      'JSON in another charset',
      415,
      () => post(laurel(), '{}', { 'content-type': 'application/json; charset=utf-16' }),
    ],
    [
      'nothing that we can write',
      406,
      () => post(laurel(), { query: '{ __typename }' }, { accept: 'image/png' }),
    ],
    [
      'a subscription without a stream',
      406,
      () => post(laurel(), { query: 'subscription { xp { cursor } }' }, keyOf(laurel(), 'systemKey')),
    ],
    ['half of a JSON text', 400, () => post(laurel(), '{"query":', {})],
    ['JSON that is no object', 400, () => post(laurel(), '"{ viewer }"', {})],
    ['a list of operations', 400, () => post(laurel(), [{ query: '{ __typename }' }], {})],
    ['an empty body', 400, () => post(laurel(), '', {})],
    ['no query', 400, () => post(laurel(), { variables: {} }, {})],
    ['variables of another type', 400, () => post(laurel(), { query: '{ __typename }', variables: [] }, {})],
    ['a GET with broken variables', 400, () => get({ query: '{ __typename }', variables: '{' })],
    [
      'a body too large',
      413,
      () => post(laurel(), { query: `{ __typename } #${'x'.repeat(1_100_000)}` }, {}),
    ],
    ['another path', 404, () => fetch(at('/graph'))],
  ];
  it.each(refused)('answers to %s with %d and says why', async (_what, status, ask) => {
    const response = await ask();
    expect(response.status).toBe(status);
    const { errors, ...rest } = (await response.json()) as { errors: unknown };
    expect(rest).toEqual({});
    expect(errors).toMatchObject([{ message: expect.any(String), extensions: { code: expect.any(String) } }]);
  });

  it('tells a text that is no GraphQL by its line', async () => {
    const response = await post(laurel(), { query: '{\n  users(' }, keyOf(laurel(), 'systemKey'));
    expect(await response.json()).toMatchObject({ errors: [{ locations: [{ line: 2 }] }] });
  });

  it('tells a wrong day by the name of its variable, before anything is asked', async () => {
    const response = await post(
      laurel(),
      {
        query:
          'query ($range: DateRangeInput) { users(first: 1) { nodes { dailyStats(range: $range) { __typename } } } }',
        variables: { range: { from: 'never', to: '2026-01-01' } },
      },
      keyOf(laurel(), 'systemKey'),
    );
    const { errors, ...rest } = (await response.json()) as { errors: { message: string }[] };
    expect(rest).toEqual({});
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(errors[0]?.message).toMatch(/^Variable "\$range" got invalid value "never" at "range.from"; /);
  });

  it('names no internals in an error', async () => {
    const response = await post(
      laurel(),
      { query: 'query ($by: UserIdentifierInput!) { user(by: $by) { id } }', variables: { by: {} } },
      keyOf(laurel(), 'systemKey'),
    );
    expect(await response.text()).not.toMatch(/stack|node_modules|\.ts|\.js/);
  });

  it('answers a preflight of a strange page without letting it in', async () => {
    const response = await fetch(laurel().endpoint, {
      method: 'OPTIONS',
      headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' },
    });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  describe('in a browser', () => {
    const page = async (query?: string) =>
      get(query === undefined ? {} : { query }, { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' });

    it.each([undefined, '{ viewer { scopes } }'])(
      'shows GraphiQL, with the query of its address: %s',
      async (query) => {
        const response = await page(query);
        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
        expect((await response.text()).trimStart().slice(0, 15)).toBe('<!doctype html>');
      },
    );

    it('loads nothing from anywhere else', async () => {
      const html = await (await page()).text();
      // Tags that load: outside of scripts, whose text may hold tags that are never shown.
      const tags = html
        .replace(/(<script[^>]*>)[\s\S]*?<\/script>/gi, '$1')
        .match(/<(script|link|img|iframe)\b[^>]*>/gi);
      const elsewhere = [
        ...(tags ?? [])
          .map((tag) => tag.slice(0, 200))
          .filter((tag) => /(src|href)\s*=\s*["']?(https?:)?\/\//i.test(tag)),
        ...(html.match(
          /(@import\s+(url\()?|url\(|\b(import|importScripts|fetch)\()["'`]?https?:\/\/.{0,80}/gi,
        ) ?? []),
      ];
      expect(elsewhere).toEqual([]);
    });
  });
});
