import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Refusal } from '../../subgraphs/errors.ts';
import { trackEvents } from '../../subgraphs/gamification/event.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { eventsAfter, type StreamId, type StreamName } from '../../subgraphs/log.ts';
import { react } from '../../subgraphs/messaging/reaction.ts';
import { type NewMessage, sendMessages } from '../../subgraphs/messaging/sending.ts';
import { type Data, socketClient } from '../kit/client.ts';
import { eventOf, newCommunity, type TestCommunity } from '../kit/community.ts';
import type { Handle } from '../kit/processes.ts';
import { any, type Unsteady, unsteadyLaurel, unsteadyProcesses } from '../kit/unsteady.ts';

// Whatever breaks, and whenever: every client gets each event once, in order. For longer than in every run, with processes
// that are killed and a PostgreSQL that is stopped: DROPS_SECONDS=600 npx vitest run test/journeys/drops.test.ts

const seconds = Number(process.env.DROPS_SECONDS ?? 5);

const forms: Record<string, () => Promise<Unsteady>> =
  process.env.DROPS_SECONDS === undefined
    ? { 'parts of one process': () => unsteadyLaurel(2) }
    : {
        'one process': () => unsteadyProcesses('one process'),
        'many processes': () => unsteadyProcesses('many processes'),
      };

/** However slow the machine is, there is something to lose. */
const leastWrites = 60;

const ending = '... on StreamEnding { reason }';
const streams = {
  xp: `subscription ($after: EventCursor) { xp(after: $after) {
    __typename cursor ... on XpChanged { total } ${ending}
  } }`,
  messages: `subscription ($channelIds: [ID!]!, $after: EventCursor) { messages(channelIds: $channelIds, after: $after) {
    __typename cursor ... on MessagePosted { message { author { displayName } } } ${ending}
  } }`,
};
type Name = keyof typeof streams;
const names = ['xp', 'messages'] as const satisfies readonly StreamName[];
const controls = ['StreamReady', 'StreamResumed', 'StreamGap', 'StreamEnding'];

/** An app: it keeps its last cursors, connects again whenever it has to, and writes down what it is told. */
class App {
  readonly cursors: Record<Name, string[]> = { xp: [], messages: [] };
  readonly words = new Map<string, number>();
  reconnects = 0;
  readonly last: Partial<Record<Name, string>>;
  private stopped = false;
  private sockets: WebSocket[] = [];
  readonly running: Promise<void>;
  private ready = () => {};
  /** Resolves when it has been told that all its streams are live for the first time. */
  readonly isLive = new Promise<void>((resolve) => {
    this.ready = resolve;
  });

  constructor(
    private readonly endpoints: readonly string[],
    private readonly systemKey: string,
    private readonly channelIds: readonly string[],
    last: Partial<Record<Name, string>> = {},
  ) {
    this.last = { ...last };
    this.running = this.follow();
  }

  drop(): void {
    for (const socket of this.sockets.splice(0)) socket.terminate();
  }

  stop(): Promise<void> {
    this.stopped = true;
    this.drop();
    return this.running;
  }

  private async follow(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.connect(any(this.endpoints));
      } catch {
        // The connection broke, or there was nobody to connect to.
      }
      this.reconnects++;
      await pause(randomInt(20, 100));
    }
  }

  private async connect(endpoint: string): Promise<void> {
    const sockets = this.sockets;
    class Breakable extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        sockets.push(this);
      }
    }
    const client = socketClient(
      { endpoint } as Handle,
      { 'x-api-key': this.systemKey },
      { webSocketImpl: Breakable },
    );
    const reading = names.map((name) => this.read(name, client));
    // When one of them ends, it connects anew with all.
    await Promise.race(reading).catch(() => {});
    await client.dispose();
    await Promise.allSettled(reading);
  }

  private async read(name: Name, client: Client): Promise<void> {
    const variables = { after: this.last[name], channelIds: this.channelIds };
    for await (const { data, errors } of client.iterate<Data>({ query: streams[name], variables })) {
      if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors));
      const { __typename, cursor } = data[name];
      this.last[name] = cursor;
      this.words.set(__typename, (this.words.get(__typename) ?? 0) + 1);
      if (Object.keys(this.last).length === names.length) this.ready();
      if (!controls.includes(__typename)) this.cursors[name].push(cursor);
    }
  }
}

