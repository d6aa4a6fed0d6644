import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  access,
  chmod,
  constants,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { StartFailure } from './start-failure.ts';

// The data folder (LAUREL_DATA), the place in or outside it where PostgreSQL's files lie, and the account that runs it.
// PostgreSQL refuses to run as root; root's Laurel runs it as another user, who may not reach a folder below /root.

const execute = promisify(execFile);

/** Where databases go that their own data folder would hide from PostgreSQL; only ever used by root. */
const OUTSIDE = '/var/lib/laurel';

/** Users that may run PostgreSQL for root, best first; the third is created when there is none of the first three. */
const ACCOUNTS = ['postgres', '_postgres', 'laurel-postgres', 'nobody'] as const;

/** The user that PostgreSQL runs as, in the form that node:child_process wants; empty for "as we do". */
export interface Account {
  uid?: number;
  gid?: number;
}

/** Where PostgreSQL's files of one data folder lie. */
export interface Home {
  /** The data folder's real path. */
  folder: string;
  /** The folder of binaries and cluster: `<folder>/postgres`, or what that links to. */
  path: string;
  account: Account;
}

/**
 * Opens a data folder, creating it when it doesn't exist, and settles who runs PostgreSQL and where.
 * @param log  told of each thing done outside the data folder.
 * @throws StartFailure  when the folder isn't one, can't be written, or can't be reached by PostgreSQL's user.
 */
export async function openDataFolder(dataFolder: string, log: (line: string) => void): Promise<Home> {
  const folder = await createFolder(dataFolder);
  const isRoot = process.getuid?.() === 0;
  const inside = join(folder, 'postgres');
  const known = await readHome(folder);

  const account = isRoot ? ((await ownerOf(known)) ?? (await findAccount(log))) : {};
  if (known === undefined) {
    if (await canEnter(account, folder)) await createPassage(inside);
    else await linkOutside(folder, inside, log);
  }
  const path = await realpath(inside);
  if (!(await canEnter(account, path))) {
    throw new StartFailure(
      `User ${account.uid}, who runs PostgreSQL for root, can't reach ${path}. ` +
        'Let others pass through the folders above it (chmod o+x), or set LAUREL_DATA to another folder.',
    );
  }
  await sweep(path);
  return { folder, path, account };
}

/**
 * Where the PostgreSQL of a data folder lies; undefined when there is none yet.
 * @throws StartFailure  when it lay outside the data folder and is gone from there.
 */
export async function readHome(folder: string): Promise<string | undefined> {
  const inside = join(folder, 'postgres');
  const target = await readlink(inside).catch(() => undefined);
  try {
    return await realpath(inside);
  } catch {
    if (target === undefined) return undefined;
    throw new StartFailure(
      `The database of ${folder} lay in ${target}, which is gone. ` +
        `Bring it back, or delete the link ${inside} to begin with an empty database.`,
    );
  }
}

/**
 * Builds a folder under another name and renames it when complete, so that no one ever sees half of it.
 * When another process was faster, its folder stays and ours is dropped.
 */
export async function buildFolder(path: string, build: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${path}.new-${process.pid}`;
  await mkdir(draft, { mode: 0o700 });
  try {
    await build(draft);
    await rename(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    await syncToDisk(dirname(path));
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Waits until a file's content, or a folder's list of names, would survive a power cut. */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** True when a process of this id lives, whoever's it is. One that was killed but not yet waited for doesn't. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true; // No /proc here.
  }
}

async function createFolder(dataFolder: string): Promise<string> {
  const existing = await stat(dataFolder).catch(() => undefined);
  if (existing !== undefined && !existing.isDirectory()) {
    throw new StartFailure(`LAUREL_DATA names ${dataFolder}, which is a file; it must be a folder.`);
  }
  const created = await mkdir(dataFolder, { recursive: true, mode: 0o755 });
  // Root lets others pass through, not look: PostgreSQL's user must reach what is its own inside.
  if (created !== undefined) await chmod(dataFolder, process.getuid?.() === 0 ? 0o711 : 0o700);
  await access(dataFolder, constants.R_OK | constants.W_OK | constants.X_OK);
  return realpath(dataFolder);
}

/** Whoever owns an existing cluster goes on to run it, whatever users were added to the machine since. */
async function ownerOf(home: string | undefined): Promise<Account | undefined> {
  if (home === undefined) return undefined;
  const cluster = await stat(join(home, 'cluster')).catch(() => undefined);
  return cluster && cluster.uid !== 0 ? { uid: cluster.uid, gid: cluster.gid } : undefined;
}

async function findAccount(log: (line: string) => void): Promise<Account> {
  for (const name of ACCOUNTS) {
    // The last resort is shared with other services, so an account of our own is tried first.
    if (name === 'nobody' && (await createAccount('laurel-postgres'))) {
      log('Created the system user laurel-postgres: PostgreSQL refuses to run as root.');
      return findAccount(log);
    }
    const ids = await Promise.all(['-u', '-g'].map((flag) => execute('id', [flag, name]))).catch(
      () => undefined,
    );
    if (ids !== undefined) return { uid: Number(ids[0]?.stdout), gid: Number(ids[1]?.stdout) };
  }
  throw new StartFailure(
    'PostgreSQL refuses to run as root, and there is no other user for it. ' +
      'Add one (useradd --system postgres), run Laurel as an ordinary user, or set DATABASE_URL.',
  );
}

async function createAccount(name: string): Promise<boolean> {
  const useradd = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', name];
  const adduser = ['-S', '-D', '-H', name]; // BusyBox has no useradd.
  try {
    await execute('useradd', useradd).catch(() => execute('adduser', adduser));
    return true;
  } catch {
    return false;
  }
}

/** Asks a shell that runs as the account: permissions, ACLs and mount options all have their say. */
async function canEnter(account: Account, folder: string): Promise<boolean> {
  if (account.uid === undefined) return true;
  try {
    await execute('/bin/sh', ['-c', 'cd "$0"', folder], { ...account, cwd: '/' });
    return true;
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (syscall === undefined) return false;
    throw new StartFailure(
      `PostgreSQL refuses to run as root, and this process may not become user ${account.uid} (${code}). ` +
        'Run Laurel as an ordinary user, or set DATABASE_URL.',
      { cause: error },
    );
  }
}

async function linkOutside(folder: string, link: string, log: (line: string) => void): Promise<void> {
  await createPassage(OUTSIDE);
  const key = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  const name = join(OUTSIDE, `${basename(dirname(folder)).replace(/[^\w-]/g, '')}-${key}`);

  // A database that nothing links to stays: perhaps its data folder is on a disk that isn't mounted now.
  for (let copy = 1; ; copy++) {
    const target = copy === 1 ? name : `${name}-${copy}`;
    if ((await stat(target).catch(() => undefined)) !== undefined) {
      log(`An earlier database of ${folder} stays in ${target}; delete it when nobody wants it.`);
      continue;
    }
    await createPassage(target);
    await symlink(target, link);
    log(`PostgreSQL's user can't reach ${folder}, so the database lies in ${target}.`);
    return;
  }
}

/** A folder that others may pass through but not list, whatever our umask. */
async function createPassage(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o711);
}

/** Removes what an interrupted start left half built. */
async function sweep(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const builder = Number(/\.new-(\d+)$/.exec(name)?.[1]);
    const isLeftover = builder > 0 && (builder === process.pid || !isAlive(builder));
    // Its initdb may still be writing there; then the next start removes it.
    if (isLeftover) await rm(join(home, name), { recursive: true, force: true }).catch(() => {});
  }
}
