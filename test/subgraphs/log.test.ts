import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connect, type Sql, transaction } from '../../subgraphs/db.ts';
import { newId } from '../../subgraphs/id.ts';
import { eventsAfter, extentOf, pruneLog, type StreamId } from '../../subgraphs/log.ts';
import { catchUp, keepReading, type LogReader, readersBehind } from '../../subgraphs/log-reader.ts';
import { openTail } from '../../subgraphs/log-tail.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';

let database: TestDatabase;
let other: Sql;
beforeAll(async () => {
  database = await freshDatabase();
  // What another process on the same database would have.
  other = connect(database.url);
});
afterAll(async () => {
  await other.end({ timeout: 5 });
  await database.close();
});

const newStream = (): StreamId => ({ communityId: newId('Community'), stream: 'xp' });

/** Appends events of this kind in one statement. */
async function append({ communityId, stream }: StreamId, count = 1, sql = database.sql, kind = 'Tested') {
  const events = Array.from({ length: count }, (_, n) => ({ kind, payload: { n } }));
  await sql`select log.append(${communityId}, ${stream}, ${sql.json(events)})`;
}

const numbersTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

/** A reader that writes down what it handles, in a table of its own. */
async function recordingReader(): Promise<LogReader & { handled(communityId: string): Promise<number[]> }> {
  const name = `test.${newId('LedgerEvent')}`;
  await database.sql`create table if not exists handled (at bigserial, reader text, community text, number bigint)`;
  return {
    name,
    stream: 'xp',
    async handle(sql, communityId, events) {
      const numbers = events.map(({ number }) => String(number));
      await sql`
        insert into handled (reader, community, number)
        select ${name}, ${communityId}, n::bigint from unnest(${numbers}::text[]) n`;
    },
    async handled(communityId) {
      const rows = await database.sql<{ number: bigint }[]>`
        select number from handled where reader = ${name} and community = ${communityId} order by at`;
      return rows.map(({ number }) => Number(number));
    },
  };
}

describe('log: writing', () => {
  it('numbers events without a hole, in the order they become visible, under concurrent writers', async () => {
    const id = newStream();
    const seen: number[] = [];
    let done = () => {};
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    const stop = database.resources.tail.follow(id, 0, (events) => {
      seen.push(...events.map(({ number }) => number));
      if (seen.length >= 60) done();
    });
    const writers = numbersTo(40).map((n) =>
      transaction(n % 2 === 0 ? database.sql : other, async (tx) => {
        await append(id, 2, tx);
        await tx`select pg_sleep(${(n % 3) / 1_000})`;
        // Every fourth changes its mind; its numbers are given to the next.
        if (n % 4 === 0) throw new Error('rolled back');
        database.resources.tail.wake();
      }),
    );
    const outcomes = await Promise.allSettled(writers);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(10);
    await all;
    stop();
    expect(seen).toEqual(numbersTo(60));
  });

  it('keeps the events of one statement in their order, and streams apart', async () => {
    const id = newStream();
    await append(id, 3);
    await append({ ...id, stream: 'messages' }, 1);
    const events = await eventsAfter(database.sql, id, 0, 10);
    expect(events.map(({ number, payload }) => [number, payload])).toEqual([
      [1, { n: 0 }],
      [2, { n: 1 }],
      [3, { n: 2 }],
    ]);
    expect(await extentOf(database.sql, id)).toEqual({ first: 1, last: 3 });
  });
});

describe('log: following', () => {
  it('brings what another process appends', async () => {
    const id = newStream();
    const tail = await openTail(other, () => {});
    const brought = new Promise<number[]>((resolve) => {
      tail.follow(id, 0, (events) => resolve(events.map(({ number }) => number)));
    });
    await append(id, 2);
    database.resources.tail.wake();
    expect(await brought).toEqual([1, 2]);
    await tail.close();
  });

  it('brings each follower what it has not seen, from wherever it began', async () => {
    const id = newStream();
    await append(id, 5);
    const follow = (position: number, last: number) =>
      new Promise<number[]>((resolve) => {
        const seen: number[] = [];
        const stop = database.resources.tail.follow(id, position, (events) => {
          seen.push(...events.map(({ number }) => number));
          if (seen.at(-1) === last) {
            stop();
            resolve(seen);
          }
        });
      });
    const followers = [follow(0, 7), follow(3, 7), follow(5, 7)];
    await append(id, 2);
    database.resources.tail.wake();
    expect(await Promise.all(followers)).toEqual([numbersTo(7), [4, 5, 6, 7], [6, 7]]);
  });
});

