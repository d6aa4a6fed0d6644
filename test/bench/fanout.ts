import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, migrate, packageRoot, type Sql } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import { renewSystemKey } from '../../subgraphs/identity/system-key.ts';
import { sendMessages } from '../../subgraphs/messaging/sending.ts';
import { openStore } from '../../subgraphs/store.ts';
import { newCommunity, type TestCommunity } from '../kit/community.ts';
import type { Arrivals, Awaiting, Closing, Opening } from './fan-clients.ts';
import { Part } from './part.ts';
import { median } from './report.ts';

// `npm run bench:fanout`: one message to 10,000 sockets. Laurel as its users run it (`laurel start`, PostgreSQL, budgets),
// beside graphql-ws executing for each socket, once all from memory and once the messaging subgraph without its gateway
// from PostgreSQL (half of the fields), and beside the bare ws library. Each server is a process, the clients are others;
// all get their events in turn, so ratios are of one run. Then: 1,000 subscriptions that all differ, and 1,000 clients
// that come back and have missed 1,000 events.
//
// --sockets 10000   --plain 2000 (sockets of graphql-ws, which is slow)   --reading 200 (of the one that reads)
// --rounds 5   --events 5 (a round)   --distinct 1000   --returning 1000   --missed 1000   --cursors 10
// --only fan,distinct,returning   --profile FOLDER (where Laurel's CPU profile goes)

const text = (name: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const flag = (name: string, usual: number) => Number(text(name) ?? usual);
const sockets = flag('sockets', 10_000);
const plainSockets = Math.min(flag('plain', 2_000), sockets);
const readingSockets = Math.min(flag('reading', 200), sockets);
const rounds = flag('rounds', 5);
const events = flag('events', 5);
const distinct = flag('distinct', 1_000);
const returning = flag('returning', 1_000);
const missed = flag('missed', 1_000);
/** How many different cursors those have who come back with different ones. */
const cursorCount = Math.min(flag('cursors', 10), returning);
/** Events before the first that is measured. */
const warming = 15;
const only = text('only')?.split(',') ?? ['fan', 'distinct', 'returning'];

const query = `subscription ($channelIds: [ID!]!, $after: EventCursor) {
  messages(channelIds: $channelIds, after: $after) {
    __typename cursor
    ... on MessagePosted { occurredAt message { id body } by { displayName xp } }
    ... on StreamResumed { replayed }
  }
}`;

/** A server under measurement, and its sockets. */
interface Way {
  name: string;
  server: Part;
  sockets: number;
  /** Of a delivery, what the kernel takes, in microseconds. */
  kernel: number[];
  opening: Omit<Opening['open'], 'sockets' | 'name' | 'atOnce'>;
  /** Makes the next event; resolves with the moment it was committed, in milliseconds since 1970. */
  fire(): Promise<number>;
  /** Its last event. */
  event: number;
  perSecond: number[];
  latencies: Arrivals;
}

/** What a process has taken. */
interface Cpu {
  cpuMs: number;
  systemMs: number;
}

const fdLimit = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }));
const crowds: Part[] = [];
const servers: Part[] = [];
const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
let server = await startEmbedded({ dataFolder: folder, log: () => {} });
try {
  // What says when each message was committed.
  const first = connect(server.url);
  await first`alter system set track_commit_timestamp = on`;
  await first.end({ timeout: 5 });
  await server.stop();
  server = await startEmbedded({ dataFolder: folder, log: () => {} });
  const sql = connect(server.url);
  await migrate(sql);
  await run(sql);
  await sql.end({ timeout: 5 });
} finally {
  await Promise.all([...crowds, ...servers].map((part) => part.end()));
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

async function run(sql: Sql): Promise<void> {
  const { place, key } = await founded(sql);
  say(
    `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), load ${load()}, ${fdLimit} files a process`,
  );
  const profile = text('profile');
  const laurel = await Part.start(
    join(packageRoot(), 'bin/laurel.js'),
    ['start'],
    ['--expose-gc', ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])],
    {
      says: /ready at (\S+)/,
      env: {
        ...{ HOST: '127.0.0.1', PORT: '0', DATABASE_URL: server.url, LAUREL_DATA: join(folder, 'laurel') },
        // Events are charged for, and nobody runs out.
        LAUREL_BUDGET: '9999999/9999999',
      },
    },
  );
  servers.push(laurel);
  for (let n = 0; n < 2; n++) crowds.push(await Part.start(new URL('./fan-clients.js', import.meta.url)));
  const endpoint = String(laurel.ready);
  const [channelId = ''] = place.channelIds;
  const way: Way = {
    ...{ name: 'Laurel', server: laurel, sockets, event: 0, perSecond: [], kernel: [], latencies: [] },
    opening: {
      url: endpoint.replace('http', 'ws'),
      headers: { 'x-api-key': key },
      payloads: [{ query, variables: { channelIds: [channelId] } }],
    },
    fire: async () => {
      const id = await send(endpoint, key, place, channelId, way.event);
      return committedAt(sql, id);
    },
  };
  if (only.includes('fan')) {
    const [, elsewhere = '', unread = ''] = place.channelIds;
    const post = async (channelId: string, event: number) =>
      committedAt(sql, await send(endpoint, key, place, channelId, event));
    await fan(way, place, { elsewhere, unread, post });
  }
  if (only.includes('distinct')) await distinctly(way, place);
  if (only.includes('returning')) await comeBack(sql, way, place);
}

