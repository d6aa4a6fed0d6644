import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Context, contextFor } from '../../subgraphs/context.ts';
import { cursorSeal } from '../../subgraphs/cursor.ts';
import { newId } from '../../subgraphs/id.ts';
import type { StreamId } from '../../subgraphs/log.ts';
import { anonymous } from '../../subgraphs/principal.ts';
import { openStream, readStream, type StreamOptions } from '../../subgraphs/stream.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';
import { take } from '../kit/subgraph.ts';

let database: TestDatabase;
let context: Context;
beforeAll(async () => {
  database = await freshDatabase();
  context = contextFor(database.resources, anonymous);
});
afterAll(() => database.close());

const newStream = (): StreamId => ({ communityId: newId('Community'), stream: 'xp' });

async function append({ communityId, stream }: StreamId, count = 1, kind = 'Tested'): Promise<void> {
  const events = Array.from({ length: count }, () => ({ kind, payload: {} }));
  await database.sql`select log.append(${communityId}, ${stream}, ${database.sql.json(events)})`;
  database.resources.tail.wake();
}

const open = (id: StreamId, options: Partial<StreamOptions> = {}) =>
  openStream(context, id, { includes: () => true, ...options });

/** The next steps, as words with the number that their cursor stands for: `event 3`. */
async function steps(id: StreamId, stream: AsyncIterator<{ step: string; cursor: string }>, count: number) {
  const taken = await take(stream, count);
  return taken.map(({ step, cursor }) => `${step} ${database.resources.cursors.open(id, cursor)}`);
}

const cursorAt = (id: StreamId, number: number) => database.resources.cursors.seal(id, number);

/** Includes all events; `seen(n)` resolves when it was asked about the n-th. */
function watched() {
  let count = 0;
  const waiting = new Map<number, () => void>();
  return {
    includes: () => {
      count++;
      waiting.get(count)?.();
      return true;
    },
    seen: (n: number) => new Promise<void>((resolve) => (count >= n ? resolve() : waiting.set(n, resolve))),
  };
}

describe('streams', () => {
  it('say that they are open, then bring what happens from then on, in order', async () => {
    const id = newStream();
    await append(id, 2);
    const stream = await open(id);
    await append(id, 3);
    await append(id);
    expect(await steps(id, stream, 5)).toEqual(['ready 2', 'event 3', 'event 4', 'event 5', 'event 6']);
    await stream.return();
  });

  it('bring exactly what was missed after a cursor, say so, and go on live', async () => {
    const id = newStream();
    await append(id, 5);
    const stream = await open(id, { after: cursorAt(id, 3) });
    await append(id, 1);
    expect(await steps(id, stream, 4)).toEqual(['event 4', 'event 5', 'event 6', 'resumed 6']);
    await append(id, 1);
    expect(await steps(id, stream, 1)).toEqual(['event 7']);
    await stream.return();
  });

  it('say that nothing was missed after the last cursor', async () => {
    const id = newStream();
    await append(id, 5);
    const stream = await open(id, { after: cursorAt(id, 5) });
    expect(await take(stream, 1)).toMatchObject([{ step: 'resumed', replayed: 0 }]);
    await stream.return();
  });

  it('lose and repeat nothing while others write, however often a client reconnects', async () => {
    const id = newStream();
    await append(id);
    const writing = (async () => {
      for (let n = 0; n < 60; n++) await append(id, 1 + (n % 3));
    })();
    const seen: number[] = [];
    for (let after = cursorAt(id, 0); seen.length < 121; ) {
      const stream = await open(id, { after });
      // A few items, then the connection breaks.
      for (let n = 0; n < 7 && seen.length < 121; n++) {
        const [item] = await take(stream, 1);
        after = item.cursor;
        if (item.step === 'event') seen.push(item.event.number);
      }
      await stream.return();
    }
    await writing;
    expect(seen).toEqual(Array.from({ length: 121 }, (_, n) => n + 1));
  });

  it('replay more events than a page of the log holds', async () => {
    const id = newStream();
    await append(id, 1_201);
    const stream = await open(id, { after: cursorAt(id, 0) });
    const taken = await take(stream, 1_202);
    expect(taken.filter(({ step }) => step === 'event')).toHaveLength(1_201);
    expect(taken.at(-1)).toMatchObject({ step: 'resumed', replayed: 1_201 });
    await stream.return();
  });

  it('leave out what their subscriber does not include, also when they replay', async () => {
    const id = newStream();
    await append(id, 1, 'Other');
    await append(id, 1, 'Tested');
    const includes: StreamOptions['includes'] = ({ kind }) => kind === 'Tested';
    const stream = await open(id, { after: cursorAt(id, 0), includes });
    await append(id, 1, 'Other');
    await append(id, 1, 'Tested');
    expect(await steps(id, stream, 3)).toEqual(['event 2', 'event 4', 'resumed 4']);
    await stream.return();
  });

  it('end at once when they are returned, also while they wait in silence', async () => {
    const id = newStream();
    const stream = await open(id);
    await take(stream, 1);
    const waiting = stream.next();
    await stream.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });
});

