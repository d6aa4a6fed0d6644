import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { oneProcessGateway } from '../../gateway/index.ts';
import { addChannels } from '../../subgraphs/community/channel.ts';
import { updateChannel } from '../../subgraphs/community/channel-change.ts';
import { unassignRole } from '../../subgraphs/community/role-change.ts';
import { Refusal } from '../../subgraphs/errors.ts';
import { newId } from '../../subgraphs/id.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { revokeKey, rotateKey, updateKey } from '../../subgraphs/identity/api-key-change.ts';
import { applyPenalty } from '../../subgraphs/identity/penalty.ts';
import { addReactions } from '../../subgraphs/messaging/reaction.ts';
import { type NewMessage, sendMessages } from '../../subgraphs/messaging/sending.ts';
import { startTyping } from '../../subgraphs/messaging/typing.ts';
import { allScopes } from '../../subgraphs/scopes.ts';
import { type Data, type Headers, openEvents, take } from '../kit/client.ts';
import { founded, newCommunity, newRole, type TestCommunity } from '../kit/community.ts';
import { freshDatabase } from '../kit/database.ts';
import type { Handle } from '../kit/processes.ts';
import { unsteadyLaurel } from '../kit/unsteady.ts';

// The very same subscription by callers who see different things: what is shared among some is never given to others.

const messages = `subscription ($channelIds: [ID!]!, $after: EventCursor) {
  messages(channelIds: $channelIds, after: $after) {
    __typename ... on MessagePosted { message { body author { displayName } } } ... on StreamEnding { reason }
  }
}`;

const typing =
  'subscription ($channelIds: [ID!]!) { typing(channelIds: $channelIds) { user { displayName } } }';

const starts = {
  'in one process': async () => {
    const database = await freshDatabase();
    const gateway = oneProcessGateway(
      database.resources,
      { origins: [], trustProxy: false },
      pino({ level: 'silent' }),
    );
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    return {
      resources: database.resources,
      endpoints: [`http://127.0.0.1:${port}/graphql`],
      async close() {
        await gateway.close();
        await database.close();
      },
    };
  },
  'over HTTP': async () => {
    const laurel = await unsteadyLaurel(2);
    const { store, endpoints } = laurel;
    return { resources: store.resources, endpoints, close: () => laurel.close() };
  },
};

