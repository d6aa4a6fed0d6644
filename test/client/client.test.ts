import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { running } from '../kit/journey.ts';
import { generated, generatedFile } from './codegen.ts';

// The sample client of a frontend team: its types are generated, it compiles under their strict compiler, and it runs.

const execute = promisify(execFile);
const root = join(import.meta.dirname, '../..');

describe('the sample client', () => {
  let built: string;
  beforeAll(async () => {
    // Below the checkout, so that the compiled program finds its packages.
    built = await mkdtemp(join(root, 'node_modules/.laurel-client-'));
  });
  afterAll(() => rm(built, { recursive: true, force: true }));

  it('has fresh types (else run `npx vitest run test/client -u`)', async () => {
    await expect(await generated()).toMatchFileSnapshot(generatedFile);
  });

  it('compiles and runs', async () => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    await execute(process.execPath, [compiler, '-p', import.meta.dirname, '--outDir', built]).catch(
      ({ stdout }) => expect(stdout).toBe(''),
    );
    const { endpoint, demo } = await running('one process');
    const words = [join(built, 'app.js'), endpoint, demo.systemKey, demo.userEmail];
    const { stdout } = await execute(process.execPath, words);
    const xp = Number(/has (\d+) XP/.exec(stdout)?.[1]);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^Robin Admin has \d+ XP, level \d+$/),
      expect.stringMatching(/^deposits: \d+$/),
      expect.stringMatching(/^badges: \w+/),
      `Robin Admin: purchase +100 = ${xp + 100}`,
      `Robin Admin: visit +10 = ${xp + 110}`,
    ]);
  }, 120_000);
});
