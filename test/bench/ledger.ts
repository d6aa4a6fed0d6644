import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { addCommunity } from '../../subgraphs/community/community.ts';
import { connect, migrate, type Sql } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import { seriesByUser } from '../../subgraphs/gamification/daily-stat.ts';
import { balancesByUser, entriesByUser, entriesOfCommunity } from '../../subgraphs/gamification/ledger.ts';
import { newId } from '../../subgraphs/id.ts';
import { type Looked, postgresTime } from './postgres-time.ts';
import { median } from './report.ts';

// `npm run bench:ledger [entries] [fewer]`: what reads of balances, days and the ledger cost in PostgreSQL itself with ten
// million entries, as a ratio to what they cost with one million. Each event of 100 days has two entries; one in a hundred
// is of one busy person, whose pages are deep.

const sizes = [Number(process.argv[3] ?? 1_000_000), Number(process.argv[2] ?? 10_000_000)];
const looks = 200;
const days = 100;
const tables = ['event', 'ledger_entry', 'profile', 'daily_stat'];

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
const server = await startEmbedded({ dataFolder: folder, log: () => {} });
const sql = connect(server.url, { max: 2 });
// Takes as long as it takes.
const setup = postgres(server.url, { max: 1, onnotice: () => {} });
try {
  await migrate(sql);
  const id = newId('Community');
  const settings = { slug: 'bench', name: { en: 'Bench' }, timeZone: 'UTC', createdAt: new Date() };
  await addCommunity(sql, { id, ...settings });
  for (const table of tables) await setup.unsafe(`alter table gamification.${table} set unlogged`);
  await setup`set maintenance_work_mem = '512MB'`;

  const results: Map<string, Looked[]>[] = [];
  for (const entries of sizes) {
    await fill(id, entries);
    results.push(await reads(id, entries / 200));
  }
  const [few, many] = results as [Map<string, Looked[]>, Map<string, Looked[]>];
  const heads = sizes.map((size) => size.toLocaleString('en').padEnd(38)).join('');
  process.stdout.write(`\n${' '.repeat(40)}${heads}growth: time, pages\n`);
  for (const [what, looked] of few) {
    const both = [looked, many.get(what) ?? []];
    const ms = both.map((one) => median(one.map((look) => look.ms)));
    const pages = both.map((one) => median(one.map((look) => look.pages)));
    const told = both.map((one, n) => {
      const worst = Math.max(...one.map((look) => look.ms)).toFixed(2);
      return `${ms[n]?.toFixed(2)} ms, at most ${worst}, ${pages[n]} pages`.padEnd(38);
    });
    const growth = [ms, pages].map(([before = 0, after = 0]) => `${(after / before).toFixed(2)} x`);
    process.stdout.write(`${what.padEnd(40)}${told.join('')}${growth.join(', ')}\n`);
  }
} finally {
  await setup.end({ timeout: 5 });
  await sql.end({ timeout: 5 });
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

/** As many entries as asked for, of 200 for each person, in the order of their time; indexed afterwards. */
async function fill(communityId: string, entries: number): Promise<void> {
  const [events, people] = [entries / 2, entries / 200];
  await setup.unsafe(`truncate ${tables.map((table) => `gamification.${table}`).join(', ')}`);
  const indexes = await setup<{ name: string; definition: string }[]>`
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
    from pg_index i
    where i.indrelid in ('gamification.event'::regclass, 'gamification.ledger_entry'::regclass) and not exists (
      select from pg_constraint c where c.conindid = i.indexrelid
    )`;
  for (const { name } of indexes) await setup.unsafe(`drop index ${name}`);
  const made = `generate_series(1, ${events}) n cross join lateral (
    select 'evt_' || lpad(n::text, 12, '0') as event_id, now() - (${events} - n) * interval '${days} days' / ${events} as at,
      ${person(`case when n % 100 = 0 then 1 else 1 + n::bigint * 7919 % ${people} end`)} as user_id
  ) e`;
  await setup.unsafe(
    `insert into gamification.event (community_id, id, event_type, user_id, timed, occurred_at, recorded_at)
     select $1, event_id, 'purchase', user_id, false, at, at from ${made}`,
    [communityId],
  );
  await setup.unsafe(
    `insert into gamification.ledger_entry (
       community_id, id, user_id, unit, amount, balance_after, event_id, event_type, occurred_at, recorded_at
     )
     select $1, 'led_' || lpad((2 * n + k)::text, 12, '0'), user_id, (array['XP', 'COINS'])[k], 10, 10, event_id,
       'purchase', at, at
     from ${made} cross join generate_series(1, 2) k`,
    [communityId],
  );
  await setup.unsafe(
    `insert into gamification.profile (community_id, user_id, xp, coins)
     select $1, ${person('n')}, 1000, 1000 from generate_series(1, ${people}) n`,
    [communityId],
  );
  await setup.unsafe(
    `insert into gamification.daily_stat (community_id, user_id, date, xp, coins)
     select $1, ${person('n')}, current_date - d, 10, 10
     from generate_series(1, ${people}) n cross join generate_series(0, ${days - 1}) d`,
    [communityId],
  );
  for (const { definition } of indexes) await setup.unsafe(definition);
  await setup.unsafe(`vacuum analyze ${tables.map((table) => `gamification.${table}`).join(', ')}`);
}

async function reads(communityId: string, people: number): Promise<Map<string, Looked[]>> {
  const now = new Date();
  const first = { first: 50 };
  const halfway = { to: new Date(now.getTime() - (days / 2) * 24 * 60 * 60 * 1_000) };
  const anybody = () => personNamed(1 + Math.floor(Math.random() * people));
  const many = () => Array.from({ length: 50 }, anybody);
  const busy = [personNamed(1)];
  const [own] = await entriesByUser(sql, communityId, busy, { range: halfway }, { first: 1 });
  const all = await entriesOfCommunity(sql, communityId, null, { range: halfway }, { first: 1 });
  const deep = (page: typeof own) => ({ ...first, after: page?.edges[0]?.cursor ?? '' });
  const works: readonly [string, (sql: Sql) => Promise<unknown>][] = [
    ['balances of 50 people', (sql) => balancesByUser(sql, communityId, many())],
    ['30 days of 50 people', (sql) => seriesByUser(sql, communityId, many(), { last: 30, range: null }, now)],
    ["50 entries, one person's first", (sql) => entriesByUser(sql, communityId, [anybody()], {}, first)],
    ["50 entries, the busy person's halfway", (sql) => entriesByUser(sql, communityId, busy, {}, deep(own))],
    ["50 entries, the community's first", (sql) => entriesOfCommunity(sql, communityId, null, {}, first)],
    [
      "50 entries, the community's halfway",
      (sql) => entriesOfCommunity(sql, communityId, null, {}, deep(all)),
    ],
  ];
  const clock = await postgresTime(server.url);
  const results = new Map<string, Looked[]>();
  for (const [what, look] of works) results.set(what, await clock.of(look, looks));
  await clock.end();
  return results;
}

function personNamed(n: number): string {
  return `usr_${String(n).padStart(12, '0')}`;
}

/** The same in SQL. */
function person(n: string): string {
  return `'usr_' || lpad((${n})::text, 12, '0')`;
}
