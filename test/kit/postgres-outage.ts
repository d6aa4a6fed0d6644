import { execFile } from 'node:child_process';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROGRAM_ENVIRONMENT } from '../../subgraphs/embedded-binaries.ts';

// The PostgreSQL of a data folder, stopped and started as its operator would: on the same port, with the same settings.

/** Stops it at once, cutting off whoever is connected. */
export function stopPostgres(folder: string): Promise<void> {
  return control(folder, ['stop', '-m', 'immediate']);
}

/** Starts it as it was started before. */
export function startPostgres(folder: string): Promise<void> {
  return control(folder, ['restart']);
}

async function control(folder: string, words: readonly string[]): Promise<void> {
  const home = await realpath(join(folder, 'postgres'));
  const binaries = (await readdir(home)).find((name) => name.startsWith('binaries-')) ?? '';
  const data = join(home, 'cluster/data');
  const { uid, gid } = await stat(data);
  const account = process.getuid?.() === 0 ? { uid, gid } : {};
  await promisify(execFile)(
    join(home, binaries, 'bin/pg_ctl'),
    [...words, '-D', data, '-w', '-s', '-l', '/dev/null'],
    { ...account, cwd: '/', env: PROGRAM_ENVIRONMENT },
  );
}
