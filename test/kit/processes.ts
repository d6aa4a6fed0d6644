import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Demo } from '../../subgraphs/index.ts';
import { databaseLogMustHoldNoSecret, mustHoldNoSecret } from './leak.ts';

// Laurel as its users run it: `node bin/laurel.js`, each with a data folder of its own that is gone afterwards.

/** What a journey needs of a running Laurel, whichever form it has; plain JSON. */
export interface Handle {
  endpoint: string;
  demo: Demo & { endpoint: string };
}

/** A form that runs, and how it ends: every process and every file of it. */
export interface Running extends Handle {
  stop(): Promise<void>;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface LaurelProcess {
  pid: number;
  /** Resolves when it has ended; rejects when its log holds a secret. */
  ended: Promise<Ended>;
  output(): { stdout: string; stderr: string };
  /** Resolves with the first match in standard output. @throws when the process ends without saying it */
  says(what: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL when that isn't heard. */
  stop(): Promise<Ended>;
}

const command = join(import.meta.dirname, '../../bin/laurel.js');
const patienceMs = 30_000;

const alive = new Set<LaurelProcess>();

/** Ends what a test that failed left running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...alive].map((one) => one.stop()));
}

/** Runs `laurel ...` with nothing of Laurel's in its environment but what is given. */
export function laurel(words: readonly string[], variables: Record<string, string> = {}): LaurelProcess {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  const child: ChildProcess = spawn(process.execPath, [command, ...words], {
    env: { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), HOST: '127.0.0.1', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      try {
        mustHoldNoSecret(said.stderr, `laurel ${words.join(' ')}`);
        resolve({ code, signal, ...said });
      } catch (error) {
        reject(error);
      }
    });
  });
  const started: LaurelProcess = {
    pid: child.pid ?? 0,
    ended,
    output: () => ({ ...said }),
    says(what) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const found = what.exec(said.stdout);
          if (found !== null) resolve(found);
        };
        child.stdout?.on('data', look);
        look();
        ended.then(({ code, signal, stdout, stderr }) =>
          reject(
            new Error(`laurel ${words.join(' ')} ended (${code ?? signal}) too soon:\n${stdout}${stderr}`),
          ),
        );
      });
    },
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill('SIGTERM');
      const impatience = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      const end = await ended;
      clearTimeout(impatience);
      return end;
    },
  };
  alive.add(started);
  void ended.catch(() => {}).finally(() => alive.delete(started));
  return started;
}

/** A data folder that PostgreSQL's user can reach, and how to be rid of it and of what is linked from it. */
export async function dataFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'laurel-journey-'));
  await chmod(path, 0o755);
  return {
    path,
    async remove() {
      await databaseLogMustHoldNoSecret(path);
      const database = await realpath(join(path, 'postgres')).catch(() => undefined);
      if (database !== undefined) await rm(database, { recursive: true, force: true });
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** `laurel start` on a free port; resolves when it is ready. */
export async function startOn(
  folder: string,
  variables: Record<string, string> = {},
): Promise<LaurelProcess & Handle> {
  const started = laurel(['start'], { PORT: '0', LAUREL_DATA: folder, ...variables });
  const [, endpoint = ''] = await started.says(/^Laurel is ready at (\S+)$/m);
  return { ...started, endpoint, demo: await demoOf(folder) };
}

export async function demoOf(folder: string): Promise<Handle['demo']> {
  return JSON.parse(await readFile(join(folder, 'demo.json'), 'utf8'));
}

/** Everything in one process, and its data folder. */
export async function oneProcess(): Promise<Running> {
  const folder = await dataFolder();
  try {
    const { endpoint, demo, stop } = await startOn(folder.path);
    return { endpoint, demo, stop: () => stop().then(folder.remove) };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Four subgraphs and a gateway, each a process of its own, on the database of a sixth. */
export async function fiveProcesses(): Promise<Running> {
  const folder = await dataFolder();
  const variables = { PORT: '0', LAUREL_DATA: folder.path };
  const processes: LaurelProcess[] = [];
  const run = (...words: string[]) => {
    const started = laurel(words, variables);
    processes.push(started);
    return started;
  };
  // The database is the first to start and the last to end.
  const stop = async () => {
    const [database, ...others] = processes;
    await Promise.all(others.map((one) => one.stop()));
    await database?.stop();
    await folder.remove();
  };
  try {
    await run('db').says(/The database is ready/);
    const demoLoaded = run('demo').says(/The demo is loaded/);
    const urls = await Promise.all(
      ['identity', 'community', 'gamification', 'messaging'].map(async (name) => {
        const [, url] = await run('subgraph', name, '--port', '0').says(/is ready at (\S+)$/m);
        return ['--url', `${name}=${url}`];
      }),
    );
    const supergraph = join(folder.path, 'supergraph.graphql');
    const { code, stderr } = await run('compose', ...urls.flat(), '--out', supergraph).ended;
    if (code !== 0) throw new Error(`laurel compose failed:\n${stderr}`);
    const [, endpoint = ''] = await run('gateway', '--supergraph', supergraph).says(/ready at (\S+)$/m);
    await demoLoaded;
    return { endpoint, demo: await demoOf(folder.path), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether a process lives. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The id of the PostgreSQL server of a data folder; undefined when none runs. */
export async function serverOf(folder: string): Promise<number | undefined> {
  const lock = join(folder, 'postgres/cluster/data/postmaster.pid');
  const [pid] = (await readFile(lock, 'utf8').catch(() => '')).split('\n');
  return pid ? Number(pid) : undefined;
}
