import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Home } from './data-folder.ts';
import { type Binaries, PROGRAM_ENVIRONMENT } from './embedded-binaries.ts';

// PostgreSQL as a process: how it is started, found again, and ended when its Laurel is killed.
// Its own lock file is our lock too: the server's command line names the Laurel that owns it.

/** A server that someone runs on a cluster. */
export interface RunningServer {
  pid: number;
  /** The process id of the Laurel that started it. */
  owner: number;
  port: string;
}

/** Whom a cluster's lock file names: a server, a process id that was a server's and isn't any more, or nobody. */
export interface Holder {
  server?: RunningServer;
  stranger?: number;
}

/** A server that this process started and that is ready. */
export interface OwnServer {
  process: ChildProcess;
  port: number;
  /** Resolves, when the server has ended, with the signal or exit code that it ended with. */
  exited: Promise<string>;
}

const execute = promisify(execFile);

/** What a server is started with; it wins over postgresql.conf and ALTER SYSTEM. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  authentication_timeout: '10s',
  max_connections: '100',
  shared_buffers: '128MB',
  // A batch of 1,000 awards is 5 MB of it, which the 4 MB that it would be otherwise make it wait for.
  wal_buffers: '16MB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // A file per weekday, emptied when its day comes round again. Parameters may be secrets: they are not logged.
  logging_collector: 'on',
  log_filename: 'postgresql-%a.log',
  log_rotation_age: '1d',
  log_rotation_size: '0',
  log_truncate_on_rotation: 'on',
  log_min_duration_statement: '1000',
  log_parameter_max_length: '0',
};

/**
 * Ends the server when the process that holds the other end of our standard input is gone.
 * That one writes the server's process id first, and a second line when there is nothing left to watch.
 */
const WATCHER = `
  read -r server || exit
  read -r released && exit
  runs() { read -r running < "$0" && [ "$running" = "$server" ] && kill -0 "$server"; }
  runs && kill -INT "$server"
  for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do runs || exit; sleep 1; done
  kill -QUIT "$server"
`;

/** The parts of a home that a server works with; all of them belong to PostgreSQL's user. */
export const clusterOf = (home: string) => ({
  data: join(home, 'cluster/data'),
  logs: join(home, 'cluster/log'),
  password: join(home, 'cluster/password'),
});

/** Who holds the lock file of a home's cluster. */
export async function findHolder(home: string): Promise<Holder> {
  const { data } = clusterOf(home);
  const { pid, port } = await readLockFile(data);
  if (!(pid > 0)) return {};
  const command = await commandLine(pid);
  // The id may be another process's by now, most likely in a container, where ids begin at 1 each time.
  const owner = command.includes(` -D ${data} `) ? Number(/ laurel\.owner=(\d+)/.exec(command)?.[1]) : 0;
  return owner > 0 ? { server: { pid, owner, port } } : { stranger: pid };
}

/**
 * Starts a server on a free port and waits until it is ready.
 * @param stranger  what `findHolder` said: an id that PostgreSQL would mistake for that of a server on this cluster.
 * @returns the server, or the reason why it ended while starting.
 */
export async function startServer(
  home: Home,
  binaries: Binaries,
  stranger: number | undefined,
): Promise<OwnServer | string> {
  const { data, logs } = clusterOf(home.path);
  const port = await freePort();
  const settings = { ...SETTINGS, port, log_directory: logs, 'laurel.owner': process.pid };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // PostgreSQL then takes the process of this id, a zombie perhaps, for no server. It still checks whether the
  // shared memory that goes with the data is in use.
  const env = stranger ? { ...PROGRAM_ENVIRONMENT, PG_GRANDPARENT_PID: `${stranger}` } : PROGRAM_ENVIRONMENT;

  // Both run in sessions of their own, where Ctrl-C on our terminal doesn't reach them.
  const surroundings = { ...home.account, cwd: '/', env, detached: true };
  const watcher = spawn('/bin/sh', ['-c', WATCHER, join(data, 'postmaster.pid')], {
    ...surroundings,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const server = spawn(binaries.postgres, ['-D', data, ...flags], {
    ...surroundings,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // A server serves without its watcher too; the next start would end it then.
  watcher.on('error', () => {});
  watcher.stdin.on('error', () => {});
  watcher.stdin.write(`${server.pid}\n`);
  for (const end of ['exit', 'error']) server.once(end, () => watcher.stdin.end('released\n'));

  // The server speaks through this pipe until its log files are open.
  let said = '';
  server.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const exited = new Promise<string>((resolve) => {
    server.once('exit', (code, killer) => resolve(killer ?? `exit code ${code}`));
  });
  const closed = new Promise<true>((resolve) => {
    server.once('close', () => resolve(true));
  });
  await once(server, 'spawn');
  while (!(await Promise.race([closed, delay(POLL_MS, false)]))) {
    const lock = await readLockFile(data);
    if (lock.pid === server.pid && lock.isReady) return { process: server, port, exited };
  }
  const lastLine = said.trim().split('\n').at(-1);
  return (await lastWords(logs, server.pid, said)) ?? (lastLine || `it ended with ${await exited}`);
}

const POLL_MS = 10;

// Source: PostgreSQL's src/include/utils/pidfile.h, the lines of postmaster.pid.
async function readLockFile(data: string): Promise<{ pid: number; port: string; isReady: boolean }> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return { pid: Number(lines[0]), port: lines[3] ?? '', isReady: lines[7]?.trim() === 'ready' };
}

async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
  }
  return execute('ps', ['-ww', '-o', 'args=', '-p', `${pid}`]).then(
    ({ stdout }) => stdout,
    () => '',
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The last fatal message of a server that ended while starting. */
async function lastWords(logs: string, pid: number | undefined, said: string): Promise<string | undefined> {
  let text = said;
  for (const name of await readdir(logs)) {
    const log = await readFile(join(logs, name), 'utf8');
    // A day's file holds other starts too: read from where this one begins.
    const start = log.lastIndexOf(` [${pid}] LOG:  starting PostgreSQL`);
    if (start >= 0) text += log.slice(start);
  }
  return [...text.matchAll(/(?:FATAL|PANIC): +(.*)/g)].at(-1)?.[1];
}
