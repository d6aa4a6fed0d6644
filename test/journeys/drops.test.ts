import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { trackEvents } from '../../subgraphs/gamification/event.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { eventsAfter } from '../../subgraphs/log.ts';
import { type Data, socketClient } from '../kit/client.ts';
import { eventOf, newCommunity, type TestCommunity } from '../kit/community.ts';
import type { Handle } from '../kit/processes.ts';
import { any, type Unsteady, unsteadyLaurel } from '../kit/unsteady.ts';

// Whatever breaks, and whenever: every client gets each event once, in order. For longer than in every run:
// DROPS_SECONDS=600 npx vitest run test/journeys/drops.test.ts

const seconds = Number(process.env.DROPS_SECONDS ?? 8);
// postgres.js 3.4.9 throws where nobody can catch it when a connection goes while it has something to write, so a lost
// database may end a process, as a crash does. Source: https://github.com/porsager/postgres/issues/1208
const losesDatabase = process.env.DROPS_SECONDS !== undefined;

/** However slow the machine is, there is something to lose. */
const leastWrites = 60;

const text = `subscription ($after: EventCursor) { xp(after: $after) {
  __typename cursor ... on XpChanged { total } ... on StreamEnding { reason }
} }`;

let laurel: Unsteady;
let place: TestCommunity;
let systemKey: string;
beforeAll(async () => {
  laurel = await unsteadyLaurel(2);
  place = await newCommunity(laurel.store.resources, { members: 5 });
  systemKey = await issueKey(laurel.store.resources.sql, place.id, { kind: 'SYSTEM', name: 'System' });
}, 120_000);
afterAll(() => laurel.close(), 60_000);

/** An app: it keeps its last cursor, connects again whenever it has to, and writes down what it is told. */
class App {
  readonly cursors: string[] = [];
  readonly words = new Map<string, number>();
  reconnects = 0;
  cursor: string | undefined;
  private stopped = false;
  private sockets: WebSocket[] = [];
  readonly running: Promise<void>;
  private ready = () => {};
  /** Resolves when it has been told that it is live for the first time. */
  readonly isLive = new Promise<void>((resolve) => {
    this.ready = resolve;
  });

  constructor(
    private readonly endpoints: readonly string[],
    after?: string,
  ) {
    this.cursor = after;
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
    const handle = { endpoint, demo: { systemKey } } as Handle;
    const client = socketClient(handle, { 'x-api-key': systemKey }, { webSocketImpl: Breakable });
    try {
      const variables = { after: this.cursor };
      for await (const { data, errors } of client.iterate<{ xp: Data }>({ query: text, variables })) {
        if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors));
        const { __typename, cursor } = data.xp;
        this.cursor = cursor;
        this.words.set(__typename, (this.words.get(__typename) ?? 0) + 1);
        if (__typename === 'StreamReady') this.ready();
        if (__typename === 'XpChanged' || __typename === 'LevelChanged') this.cursors.push(cursor);
      }
    } finally {
      await client.dispose();
    }
  }
}

/** Lets somebody earn until it is told to stop; what failed is tried again, and counts once. */
async function write(isOver: () => boolean): Promise<void> {
  const { sql, tail } = laurel.store.resources;
  for (let n = 0; n < leastWrites || !isOver(); n++) {
    const events = Array.from({ length: randomInt(1, 5) }, (_, m) =>
      eventOf(any(place.memberIds), { eventType: 'visit', reference: `drops-${n}-${m}` }),
    );
    for (let written = false; !written; ) {
      try {
        await trackEvents(sql, place.id, events);
        written = true;
      } catch {
        await pause(50);
      }
    }
    tail.wake();
    await pause(randomInt(0, 20));
  }
}

describe('in spite of everything that breaks', () => {
  it(
    'everybody gets each event once, in order, at whichever gateway',
    async () => {
      const apps = Array.from({ length: 6 }, () => new App(laurel.endpoints));
      await Promise.all(apps.map(({ isLive }) => isLive));
      const until = performance.now() + seconds * 1_000;
      const isOver = () => performance.now() > until;
      const writing = write(isOver);
      const breaks: Record<string, () => Promise<void>> = {
        socket: async () => any(apps).drop(),
        sockets: async () => {
          for (const app of apps) app.drop();
        },
        gateway: () => any(laurel.gateways).restart(),
        gamification: () => laurel.subgraph('gamification').restart(),
        identity: () => laurel.subgraph('identity').restart(),
        ...(losesDatabase && { database: () => laurel.loseDatabase(randomInt(100, 700)) }),
      };
      const names = Object.keys(breaks);
      // Each once at least, then whatever comes.
      for (let n = 0; !isOver() || n < names.length; n++) {
        await breaks[names[n] ?? any(names)]?.();
        await pause(randomInt(50, 500));
      }
      await writing;

      const { sql, cursors } = laurel.store.resources;
      const id = { communityId: place.id, stream: 'xp' } as const;
      const told: string[] = [];
      for (let from = 0; ; ) {
        const page = await eventsAfter(sql, id, from, 1_000);
        if (page.length === 0) break;
        told.push(...page.map(({ number }) => cursors.seal(id, number)));
        from = page.at(-1)?.number ?? from;
      }
      expect(told.length).toBeGreaterThanOrEqual(leastWrites);
      laurel.store.resources.tail.wake();
      await expect
        .poll(() => apps.map((app) => app.cursors.length), { timeout: 60_000 })
        .toEqual(apps.map(() => told.length));
      await Promise.all(apps.map((app) => app.stop()));
      for (const app of apps) {
        expect(app.cursors).toEqual(told);
        expect(app.words.get('StreamGap')).toBeUndefined();
        expect(app.reconnects).toBeGreaterThan(1);
      }
    },
    seconds * 1_000 + 120_000,
  );

  it('whoever was away for ten thousand events gets all of them', async () => {
    const away = new App(laurel.endpoints);
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
    const back = [0, 1].map((n) => new App(laurel.endpoints.slice(n, n + 1), away.cursor));
    await expect
      .poll(() => back.map(({ cursors }) => cursors.length), { timeout: 60_000 })
      .toEqual([10_000, 10_000]);
    await Promise.all(back.map((app) => app.stop()));
    expect(back[0]?.cursors).toEqual(back[1]?.cursors);
    expect(new Set(back[0]?.cursors).size).toBe(10_000);
  }, 120_000);
});
