import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type Sql, transaction } from '../../subgraphs/db.ts';
import { newId } from '../../subgraphs/id.ts';
import { eventsAfter, extentOf, openTail, pruneLog, type StreamId } from '../../subgraphs/log.ts';
import { catchUp, keepReading, type LogReader } from '../../subgraphs/log-reader.ts';
import { cursorSeal, secretsFor } from '../../subgraphs/secret.ts';
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

const secretsOf = (...bytes: number[]) =>
  bytes.map((byte) => ({ id: String(byte), secret: Buffer.alloc(32, byte) }));

describe('cursors', () => {
  const cursors = cursorSeal(secretsOf(7));

  it('open to the number they were sealed with, and are the same for everybody', () => {
    const id = newStream();
    for (const number of [0, 1, 2 ** 40]) expect(cursors.open(id, cursors.seal(id, number))).toBe(number);
    expect(cursors.seal(id, 5)).toBe(cursors.seal({ ...id }, 5));
  });

  it('outlive their secret as long as it is kept', () => {
    const id = newStream();
    const cursor = cursors.seal(id, 5);
    expect(cursorSeal(secretsOf(9, 7)).open(id, cursor)).toBe(5);
    expect(cursorSeal(secretsOf(9, 7)).seal(id, 5)).not.toBe(cursor);
  });

  it('tell nothing: neighbours have no more in common than strangers', () => {
    const id = newStream();
    const sealed = numbersTo(200).map((number) => Buffer.from(cursors.seal(id, number), 'base64url'));
    for (let at = 0; at < 16; at++)
      expect(new Set(sealed.map((bytes) => bytes[at])).size).toBeGreaterThan(60);
    expect(new Set(sealed.map((bytes) => bytes.length))).toEqual(new Set([16]));
  });

  it.each<[string, (id: StreamId) => string]>([
    ['of another stream', (id) => cursors.seal({ ...id, stream: 'messages' }, 1)],
    ['of another community', (id) => cursors.seal({ ...id, communityId: newId('Community') }, 1)],
    ['of another Laurel', (id) => cursorSeal(secretsOf(8)).seal(id, 1)],
    ['that was cut', (id) => cursors.seal(id, 1).slice(1)],
    ['that is only a number', () => '1'],
    ['that is empty', () => ''],
  ])('BAD_CURSOR: one %s', (_what, cursorFor) => {
    const id = newStream();
    expect(() => cursors.open(id, cursorFor(id))).toThrow(expect.objectContaining({ code: 'BAD_CURSOR' }));
  });
});

describe('secrets', () => {
  it('are the same for processes that ask at the same moment, and differ by purpose', async () => {
    const asked = [secretsFor(database.sql, 'principal'), secretsFor(other, 'principal')];
    const [first, second] = await Promise.all(asked);
    expect(first).toEqual(second);
    expect(first?.[0]?.secret).toHaveLength(32);
    expect(await secretsFor(other, 'cursor')).not.toEqual(first);
  });
});