describe('log: background readers', () => {
  it('handle each event once and in order, though two processes compete', async () => {
    const reader = await recordingReader();
    const streams = numbersTo(5).map(newStream);
    for (const id of streams) await append(id, 40);
    const reading = [catchUp(database.sql, reader), catchUp(other, reader)];
    for (const id of streams) await append(id, 10);
    await Promise.all([...reading, catchUp(other, reader)]);
    await catchUp(database.sql, reader);
    for (const { communityId } of streams) expect(await reader.handled(communityId)).toEqual(numbersTo(50));
  });

  it('that fail leave no trace, and handle the same events again', async () => {
    const reader = await recordingReader();
    const id = newStream();
    await append(id, 3);
    const failing: LogReader = {
      ...reader,
      async handle(...args) {
        await reader.handle(...args);
        if (args[1] === id.communityId) throw new Error('half way');
      },
    };
    await expect(catchUp(database.sql, failing)).rejects.toThrow('half way');
    expect(await reader.handled(id.communityId)).toEqual([]);
    await catchUp(database.sql, reader);
    expect(await reader.handled(id.communityId)).toEqual([1, 2, 3]);
  });

  it('go on past events that were pruned before they were read, in every community', async () => {
    const streams = [newStream(), newStream(), newStream()];
    for (const id of streams) await append(id, 3);
    await database.sql`delete from log.event where community_id = ${streams[0]?.communityId ?? ''}`;
    const reader = await recordingReader();
    await catchUp(database.sql, reader);
    const handled = await Promise.all(streams.map(({ communityId }) => reader.handled(communityId)));
    expect(handled).toEqual([[], [1, 2, 3], [1, 2, 3]]);
  });

  it('are asked for at once, and those that have nothing to do do nothing', async () => {
    const [idle, busy] = [await recordingReader(), await recordingReader()];
    const id = newStream();
    await append(id);
    for (const reader of [idle, busy]) await catchUp(database.sql, reader);
    expect(await readersBehind(database.sql, [idle, busy])).toEqual([]);
    await append(id);
    await catchUp(database.sql, idle);
    expect(await readersBehind(database.sql, [idle, busy])).toEqual([busy]);
    const fresh = await recordingReader();
    expect(await readersBehind(database.sql, [fresh, idle])).toEqual([fresh]);
    const statements = await database.statementsOf(async () => {
      const reading = keepReading(database.sql, database.resources.tail, [idle, busy], () => {});
      await vi.waitUntil(async () => (await busy.handled(id.communityId)).length === 2, { interval: 20 });
      await reading.stop();
    });
    expect(statements.filter((name) => name.startsWith('catchUp'))).toHaveLength(1);
  });

  it('are woken by what is appended', async () => {
    const recording = await recordingReader();
    const id = newStream();
    let handled = () => {};
    const woken = new Promise<void>((resolve) => {
      handled = resolve;
    });
    const reader: LogReader = {
      ...recording,
      async handle(sql, communityId, events) {
        await recording.handle(sql, communityId, events);
        if (communityId === id.communityId) handled();
      },
    };
    const reading = keepReading(database.sql, database.resources.tail, [reader], () => {});
    await append(id);
    database.resources.tail.wake();
    await woken;
    await reading.stop();
    expect(await recording.handled(id.communityId)).toEqual([1]);
  });
});

describe('log: pruning', () => {
  it('forgets events older than the retention, and never their numbers', async () => {
    const id = newStream();
    await append(id, 3);
    await database.sql`
      update log.event set occurred_at = now() - interval '8 days'
      where community_id = ${id.communityId} and number < 3`;
    expect(await pruneLog(database.sql)).toBe(2);
    expect(await extentOf(database.sql, id)).toEqual({ first: 3, last: 3 });
    await database.sql`delete from log.event where community_id = ${id.communityId}`;
    expect(await extentOf(database.sql, id)).toEqual({ first: 4, last: 3 });
    await append(id);
    expect(await extentOf(database.sql, id)).toEqual({ first: 4, last: 4 });
  });
});
