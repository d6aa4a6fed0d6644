import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Embedded, runningDatabaseUrl, startEmbedded } from '../../subgraphs/embedded.ts';

const isRoot = process.getuid?.() === 0;
const compiled = pathToFileURL(join(import.meta.dirname, '../../dist/subgraphs/embedded.js')).href;

let place: string;
const folder = (name: string) => join(place, name);
const start = (dataFolder: string, log = (_line: string) => {}) => startEmbedded({ dataFolder, log });

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'laurel-embedded-'));
  await chmod(place, 0o755);
});

afterAll(() => rm(place, { recursive: true, force: true }));

/** Runs SQL on a connection of its own. */
async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    return [...(await sql.unsafe(text))];
  } finally {
    await sql.end();
  }
}

/** A Laurel in a process of its own, which has written a row when this resolves. */
async function ownerThatWrote(dataFolder: string) {
  const script = `
    import { startEmbedded } from '${compiled}';
    import postgres from 'postgres';
    const { url } = await startEmbedded({ dataFolder: process.argv[1], log: () => {} });
    const sql = postgres(url);
    await sql\`create table note (text text)\`;
    await sql\`insert into note values ('acknowledged')\`;
    console.log(url);
  `;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script, dataFolder], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = await once(createInterface(owner.stdout), 'line');
  const kill = async () => {
    owner.kill('SIGKILL');
    await once(owner, 'exit');
  };
  return { url: String(url), pid: owner.pid, kill };
}

