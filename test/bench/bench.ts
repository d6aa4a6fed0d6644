import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { compose } from '../kit/federation.ts';
import { subgraphs } from './graph.ts';
import type { Job, Load } from './load.ts';
import { Part } from './part.ts';
import { topOf } from './profile.ts';
import { type Measured, median, tableOf } from './report.ts';
import { bodiesOf, type Scenario, scenarios } from './scenario.ts';

// `npm run bench`: starts the gateways, makes sure that they give the same answers, lets them answer in turn, and writes
// the medians to results/. `-- --quick` for a short run, `-- --profile` for where Laurel's time goes.

interface Gateway {
  name: string;
  file: URL;
  args: string[];
  flags?: string[];
}

const options = new Command('bench')
  .description(
    'Measure Laurel beside the gateways that people run, and beside one schema without federation.',
  )
  .option('--quick', 'short rounds: less than 90 seconds', false)
  .option('--profile', 'print where the time of Laurel goes, and measure nothing else', false)
  .option('--only <scenarios>', `some of ${scenarios.map(({ key }) => key).join(',')}`)
  .option('--readme', 'put the table into README.md', false)
  .parse()
  .opts<{ quick: boolean; profile: boolean; only?: string; readme: boolean }>();

/** The repository: this runs as dist/bench/test/bench/bench.js. */
const root = new URL('../../../../', import.meta.url);
const here = new URL('test/bench/', root);
const connectionCounts = [1, 10] as const;
const pace = options.quick
  ? { warmUpMs: 500, rounds: 3, roundMs: 220 }
  : { warmUpMs: 2_500, rounds: 7, roundMs: 900 };
const chosen = scenarios.filter(({ key }) => options.only?.split(',').includes(key) ?? true);
const base = '@apollo/gateway';
const ceiling = 'one schema, mercurius with jit';

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
const started: Part[] = [];
const start = async (...given: Parameters<typeof Part.start>) => {
  const part = await Part.start(...given);
  started.push(part);
  return part;
};

try {
  const load = await start(new URL('./load.js', import.meta.url));
  const urls = (await start(new URL('./serve-subgraphs.js', import.meta.url))).ready as Record<
    string,
    string
  >;
  const supergraphFile = join(folder, 'supergraph.graphql');
  const parts = Object.entries(subgraphs).map(([name, { sdl }]) => [name, { sdl, url: urls[name]! }]);
  await writeFile(supergraphFile, compose(Object.fromEntries(parts)));
  const own = (name: string, file: string, ...args: string[]): Gateway => ({
    name,
    file: new URL(file, import.meta.url),
    args: [supergraphFile, ...args],
  });
  const laurels = [
    own('Laurel', './serve-laurel.js', 'http'),
    own('Laurel, in process', './serve-laurel.js', 'in-process'),
    own('Laurel, in process, Apollo front', './serve-laurel.js', 'in-process', 'apollo'),
  ];
  if (options.profile) await profile(laurels, load);
  else {
    installPeers();
    const peer = (name: string, file: string): Gateway => ({
      name,
      file: new URL(`peers/${file}`, here),
      args: [supergraphFile],
      // The Hive runtime warns of its own listeners.
      flags: ['--no-warnings'],
    });
    await compare(
      [
        peer(base, 'apollo.js'),
        peer('Hive runtime', 'hive.js'),
        ...laurels,
        own(ceiling, './serve-merged.js'),
      ],
      load,
    );
  }
} finally {
  await Promise.all(started.map((part) => part.end()));
  await rm(folder, { recursive: true, force: true });
}

