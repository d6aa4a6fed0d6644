import { readdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataFolder, type Ended, laurel, stopAll } from '../kit/processes.ts';

// How the command says no: every problem at once or one clear line, exit 1, nothing left behind.

let folder: Awaited<ReturnType<typeof dataFolder>>;
beforeAll(async () => {
  folder = await dataFolder();
});
afterAll(async () => {
  await stopAll();
  await folder.remove();
});

/** Runs a command that is to end by itself. */
const run = (words: string[], variables: Record<string, string> = {}): Promise<Ended> =>
  laurel(words, { PORT: '0', LAUREL_DATA: join(folder.path, 'unused'), ...variables }).ended;

describe('wrong configuration', () => {
  it('is told all at once, before anything is done', async () => {
    const { code, stdout, stderr } = await run(['start'], {
      PORT: 'x',
      DATABASE_URL: 'mysql://root:secret@localhost/x',
      LAUREL_LOG: 'loud',
      LAUREL_TRUST_PROXY: 'maybe',
    });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toEqual([
      'PORT is a whole number from 0 to 65535, got "x".',
      'DATABASE_URL begins with postgres:// or postgresql://.',
      'LAUREL_LOG is silent, fatal, error, warn, info or debug, got "loud".',
      'LAUREL_TRUST_PROXY is true or false, got "maybe".',
    ]);
    expect(await readdir(folder.path)).not.toContain('unused');
  });

  it('is an option out of range', async () => {
    const { code, stderr } = await run(['gateway', '--supergraph', 'x', '--port', '70000']);
    expect(code).toBe(1);
    expect(stderr).toContain('It is a whole number from 0 to 65535.');
  });
});

describe('a start that fails', () => {
  const oneLine = async (words: string[], variables?: Record<string, string>): Promise<string> => {
    const { code, stdout, stderr } = await run(words, variables);
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({
      code: 1,
      stdout: '',
      lines: 1,
    });
    return stderr.trim();
  };

  it('names the port that something else listens on', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const place = join(folder.path, 'port-taken');
    expect(await oneLine(['start'], { PORT: String(port), LAUREL_DATA: place })).toBe(
      `Something listens on 127.0.0.1:${port} already. Set PORT to a free port.`,
    );
    other.close();
    expect(await readdir(place).catch(() => [])).not.toContain('database.url');
    // Nothing is damaged: the same folder serves on a free port.
    const second = laurel(['start'], { PORT: '0', LAUREL_DATA: place });
    await second.says(/^Laurel is ready/m);
    expect((await second.stop()).code).toBe(0);
  }, 60_000);

  it('names a data folder that is a file', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, 'mine');
    expect(await oneLine(['start'], { LAUREL_DATA: file })).toContain(
      `LAUREL_DATA names ${file}, which is a file`,
    );
    expect((await stat(file)).size).toBe(4);
  });

  it('names a data folder that it can not make', async () => {
    const place = join(folder.path, 'file/data');
    expect(await oneLine(['start'], { LAUREL_DATA: place })).toContain(place);
  });

  it('names an unreachable database, and not its password', async () => {
    const line = await oneLine(['start'], { DATABASE_URL: 'postgres://ada:secret@127.0.0.1:1/laurel' });
    expect(line).toMatch(/^The database at 127\.0\.0\.1:1\/laurel can't be reached: /);
    expect(line).not.toMatch(/secret|ada/);
  });

  it.each([
    ['subgraph', ['subgraph', 'identity', '--port', '0']],
    ['gateway', ['gateway', '--supergraph', join(import.meta.dirname, '../../schema/supergraph.graphql')]],
  ])('names the three ways to a database for `laurel %s`', async (_name, words) => {
    const line = await oneLine(words);
    for (const way of ['DATABASE_URL', '`laurel db`', '`laurel start`']) expect(line).toContain(way);
  });

  it('names a supergraph that is not there', async () => {
    expect(await oneLine(['gateway', '--auth', 'none', '--supergraph', '/nowhere'])).toContain('/nowhere');
  });

  it('says so when a supergraph is none', async () => {
    const file = join(folder.path, 'no-supergraph');
    await writeFile(file, 'type Query { hello');
    const { code, stderr } = await run(['gateway', '--auth', 'none', '--supergraph', file]);
    expect(code).toBe(1);
    expect(stderr).toContain(`The supergraph ${file} can't be served`);
  });
});

describe('help', () => {
  it.each([
    [[], ['start', 'db', 'gateway', 'subgraph', 'compose', 'migrate', 'demo', 'README']],
    [['start'], ['one process']],
    [['db'], ['PostgreSQL']],
    [['gateway'], ['--supergraph <file>', '--port <number>', '--auth <kind>']],
    [['subgraph'], ['identity', '--port <number>', '--standalone']],
    [['compose'], ['--out <file>', '--url <name=url>', '--schema']],
    [['migrate'], ['database']],
    [['demo'], ['demo.json']],
  ])('is there for `laurel %s`', async (words, said) => {
    const { code, stdout, stderr } = await run([...words, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const part of said) expect(stdout).toContain(part);
  });
});
