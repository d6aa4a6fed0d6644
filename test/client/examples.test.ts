import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { data, person, unique } from '../kit/client.ts';
import { running } from '../kit/journey.ts';
import type { Handle } from '../kit/processes.ts';

// The examples of client/README.md, compiled and run by what a user has: the package `laurel` and nothing of its source.

const root = join(import.meta.dirname, '../..');

let laurel: Handle;
let built: string;
let folder: string;
beforeAll(async () => {
  laurel = await running('one process');
  folder = await mkdtemp(join(tmpdir(), 'laurel-cursors-'));
  // Below the checkout, so that the compiled programs find `laurel` and its packages.
  built = await mkdtemp(join(root, 'dist/examples-'));
  const words = [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'client/examples')];
  await promisify(execFile)(process.execPath, [...words, '--outDir', built]).catch(({ stdout }) =>
    expect(stdout).toBe(''),
  );
}, 120_000);
afterAll(async () => {
  for (const made of [built, folder]) await rm(made, { recursive: true, force: true });
});

/** Runs an example; what it says, line by line. */
async function* example(name: string, userId: string): AsyncGenerator<string, void> {
  const words = [join(built, `${name}.js`), laurel.endpoint, laurel.demo.systemKey, userId, folder];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  yield* createInterface({ input: child.stdout });
  expect(await ended).toBe(0);
}

async function earn(id: string): Promise<number> {
  const input = { user: { id }, eventType: 'visit', reference: unique('example') };
  const text =
    'mutation ($input: TrackEventInput!) { trackEvent(input: $input) { ledger { unit balanceAfter } } }';
  const { trackEvent } = await data(laurel, text, { input });
  return trackEvent.ledger.find(({ unit }: { unit: string }) => unit === 'XP').balanceAfter;
}

describe('the example of', () => {
  it.each(['urql', 'apollo'])('%s asks, and follows live', async (name) => {
    const { id, displayName } = await person(laurel, 40);
    const told: string[] = [];
    const totals: number[] = [];
    for await (const line of example(name, id)) {
      told.push(line);
      if (line === 'listens') totals.push(await earn(id), await earn(id));
    }
    expect(told).toEqual([
      `begins with ${(totals[0] ?? 0) - 10}`,
      'listens',
      ...totals.map((total) => `${displayName} has ${total}`),
    ]);
  });

  it('Node goes on where it was when it is started again', async () => {
    const { id, displayName } = await person(laurel, 41);
    const told: string[] = [];
    const totals: number[] = [];
    for await (const line of example('node', id)) {
      told.push(line);
      if (line === 'listens') totals.push(await earn(id), await earn(id));
    }
    for await (const line of example('node', id)) told.push(line);
    expect(told).toEqual(['listens', ...totals.map((total) => `${displayName} has ${total}`)]);
  });
});