function installPeers(): void {
  const when = (file: string) => statSync(new URL(file, here), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (when('node_modules/.package-lock.json') > when('package-lock.json')) return;
  process.stderr.write('Installing the peers, once …\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  execFileSync(npm, ['ci', '--prefix', fileURLToPath(here), '--no-audit', '--no-fund'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function compare(gateways: readonly Gateway[], load: Part): Promise<void> {
  const running: (Gateway & { part: Part; url: string })[] = [];
  for (const gateway of gateways) {
    const part = await start(gateway.file, gateway.args, gateway.flags);
    running.push({ ...gateway, part, url: part.ready as string });
  }
  const measured: Measured[] = [];
  for (const scenario of chosen) {
    const bytes = await sameAnswers(scenario, running);
    const bodies = bodiesOf(scenario);
    process.stderr.write(`${scenario.name}: ${bytes} bytes, the same from all\n`);
    const measure = async ({ part, url }: (typeof running)[number], connections: number, ms: number) => {
      const before = await part.ask<{ cpuMs: number }>('cpu');
      const { requests, ms: took } = await load.ask<Load>({ url, bodies, connections, ms } satisfies Job);
      const after = await part.ask<{ cpuMs: number }>('cpu');
      return { perSecond: (1_000 * requests) / took, cpuMs: (after.cpuMs - before.cpuMs) / requests };
    };
    for (const gateway of running) await measure(gateway, 10, pace.warmUpMs);
    const rounds = running.map(() =>
      connectionCounts.map(() => [] as { perSecond: number; cpuMs: number }[]),
    );
    for (let round = 0; round < pace.rounds; round += 1) {
      for (const [kind, connections] of connectionCounts.entries()) {
        for (let turn = 0; turn < running.length; turn += 1) {
          // Nobody is always first.
          const at = (turn + round) % running.length;
          rounds[at]![kind]!.push(await measure(running[at]!, connections, pace.roundMs));
        }
      }
    }
    for (const [at, { name }] of running.entries()) {
      const [single, many] = rounds[at]!;
      measured.push({
        scenario: scenario.name,
        gateway: name,
        bytes,
        single: median(single!.map(({ perSecond }) => perSecond)),
        many: median(many!.map(({ perSecond }) => perSecond)),
        cpuMs: median(many!.map(({ cpuMs }) => cpuMs)),
      });
    }
  }
  const table = tableOf(measured, { base, ceiling });
  const result = `${await heading()}\n\n${table}\n`;
  process.stdout.write(`${result}\n`);
  const date = new Date().toISOString().slice(0, 10);
  await mkdir(new URL('results/', here), { recursive: true });
  await writeFile(new URL(`results/${date}.md`, here), `# Bench of ${date}\n\n${result}`);
  if (options.readme) await intoReadme(result);
}

/** Asks every gateway every request of a scenario. @returns the size of an answer. @throws Error if data differ */
async function sameAnswers(
  scenario: Scenario,
  gateways: readonly { name: string; url: string }[],
): Promise<number> {
  const bodies = bodiesOf(scenario);
  let first: { name: string; data: unknown[]; bytes: number } | undefined;
  for (const { name, url } of gateways) {
    const data: unknown[] = [];
    let bytes = 0;
    for (const body of bodies) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body,
      });
      const text = await response.text();
      const answer = JSON.parse(text) as { data?: unknown; errors?: unknown };
      if (answer.errors !== undefined || answer.data == null)
        throw new Error(`${scenario.name}: ${name} answered ${text.slice(0, 2_000)}`);
      data.push(answer.data);
      bytes += Buffer.byteLength(text);
    }
    first ??= { name, data, bytes: Math.round(bytes / bodies.length) };
    for (const [turn, one] of data.entries()) {
      if (isDeepStrictEqual(one, first.data[turn])) continue;
      const texts = [JSON.stringify(one), JSON.stringify(first.data[turn])];
      throw new Error(`${scenario.name}: ${name} differs from ${first.name}:\n${texts.join('\n')}`);
    }
  }
  return first?.bytes ?? 0;
}

async function profile(laurels: readonly Gateway[], load: Part): Promise<void> {
  const [scenario] = chosen;
  if (scenario === undefined) throw new Error('There is no such scenario.');
  for (const { name, file, args } of laurels) {
    const profiles = join(folder, name.replaceAll(/\W+/g, '-'));
    const part = await start(file, args, ['--cpu-prof', '--cpu-prof-dir', profiles]);
    const url = part.ready as string;
    const ms = options.quick ? 3_000 : 8_000;
    const job = { url, bodies: bodiesOf(scenario), connections: 10, ms };
    await load.ask<Load>(job);
    const { requests } = await load.ask<Load>(job);
    await part.end();
    process.stdout.write(
      `${name}, ${scenario.name}, ${requests} requests in ${ms} ms; time in functions themselves:\n`,
    );
    process.stdout.write(`${(await topOf(profiles, 15, ms)).join('\n')}\n\n`);
  }
}

/** What was measured, on what. */
async function heading(): Promise<string> {
  const versionOf = async (name: string) => {
    const file = await readFile(new URL(`node_modules/${name}/package.json`, here), 'utf8');
    return `${name} ${(JSON.parse(file) as { version: string }).version}`;
  };
  const rootVersionOf = async (name: string) => {
    const file = await readFile(new URL(`node_modules/${name}/package.json`, root), 'utf8');
    return `${name} ${(JSON.parse(file) as { version: string }).version}`;
  };
  const versions = await Promise.all([
    ...[
      '@apollo/gateway',
      '@apollo/server',
      '@graphql-hive/gateway-runtime',
      '@graphql-hive/router-runtime',
    ].map(versionOf),
    ...['mercurius', 'graphql-jit', 'graphql'].map(rootVersionOf),
  ]);
  const [cpu] = cpus();
  return [
    `${options.quick ? 'Quick run' : 'Full run'}: medians of ${pace.rounds} alternating rounds of ${pace.roundMs} ms. CPU is the gateway's process over 10`,
    'connections; ratios say how many requests it answers for one of the other, in the same time and with the same CPU.',
    `Node ${process.version}, ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), shared by gateway, subgraphs and load.`,
    `${versions.join(', ')}.`,
  ].join('\n');
}

async function intoReadme(result: string): Promise<void> {
  const file = new URL('README.md', root);
  const text = await readFile(file, 'utf8');
  const between = /(<!-- speed -->\n)[\s\S]*?(<!-- \/speed -->)/;
  if (!between.test(text))
    throw new Error('README.md has no place for the table: <!-- speed --> … <!-- /speed -->.');
  await writeFile(
    file,
    text.replace(between, (_, open, close) => `${open}${result}${close}`),
  );
}