/**
 * All with the same subscription.
 * @param channels  one that only the subgraph's sockets follow, one that nobody does, and what sends a message there.
 */
async function fan(
  laurel: Way,
  { id }: TestCommunity,
  channels: {
    elsewhere: string;
    unread: string;
    post(channelId: string, event: number): Promise<number>;
  },
): Promise<void> {
  const { elsewhere, unread, post } = channels;
  const sample = await sampleOf(laurel);
  const bare = await Part.start(new URL('./serve-plain.js', import.meta.url), ['ws'], ['--expose-gc']);
  const plain = await Part.start(
    new URL('./serve-plain.js', import.meta.url),
    ['graphql-ws'],
    ['--expose-gc'],
  );
  const reading = await Part.start(
    new URL('./serve-streams.js', import.meta.url),
    [server.url, id, folder],
    ['--expose-gc'],
  );
  servers.push(bare, plain, reading);
  const beside = (name: string, server: Part, sockets: number, payloads: readonly object[]): Way => {
    const way: Way = {
      ...{ name, server, sockets, event: 0, perSecond: [], kernel: [], latencies: [] },
      opening: { url: String(server.ready), headers: {}, payloads, silent: true },
      fire: async () => {
        const message = sample.replace(/event \d{6}/, bodyOf(way.event).slice(0, 12));
        return (await server.ask<{ committed: number }>({ event: message })).committed;
      },
    };
    return way;
  };
  // Its messages come through Laurel, which takes the cost of sending them.
  const half = query.replace('displayName xp', 'id').replace('... on StreamResumed { replayed }', '');
  const subgraph: Way = {
    ...{ name: 'graphql-ws, SQL', server: reading, sockets: readingSockets },
    ...{ event: 0, perSecond: [], kernel: [], latencies: [] },
    opening: {
      ...{ url: String(reading.ready), headers: {} },
      payloads: [{ query: half, variables: { channelIds: [elsewhere] } }],
    },
    fire: () => post(elsewhere, subgraph.event),
  };
  const ways = [
    laurel,
    beside('graphql-ws', plain, plainSockets, laurel.opening.payloads as object[]),
    subgraph,
    beside('ws alone', bare, sockets, []),
  ];
  say(
    `\nA message of ${Buffer.byteLength(sample)} bytes to each of ${sockets.toLocaleString('en')} sockets:`,
  );
  for (const way of ways) {
    const before = await memoryOf(way);
    const { ms, cpuMs } = await open(way);
    const after = await memoryOf(way);
    const each = (what: 'rss' | 'heap') => ((after[what] - before[what]) / way.sockets / 1_024).toFixed(1);
    const cost = (1_000 * cpuMs) / way.sockets;
    say(
      `  ${way.name.padEnd(15)} ${way.sockets} sockets opened in ${(ms / 1_000).toFixed(1)} s, ${cost.toFixed(0)} µs of CPU each; idle, each holds ${each('heap')} KB of heap, ${each('rss')} KB of memory`,
    );
  }
  // Compiled, and known to all.
  for (const way of ways) await deliver(way, warming);
  for (const way of ways) [way.perSecond, way.kernel, way.latencies] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    // Nobody is always first.
    for (let turn = 0; turn < ways.length; turn++)
      await deliver(ways[(turn + round) % ways.length] as Way, events);
  }
  for (const way of ways) {
    const ratios = ways
      .filter((other) => other !== way)
      .map((other) => {
        const all = way.perSecond.map((rate, n) => rate / (other.perSecond[n] ?? 0));
        return `${median(all).toFixed(2)} (${Math.min(...all).toFixed(2)}-${Math.max(...all).toFixed(2)}) of ${other.name}`;
      });
    tell(way, ratios);
    if (way === laurel) say(`  ${await shareOfSending(laurel, (event) => post(unread, event))}`);
    await close(way);
  }
  say(`  load ${load()}`);
}

