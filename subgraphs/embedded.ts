import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { buildFolder, type Home, isAlive, openDataFolder, readHome } from './data-folder.ts';
import { type Binaries, installBinaries, PROGRAM_ENVIRONMENT } from './embedded-binaries.ts';
import { clusterOf, findHolder, type OwnServer, startServer } from './embedded-server.ts';
import { StartFailure } from './start-failure.ts';

// The PostgreSQL that comes along when DATABASE_URL is unset: a real server on loopback, owned by one Laurel process.
// A server whose Laurel was killed is ended, not adopted: it is ending itself by then, and ending it takes 0.1 s.

/** A PostgreSQL server that this process owns. */
export interface Embedded {
  /** For postgres.js and psql alike; holds the password. */
  url: string;
  /** Resolves with the reason when the server ended without being asked to. */
  ended: Promise<string>;
  /** Ends the server cleanly, disconnecting whoever is still connected; later calls await the first. */
  stop(): Promise<void>;
}

const execute = promisify(execFile);

/** Failures of a start that pass: a predecessor's last processes, another Laurel's start, a port taken meanwhile. */
const PASSING = /lock file|shared memory block|TCP\/IP sockets/;

/** How long a server may take to end in good order, before it is told to end at once. */
const GRACE_MS = 20_000;
const POLL_MS = 10;

/**
 * Starts the PostgreSQL of a data folder, creating both when they don't exist, and writes `database.url` there.
 * @param log  told, in lines for the operator, of what isn't a matter of course.
 * @throws StartFailure  when another Laurel runs on the folder, or the folder or its database can't be used.
 * @cost about 2 s for the first start on a folder, 0.1 s for a later one, more after a crash.
 */
export async function startEmbedded(options: {
  dataFolder: string;
  log: (line: string) => void;
}): Promise<Embedded> {
  try {
    const home = await openDataFolder(options.dataFolder, options.log);
    await takeOver(home);
    const binaries = await installBinaries(home);
    await prepareCluster(home, binaries);
    return await own(await launch(home, binaries), home);
  } catch (error) {
    const { syscall, message } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error; // A StartFailure, or a bug.
    throw new StartFailure(
      `Can't use the data folder ${options.dataFolder}: ${message}. Make it writable and leave room in it, ` +
        'or set LAUREL_DATA to another folder.',
      { cause: error },
    );
  }
}

/**
 * The URL that a running `laurel start` or `laurel db` on this data folder wrote; undefined when none is running.
 * @throws StartFailure  when the data folder's database is gone from where it lay.
 */
export async function runningDatabaseUrl(dataFolder: string): Promise<string | undefined> {
  const home = await readHome(dataFolder);
  if (home === undefined) return undefined;
  const { server } = await findHolder(home);
  const url = await readFile(urlFile(dataFolder), 'utf8').catch(() => '');
  // A URL with another port was left by a Laurel that was killed.
  const isCurrent = server && isAlive(server.owner) && url !== '' && new URL(url).port === server.port;
  return isCurrent ? url : undefined;
}

const urlFile = (folder: string) => join(folder, 'database.url');

/**
 * Ends the server that a killed Laurel left behind; refuses when its Laurel lives.
 * @returns the id in the cluster's lock file, when there is one, that isn't a server's any more.
 */
async function takeOver(home: Home): Promise<number | undefined> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const { server, stranger } = await findHolder(home.path);
    if (server === undefined) return stranger;
    if (isAlive(server.owner)) {
      // A process that was killed just now takes a moment to be gone.
      if (waitedMs < 300) {
        await delay(POLL_MS);
        continue;
      }
      throw new StartFailure(
        `Another Laurel (process ${server.owner}) already runs on the data folder ${home.folder}. ` +
          'Stop it, or set LAUREL_DATA to another folder.',
      );
    }
    if (waitedMs > GRACE_MS * 1.5) {
      throw new StartFailure(
        `PostgreSQL (process ${server.pid}), left by a Laurel that was killed, doesn't end. End it, then start again.`,
      );
    }
    try {
      process.kill(server.pid, waitedMs > GRACE_MS ? 'SIGQUIT' : 'SIGINT');
    } catch {
      // It ended meanwhile.
    }
    await delay(POLL_MS);
  }
}

