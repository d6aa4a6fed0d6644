import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities, listen } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const set = `mutation ($presence: Presence!) { setPresence(input: { presence: $presence }) {
  changed userErrors { code path }
} }`;
const follow = 'subscription ($ids: [ID!]!) { presence(userIds: $ids) { presence until user { id } } }';

describe('presence', () => {
  it('is what people say, told to those who follow them', async () => {
    const place = await newCommunity(database.resources);
    const [first = ''] = place.memberIds;
    const items = await listen(place.person(1), follow, { ids: [first] });
    const say = async (presence: string) =>
      (await ask(place.person(0), set, { presence })).setPresence.changed;
    expect(await say('ONLINE')).toBe(true);
    expect(await say('ONLINE')).toBe(false);
    expect(await say('AWAY')).toBe(true);
    expect(await say('OFFLINE')).toBe(true);
    const told = await take(items, 4);
    expect(told.map(({ presence }) => presence)).toEqual(['ONLINE', 'ONLINE', 'AWAY', 'OFFLINE']);
    expect(told[0]).toEqual({ presence: 'ONLINE', until: expect.any(String), user: { id: first } });
    await items.return(undefined);
  });

  it('is OFFLINE for those who say nothing, never or any more', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    for (const n of [0, 1]) await ask(place.person(n), set, { presence: 'ONLINE' });
    await database.sql`
      update messaging.presence set seen_at = now() - interval '91 seconds' where user_id = ${place.memberIds[1] ?? ''}`;
    const people = await entities(place.system, 'User', place.memberIds, '{ presence }');
    expect(people.map(({ presence }) => presence)).toEqual(['ONLINE', 'OFFLINE', 'OFFLINE']);
  });

  it('FORBIDDEN: a key of the community, which is nobody', async () => {
    const { system } = await newCommunity(database.resources);
    const { setPresence } = await ask(system, set, { presence: 'ONLINE' });
    expect(setPresence).toEqual({ changed: false, userErrors: [{ code: 'FORBIDDEN', path: ['input'] }] });
  });

  it('reads that of 100 people with the statements of one', async () => {
    const place = await newCommunity(database.resources, { members: 100 });
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(place.system, 'User', place.memberIds.slice(0, count), '{ presence }'),
      );
    expect(await read(1)).toEqual(['presences']);
    expect(await read(100)).toEqual(await read(1));
  });
});
