import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { data, type Headers, post, socketClient } from '../kit/client.ts';
import { type TestLaurel, testLaurel } from '../kit/laurel.ts';

// What a key that allows nothing gets to read, by every way in: the public part, and nothing that is stored.

let laurel: TestLaurel;
let headers: Headers;
/** What is stored and public to nobody. */
let secrets: readonly string[];
let ids: { user: string; message: string; channel: string };

beforeAll(async () => {
  laurel = await testLaurel();
  headers = await laurel.keyWith([]);
  const { users, channels, badges } = await data(
    laurel.handle,
    `{
      users(first: 20) { nodes { id email displayName messages(first: 1) { nodes { id body } } } }
      channels(first: 20) { nodes { id topic { text } description } }
      badges(first: 20) { nodes { id title { text } } }
    }`,
  );
  const text: unknown = JSON.parse(JSON.stringify({ users, channels, badges }));
  secrets = valuesIn(text).filter((value) => value.length > 4 && !/^(usr|msg|chn|bdg)_/.test(value));
  const writer = users.nodes.find(
    (user: { messages: { nodes: unknown[] } }) => user.messages.nodes.length > 0,
  );
  ids = { user: writer.id, message: writer.messages.nodes[0].id, channel: channels.nodes[0].id };
});
afterAll(() => laurel?.close());

function valuesIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(valuesIn) : [];
}

const attempts: Record<string, () => string> = {
  'a plain field': () => '{ users(first: 5) { nodes { id email displayName } } }',
  'an alias': () => '{ scopes: users(first: 5) { viewer: nodes { scopes: email } } }',
  'a fragment': () => '{ ...F } fragment F on Query { channels { nodes { topic { text } } } }',
  'a fragment on what is visible': () =>
    '{ viewer { user { ...F } } } fragment F on User { email displayName xp }',
  'an inline fragment on a hidden type': () => `{ node(id: "${ids.message}") { ... on Message { body } } }`,
  'a node': () =>
    `{ node(id: "${ids.user}") { id ... on User { email displayName } } nodes(ids: ["${ids.message}", "${ids.channel}"]) { id __typename } }`,
  'a node through what is visible': () => `{ node(id: "${ids.user}") { id __typename } }`,
  _entities: () =>
    `{ _entities(representations: [{ __typename: "User", id: "${ids.user}" }]) { ... on User { email } } }`,
  _service: () => '{ _service { sdl } }',
  _authenticate: () => '{ _authenticate(secret: "x") }',
  'a mutation': () =>
    `mutation { sendMessage(input: { channelId: "${ids.channel}", body: "x", idempotencyKey: "x" }) { message { body author { displayName } } } }`,
  'a subscription': () =>
    `subscription { messages(channelIds: ["${ids.channel}"]) { cursor ... on MessagePosted { message { body } } } }`,
  'a subscription without arguments': () =>
    'subscription { xp { cursor ... on XpChanged { user { displayName } } } }',
  'conditions that hide it from validation': () =>
    '{ viewer { scopes } users(first: 5) @skip(if: true) { nodes { email } } }',
};

/** Every way to send an operation, and all that comes back. */
const ways: Record<string, (text: string) => Promise<string>> = {
  POST: async (query) => (await post(laurel.handle, { query }, headers)).text(),
  GET: async (query) => {
    const url = new URL(laurel.handle.endpoint);
    url.searchParams.set('query', query);
    return (await fetch(url, { headers })).text();
  },
  'a batch': async (query) => (await post(laurel.handle, [{ query }, { query }], headers)).text(),
  'server-sent events': async (query) => {
    const leaving = new AbortController();
    const response = await fetch(laurel.handle.endpoint, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query }),
      signal: leaving.signal,
    });
    return response.text();
  },
  WebSocket: async (query) => {
    const client = socketClient(laurel.handle, headers);
    try {
      return JSON.stringify((await client.iterate({ query }).next()).value);
    } catch (error) {
      return JSON.stringify(error);
    } finally {
      await client.dispose();
    }
  },
  'a persisted operation': async (query) => {
    const sha256Hash = createHash('sha256').update(query).digest('hex');
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    const told = await post(laurel.handle, { query, extensions }, headers);
    return (await told.text()) + (await (await post(laurel.handle, { extensions }, headers)).text());
  },
  'an operation that another key registered': async (query) => {
    const sha256Hash = createHash('sha256').update(query).digest('hex');
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    if (!query.startsWith('subscription') && !query.startsWith('mutation'))
      await post(laurel.handle, { query, extensions }, { 'x-api-key': laurel.demo.systemKey });
    return (await post(laurel.handle, { extensions }, headers)).text();
  },
};

describe('a key with no scopes', () => {
  it.each(Object.keys(ways))('reads nothing that is stored, by %s', async (way) => {
    for (const [what, text] of Object.entries(attempts)) {
      const answer = await ways[way]!(text());
      expect(answer.length, what).toBeGreaterThan(10);
      expect(
        secrets.filter((secret) => answer.includes(secret)),
        `${what}: ${answer}`,
      ).toEqual([]);
    }
  });

  it('is told apart from the system key, which does read it', async () => {
    const systemKey = { 'x-api-key': laurel.demo.systemKey };
    const text = await (await post(laurel.handle, { query: attempts['a plain field']!() }, systemKey)).text();
    expect(secrets.filter((secret) => text.includes(secret)).length).toBeGreaterThan(5);
  });

  it('sees itself', async () => {
    const { viewer } = await data(laurel.handle, '{ viewer { scopes apiKey { name kind } } }', {}, headers);
    expect(viewer).toEqual({ scopes: [], apiKey: { name: 'Test', kind: 'INTEGRATION' } });
  });
});
