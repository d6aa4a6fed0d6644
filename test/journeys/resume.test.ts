import { beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  type Data,
  data,
  keyOf,
  openEvents,
  person,
  query,
  socketClient,
  take,
  unique,
} from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';
import type { Handle } from '../kit/processes.ts';

const xp = `subscription ($userIds: [ID!], $after: EventCursor) {
  xp(userIds: $userIds, after: $after) {
    __typename
    cursor
    ... on XpChanged { total user { displayName } }
    ... on StreamResumed { replayed }
  }
}`;

/** A phone: it keeps its last cursor, and its connection can break at any moment. */
class Phone {
  cursor: string | undefined;
  readonly totals: number[] = [];
  private sockets: WebSocket[] = [];

  constructor(
    private readonly laurel: Handle,
    private readonly userId: string,
  ) {}

  connect(): AsyncGenerator<Data, void> {
    const sockets = this.sockets;
    class Breakable extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        sockets.push(this);
      }
    }
    const client = socketClient(this.laurel, keyOf(this.laurel, 'systemKey'), { webSocketImpl: Breakable });
    const variables = { userIds: [this.userId], after: this.cursor };
    return this.read(client.iterate<{ xp: Data }>({ query: xp, variables }));
  }

  /** The connection is gone without a word of goodbye. */
  breakDown(): void {
    for (const socket of this.sockets.splice(0)) socket.terminate();
  }

  private async *read(results: AsyncIterable<{ data?: { xp: Data } | null }>): AsyncGenerator<Data, void> {
    try {
      for await (const result of results) {
        const item = result.data?.xp;
        this.cursor = item.cursor;
        if (item.__typename === 'XpChanged') this.totals.push(item.total);
        yield item;
      }
    } catch {
      // The connection broke.
    }
  }
}

inBothForms('resuming', (laurel) => {
  let userId: string;
  beforeAll(async () => {
    userId = (await person(laurel(), 46)).id;
  });
  const earn = async (): Promise<number> => {
    const input = { user: { id: userId }, eventType: 'visit', reference: unique('resume') };
    const { trackEvent } = await data(
      laurel(),
      'mutation ($input: TrackEventInput!) { trackEvent(input: $input) { ledger { unit balanceAfter } } }',
      { input },
    );
    return trackEvent.ledger.find(({ unit }: { unit: string }) => unit === 'XP').balanceAfter;
  };

  it('gives a phone that lost its connection what it missed, in order, and goes on', async () => {
    const phone = new Phone(laurel(), userId);
    const before = phone.connect();
    await take(1, before);
    const first = await earn();
    await take(1, before);
    phone.breakDown();
    const missed = [await earn(), await earn(), await earn()];

    const after = phone.connect();
    const items = await take(4, after);
    expect(items.map(({ __typename, total }) => total ?? __typename)).toEqual([...missed, 'StreamResumed']);
    expect(items.at(-1)).toMatchObject({ replayed: 3 });
    const live = await earn();
    await take(1, after);
    expect(phone.totals).toEqual([first, ...missed, live]);
    phone.breakDown();
  });

  it('shows each event once, in order, to a phone in a tunnel', async () => {
    const phone = new Phone(laurel(), userId);
    let items = phone.connect();
    await take(1, items);
    const earned = (async () => {
      const totals: number[] = [];
      for (let n = 0; n < 40; n++) totals.push(await earn());
      return totals;
    })();
    // Each connection holds for three events, whatever kind they are of.
    while (phone.totals.length < 40) {
      for (let n = 0; n < 3 && phone.totals.length < 40; n++) await items.next();
      phone.breakDown();
      items = phone.connect();
    }
    expect(phone.totals).toEqual(await earned);
    phone.breakDown();
  });

  it('resumes server-sent events by Last-Event-ID, whatever `after` says', async () => {
    const events = await openEvents(laurel(), xp, { userIds: [userId] });
    const [ready] = await take(1, events);
    events.close();
    const missed = [await earn(), await earn()];
    const seen = await openEvents(laurel(), xp, { userIds: [userId], after: ready?.id });
    const [first] = await take(2, seen);
    seen.close();

    const again = await openEvents(
      laurel(),
      xp,
      { userIds: [userId], after: ready?.id },
      { ...keyOf(laurel(), 'systemKey'), 'last-event-id': first?.id ?? '' },
    );
    const items = await take(2, again);
    expect(items.map(({ data: { data: got } }) => got.xp.total ?? got.xp.__typename)).toEqual([
      missed[1],
      'StreamResumed',
    ]);
    again.close();
  });

  it('knows the cursor even when the client does not select it', async () => {
    const events = await openEvents(laurel(), 'subscription { xp { __typename } }');
    const [ready] = await take(1, events);
    expect(ready).toMatchObject({ data: { data: { xp: { __typename: 'StreamReady' } } } });
    expect(ready?.data.data.xp).toEqual({ __typename: 'StreamReady' });
    expect(ready?.id).toEqual(expect.any(String));
    events.close();
  });

  it('refuses a cursor that it did not issue', async () => {
    const answer = await openEvents(laurel(), xp, { after: 'AAAAAAAAAAAAAAAAAAAAAA' }).then(
      async (events) => JSON.stringify(await take(1, events)),
      String,
    );
    expect(answer).toContain('BAD_CURSOR');
  });

  it('says how to subscribe to whoever asks for a stream without one', async () => {
    const { errors } = await query(laurel(), xp);
    expect(errors?.[0]?.message).toContain('text/event-stream');
  });
});
