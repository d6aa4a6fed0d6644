import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compose } from '../kit/federation.ts';
import { subgraphs } from './graph.ts';
import type { Job, Load } from './load.ts';
import { Part } from './part.ts';
import { median } from './report.ts';
import { bodiesOf, scenarios } from './scenario.ts';

// `npm run bench:charge`: what it costs a request that its caller shows a key, that a schema is chosen by its scopes, and
// that its budget is charged. Gateways with the subgraphs in their process answer the 1 KB query in turn, in short rounds of as many
// requests;
// CPU is compared within a round, so that what else the machine does meanwhile is in all. One form runs twice, which says
// what a difference is worth, and once more with requests that carry a key nobody reads: that much is the header's; and all processes are started anew several times, since each is compiled a little
// differently.

const forms = ['open', 'open again', 'key ignored', 'keys', 'budgets'] as const;
type Form = (typeof forms)[number];

const flag = (name: string, usual: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};
/** How often all are started anew, and how many rounds each time. */
const starts = flag('starts', 4);
const rounds = flag('rounds', 25);
const requests = flag('requests', 1_500);
const warming = flag('warm', 10_000);
/** Rounds are as many requests, not as long: a busy machine makes them longer, and each as exact. */
const mostMs = 120_000;

const scopes: readonly [field: string, scope: string][] = [
  ['email: String', 'users:read'],
  ['xp: Int', 'stats:read'],
  ['lastMessage: Message', 'messages:read'],
];
const key = 'Bearer laurel_int_0123456789ab_0123456789012345678901234567890123456789012';
const scenario = scenarios.find(({ key }) => key === 'user')!;
const bodies = bodiesOf(scenario);

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
/** Microseconds of CPU a request, by form: a list of rounds for each start. */
const measured = new Map<Form, number[][]>(forms.map((form) => [form, []]));
try {
  const supergraphFile = join(folder, 'supergraph.graphql');
  const scoped = Object.entries(subgraphs).map(
    ([name, { sdl }]) => [name, { sdl: withScopes(sdl) }] as const,
  );
  await writeFile(supergraphFile, compose(Object.fromEntries(scoped)));
  for (let start = 0; start < starts; start += 1) await measure(supergraphFile, start);
} finally {
  await rm(folder, { recursive: true, force: true });
}

const open = measured.get('open')!;
process.stdout.write(
  `${starts} starts x ${rounds} alternating rounds of ${requests} requests; CPU of the gateway's process a request\n`,
);
for (const [form, byStart] of measured) {
  const more = byStart.map((list, start) => list.map((cpu, round) => 100 * (cpu / open[start]![round]! - 1)));
  const all = more.flat().sort((a, b) => a - b);
  const [low, high] = [all[all.length >> 2]!, all[(3 * all.length) >> 2]!];
  const medians = more.map((list) => median(list)).map((one) => one.toFixed(1));
  process.stdout.write(
    `${form.padEnd(11)} ${median(byStart.flat()).toFixed(1)} µs, ${median(all).toFixed(1)} % more than open ` +
      `(half of the rounds: ${low.toFixed(1)} to ${high.toFixed(1)} %; by start: ${medians.join(', ')} %)\n`,
  );
}

async function measure(supergraphFile: string, start: number): Promise<void> {
  const load = await Part.start(new URL('./load.js', import.meta.url));
  const gateways = new Map<Form, Part>();
  try {
    for (const form of forms) {
      const auth = isOpen(form) ? 'open' : form;
      const args = [supergraphFile, 'in-process', 'plain', auth];
      gateways.set(form, await Part.start(new URL('./serve-laurel.js', import.meta.url), args));
      await answersRightly(gateways.get(form)!.ready as string, form);
    }
    const cpuOf = async (form: Form, requests: number) => {
      const part = gateways.get(form)!;
      const url = part.ready as string;
      const job: Job = { url, bodies, connections: 100, ms: mostMs, requests, headers: headersOf(form) };
      const before = await part.ask<{ cpuMs: number }>('cpu');
      const done = await load.ask<Load>(job);
      const after = await part.ask<{ cpuMs: number }>('cpu');
      return (1_000 * (after.cpuMs - before.cpuMs)) / done.requests;
    };
    for (const form of forms) await cpuOf(form, warming);
    for (const form of forms) measured.get(form)![start] = [];
    for (let round = 0; round < rounds; round += 1) {
      // Nobody is always first.
      for (let turn = 0; turn < forms.length; turn += 1) {
        const form = forms[(turn + round) % forms.length]!;
        measured.get(form)![start]!.push(await cpuOf(form, requests));
      }
    }
  } finally {
    await Promise.all([load, ...gateways.values()].map((part) => part.end()));
  }
}

function isOpen(form: Form): boolean {
  return form !== 'keys' && form !== 'budgets';
}

function headersOf(form: Form): Record<string, string> {
  return form.startsWith('open') ? {} : { authorization: key };
}

async function answersRightly(url: string, form: Form): Promise<void> {
  const headers = { 'content-type': 'application/json', ...headersOf(form) };
  const response = await fetch(url, { method: 'POST', headers, body: bodies[0]! });
  const { errors, extensions } = (await response.json()) as { errors?: object; extensions?: object };
  if (errors !== undefined) throw new Error(`${form}: ${JSON.stringify(errors)}`);
  if ((extensions !== undefined) !== (form === 'budgets')) throw new Error(`${form} told a cost, or none.`);
}

function withScopes(sdl: string): string {
  return scopes.reduce(
    (text, [field, scope]) =>
      text.replace(field, `${field} @federation__requiresScopes(scopes: [["${scope}"]])`),
    sdl,
  );
}