/** What it takes Laurel to be sent a message that nobody follows, which the others aren't. */
async function shareOfSending(laurel: Way, post: (event: number) => Promise<number>): Promise<string> {
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = await cpuOf(laurel);
    for (let n = 0; n < events; n++) await post(n);
    cpu.push(((await cpuOf(laurel)) - before) / events);
  }
  const all = (laurel.sockets * 1_000) / median(laurel.perSecond);
  return `of its ${all.toFixed(0)} ms an event, ${median(cpu).toFixed(1)} are for being sent the message`;
}

/** All with different variables, and one channel in common. */
async function distinctly(laurel: Way, { channelIds }: TestCommunity): Promise<void> {
  const [common, ...others] = channelIds;
  const payloads = others
    .slice(0, distinct)
    .map((other) => ({ query, variables: { channelIds: [common, other] } }));
  // Each crowd takes them in turn, so that none is taken twice.
  const way: Way = {
    ...laurel,
    name: 'distinct',
    sockets: distinct,
    perSecond: [],
    kernel: [],
    latencies: [],
  };
  way.fire = () => {
    laurel.event = way.event;
    return laurel.fire();
  };
  way.opening = { ...laurel.opening, payloads };
  say(`\nA message to ${distinct} sockets whose subscriptions all differ:`);
  await open(way);
  await deliver(way, 3);
  [way.perSecond, way.kernel, way.latencies] = [[], [], []];
  for (let round = 0; round < rounds; round++) await deliver(way, events);
  tell(way, []);
  await close(way);
  laurel.event = way.event;
}

/** Clients that come back within a second, with cursors of long ago. */
async function comeBack(sql: Sql, laurel: Way, place: TestCommunity): Promise<void> {
  const [channelId = ''] = place.channelIds;
  const [authorId = ''] = place.memberIds;
  const [payload] = laurel.opening.payloads as [{ query: string; variables: object }];
  const cursors: string[] = [];
  const numbers: number[] = [];
  for (let n = 0; n < cursorCount; n++) {
    cursors.push(cursorIn(await sampleOf(laurel)));
    numbers.push(laurel.event);
  }
  const bodies = Array.from({ length: missed }, () => {
    laurel.event++;
    return bodyOf(laurel.event);
  });
  await sendMessages(
    sql,
    place.id,
    bodies.map((body) => ({ channelId, authorId, body, replyToId: null, idempotencyKey: randomUUID() })),
  );
  const forms: [string, number][] = [
    ['the same cursor', 1],
    [`${cursorCount} different cursors`, cursorCount],
  ];
  for (const [title, count] of forms) {
    say(`\n${returning} clients come back within a second and have missed ${missed} events, ${title}:`);
    const payloads = cursors.slice(-count).map((after) => ({
      query: payload.query,
      variables: { ...payload.variables, after },
    }));
    const after = numbers.slice(-count);
    const took: number[] = [];
    const cpu: number[] = [];
    let statements = '';
    for (let round = 0; round < Math.min(rounds, 3) + 1; round++) {
      const counting = round === Math.min(rounds, 3);
      if (counting) await countStatements(sql, true);
      const name = `returning ${count} ${round}`;
      const way: Way = { ...laurel, name, sockets: returning };
      way.opening = { ...laurel.opening, payloads, after, withinMs: 800 };
      const { ms, cpuMs } = await open(way, 1_000);
      await Promise.all(
        crowds.map((crowd) => crowd.ask({ awaited: { name, event: laurel.event } } satisfies Awaiting)),
      );
      if (counting) {
        await countStatements(sql, false);
        statements = await statementsIn(folder);
      } else {
        took.push(ms / 1_000);
        cpu.push(cpuMs / 1_000);
      }
      await close(way);
      // What is kept of the past for a while is gone.
      await pause(11_000);
    }
    const middle = (list: number[]) =>
      `${median(list).toFixed(2)} s (${Math.min(...list).toFixed(2)}-${Math.max(...list).toFixed(2)})`;
    const rate = Math.round((returning * missed) / median(cpu)).toLocaleString('en');
    say(`  all caught up after ${middle(took)}, CPU ${middle(cpu)}: ${rate} deliveries a CPU second`);
    say(`  ${statements}`);
  }
}