describe('streams with a gap', () => {
  it.each([
    ['some of what was missed', 3, 1],
    ['all that was missed', 5, 4],
  ])('say so when the log was pruned of %s', async (_what, pruned, seen) => {
    const id = newStream();
    await append(id, 5);
    await database.sql`delete from log.event where community_id = ${id.communityId} and number <= ${pruned}`;
    const stream = await open(id, { after: cursorAt(id, seen) });
    await append(id);
    const [gap, event] = await take(stream, 2);
    expect(gap).toMatchObject({ step: 'gap', reason: 'RETENTION_EXCEEDED', from: cursorAt(id, seen) });
    expect([gap.cursor, event.cursor]).toEqual([cursorAt(id, 5), cursorAt(id, 6)]);
    await stream.return();
  });

  it('say so when the secret of the cursor was replaced long ago', async () => {
    const id = newStream();
    await append(id, 2);
    const secrets = () => [{ id: 'former', secret: Buffer.alloc(32, 1) }];
    const after = cursorSeal(secrets).seal(id, 1);
    const stream = await open(id, { after });
    await append(id);
    const [gap, event] = await take(stream, 2);
    expect(gap).toMatchObject({ step: 'gap', reason: 'RETENTION_EXCEEDED', from: after });
    expect([gap.cursor, event.cursor]).toEqual([cursorAt(id, 2), cursorAt(id, 3)]);
    await stream.return();
  });

  it('have none when only what was seen is pruned', async () => {
    const id = newStream();
    await append(id, 5);
    await database.sql`delete from log.event where community_id = ${id.communityId} and number <= 3`;
    for (const [after, expected] of [
      [3, ['event 4', 'event 5', 'resumed 5']],
      [5, ['resumed 5']],
    ] as const) {
      const stream = await open(id, { after: cursorAt(id, after) });
      expect(await steps(id, stream, expected.length)).toEqual(expected);
      await stream.return();
    }
  });

  it('tell the oldest cursor that can be resumed after, and it can', async () => {
    const id = newStream();
    await append(id, 5);
    await database.sql`delete from log.event where community_id = ${id.communityId} and number <= 3`;
    const stream = await open(id);
    const [ready] = await take(stream, 1);
    expect(ready.retainedFrom).toBe(cursorAt(id, 3));
    await stream.return();
  });

  it('have none for a slow consumer: beyond its buffer it reads the log at its own pace', async () => {
    const id = newStream();
    const { includes, seen } = watched();
    const stream = await open(id, { includes, buffer: 3 });
    await append(id);
    expect(await steps(id, stream, 2)).toEqual(['ready 0', 'event 1']);
    await append(id, 9);
    await seen(10);
    const rest = await steps(id, stream, 9);
    expect(rest).toEqual(Array.from({ length: 9 }, (_, n) => `event ${n + 2}`));
    await append(id);
    expect(await steps(id, stream, 1)).toEqual(['event 11']);
    await stream.return();
  });

  it('tell one that is slower than the log is kept, from where to where', async () => {
    const id = newStream();
    const { includes, seen } = watched();
    const stream = await open(id, { includes, buffer: 3 });
    await append(id);
    expect(await steps(id, stream, 2)).toEqual(['ready 0', 'event 1']);
    await append(id, 9);
    await seen(10);
    await database.sql`delete from log.event where community_id = ${id.communityId} and number <= 7`;
    const [gap, event] = await take(stream, 2);
    expect(gap).toMatchObject({ step: 'gap', reason: 'SLOW_CONSUMER', from: cursorAt(id, 1) });
    expect([gap.cursor, event.cursor]).toEqual([cursorAt(id, 7), cursorAt(id, 8)]);
    await stream.return();
  });

  it('have none for a consumer that is slow within its buffer', async () => {
    const id = newStream();
    const { includes, seen } = watched();
    const stream = await open(id, { includes, buffer: 3 });
    await append(id, 3);
    await seen(3);
    expect(await steps(id, stream, 4)).toEqual(['ready 0', 'event 1', 'event 2', 'event 3']);
    await stream.return();
  });
});

