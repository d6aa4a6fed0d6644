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
// that its budget is charged. Three gateways with the subgraphs in their process answer the 1 KB query in turn; CPU is
// compared within a round, so that what else the machine does meanwhile is in both.

const forms = ['open', 'keys', 'budgets'] as const;
const rounds = 25;
const roundMs = 1_000;
const scopes: readonly [field: string, scope: string][] = [
  ['email: String', 'users:read'],
  ['xp: Int', 'stats:read'],
  ['lastMessage: Message', 'messages:read'],
];

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
const started: Part[] = [];
try {
  const supergraphFile = join(folder, 'supergraph.graphql');
  const scoped = Object.entries(subgraphs).map(
    ([name, { sdl }]) => [name, { sdl: withScopes(sdl) }] as const,
  );
  await writeFile(supergraphFile, compose(Object.fromEntries(scoped)));
  const start = async (file: string, ...args: string[]) => {
    const part = await Part.start(new URL(file, import.meta.url), args);
    started.push(part);
    return part;
  };
  const load = await start('./load.js');
  const gateways = await Promise.all(
    forms.map((form) => start('./serve-laurel.js', supergraphFile, 'in-process', 'plain', form)),
  );
  const scenario = scenarios.find(({ key }) => key === 'user')!;
  const headersOf = (form: (typeof forms)[number]): Record<string, string> =>
    form === 'open' ? {} : { authorization: 'Bearer laurel_int_0123456789ab_secret' };
  for (const [n, form] of forms.entries()) {
    const response = await fetch(gateways[n]!.ready as string, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headersOf(form) },
      body: bodiesOf(scenario)[0]!,
    });
    const { errors } = (await response.json()) as { errors?: object };
    if (errors !== undefined) throw new Error(`${form}: ${JSON.stringify(errors)}`);
  }
  const cpuOf = async (part: Part, form: (typeof forms)[number]) => {
    const headers = headersOf(form);
    const job: Job = {
      url: part.ready as string,
      bodies: bodiesOf(scenario),
      connections: 10,
      ms: roundMs,
      headers,
    };
    const before = await part.ask<{ cpuMs: number }>('cpu');
    const { requests } = await load.ask<Load>(job);
    const after = await part.ask<{ cpuMs: number }>('cpu');
    return (1_000 * (after.cpuMs - before.cpuMs)) / requests;
  };
  for (let warm = 0; warm < 6; warm += 1)
    for (const [n, form] of forms.entries()) await cpuOf(gateways[n]!, form);
  const measured = forms.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < forms.length; turn += 1) {
      // Nobody is always first.
      const n = (turn + round) % forms.length;
      measured[n]!.push(await cpuOf(gateways[n]!, forms[n]!));
    }
  }
  const [open = []] = measured;
  for (const [n, form] of forms.entries()) {
    const ratio = median(measured[n]!.map((cpu, round) => cpu / open[round]!));
    const more = `${(100 * (ratio - 1)).toFixed(1)} %`;
    process.stdout.write(
      `${form}: ${median(measured[n]!).toFixed(1)} µs CPU a request, ${more} more than open\n`,
    );
  }
} finally {
  await Promise.all(started.map((part) => part.end()));
  await rm(folder, { recursive: true, force: true });
}

function withScopes(sdl: string): string {
  return scopes.reduce(
    (text, [field, scope]) =>
      text.replace(field, `${field} @federation__requiresScopes(scopes: [["${scope}"]])`),
    sdl,
  );
}