describe.each(Object.entries(starts))('subscribers %s', (_where, start) => {
  let laurel: Awaited<ReturnType<typeof start>>;
  let place: TestCommunity;
  let channelIds: readonly string[];
  beforeAll(async () => {
    laurel = await start();
    place = await newCommunity(laurel.resources, { members: 3, channels: ['OPEN', 'OPEN', 'WHISPER'] });
    channelIds = place.channelIds.slice(0, 2);
  }, 60_000);
  afterAll(() => laurel.close());

  const key = async (details: object): Promise<Headers> => {
    const more = { kind: 'INTEGRATION', name: 'Key', scopes: allScopes, ...details } as const;
    return { authorization: `Bearer ${await issueKey(laurel.resources.sql, place.id, more as never)}` };
  };
  const ofPerson = (n: number, details = {}) =>
    key({ kind: 'PERSONAL', userId: place.memberIds[n], ...details });
  let listening = 0;
  const listen = async (headers: Headers, ids: readonly string[], text = messages) => {
    // By one gateway after the other.
    const endpoint = laurel.endpoints[listening++ % laurel.endpoints.length];
    const events = await openEvents({ endpoint } as Handle, text, { channelIds: ids }, headers);
    const item = async () => (await take(1, events))[0]?.data;
    return { item, close: () => events.close() };
  };
  const newDirect = async (...people: [number, number]): Promise<string> => {
    const channel = {
      id: newId('Channel'),
      topic: {},
      kind: 'DIRECT',
      createdAt: founded,
      updatedAt: founded,
    };
    const participantIds = people.map((n) => place.memberIds[n] ?? '');
    await addChannels(laurel.resources.sql, place.id, [{ ...channel, participantIds }]);
    return channel.id;
  };
  let said = 0;
  const say = async (channelId = '', details: Partial<NewMessage> = {}, communityId = place.id) => {
    said++;
    const body = `Number ${said}`;
    const message = {
      channelId,
      authorId: place.memberIds[0] ?? '',
      body,
      replyToId: null,
      idempotencyKey: body,
    };
    const [sent] = await sendMessages(laurel.resources.sql, communityId, [{ ...message, ...details }]);
    if (sent === undefined || sent instanceof Refusal) throw sent;
    laurel.resources.tail.wake();
    return sent.message;
  };
  const mustBeReady = async (...all: { item(): Promise<unknown> }[]) => {
    for (const { item } of all)
      expect(await item()).toEqual({ data: { messages: { __typename: 'StreamReady' } } });
  };
  /** Streams of what stands in no log don't say when they are open: it is told until all have heard it. */
  const mustHear = async (
    all: readonly { item(): Promise<Data> }[],
    channelId = '',
    writer = '',
    { system } = place,
  ) => {
    const heard = Promise.all(all.map(({ item }) => item()));
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    void heard.then(over, over);
    while (!isOver) {
      await laurel.resources.sql`delete from messaging.typing where user_id = ${writer}`;
      await startTyping(laurel.resources.sql, system, channelId, writer);
      await Promise.race([heard, pause(300)]);
    }
    return heard;
  };
  const bodyOf = async ({ item }: { item(): Promise<Data> }) => (await item()).data.messages.message.body;
  const ending = { data: { messages: { __typename: 'StreamEnding', reason: 'PERMISSION_REVOKED' } } };

  it('are refused what others follow just now, when they may not', async () => {
    const ids = channelIds.slice(0, 1);
    const system = await listen(await key({}), ids);
    expect(await system.item()).toEqual({ data: { messages: { __typename: 'StreamReady' } } });
    const limited = await listen(await ofPerson(1, { channelIds: channelIds.slice(1) }), ids);
    expect(await limited.item()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    const deaf = await listen(await ofPerson(1, { channelIds: channelIds.slice(1) }), channelIds, typing);
    expect(await deaf.item()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    const blind = await listen(await key({ scopes: ['messages:read'] }), ids);
    expect(await blind.item()).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
    const { body } = await say(ids[0]);
    expect(await bodyOf(system)).toBe(body);
    system.close();
  });

  it('lose a channel that is hidden from people, and a key of the community does not', async () => {
    const [system, first, second] = await Promise.all(
      [key({}), ofPerson(0), ofPerson(1)].map(async (headers) => listen(await headers, channelIds)),
    );
    const all = [system, first, second];
    for (const one of all)
      expect(await one?.item()).toEqual({ data: { messages: { __typename: 'StreamReady' } } });
    const hears = await listen(await ofPerson(2), channelIds, typing);
    const { body: seen } = await say(channelIds[0]);
    for (const one of all)
      expect(await one?.item()).toMatchObject({ data: { messages: { message: { body: seen } } } });

    await laurel.resources
      .sql`update community.channel set kind = 'DIRECT' where id = ${channelIds[0] ?? ''}`;
    const { body: hidden } = await say(channelIds[0]);
    expect(await system?.item()).toMatchObject({ data: { messages: { message: { body: hidden } } } });
    for (const one of [first, second]) expect(await one?.item()).toEqual(ending);
    expect(await mustHear([hears], channelIds[0], place.memberIds[0])).toMatchObject([
      { errors: [{ extensions: { code: 'FORBIDDEN' } }] },
    ]);
    system?.close();
  });

  it('that can answer each person alone only hear who writes to them', async () => {
    const direct = await newDirect(0, 1);
    const one = await listen(await ofPerson(0), [direct], typing);
    const other = await listen(await ofPerson(1), [direct, ...channelIds.slice(1)], typing);
    const third = await listen(await ofPerson(2), [direct], typing);
    expect(await third.item()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    const told = { data: { typing: { user: { displayName: 'Person 0' } } } };
    expect(await mustHear([one, other], direct, place.memberIds[0])).toEqual([told, told]);
    for (const { close } of [one, other]) close();
  });

  it('that ask for more than they share hear each event as they may see it, from the first on', async () => {
    const text = `subscription ($channelIds: [ID!]!) { typing(channelIds: $channelIds) {
      user { displayName } channel { effectivePermissions }
    } }`;
    const ids = channelIds.slice(1);
    await newRole(laurel.resources, place.id, {
      permissions: ['PIN_MESSAGES'],
      holders: place.memberIds.slice(0, 1),
    });
    const both = [await listen(await ofPerson(1), ids, text), await listen(await ofPerson(0), ids, text)];
    for (const writer of [1, 2]) {
      const told = await mustHear(both, ids[0], place.memberIds[writer]);
      expect(told.map((one) => one.errors)).toEqual([undefined, undefined]);
      const permissions = told.map((one) => one.data.typing.channel.effectivePermissions);
      expect(permissions.map((all) => all.includes('PIN_MESSAGES'))).toEqual([false, true]);
    }
    for (const { close } of both) close();
  });

  it('hear in a whisper channel what is theirs, and see their own reactions', async () => {
    const text = `subscription ($channelIds: [ID!]!) { messages(channelIds: $channelIds) {
      __typename ... on MessagePosted { message { body } }
      ... on MessageReacted { message { body reactions { viewerReacted } } }
    } }`;
    const ids = place.channelIds.slice(2);
    const listeners = [await ofPerson(1), await ofPerson(2), await key({})];
    const [one, other, system] = await Promise.all(listeners.map((headers) => listen(headers, ids, text)));
    if (!one || !other || !system) throw new Error('Somebody does not listen.');
    await mustBeReady(one, other, system);
    const [, author = '', reader = ''] = place.memberIds;
    const own = await say(ids[0], { authorId: author, audienceId: author });
    const toAll = await say(ids[0]);
    expect([await bodyOf(one), await bodyOf(one)]).toEqual([own.body, toAll.body]);
    expect([await bodyOf(system), await bodyOf(system)]).toEqual([own.body, toAll.body]);
    expect(await bodyOf(other)).toBe(toAll.body);

    const reaction = { messageId: toAll.id, channelId: toAll.channelId, userId: reader, emoji: '👍' };
    await addReactions(laurel.resources.sql, place.id, [{ ...reaction, createdAt: new Date() }]);
    laurel.resources.tail.wake();
    const told = await Promise.all([one, other, system].map(({ item }) => item()));
    const reacted = told.map(({ data }) => data.messages.message.reactions);
    expect(reacted).toEqual([false, true, false].map((viewerReacted) => [{ viewerReacted }]));
    for (const { close } of [one, other, system]) close();
  });

  it('both hear what is said in their direct channel, and nobody else does', async () => {
    const direct = await newDirect(0, 2);
    const both = [await listen(await ofPerson(0), [direct]), await listen(await ofPerson(2), [direct])];
    const third = await listen(await ofPerson(1), [direct]);
    expect(await third.item()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    await mustBeReady(...both);
    const { body } = await say(direct);
    expect(await Promise.all(both.map(bodyOf))).toEqual([body, body]);
    for (const { close } of both) close();
  });

  it('lose what a role has opened to them with the role, and nobody else is disturbed', async () => {
    const { sql } = laurel.resources;
    const [, one = '', other = ''] = place.memberIds;
    const roleId = await newRole(laurel.resources, place.id, { holders: [one, other] });
    const id = newId('Channel');
    const channel = { id, topic: {}, kind: 'OPEN', createdAt: founded, updatedAt: founded };
    await addChannels(sql, place.id, [{ ...channel, viewRoleIds: [roleId] }]);
    const loses = await listen(await ofPerson(1), [id]);
    const keeps = await listen(await ofPerson(2), [id]);
    await mustBeReady(loses, keeps);
    const { body } = await say(id);
    expect([await bodyOf(loses), await bodyOf(keeps)]).toEqual([body, body]);

    await sql`delete from community.role_member where role_id = ${roleId} and user_id = ${one}`;
    expect(await loses.item()).toEqual(ending);
    const { body: after } = await say(id);
    expect(await bodyOf(keeps)).toBe(after);
    keeps.close();
  });

  describe('hear nothing of what happens after', () => {
    const count = 20;
    let hall: TestCommunity;
    let people: { headers: Headers; userId: string; keyId: string }[];
    beforeEach(async () => {
      const { sql } = laurel.resources;
      hall = await newCommunity(laurel.resources, { members: count + 1, channels: [] });
      people = await Promise.all(
        hall.memberIds.map(async (userId) => {
          const secret = await issueKey(sql, hall.id, {
            kind: 'PERSONAL',
            name: 'Key',
            userId,
            scopes: allScopes,
          });
          const [row] = await sql<{ id: string }[]>`
            select id from identity.api_key where prefix = ${secret.split('_')[2] ?? ''}`;
          return { headers: { authorization: `Bearer ${secret}` }, userId, keyId: row?.id ?? '' };
        }),
      );
    });
    const newChannel = async (details = {}) => {
      const id = newId('Channel');
      const channel = { id, topic: {}, kind: 'OPEN', createdAt: founded, updatedAt: founded };
      await addChannels(laurel.resources.sql, hall.id, [{ ...channel, ...details }]);
      return id;
    };
    const sayIn = (channelId: string) =>
      say(channelId, { authorId: hall.memberIds.at(-1) ?? '' }, hall.id).then(({ body }) => body);

    const losses = {
      'their key was revoked': ({ keyId }) => revokeKey(laurel.resources.sql, hall.system, keyId),
      'their key was rotated': ({ keyId: id }) =>
        rotateKey(laurel.resources.sql, hall.system, { id, overlapSeconds: 0, idempotencyKey: id }),
      'their key lost a scope': ({ keyId: id }) =>
        updateKey(laurel.resources.sql, hall.system, { id, scopes: ['users:read'] }, new Date()),
      'a role was taken from them': ({ userId }, roleId) =>
        unassignRole(laurel.resources.sql, hall.system, { userId, roleId }),
      'they were banned': ({ userId }) =>
        applyPenalty(
          laurel.resources.sql,
          hall.system,
          { userId, kind: 'BAN', reason: 'Test', endsAt: null, idempotencyKey: userId },
          new Date(),
        ),
    } satisfies Record<string, (person: (typeof people)[0], roleId: string) => Promise<unknown>>;

    it.each(Object.entries(losses))('%s, while all others hear it', async (_what, lose) => {
      const roleId = await newRole(laurel.resources, hall.id, { holders: hall.memberIds });
      const channelId = await newChannel({ viewRoleIds: [roleId] });
      const others = await Promise.all(people.map(({ headers }) => listen(headers, [channelId])));
      await mustBeReady(...others);
      for (const person of people.slice(0, count)) {
        const loser = others.shift();
        await lose(person, roleId);
        const body = await sayIn(channelId);
        expect(await loser?.item()).toEqual(ending);
        expect(await Promise.all(others.map(bodyOf))).toEqual(others.map(() => body));
      }
      for (const { close } of others) close();
    });

    it('a channel was hidden, while whoever manages channels hears it', async () => {
      const [person, manager] = people;
      await newRole(laurel.resources, hall.id, {
        permissions: ['MANAGE_CHANNELS'],
        holders: [manager?.userId],
      });
      for (let round = 0; round < 5; round++) {
        const channelId = await newChannel();
        const loses = [
          await listen(person?.headers ?? {}, [channelId]),
          await listen(person?.headers ?? {}, [channelId]),
        ];
        const keeps = await listen(manager?.headers ?? {}, [channelId]);
        await mustBeReady(...loses, keeps);
        await updateChannel(laurel.resources.sql, hall.system, { id: channelId, hidden: true });
        const body = await sayIn(channelId);
        expect(await Promise.all(loses.map(({ item }) => item()))).toEqual([ending, ending]);
        expect(await bodyOf(keeps)).toBe(body);
        keeps.close();
      }
    });

    it('their key was revoked, also where it stands in no log', async () => {
      const { sql } = laurel.resources;
      const channelId = await newChannel();
      const others = await Promise.all(people.map(({ headers }) => listen(headers, [channelId], typing)));
      const { userId: writer } = people.at(-1) ?? { userId: '' };
      await mustHear(others, channelId, people[0]?.userId, hall);
      // Some heard it several times, and all read up to the next.
      await startTyping(sql, hall.system, channelId, writer);
      for (const { item } of others) {
        let told: Data;
        do told = await item();
        while (told.data.typing.user.displayName !== `Person ${count}`);
      }
      for (const { keyId } of people.slice(0, 5)) {
        const loser = others.shift();
        await revokeKey(sql, hall.system, keyId);
        await sql`delete from messaging.typing where user_id = ${writer}`;
        await startTyping(sql, hall.system, channelId, writer);
        expect(await loser?.item()).toMatchObject({ errors: [{ extensions: { code: 'BAD_CREDENTIAL' } }] });
        for (const each of others) expect(await each.item()).toMatchObject({ data: { typing: {} } });
      }
      for (const { close } of others) close();
    });
  });
});
