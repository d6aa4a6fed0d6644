import { graphql } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { contextFor } from '../../../subgraphs/context.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { pace, prunePace } from '../../../subgraphs/messaging/pace.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, entities, errorsOf } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { replayed userErrors { code } } }`;
const slow = `mutation ($input: SetSlowModeInput!) { setSlowMode(input: $input) {
  channel { slowModeSeconds } userErrors { code path }
} }`;

/** The codes of messages that are sent at once, in no order. */
async function codesOf(who: Principal, channelId: string | undefined, keys: readonly string[], more = {}) {
  const answers = await Promise.all(
    keys.map((key) => errorsOf(who, send, { input: { channelId, body: 'x', idempotencyKey: key, ...more } })),
  );
  return answers.flat().map(({ code }) => code);
}

const keys = (count: number, name = 'k') => Array.from({ length: count }, (_, n) => `${name}${n}`);

describe('pace', () => {
  it(`THROTTLED: more than ${pace.burst} messages at once of one person in one channel, and no other`, async () => {
    const place = await newCommunity(database.resources, { channels: ['OPEN', 'OPEN'] });
    // An hour a message, so that a slow machine finds the same.
    await database.sql`
      insert into messaging.pace (community_id, author_id, channel_id, free_at, every_seconds, burst, wanted, granted)
      values (${place.id}, ${place.memberIds[0] ?? ''}, ${place.channelIds[0] ?? ''}, now() + interval '1 hour', 1, 10, 1, 1)`;
    const [first, second] = place.channelIds;
    expect(await codesOf(place.person(0), first, keys(3))).toEqual(['THROTTLED', 'THROTTLED', 'THROTTLED']);
    expect(await codesOf(place.person(1), first, keys(pace.burst))).toEqual([]);
    expect(await codesOf(place.person(0), second, keys(pace.burst))).toEqual([]);
  });

  it('says when to come back', async () => {
    const place = await newCommunity(database.resources);
    const [channelId] = place.channelIds;
    await ask(place.system, slow, { input: { channelId, seconds: 600 } });
    const input = (idempotencyKey: string) => ({ input: { channelId, body: 'x', idempotencyKey } });
    await ask(place.person(0), send, input('a'));
    const { schema } = messaging;
    const contextValue = contextFor(database.resources, place.person(0));
    const { errors } = await graphql({ schema, source: send, variableValues: input('b'), contextValue });
    const seconds = errors?.[0]?.extensions.retryAfterSeconds as number;
    expect(seconds).toBeGreaterThan(500);
    expect(seconds).toBeLessThanOrEqual(600);
    expect(errors?.[0]?.message).toContain(`in ${seconds} s`);
  });

  it('lets one of many through in slow mode, whichever process they come to, and repeats of it', async () => {
    const place = await newCommunity(database.resources);
    const [channelId] = place.channelIds;
    const { setSlowMode } = await ask(place.system, slow, { input: { channelId, seconds: 600 } });
    expect(setSlowMode).toEqual({ channel: { slowModeSeconds: 600 }, userErrors: [] });
    expect(await codesOf(place.person(0), channelId, ['a'])).toEqual([]);
    expect(await codesOf(place.person(0), channelId, ['a', 'b', 'a', 'c'])).toEqual([
      'THROTTLED',
      'THROTTLED',
    ]);
    await ask(place.system, slow, { input: { channelId, seconds: 0 } });
    const [channel] = await entities(place.system, 'Channel', place.channelIds, '{ slowModeSeconds }');
    expect(channel).toEqual({ slowModeSeconds: 0 });
  });

  it('holds up neither keys of the community nor those who manage messages', async () => {
    const place = await newCommunity(database.resources);
    const [channelId] = place.channelIds;
    await addAdministrators(database.sql, place.id, place.memberIds.slice(0, 1));
    await ask(place.person(0), slow, { input: { channelId, seconds: 600 } });
    expect(await codesOf(place.person(0), channelId, keys(12))).toEqual([]);
    expect(await codesOf(place.system, channelId, keys(12, 's'), { senderId: place.memberIds[1] })).toEqual(
      [],
    );
  });

  it('forgets those who paused', async () => {
    const place = await newCommunity(database.resources);
    await codesOf(place.person(0), place.channelIds[0], ['a']);
    await database.sql`update messaging.pace set free_at = now() - interval '1 second'`;
    await prunePace(database.sql);
    expect(await database.sql`select from messaging.pace`).toHaveLength(0);
  });
});

describe('slow mode: refusals', () => {
  it.each([
    ['NOT_FOUND', 'channelId', { channelId: 'chn_none' }],
    ['VALIDATION_FAILED', 'seconds', { seconds: -1 }],
    ['VALIDATION_FAILED', 'seconds', { seconds: 21_601 }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const place = await newCommunity(database.resources);
    const input = { channelId: place.channelIds[0], seconds: 1, ...wrong };
    expect((await ask(place.system, slow, { input })).setSlowMode.userErrors).toEqual([
      { code, path: ['input', name] },
    ]);
  });

  it('FORBIDDEN: a member without the permission', async () => {
    const place = await newCommunity(database.resources);
    const input = { channelId: place.channelIds[0], seconds: 1 };
    expect((await ask(place.person(0), slow, { input })).setSlowMode.userErrors).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'channelId'] },
    ]);
  });
});

describe('pace: cost', () => {
  it('checks and stores 20 messages that come at once with the statements of one', async () => {
    const place = await newCommunity(database.resources);
    const sending = (count: number, name: string) =>
      database.statementsOf(() =>
        codesOf(place.system, place.channelIds[0], keys(count, name), { senderId: place.memberIds[0] }),
      );
    const notNotices = (statements: string[]) => statements.filter((one) => !one.includes('pg_notify'));
    expect(notNotices(await sending(1, 'a'))).toEqual(['standingsOf', 'addMessages']);
    expect(notNotices(await sending(20, 'b'))).toEqual(['standingsOf', 'addMessages']);
  });
});
