import { Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { createLiveClient, webSocket } from 'laurel/client';
import { WebSocket } from 'ws';

// urql with streams that lose nothing: only its subscriptionExchange knows of them. Run as `urql.js <endpoint> <key> <person>`.

const [endpoint = '', key = '', userId = ''] = process.argv.slice(2);
const credentials = { 'x-api-key': key };
const live = createLiveClient({
  url: endpoint,
  credentials,
  transport: webSocket({ webSocketImpl: WebSocket }),
});

const client = new Client({
  url: endpoint,
  preferGetMethod: false,
  fetchOptions: { headers: credentials },
  exchanges: [
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: ({ query = '', variables }) => ({
        subscribe: (sink) => ({ unsubscribe: live.subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
});

const standing = gql`query ($id: ID!) { user(by: { id: $id }) { xp } }`;
const xpOf = gql`subscription ($userIds: [ID!]) {
  xp(userIds: $userIds) { __typename ... on XpChanged { total user { displayName } } }
}`;

const { data } = await client.query(standing, { id: userId });
console.log(`begins with ${data.user.xp}`);
let changes = 0;
const { unsubscribe } = client.subscription(xpOf, { userIds: [userId] }).subscribe(({ data: got, error }) => {
  if (error) throw error;
  if (got?.xp.__typename === 'StreamReady') console.log('listens');
  if (got?.xp.__typename !== 'XpChanged') return;
  console.log(`${got.xp.user.displayName} has ${got.xp.total}`);
  if (++changes < 2) return;
  unsubscribe();
  void live.dispose();
});
