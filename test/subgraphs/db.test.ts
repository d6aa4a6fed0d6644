import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  alignTo,
  connect,
  groupTo,
  migrate,
  type Sql,
  schemaProblem,
  schemas,
  transaction,
} from '../../subgraphs/db.ts';
import { newId } from '../../subgraphs/id.ts';
import { isOutage } from '../../subgraphs/outage.ts';
import { rowsOf } from '../../subgraphs/rows.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../kit/database.ts';

const opened: Sql[] = [];
function open(url: string, max = 2): Sql {
  const sql = connect(url, { max });
  opened.push(sql);
  return sql;
}
afterAll(() => Promise.all(opened.map((sql) => sql.end({ timeout: 5 }))));

describe('migrations', () => {
  it('run once, also when several processes start at once', async () => {
    const url = await emptyDatabase();
    const ran = await Promise.all([migrate(open(url)), migrate(open(url)), migrate(open(url))]);
    const [first = [], ...others] = ran.sort((a, b) => b.length - a.length);
    expect(first[0]).toBe('log/001.do.log.sql');
    expect(new Set(first.map((file) => file.split('/')[0]))).toEqual(new Set(schemas));
    expect(others).toEqual([[], []]);
  });

  it('have nothing to do the second time', async () => {
    const sql = open(await emptyDatabase());
    await migrate(sql);
    expect(await migrate(sql)).toEqual([]);
    expect(await schemaProblem(sql)).toBeUndefined();
  });

  it('leave the database as it was when one fails', async () => {
    const sql = open(await emptyDatabase());
    await sql.unsafe('create schema messaging; create table messaging.message (id text)');
    await expect(migrate(sql)).rejects.toThrow('already exists');
    const [row] =
      await sql`select to_regclass('log.event') as log, to_regclass('messaging.message')::text as message`;
    expect(row).toEqual({ log: null, message: 'messaging.message' });
  });
});

describe('schema', () => {
  it('that is empty keeps a process from serving', async () => {
    expect(await schemaProblem(open(await emptyDatabase()))).toMatch(
      /^The database's schema "log" is at version 0, this Laurel needs \d+: run `laurel migrate`\.$/,
    );
  });

  it('that is older keeps a process from serving', async () => {
    const sql = open(await emptyDatabase());
    await migrate(sql);
    await sql`delete from community.migration where version > 1`;
    expect(await schemaProblem(sql)).toMatch(
      /"community" is at version 1, this Laurel needs \d+: run `laurel migrate`/,
    );
  });

  it('that is newer keeps a process from serving', async () => {
    const sql = open(await emptyDatabase());
    await migrate(sql);
    await sql`insert into identity.migration (version, name) values (999, 'of a newer Laurel')`;
    expect(await schemaProblem(sql)).toMatch(
      /"identity" is at version 999, this Laurel knows \d+: run a newer Laurel/,
    );
  });
});

describe('ids', () => {
  it('are UUIDv7 that sort by the time and turn they were made in', () => {
    const from = Date.now();
    const ids = Array.from({ length: 10_000 }, () => newId('User'));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^usr_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
    const uuids = ids.map((id) => bytesOf(id.slice(4)));
    for (const uuid of uuids) expect(uuid).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    expect(Number(`0x${uuids[0]?.slice(0, 12)}`)).toBeGreaterThanOrEqual(from);
  });

  /** What the letters of an id say, in hex. */
  function bytesOf(letters: string): string {
    const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
    const number = [...letters].reduce((sum, letter) => sum * 32n + BigInt(alphabet.indexOf(letter)), 0n);
    return number.toString(16).padStart(32, '0');
  }
});

describe('rows', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.close());

  it('hold exact numbers, days and text as they are', async () => {
    const [row] = await database.sql`
      select 9007199254740993::bigint as whole, 0.1::numeric + 0.2::numeric as decimal, date '2026-03-08' as day,
        ${'ünï\u0001🎉'} as text`;
    expect(row).toEqual({
      whole: 9_007_199_254_740_993n,
      decimal: '0.3',
      day: '2026-03-08',
      text: 'ünï\u0001🎉',
    });
  });

  it('arrive as they are, many at once', async () => {
    const { sql } = database;
    const texts = [
      '',
      'null',
      'NULL',
      'plain_1',
      'a,b {c}',
      '"',
      '\\',
      ' spaced ',
      'two\nlines',
      'ünï🎉',
      null,
    ];
    const at = new Date('2026-03-08T07:00:00.123Z');
    const rows = texts.map((text, n) => ({
      text,
      whole: 2n ** 62n + BigInt(n),
      json: { text },
      at,
      not: undefined,
    }));
    const columns = 'text text, whole bigint, json json, at timestamptz, not boolean';
    expect([...(await sql`select r.* from ${rowsOf(sql, 'r', columns, rows)}`)]).toEqual(
      rows.map((row) => ({ ...row, not: null })),
    );
    expect(await sql`select r.* from ${rowsOf(sql, 'r', columns, [])}`).toHaveLength(0);
  });

  it('of a transaction that throws are not kept', async () => {
    const { sql } = database;
    await sql`create table note (text text)`;
    const failing = transaction(sql, async (tx) => {
      await tx`insert into note values ('lost')`;
      throw new Error('No.');
    });
    await expect(failing).rejects.toThrow('No.');
    expect(await sql`select * from note`).toHaveLength(0);
  });

  it('of a transaction whose connection is cut off are refused, and the pool goes on', async () => {
    const sql = open(database.url);
    const cut = transaction(sql, async (tx) => {
      const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await Promise.all([
        tx`select pg_sleep(60)`,
        database.sql`select pg_terminate_backend(${row?.pid ?? 0})`,
      ]);
    });
    await expect(cut).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });

  it('are asked of another pool of postgres.js after each loss of a connection', async () => {
    const sql = open(database.url);
    for (let n = 0; n < 3; n++) {
      const before = sql.options;
      const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      expect(sql.options).toBe(before);
      await database.sql`select pg_terminate_backend(${row?.pid ?? 0})`;
      await expect.poll(() => sql.options === before, { timeout: 5_000 }).toBe(false);
    }
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });

  it('come, or a refusal does, however many connections are cut off', async () => {
    const sql = open(database.url, 10);
    const killer = open(database.url);
    const refusals = new Set<unknown>();
    let done = false;
    const ask = async () => {
      for (let n = 0; !done || n === 0; n++) {
        const asked =
          n % 2 === 0 ? sql`select ${n}::int as n` : transaction(sql, (tx) => tx`select ${n}::int as n`);
        await asked.catch((error: unknown) => refusals.add(isOutage(error) || error));
        if (n % 5 === 0) await pause(1);
      }
    };
    const asking = Array.from({ length: 14 }, ask);
    for (let n = 0; n < 12; n++) {
      await killer`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query like '%::int as n%'`;
      await pause(50);
    }
    done = true;
    await Promise.all(asking);
    expect([...refusals]).toEqual([true]);
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });

  it('are given back in the order of the keys they were asked by', () => {
    const rows = [
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
      { key: 'b', value: 3 },
    ];
    const values = (found: ({ value: number } | null)[]) => found.map((row) => row?.value ?? null);
    expect(values(alignTo(['b', 'none', 'a', 'a'], rows, ({ key }) => key))).toEqual([3, null, 1, 1]);
    const groups = groupTo(['b', 'none', 'a', 'a'], rows, ({ key }) => key);
    expect(groups.map(values)).toEqual([[2, 3], [], [1], [1]]);
  });
});
