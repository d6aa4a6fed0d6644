import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { foundCommunity } from '../../subgraphs/community/community.ts';
import { connect, migrate, packageRoot } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import { trackEvents } from '../../subgraphs/gamification/event.ts';
import { createLeaderboard } from '../../subgraphs/gamification/leaderboard-change.ts';
import { setLevels } from '../../subgraphs/gamification/level-change.ts';
import { plainRule, setRules } from '../../subgraphs/gamification/rule.ts';
import { newId } from '../../subgraphs/id.ts';
import { renewSystemKey } from '../../subgraphs/identity/system-key.ts';
import { PlainRows } from './plain-rows.ts';
import { median } from './report.ts';

// `npm run bench:awards`: awards a second, through the graph of a Laurel in a process of its own, by its write path
// alone, and by writing the same rows without any logic. An award is one event with two entries, in a community with
// levels and a leaderboard. All ways take turns within a round; ratios are medians of the rounds.
//
// --rounds 5   --events 8000 (a round, in batches)   --singles 400 (a round)   --people 2000 (a community)
// --profile FOLDER (where Laurel's CPU profile goes)

const text = (name: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const flag = (name: string, usual: number) => Number(text(name) ?? usual);
const rounds = flag('rounds', 5);
const events = flag('events', 8_000);
const singles = flag('singles', 400);
const people = flag('people', 2_000);
const batch = 1_000;
const clients = 8;
/** How many events were made, all runs together. */
let made = 0;

interface Place {
  id: string;
  key: string;
  userIds: string[];
  /** A community like it, for what is written without logic: that keeps no leaderboard right. */
  twin: Omit<Place, 'twin'>;
}

/** A way to make awards. */
interface Way {
  name: string;
  /** What it is compared with. */
  of?: string;
  /** Prepares work for some events of some places and gives what does it. */
  prepare(place: Place, size: number): Promise<() => Promise<unknown>>;
}

const queries = {
  batch: 'mutation ($input: TrackEventsInput!) { trackEvents(input: $input) { results { SELECTED } } }',
  one: 'mutation ($input: TrackEventInput!) { trackEvent(input: $input) { SELECTED } }',
};
const short = 'outcome userErrors { code }';
const full =
  'outcome replayed leveledUp ledger { id unit amount balanceAfter } userErrors { code message path }';

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
const server = await startEmbedded({ dataFolder: folder, log: () => {} });
const sql = connect(server.url, { max: 10 });
let laurel: ChildProcess | undefined;
let pool: Pool | undefined;
try {
  await sql`alter system set max_wal_size = '8GB'`;
  await sql`select pg_reload_conf()`;
  await migrate(sql);
  const places: Place[] = [];
  for (let n = 0; n < clients; n++) {
    places.push({ ...(await placeOf(`bench-${n}`)), twin: await placeOf(`plain-${n}`) });
  }
  const plain = await PlainRows.open(sql);
  await sql`vacuum analyze`;

  const started = await startLaurel();
  laurel = started.process;
  pool = new Pool(new URL(started.endpoint).origin, { connections: clients });

  const graph = (name: string, of: string, selected: string): Way => ({
    name,
    of,
    async prepare({ key, userIds }, size) {
      const inputs = Array.from({ length: size }, () => ({ user: { id: anyOf(userIds) }, ...event() }));
      const query = (size === 1 ? queries.one : queries.batch).replace('SELECTED', selected);
      const input = size === 1 ? inputs[0] : { events: inputs };
      const body = JSON.stringify({ query, variables: { input } });
      return () => send(body, key);
    },
  });
  const ways: Way[] = [
    {
      name: 'bare insert',
      prepare: async ({ twin }, size) => plain.bare(twin.id, rowsOf(twin, size)),
    },
    {
      name: 'no logic',
      of: 'bare insert',
      prepare: async ({ twin }, size) => plain.all(twin.id, rowsOf(twin, size)),
    },
    {
      name: 'write path',
      of: 'no logic',
      async prepare({ id, userIds }, size) {
        const ask = Array.from({ length: size }, () => {
          const [user, { eventType, reference }] = [{ id: anyOf(userIds) }, event()];
          return { user, eventType, reference, amount: null, metadata: null, occurredAt: null };
        });
        return () => trackEvents(sql, id, ask);
      },
    },
    graph('graph, outcome', 'write path', short),
    graph('graph, entries', 'write path', full),
  ];
  const [hot] = places as [Place];
  await measure('1,000 at a time, 1 client', ways, [hot], 1, batch);
  await measure('1,000 at a time, 8 clients, 8 communities', ways, places, clients, batch);
  await measure('1,000 at a time, 8 clients, one community', ways, [hot], clients, batch);
  await measure('one at a time, 1 client', ways, [hot], 1, 1);
  await measure('one at a time, 8 clients, 8 communities', ways, places, clients, 1);
  await measure('one at a time, 8 clients, one community', ways, [hot], clients, 1);
} finally {
  await pool?.close();
  if (laurel !== undefined) {
    laurel.kill('SIGTERM');
    await once(laurel, 'close');
  }
  await sql.end({ timeout: 5 });
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

async function measure(
  title: string,
  ways: readonly Way[],
  places: readonly Place[],
  width: number,
  size: number,
): Promise<void> {
  const count = size === 1 ? singles : Math.max(width, Math.round(events / size));
  const rates = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds + 1; round++) {
    for (let turn = 0; turn < ways.length; turn++) {
      // Nobody is always first.
      const { name, prepare } = ways[(turn + round) % ways.length] as Way;
      const works: (() => Promise<unknown>)[] = [];
      for (let n = 0; n < count; n++) works.push(await prepare(places[n % places.length] as Place, size));
      const from = performance.now();
      const queue = works.values();
      const client = async () => {
        for (const work of queue) await work();
      };
      await Promise.all(Array.from({ length: width }, client));
      const seconds = (performance.now() - from) / 1_000;
      // The first round warms up.
      if (round > 0) rates.get(name)?.push((count * size) / seconds);
    }
  }
  process.stdout.write(`\n${title}\n`);
  for (const { name, of } of ways) {
    const own = rates.get(name) ?? [];
    const ratios = ['bare insert', ...(of === undefined || of === 'bare insert' ? [] : [of])].map((base) => {
      const other = rates.get(base) ?? [];
      return `${median(own.map((rate, n) => rate / (other[n] ?? 0))).toFixed(2)} of ${base}`;
    });
    const rate = Math.round(median(own)).toLocaleString('en');
    process.stdout.write(`  ${name.padEnd(16)} ${rate.padStart(8)} a second   ${ratios.join(', ')}\n`);
  }
}

/** Laurel as its users run it, with a budget that no bench ends. */
async function startLaurel(): Promise<{ process: ChildProcess; endpoint: string }> {
  const profile = text('profile');
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = spawn(process.execPath, [...flags, join(packageRoot(), 'bin/laurel.js'), 'start'], {
    env: {
      ...{ PATH: process.env.PATH, HOST: '127.0.0.1', PORT: '0', DATABASE_URL: server.url },
      ...{ LAUREL_DATA: join(folder, 'laurel'), LAUREL_BUDGET: 'off' },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  const endpoint = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (part) => {
      said += part;
      const [, found] = /ready at (\S+)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => reject(new Error(`Laurel ended: ${said}`)));
  });
  return { process: child, endpoint };
}

/** A community with a rule of two units, levels, a leaderboard of all time, and people. */
async function placeOf(slug: string): Promise<Omit<Place, 'twin'>> {
  const now = new Date();
  const { id } = await foundCommunity(sql, { slug, name: 'Bench', timeZone: 'UTC' }, now);
  const { secret } = await renewSystemKey(sql, id, 0, now);
  await setRules(sql, id, [
    { id: newId('Rule'), ...plainRule('purchase', { en: 'Purchase' }, { XP: 10, COINS: 2 }) },
  ]);
  const levels = Array.from({ length: 20 }, (_, at) => ({
    number: at + 1,
    minXp: at * at * 1_000,
    name: { en: `Level ${at + 1}` },
  }));
  await setLevels(sql, id, levels);
  const board = {
    ...{ slug: 'top', name: { en: 'Top' }, unit: 'XP' as const, windows: ['ALL_TIME' as const] },
    ...{ startsOn: null, endsOn: null, columns: [], topLimit: null, onlyPositive: true, enabled: true },
    ...{ rankRoleIds: [], viewRoleIds: [] },
  };
  await createLeaderboard(sql, { kind: 'system', communityId: id, scopes: [] }, board, 'bench', now);
  const userIds = Array.from({ length: people }, () => newId('User'));
  await sql`
    insert into identity.user (community_id, id, display_name)
    select ${id}, u, 'Bench' from unnest(${userIds}::text[]) u`;
  await sql`
    insert into community.member (community_id, user_id, joined_at)
    select ${id}, u, now() from unnest(${userIds}::text[]) u`;
  return { id, key: secret, userIds };
}

function event() {
  made++;
  return { eventType: 'purchase', reference: `order-${made}` };
}

function rowsOf({ userIds }: Omit<Place, 'twin'>, size: number) {
  return Array.from({ length: size }, () => {
    const { eventType, reference } = event();
    return { userId: anyOf(userIds), eventType, reference };
  });
}

function anyOf(userIds: readonly string[]): string {
  return userIds[Math.floor(Math.random() * userIds.length)] as string;
}

async function send(body: string, key: string): Promise<void> {
  const { statusCode, body: answer } = await (pool as Pool).request({
    path: '/graphql',
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', 'x-api-key': key },
    body,
  });
  const said = Buffer.from(await answer.arrayBuffer());
  if (statusCode !== 200 || said.includes('"code"'))
    throw new Error(`Laurel answered ${said.subarray(0, 500)}`);
}