describe('streams that begin with a snapshot', () => {
  /** What a stream counts, read together with where it stands. */
  const counted = (id: StreamId, meanwhile = async () => {}) => ({
    async snapshot() {
      const [row] = await database.sql<{ last: bigint }[]>`
        select coalesce(max(last), 0) as last from log.stream where community_id = ${id.communityId}`;
      await meanwhile();
      return { at: Number(row?.last), state: Number(row?.last) };
    },
  });

  it('tell how things stand, and after it each event that does not count in it', async () => {
    const id = newStream();
    await append(id, 2);
    const stream = await open(
      id,
      counted(id, () => append(id, 2)),
    );
    await append(id);
    const all = await take(stream, 5);
    expect(all.map(({ step }) => step)).toEqual(['snapshot', 'ready', 'event', 'event', 'event']);
    expect(all[0]).toEqual({ step: 'snapshot', cursor: cursorAt(id, 2), state: 2 });
    expect(all[1].cursor).toBe(cursorAt(id, 2));
    expect(all.slice(2).map(({ event }) => event.number)).toEqual([3, 4, 5]);
    await stream.return();
  });

  it('have none when they are resumed, and one where there is a gap', async () => {
    const id = newStream();
    await append(id, 5);
    const resumed = await open(id, { after: cursorAt(id, 4), ...counted(id) });
    expect(await steps(id, resumed, 2)).toEqual(['event 5', 'resumed 5']);
    await database.sql`delete from log.event where community_id = ${id.communityId} and number <= 3`;
    const lost = await open(id, { after: cursorAt(id, 1), ...counted(id) });
    expect(await steps(id, lost, 2)).toEqual(['snapshot 5', 'gap 5']);
    await Promise.all([resumed.return(), lost.return()]);
  });
});

describe('permission', () => {
  it('is asked for again before an event, and filters it', async () => {
    const id = newStream();
    let allowed = 'A';
    const permitted = async () => {
      const now = allowed;
      return ({ kind }: { kind: string }) => kind === now;
    };
    const stream = await open(id, { permitted });
    await append(id, 1, 'A');
    expect(await steps(id, stream, 2)).toEqual(['ready 0', 'event 1']);
    allowed = 'B';
    await append(id, 1, 'A');
    await append(id, 1, 'B');
    expect(await steps(id, stream, 1)).toEqual(['event 3']);
    await stream.return();
  });

  it.each([
    ['live', undefined, ['ready 1', 'event 2', 'ending 2']],
    ['in what was missed', 0, ['ending 0']],
  ])('that is gone ends the stream before the event: %s', async (_when, after, told) => {
    const id = newStream();
    await append(id);
    let gone = after !== undefined;
    const permitted = async () => (gone ? undefined : () => true);
    const stream = await open(id, {
      permitted,
      ...(after === undefined ? {} : { after: cursorAt(id, after) }),
    });
    await append(id);
    expect(await steps(id, stream, told.length - 1)).toEqual(told.slice(0, -1));
    gone = true;
    await append(id);
    expect(await steps(id, stream, 2)).toEqual(told.slice(-1));
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    await stream.return();
  });
});

