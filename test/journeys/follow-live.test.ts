import { beforeAll, describe, expect, it } from 'vitest';
import { type Data, data, keyOf, openEvents, person, socketClient, take, unique } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';
import type { Handle } from '../kit/processes.ts';

const xp = `subscription ($userIds: [ID!]) {
  xp(userIds: $userIds) {
    __typename
    cursor
    ... on XpChanged {
      total
      level { number }
      entry { amount eventType }
      user { id displayName coins fields(keys: ["plan"]) { nodes { field { key } } } messages(first: 1) { nodes { id } } }
    }
  }
}`;
const messages = `subscription ($channelIds: [ID!]!) {
  messages(channelIds: $channelIds) {
    __typename
    cursor
    ... on MessagePosted { message { body author { displayName xp } channel { topic { text } } } }
    ... on MessageReacted { emoji by { displayName } message { body } }
  }
}`;

/** The items of a subscription's one field, by each transport. */
const transports = {
  'server-sent events': async (laurel: Handle, text: string, variables: object) => {
    const events = await openEvents(laurel, text, variables);
    async function* items(): AsyncGenerator<Data, void> {
      try {
        for await (const { event, id, data: result } of events) {
          if (event === 'complete') return;
          const [item] = Object.values<Data>(result.data);
          expect(id).toBe(item.cursor);
          yield item;
        }
      } finally {
        events.close();
      }
    }
    return items();
  },
  WebSocket: async (laurel: Handle, text: string, variables: object) => {
    const client = socketClient(laurel);
    async function* items(): AsyncGenerator<Data, void> {
      try {
        for await (const { data: got, errors } of client.iterate({
          query: text,
          variables: { ...variables },
        })) {
          if (errors !== undefined) throw new Error(JSON.stringify(errors));
          yield Object.values(got ?? {})[0];
        }
      } finally {
        await client.dispose();
      }
    }
    return items();
  },
};

inBothForms('following live', (laurel) => {
  describe.each(Object.entries(transports))('by %s', (_name, open) => {
    let userId: string;
    beforeAll(async () => {
      userId = (await person(laurel(), 44)).id;
    });

    it('shows XP as they are earned, with what other subgraphs know', async () => {
      const items = await open(laurel(), xp, { userIds: [userId] });
      const [ready] = await take(1, items);
      expect(ready).toEqual({ __typename: 'StreamReady', cursor: expect.any(String) });

      const track = (reference: string) =>
        data(
          laurel(),
          `mutation ($input: TrackEventInput!) { trackEvent(input: $input) { ledger { unit balanceAfter } } }`,
          { input: { user: { id: userId }, eventType: 'purchase', reference } },
        );
      const first = await track(unique('live'));
      const second = await track(unique('live'));
      const [one, two] = await take(2, items);
      expect(one).toEqual({
        __typename: 'XpChanged',
        cursor: expect.any(String),
        total: first.trackEvent.ledger[0].balanceAfter,
        level: { number: expect.any(Number) },
        entry: { amount: 100, eventType: 'purchase' },
        user: {
          id: userId,
          displayName: expect.any(String),
          coins: expect.any(Number),
          fields: { nodes: [{ field: { key: 'plan' } }] },
          messages: { nodes: [{ id: expect.stringMatching(/^msg_/) }] },
        },
      });
      expect(two.total).toBe(second.trackEvent.ledger[0].balanceAfter);
      await items.return?.(undefined);
    });

    it('shows messages and reactions as they come', async () => {
      const { channels } = await data(laurel(), '{ channels(first: 100) { nodes { id kind } } }');
      const open_ = channels.nodes.filter(({ kind }: { kind: string }) => kind === 'OPEN');
      const channelId = open_.at(-1).id;
      const items = await open(laurel(), messages, { channelIds: [channelId] });
      expect(await take(1, items)).toMatchObject([{ __typename: 'StreamReady' }]);

      const body = unique('Hello');
      const { sendMessage } = await data(
        laurel(),
        'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }',
        { input: { channelId, senderId: userId, body, idempotencyKey: body } },
      );
      await data(
        laurel(),
        'mutation ($input: ReactInput!) { react(input: $input) { userErrors { code } } }',
        { input: { messageId: sendMessage.message.id, senderId: userId, emoji: '👋' } },
      );
      const found: Data[] = [];
      while (found.length < 2) {
        const [item] = await take(1, items);
        if (item.message?.body === body) found.push(item);
      }
      expect(found).toMatchObject([
        {
          __typename: 'MessagePosted',
          message: {
            author: { displayName: expect.any(String), xp: expect.any(Number) },
            channel: { topic: {} },
          },
        },
        { __typename: 'MessageReacted', emoji: '👋', by: { displayName: expect.any(String) } },
      ]);
      await items.return?.(undefined);
    });
  });

  it('tells the same event with the same cursor to all who follow', async () => {
    const userId = (await person(laurel(), 45)).id;
    const all = await Promise.all(
      [0, 1, 2].flatMap(() =>
        Object.values(transports).map((open) => open(laurel(), xp, { userIds: [userId] })),
      ),
    );
    await Promise.all(all.map((items) => take(1, items)));
    await data(laurel(), 'mutation ($input: TrackEventInput!) { trackEvent(input: $input) { replayed } }', {
      input: { user: { id: userId }, eventType: 'visit', reference: unique('live') },
    });
    const told = await Promise.all(all.map((items) => take(1, items)));
    expect(new Set(told.map((items) => JSON.stringify(items))).size).toBe(1);
    await Promise.all(all.map((items) => items.return?.(undefined)));
  });

  it('answers a query over WebSocket too', async () => {
    const client = socketClient(laurel(), keyOf(laurel(), 'personalKey'));
    const { value } = await client.iterate({ query: '{ viewer { user { email } } }' }).next();
    expect(value).toMatchObject({ data: { viewer: { user: { email: 'admin@returning.ai' } } } });
    await client.dispose();
  });
});
