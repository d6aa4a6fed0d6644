import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../../subgraphs/db.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { followSignals, tellSignal } from '../../../subgraphs/messaging/signal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking, take } from '../../kit/subgraph.ts';
import { told } from '../../kit/talk.ts';

let database: TestDatabase;
const { ask, listen } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const start =
  'mutation ($input: StartTypingInput!) { startTyping(input: $input) { told userErrors { code path } } }';
const follow = `subscription ($ids: [ID!]!) { typing(channelIds: $ids) { until user { id } channel { id } } }`;

describe('typing', () => {
  it('is told in every process to those who follow the channel, and stands in no log', async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    const [here = '', elsewhere = ''] = place.channelIds;
    const other = connect(database.url);
    const inOther = asking(messaging, () => ({ ...database.resources, sql: other }));
    const streams = [
      await listen(place.person(1), follow, { ids: [here] }),
      await inOther.listen(place.person(1), follow, { ids: [here] }),
    ];
    await ask(place.person(0), start, { input: { channelId: elsewhere } });
    await ask(place.person(0), start, { input: { channelId: here } });
    for (const stream of streams) {
      expect(await take(stream, 1)).toEqual([
        { until: expect.stringMatching(/Z$/), user: { id: place.memberIds[0] }, channel: { id: here } },
      ]);
      await stream.return(undefined);
    }
    await other.end({ timeout: 5 });
    expect(await told(database.sql, place)).toEqual([]);
  });

  it('is heard again after the connection that listens was cut off', async () => {
    const other = connect(database.url);
    const signals = await followSignals(other, ({ communityId }) => communityId === 'com_cut');
    const cut = await database.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query ilike 'listen%'`;
    expect(cut.length).toBeGreaterThan(0);
    const heard = signals.next();
    let isHeard = false;
    void heard.then(() => {
      isHeard = true;
    });
    const signal = { communityId: 'com_cut', kind: 'typing', userId: 'usr_a', at: 0 } as const;
    await expect
      .poll(
        async () => {
          await tellSignal(database.sql, signal);
          return isHeard;
        },
        { timeout: 10_000 },
      )
      .toBe(true);
    expect(await heard).toMatchObject({ value: signal });
    await signals.return?.();
    await other.end({ timeout: 5 });
  });

  it('is told once in a while, however often it is said', async () => {
    const place = await newCommunity(database.resources);
    const input = { channelId: place.channelIds[0] };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => ask(place.person(0), start, { input })),
    );
    expect(answers.filter(({ startTyping }) => startTyping.told)).toHaveLength(1);
  });

  it('is told to nobody in a whisper channel', async () => {
    const place = await newCommunity(database.resources, { channels: ['WHISPER', 'OPEN'] });
    const stream = await listen(place.system, follow, { ids: place.channelIds });
    for (const channelId of place.channelIds) await ask(place.person(0), start, { input: { channelId } });
    expect(await take(stream, 1)).toMatchObject([{ channel: { id: place.channelIds[1] } }]);
    await stream.return(undefined);
  });

  it('FORBIDDEN: who follows a channel that is not there for them', async () => {
    const place = await newCommunity(database.resources, { channels: ['DIRECT'] });
    await expect(listen(place.person(0), follow, { ids: place.channelIds })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });

  it.each([
    ['NOT_FOUND', 'chn_none'],
    ['FORBIDDEN', 'announcements'],
  ])('%s: who writes in %s', async (code, id) => {
    const place = await newCommunity(database.resources, { channels: ['ANNOUNCEMENT'] });
    const channelId = id === 'announcements' ? place.channelIds[0] : id;
    const { startTyping } = await ask(place.person(0), start, { input: { channelId } });
    expect(startTyping).toEqual({ told: false, userErrors: [{ code, path: ['input', 'channelId'] }] });
  });
});