describe('pages of a stream', () => {
  const page = async (id: StreamId, options: Partial<Parameters<typeof readStream>[2]> = {}) => {
    const read = await readStream(context, id, { first: 2, includes: () => true, ...options });
    const at = (cursor: string) => database.resources.cursors.open(id, cursor);
    return (
      read && {
        ...{
          hasNextPage: read.hasNextPage,
          position: at(read.position),
          retainedFrom: at(read.retainedFrom),
        },
        steps: read.steps.map(({ step, cursor }) => `${step} ${at(cursor)}`),
      }
    );
  };

  it('go from the oldest event to the newest, and on from there when there is more', async () => {
    const id = newStream();
    await append(id, 3);
    const first = { steps: ['event 1', 'event 2'], position: 2, hasNextPage: true, retainedFrom: 0 };
    expect(await page(id)).toEqual(first);
    const rest = { steps: ['event 3'], position: 3, hasNextPage: false, retainedFrom: 0 };
    expect(await page(id, { after: cursorAt(id, 2) })).toEqual(rest);
    expect(await page(id, { after: cursorAt(id, 3) })).toMatchObject({ steps: [], position: 3 });
    await append(id);
    expect(await page(id, { after: cursorAt(id, 3) })).toMatchObject({ steps: ['event 4'] });
  });

  it('hold what is included and may be seen, and say where to go on when that was nothing', async () => {
    const id = newStream();
    await append(id, 2, 'Other');
    await append(id, 2);
    const includes: StreamOptions['includes'] = ({ kind }) => kind === 'Tested';
    expect(await page(id, { includes, first: 1 })).toMatchObject({ steps: ['event 3'], position: 3 });
    const permitted = async () => (event: { number: number }) => event.number === 4;
    expect(await page(id, { permitted })).toMatchObject({ steps: ['event 4'], position: 4 });
    expect(await page(id, { includes: () => false })).toMatchObject({
      steps: [],
      position: 4,
      hasNextPage: false,
    });
    expect(await page(id, { permitted: async () => undefined })).toBeUndefined();
  });

  it('are looked for in 5,000 events at a time', async () => {
    const id = newStream();
    await append(id, 5_200, 'Other');
    await append(id);
    const includes: StreamOptions['includes'] = ({ kind }) => kind === 'Tested';
    const first = await page(id, { includes });
    expect(first).toMatchObject({ steps: [], hasNextPage: true });
    expect(first?.position).toBeGreaterThanOrEqual(5_000);
    const after = cursorAt(id, first?.position ?? 0);
    expect(await page(id, { includes, after })).toMatchObject({ steps: ['event 5201'], hasNextPage: false });
  });

  it('begin with the gap where events are gone, as a stream does', async () => {
    const id = newStream();
    await append(id, 5);
    await database.sql`delete from log.event where community_id = ${id.communityId} and number <= 3`;
    expect(await page(id, { after: cursorAt(id, 1) })).toEqual({
      steps: ['gap 3', 'event 4', 'event 5'],
      position: 5,
      hasNextPage: false,
      retainedFrom: 3,
    });
    expect(await page(id)).toMatchObject({ steps: ['event 4', 'event 5'] });
    await database.sql`delete from log.event where community_id = ${id.communityId}`;
    expect(await page(id, { after: cursorAt(id, 1) })).toMatchObject({
      steps: ['gap 5'],
      hasNextPage: false,
    });
  });

  it('BAD_CURSOR: a cursor of another stream', async () => {
    const id = newStream();
    await expect(page(id, { after: cursorAt(newStream(), 1) })).rejects.toMatchObject({ code: 'BAD_CURSOR' });
  });
});

describe('a thousand that come back at once', () => {
  it('read what they missed together, and each gets all of it', async () => {
    const id = newStream();
    await append(id, 1_000);
    const counts: number[] = [];
    const statements = await database.statementsOf(async () => {
      const all = Array.from({ length: 1_000 }, async (_, n) => {
        const stream = await open(id, { after: cursorAt(id, n) });
        let events = 0;
        for await (const { step } of stream) {
          if (step === 'resumed') break;
          events++;
        }
        counts[n] = events;
      });
      await Promise.all(all);
    });
    expect(counts).toEqual(Array.from({ length: 1_000 }, (_, n) => 1_000 - n));
    const reads = statements.filter((name) => name === 'eventsAfter' || name === 'extentOf');
    expect(reads.length).toBeLessThan(20);
  });
});

describe('streams: refusals', () => {
  it('BAD_CURSOR: a cursor of another stream, another community, or the future', async () => {
    const id = newStream();
    await append(id, 2);
    for (const after of [
      cursorAt({ ...id, stream: 'messages' }, 1),
      cursorAt(newStream(), 1),
      cursorAt(id, 3),
      'x',
    ])
      await expect(open(id, { after })).rejects.toMatchObject({ code: 'BAD_CURSOR' });
  });
});