/** Sends events, one when all have the one before, and remembers what it took. */
async function deliver(way: Way, count: number): Promise<void> {
  const before = await way.server.ask<Cpu>('cpu');
  for (let n = 0; n < count; n++) {
    way.event++;
    const awaited = { awaited: { name: way.name, event: way.event } } satisfies Awaiting;
    const arrived = crowds.map((crowd) => crowd.ask<{ arrivals: Arrivals }>(awaited));
    const committed = await way.fire();
    for (const { arrivals } of await Promise.all(arrived))
      way.latencies.push(...arrivals.map(([ms, sockets]): Arrivals[number] => [ms - committed, sockets]));
  }
  const after = await way.server.ask<Cpu>('cpu');
  const cpuMs = after.cpuMs - before.cpuMs;
  way.kernel.push(((after.systemMs - before.systemMs) * 1_000) / (way.sockets * count));
  way.perSecond.push((way.sockets * count * 1_000) / cpuMs);
}

function tell({ name, sockets, perSecond, kernel, latencies }: Way, ratios: readonly string[]): void {
  const rate = (value: number) => Math.round(value).toLocaleString('en');
  const spread = `${rate(Math.min(...perSecond))}-${rate(Math.max(...perSecond))}`;
  say(
    `  ${name.padEnd(15)} ${rate(median(perSecond)).padStart(8)} deliveries a CPU second (${spread}), ${(1_000_000 / median(perSecond)).toFixed(1)} µs each, ${median(kernel).toFixed(1)} of them the kernel's; p50 ${share(latencies, 0.5)} ms, p99 ${share(latencies, 0.99)} ms at ${sockets} sockets${ratios.length === 0 ? '' : `; ${ratios.join(', ')}`}`,
  );
}

function share(latencies: Arrivals, part: number): string {
  const sorted = [...latencies].sort(([one], [other]) => one - other);
  const all = sorted.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [ms, count] of sorted) {
    seen += count;
    if (seen >= all * part) return ms.toFixed(0);
  }
  return '';
}

async function open(way: Way, atOnce = 100): Promise<{ ms: number; cpuMs: number }> {
  const before = await cpuOf(way);
  const each = Math.ceil(way.sockets / crowds.length);
  const opened = await Promise.all(
    crowds.map((crowd, n) => {
      const sockets = Math.min(each, way.sockets - n * each);
      const turned = <T>(list: readonly T[]) => [...list.slice(n * each), ...list.slice(0, n * each)];
      const { payloads, after } = way.opening;
      return crowd.ask<{ ms: number }>({
        open: {
          ...{ ...way.opening, name: way.name, sockets, atOnce: Math.ceil(atOnce / crowds.length) },
          payloads: turned(payloads),
          ...(after === undefined ? {} : { after: turned(after) }),
        },
      } satisfies Opening);
    }),
  );
  while (way.opening.silent) {
    const { listeners } = await way.server.ask<{ listeners: number }>('listeners');
    if (listeners === way.sockets) break;
    await pause(50);
  }
  return { ms: Math.max(...opened.map(({ ms }) => ms)), cpuMs: (await cpuOf(way)) - before };
}

