import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { EarnDocument, StandingDocument, type TypedDocumentString, XpOfDocument } from './generated/graph.ts';

// A frontend in small: it shows where somebody stands, lets them earn, and follows their XP live. It keeps its cursor,
// so that it misses nothing when its connection is lost. Run as `app.js <endpoint> <system key> <email>`.

const [endpoint = '', key = '', email = ''] = process.argv.slice(2);

/** Where an app would use its storage. */
const stored: { cursor: string | null } = { cursor: null };

async function request<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
  if (data === undefined || errors !== undefined) throw new Error(errors?.[0]?.message ?? 'No data.');
  return data;
}

const live = createClient({
  url: endpoint.replace(/^http/, 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { 'x-api-key': key },
});

/** Follows somebody's XP until `count` changes were seen, from where the last call ended. */
async function follow(userId: string, count: number, opened: () => Promise<void>): Promise<void> {
  const query = XpOfDocument.toString();
  const results = live.iterate<
    typeof XpOfDocument extends TypedDocumentString<infer Data, infer _> ? Data : never
  >({ query, variables: { userIds: [userId], after: stored.cursor } });
  let seen = 0;
  for await (const { data, errors } of results) {
    if (data == null) throw new Error(errors?.[0]?.message ?? 'No data.');
    const item = data.xp;
    stored.cursor = item.cursor;
    if (item.__typename === 'StreamReady') await opened();
    if (item.__typename === 'StreamGap') console.log(`some changes are missing: ${item.reason}`);
    if (item.__typename === 'XpChanged') {
      console.log(
        `${item.user.displayName}: ${item.entry?.eventType} +${item.entry?.amount} = ${item.total}`,
      );
      seen++;
    }
    if (seen === count) break;
  }
}

async function earn(eventType: string): Promise<void> {
  const { trackEvent } = await request(EarnDocument, { input: { user: { email }, eventType } });
  for (const { message } of trackEvent.userErrors) console.log(message);
}

const { user } = await request(StandingDocument, { email });
if (user === null) throw new Error(`Nobody has the address ${email}.`);
const [deposits] = user.fields?.nodes ?? [];
console.log(`${user.displayName} has ${user.xp} XP, level ${user.level?.number}`);
if (deposits?.__typename === 'NumberFieldValue') console.log(`deposits: ${deposits.number}`);
console.log(`badges: ${user.badges?.nodes.map(({ badge }) => badge?.title.text).join(', ')}`);

await follow(user.id, 1, () => earn('purchase'));
// Nobody listens for a moment; the next connection begins where this one ended.
await earn('visit');
await follow(user.id, 1, async () => {});
await live.dispose();