async function serverId(dataFolder: string): Promise<number> {
  const [pid] = (await readFile(join(dataFolder, 'postgres/cluster/data/postmaster.pid'), 'utf8')).split(
    '\n',
  );
  return Number(pid);
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe('embedded database', () => {
  let embedded: Embedded;
  beforeAll(async () => {
    embedded = await start(folder('running'));
  });
  afterAll(() => embedded?.stop());

  it('answers queries at its URL', async () => {
    expect(await query(embedded.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it.each([
    ['fsync', 'on'],
    ['full_page_writes', 'on'],
    ['synchronous_commit', 'on'],
    ['listen_addresses', '127.0.0.1'],
    ['unix_socket_directories', ''],
    ['server_encoding', 'UTF8'],
    ['TimeZone', 'UTC'],
  ])('runs with %s = %s', async (name, value) => {
    expect(Object.values((await query(embedded.url, `show ${name}`))[0] ?? {})).toEqual([value]);
  });

  it('knows the case of letters beyond ASCII', async () => {
    expect(await query(embedded.url, `select lower('ÉÀ') as lower`)).toEqual([{ lower: 'éà' }]);
  });

  it('refuses a wrong password', async () => {
    const wrong = new URL(embedded.url);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  it('lets nobody in without a password', async () => {
    const rules = await query(embedded.url, 'select distinct auth_method from pg_hba_file_rules order by 1');
    expect(rules.map((rule) => rule.auth_method)).toEqual(['reject', 'scram-sha-256']);
  });

  it('tells its URL to processes of the same user only', async () => {
    expect(await runningDatabaseUrl(folder('running'))).toBe(embedded.url);
    expect(await modeOf(join(folder('running'), 'database.url'))).toBe('600');
    expect(await modeOf(join(folder('running'), 'postgres/cluster'))).toBe('700');
    expect(await modeOf(join(folder('running'), 'postgres/cluster/password'))).toBe('600');
  });

  it('keeps its log', async () => {
    const logs = join(folder('running'), 'postgres/cluster/log');
    const [name = ''] = await readdir(logs);
    expect(await readFile(join(logs, name), 'utf8')).toContain('ready to accept connections');
  });

  it('refuses a second Laurel, and the first goes on', async () => {
    await expect(start(folder('running'))).rejects.toThrow(
      `Another Laurel (process ${process.pid}) already runs on the data folder ${await realpath(folder('running'))}.`,
    );
    expect(await query(embedded.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('end of the embedded database', () => {
  it('keeps rows over a stop and a start', async () => {
    const first = await start(folder('stopped'));
    await query(first.url, `create table note as select 'kept' as text`);
    await first.stop();
    expect(await runningDatabaseUrl(folder('stopped'))).toBeUndefined();
    expect(await readdir(folder('stopped'))).toEqual(['postgres']);

    const second = await start(folder('stopped'));
    expect(await query(second.url, 'select text from note')).toEqual([{ text: 'kept' }]);
    await second.stop();
  });

  it('keeps every acknowledged row when its Laurel is killed, and leaves no server behind', async () => {
    const owner = await ownerThatWrote(folder('killed'));
    const orphan = await serverId(folder('killed'));
    await owner.kill();
    expect(await runningDatabaseUrl(folder('killed'))).toBeUndefined();

    const next = await start(folder('killed'));
    expect(await query(next.url, 'select text from note')).toEqual([{ text: 'acknowledged' }]);
    expect(await serverId(folder('killed'))).not.toBe(orphan);
    await next.stop();
  });

  it('ends by itself when its Laurel is killed', async () => {
    const owner = await ownerThatWrote(folder('orphaned'));
    const sql = postgres(owner.url, { max: 1 });
    await sql`select 1`;
    const closed = new Promise((resolve) => sql.unsafe('select pg_sleep(60)').catch(resolve));
    await owner.kill();
    // The shutdown ends the query of every client.
    expect(String(await closed)).toMatch(/terminating connection|CONNECTION_CLOSED/);
    await sql.end({ timeout: 0 });
  });

  it('says so when the server ends without being asked to', async () => {
    const embedded = await start(folder('stopped'));
    process.kill(await serverId(folder('stopped')), 'SIGKILL');
    expect(await embedded.ended).toContain('PostgreSQL ended by itself (SIGKILL).');
    await embedded.stop();
  });

  it('takes a stale lock file for what it is, even when its process id lives on', async () => {
    const lockFile = join(folder('stopped'), 'postgres/cluster/data/postmaster.pid');
    const { uid, gid } = await stat(join(folder('stopped'), 'postgres/cluster/data'));
    const stranger = spawn('sleep', ['60'], isRoot ? { uid, gid } : {});
    await rm(lockFile, { force: true });
    await writeFile(lockFile, `${stranger.pid}\n${folder('stopped')}\n1\n1\n\n127.0.0.1\n1 1\nready\n`, {
      mode: 0o644,
    });

    const embedded = await start(folder('stopped'));
    expect(await query(embedded.url, 'select text from note')).toEqual([{ text: 'kept' }]);
    await embedded.stop();
    stranger.kill();
  });
});

describe('embedded database, refused', () => {
  it('refuses a file as data folder', async () => {
    await writeFile(folder('file'), '');
    await expect(start(folder('file'))).rejects.toThrow(
      `LAUREL_DATA names ${folder('file')}, which is a file; it must be a folder.`,
    );
  });

  it.runIf(!isRoot)('refuses a folder that it may not read', async () => {
    await mkdir(folder('closed'), { mode: 0o000 });
    await expect(start(folder('closed'))).rejects.toThrow(
      `Can't use the data folder ${folder('closed')}: EACCES`,
    );
  });

  it('refuses a cluster of another major version and leaves it as it is', async () => {
    const cluster = join(folder('old'), 'postgres/cluster/data');
    await mkdir(cluster, { recursive: true });
    await writeFile(join(cluster, 'PG_VERSION'), '15\n');
    await expect(start(folder('old'))).rejects.toThrow(
      'was made by PostgreSQL 15; this Laurel brings PostgreSQL 18',
    );
    expect(await readdir(cluster)).toEqual(['PG_VERSION']);
  });
});

describe.runIf(isRoot)('embedded database of root', () => {
  it('lies elsewhere when its user can not reach the data folder', async () => {
    await mkdir(folder('private'), { mode: 0o700 });
    const dataFolder = folder('private/.laurel');
    const lines: string[] = [];
    const embedded = await start(dataFolder, (line) => lines.push(line));
    const outside = await realpath(join(dataFolder, 'postgres'));
    try {
      expect(await query(embedded.url, 'select 1 as one')).toEqual([{ one: 1 }]);
      expect(await runningDatabaseUrl(dataFolder)).toBe(embedded.url);
      expect(lines.at(-1)).toBe(
        `PostgreSQL's user can't reach ${await realpath(dataFolder)}, so the database lies in ${outside}.`,
      );
    } finally {
      await embedded.stop();
      await rm(outside, { recursive: true });
    }
  });
});