describe.each(Object.entries(forms))('in spite of everything that breaks, in %s', (form, start) => {
  let laurel: Unsteady;
  let place: TestCommunity;
  let systemKey: string;
  beforeAll(async () => {
    laurel = await start();
    place = await newCommunity(laurel.store.resources, { members: 5 });
    systemKey = await issueKey(laurel.store.resources.sql, place.id, { kind: 'SYSTEM', name: 'System' });
  }, 120_000);
  afterAll(() => laurel.close(), 60_000);

  const appAt = (endpoints: readonly string[], last?: Partial<Record<Name, string>>) =>
    new App(endpoints, systemKey, place.channelIds, last);

  /** What the log says, as cursors. */
  async function told(name: Name): Promise<string[]> {
    const { sql, cursors } = laurel.store.resources;
    const id: StreamId = { communityId: place.id, stream: name };
    const all: string[] = [];
    for (let from = 0; ; ) {
      const page = await eventsAfter(sql, id, from, 1_000);
      if (page.length === 0) return all;
      all.push(...page.map(({ number }) => cursors.seal(id, number)));
      from = page.at(-1)?.number ?? from;
    }
  }

  /** Lets people earn and talk until it is told to stop; what failed is tried again, and counts once. */
  async function write(isOver: () => boolean): Promise<void> {
    const { sql, tail } = laurel.store.resources;
    const [channelId = ''] = place.channelIds;
    for (let n = 0; n < leastWrites || !isOver(); n++) {
      const events = Array.from({ length: randomInt(1, 5) }, (_, m) =>
        eventOf(any(place.memberIds), { eventType: 'visit', reference: `drops-${n}-${m}` }),
      );
      const body = `Number ${n}`;
      const message: NewMessage = {
        channelId,
        authorId: any(place.memberIds),
        body,
        replyToId: null,
        idempotencyKey: body,
      };
      await untilDone(() => trackEvents(sql, place.id, events));
      await untilDone(async () => {
        const [sent] = await sendMessages(sql, place.id, [message]);
        if (sent === undefined || sent instanceof Refusal) throw sent;
        const userId = message.authorId;
        await react(sql, place.id, [{ messageId: sent.message.id, channelId, userId, emoji: '👍' }]);
      });
      tail.wake();
      await pause(randomInt(0, 20));
    }
  }

  it(
    'everybody gets each event once, in order, at whichever gateway',
    async () => {
      const apps = Array.from({ length: 6 }, () => appAt(laurel.endpoints));
      await Promise.all(apps.map(({ isLive }) => isLive));
      const until = performance.now() + seconds * 1_000;
      const isOver = () => performance.now() > until;
      const writing = write(isOver);
      const breaks: Record<string, () => Promise<void>> = {
        socket: async () => any(apps).drop(),
        sockets: async () => {
          for (const app of apps) app.drop();
        },
        ...laurel.breaks,
      };
      const kinds = Object.keys(breaks);
      const counted: Record<string, number> = {};
      // Each once at least, then whatever comes.
      for (let n = 0; !isOver() || n < kinds.length; n++) {
        const kind = kinds[n] ?? any(kinds);
        await breaks[kind]?.();
        counted[kind] = (counted[kind] ?? 0) + 1;
        await pause(randomInt(50, 500));
      }
      await writing;

      const all = { xp: await told('xp'), messages: await told('messages') };
      laurel.store.resources.tail.wake();
      await expect
        .poll(() => apps.map(({ cursors }) => names.map((name) => cursors[name].length)), { timeout: 60_000 })
        .toEqual(apps.map(() => names.map((name) => all[name].length)));
      await Promise.all(apps.map((app) => app.stop()));
      if (process.env.DROPS_SECONDS !== undefined)
        console.log(form, {
          seconds,
          breaks: counted,
          events: { xp: all.xp.length, messages: all.messages.length },
          reconnects: apps.map(({ reconnects }) => reconnects),
          received: apps.map(({ cursors }) => names.map((name) => new Set(cursors[name]).size)),
          repeated: apps.map(({ cursors }) =>
            names.map((name) => cursors[name].length - new Set(cursors[name]).size),
          ),
        });
      for (const name of names) expect(all[name].length).toBeGreaterThanOrEqual(leastWrites);
      for (const app of apps) {
        expect(app.cursors).toEqual(all);
        expect(app.words.get('StreamGap')).toBeUndefined();
        expect(app.reconnects).toBeGreaterThan(1);
      }
    },
    seconds * 1_000 + 180_000,
  );

  it('whoever was away for ten thousand events gets all of them', async () => {
    const away = appAt(laurel.endpoints);
    await away.isLive;
    await away.stop();
    const { sql, tail } = laurel.store.resources;
    const missed = Array.from({ length: 10_000 }, () => ({
      kind: 'XpChanged',
      user_id: place.memberIds[0],
      payload: { entryId: 'none', total: '1' },
    }));
    await sql`select log.append(${place.id}, 'xp', ${sql.json(missed as never)})`;
    tail.wake();
    const back = [0, 1].map((n) => appAt(laurel.endpoints.slice(n, n + 1), away.last));
    await expect
      .poll(() => back.map(({ cursors }) => cursors.xp.length), { timeout: 60_000 })
      .toEqual([10_000, 10_000]);
    await Promise.all(back.map((app) => app.stop()));
    expect(back[0]?.cursors).toEqual(back[1]?.cursors);
    expect(new Set(back[0]?.cursors.xp).size).toBe(10_000);
  }, 120_000);
});

async function untilDone(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch {
      await pause(50);
    }
  }
}
