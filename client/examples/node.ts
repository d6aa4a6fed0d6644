import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { type CursorStore, createLiveClient, serverSentEvents } from 'laurel/client';

// A worker on Node that goes on where it was when it is started again. Run as `node.js <endpoint> <key> <person> <folder>`.

const [endpoint = '', key = '', userId = '', folder = '.'] = process.argv.slice(2);
const fileOf = (name: string) => `${folder}/${encodeURIComponent(name)}`;

/** A file for each stream; a crash leaves the former cursor or the new one. */
const store: CursorStore = {
  getItem: (name) => readFile(fileOf(name), 'utf8').catch(() => null),
  async setItem(name, cursor) {
    await writeFile(`${fileOf(name)}.part`, cursor);
    await rename(`${fileOf(name)}.part`, fileOf(name));
  },
  removeItem: (name) => rm(fileOf(name), { force: true }),
};

const live = createLiveClient({
  url: endpoint,
  credentials: { 'x-api-key': key },
  transport: serverSentEvents(),
  store,
  on: { gap: ({ reason }) => console.log(`some changes are missing: ${reason}`) },
});
const query = `subscription ($userIds: [ID!]) {
  xp(userIds: $userIds) { ... on XpChanged { total user { displayName } } }
}`;

interface Item {
  xp: { total: number; user: { displayName: string } };
}
for await (const { item, data } of live.iterate<Item>({
  query,
  variables: { userIds: [userId] },
  name: 'worker',
})) {
  if (item === 'StreamReady' || item === 'StreamResumed') console.log('listens');
  if (item !== 'XpChanged') continue;
  console.log(`${data.xp.user.displayName} has ${data.xp.total}`);
  break;
}
await live.dispose();