/** Creates the cluster on the first start, and refuses one that these binaries can't run. */
async function prepareCluster(home: Home, binaries: Binaries): Promise<void> {
  const cluster = join(home.path, 'cluster');
  if ((await stat(cluster).catch(() => undefined)) === undefined) {
    await buildFolder(cluster, (draft) => createCluster(draft, home, binaries));
  }
  const major = (await readFile(join(clusterOf(home.path).data, 'PG_VERSION'), 'utf8')).trim();
  if (major !== binaries.major) {
    throw new StartFailure(
      `The database in ${home.folder} was made by PostgreSQL ${major}; this Laurel brings PostgreSQL ` +
        `${binaries.major}. Set LAUREL_DATA to another folder, or run the Laurel that made it.`,
    );
  }
}

async function createCluster(draft: string, home: Home, binaries: Binaries): Promise<void> {
  const password = join(draft, 'password');
  await mkdir(join(draft, 'log'), { mode: 0o700 });
  await writeFile(password, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true });
  const { uid, gid } = home.account;
  if (uid !== undefined && gid !== undefined) {
    for (const path of [join(draft, 'log'), password, draft]) await chown(path, uid, gid);
  }
  const options = {
    pgdata: join(draft, 'data'),
    username: 'laurel',
    pwfile: password,
    'auth-host': 'scram-sha-256',
    'auth-local': 'reject',
    encoding: 'UTF8',
    // Knows the case of every letter of Unicode, and is the same on every system.
    'locale-provider': 'builtin',
    'builtin-locale': 'C.UTF-8',
    locale: 'C',
  };
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const surroundings = { ...home.account, cwd: '/', env: PROGRAM_ENVIRONMENT };
  await execute(binaries.initdb, flags, surroundings).catch((cause) => {
    const said = String(cause.stderr || cause.message);
    const [reason = said.split('\n')[0], hint = ''] =
      said.match(/(?<=(error|FATAL|PANIC|HINT): +)\S.*/g) ?? [];
    throw new StartFailure(`Can't create a database in ${home.folder}: ${reason}. ${hint}`.trim(), { cause });
  });
}

/** Starts the server; tries again for a while when what stands in the way will pass. */
async function launch(home: Home, binaries: Binaries): Promise<OwnServer> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await startServer(home, binaries, await takeOver(home));
    if (typeof outcome !== 'string') return outcome;
    if (!PASSING.test(outcome) || attempt === 20) {
      const { logs } = clusterOf(home.path);
      throw new StartFailure(
        `PostgreSQL doesn't start on ${home.folder}: ${outcome}. Its log is in ${logs}.`,
      );
    }
    await delay(250);
  }
}

/** Makes a ready server known to others, and follows it to its end. */
async function own(server: OwnServer, home: Home): Promise<Embedded> {
  const { logs, password } = clusterOf(home.path);
  const url = `postgres://laurel:${await readFile(password, 'utf8')}@127.0.0.1:${server.port}/postgres`;
  const draft = `${urlFile(home.folder)}.new`;
  await rm(draft, { force: true });
  await writeFile(draft, url, { mode: 0o600 });
  await rename(draft, urlFile(home.folder));

  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await rm(urlFile(home.folder), { force: true });
    server.process.kill('SIGINT');
    const impatience = setTimeout(() => server.process.kill('SIGQUIT'), GRACE_MS);
    await server.exited;
    clearTimeout(impatience);
  };
  const ended = new Promise<string>((resolve) => {
    server.exited.then((how) => {
      if (!stopping) resolve(`PostgreSQL ended by itself (${how}). Its log is in ${logs}.`);
    });
  });
  return {
    url,
    ended,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