async function close({ name }: Way): Promise<void> {
  await Promise.all(crowds.map((crowd) => crowd.ask({ close: name } satisfies Closing)));
  await pause(500);
}

/** One event as a socket of Laurel gets it. */
async function sampleOf(laurel: Way): Promise<string> {
  const [crowd] = crowds as [Part];
  const opening = { ...laurel.opening, name: 'sample', sockets: 1, atOnce: 1 };
  await crowd.ask({ open: opening } satisfies Opening);
  laurel.event++;
  const arrived = crowd.ask<{ sample: string }>({
    awaited: { name: 'sample', event: laurel.event },
  } satisfies Awaiting);
  await laurel.fire();
  const { sample } = await arrived;
  await crowd.ask({ close: 'sample' } satisfies Closing);
  return sample;
}

/** When a message was committed, in milliseconds since 1970. */
async function committedAt(sql: Sql, id: string): Promise<number> {
  const [row] = await sql<{ at: number }[]>`
    select (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000)::float8 as at
    from messaging.message where id = ${id}`;
  return row?.at ?? 0;
}

function cursorIn(message: string): string {
  return JSON.parse(message).payload.data.messages.cursor;
}

async function cpuOf({ server }: Way): Promise<number> {
  return (await server.ask<Cpu>('cpu')).cpuMs;
}

async function memoryOf({ server }: Way): Promise<{ rss: number; heap: number }> {
  await pause(500);
  return server.ask<{ rss: number; heap: number }>('memory');
}

/** A community with a channel for each distinct subscription, and the key of all. */
async function founded(sql: Sql): Promise<{ place: TestCommunity; key: string }> {
  const { resources, close } = await openStore(sql, { dataFolder: folder }, console.error);
  const channels = Array.from({ length: distinct + 1 }, () => 'OPEN');
  const place = await newCommunity(resources, { members: 10, channels });
  const { secret } = await renewSystemKey(sql, place.id, 0, new Date());
  await close();
  await sql`vacuum analyze`;
  return { place, key: secret };
}

/** Sends a message through the graph; returns its id. */
async function send(
  endpoint: string,
  key: string,
  { memberIds }: TestCommunity,
  channelId: string,
  event: number,
): Promise<string> {
  const input = {
    channelId,
    body: bodyOf(event),
    senderId: memberIds[event % 10],
    idempotencyKey: randomUUID(),
  };
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({
      query:
        'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } userErrors { code } } }',
      variables: { input },
    }),
  });
  const { data } = (await response.json()) as { data?: { sendMessage?: { message?: { id: string } } } };
  const id = data?.sendMessage?.message?.id;
  if (id === undefined) throw new Error(`A message was not sent: ${JSON.stringify(data)}`);
  return id;
}

function bodyOf(event: number): string {
  return `event ${String(event).padStart(6, '0')}: a message of a usual length, as people write them all day long.`;
}

async function countStatements(sql: Sql, on: boolean): Promise<void> {
  await sql.unsafe(`alter system set log_statement = '${on ? 'all' : 'none'}'`);
  await sql`select pg_reload_conf()`;
  await pause(300);
}

/** What PostgreSQL's log says was asked, by the names that statements carry. */
async function statementsIn(folder: string): Promise<string> {
  const files = (await readdir(folder, { recursive: true })).filter((name) =>
    /postgresql-\w+\.log$/.test(name),
  );
  const names = new Map<string, number>();
  let all = 0;
  for (const file of files) {
    const said = await readFile(join(folder, file), 'utf8');
    for (const line of said.split('\n')) {
      if (/LOG: {2}(execute|statement)/.test(line)) all++;
      const [, name] = /^\s*-- (\w+)/.exec(line) ?? [];
      if (name !== undefined) names.set(name, (names.get(name) ?? 0) + 1);
    }
  }
  const most = [...names].sort(([, one], [, other]) => other - one).slice(0, 6);
  return `${all} statements so far, most of them ${most.map(([name, count]) => `${name} ${count}`).join(', ')}`;
}

function load(): string {
  return loadavg()
    .map((one) => one.toFixed(1))
    .join(' ');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
