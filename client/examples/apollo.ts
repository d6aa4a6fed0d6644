import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache, Observable } from '@apollo/client';
import { createLiveClient, webSocket } from 'laurel/client';
import { WebSocket } from 'ws';

// Apollo Client with streams that lose nothing: a link like its GraphQLWsLink. Run as `apollo.js <endpoint> <key> <person>`.

const [endpoint = '', key = '', userId = ''] = process.argv.slice(2);
const credentials = { 'x-api-key': key };
const live = createLiveClient({
  url: endpoint,
  credentials,
  transport: webSocket({ webSocketImpl: WebSocket }),
});

const liveLink = new ApolloLink(
  ({ query, variables }) =>
    new Observable<ApolloLink.Result>((observer) => live.subscribe({ query, variables }, observer)),
);
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === 'subscription',
    liveLink,
    new HttpLink({ uri: endpoint, headers: credentials }),
  ),
});

const standing = gql`query ($id: ID!) { user(by: { id: $id }) { id xp } }`;
const xpOf = gql`subscription ($userIds: [ID!]) {
  xp(userIds: $userIds) { ... on XpChanged { total user { id displayName xp } } }
}`;

const { data } = await client.query<{ user: { xp: number } }>({ query: standing, variables: { id: userId } });
console.log(`begins with ${data?.user.xp}`);
interface Item {
  xp: { __typename: string; total: number; user: { displayName: string } };
}
let changes = 0;
const subscription = client
  .subscribe<Item>({ query: xpOf, variables: { userIds: [userId] } })
  .subscribe(({ data: got, error }) => {
    if (error) throw error;
    if (got?.xp.__typename === 'StreamReady') console.log('listens');
    if (got?.xp.__typename !== 'XpChanged') return;
    console.log(`${got.xp.user.displayName} has ${got.xp.total}`);
    if (++changes < 2) return;
    subscription.unsubscribe();
    client.stop();
    void live.dispose();
  });
