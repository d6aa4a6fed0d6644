import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

// A process that takes part in the bench. All talk over IPC: `{ ready }` once, then an answer to each question.

export interface PartOptions {
  /** Besides those of this process. */
  env?: Record<string, string>;
  /** It isn't ours and says on its standard output that it is ready; the first group is what `ready` is. */
  says?: RegExp;
}

export class Part {
  private constructor(
    private readonly child: ChildProcess,
    readonly ready: unknown,
  ) {}

  /** Starts a file, with the meter loaded first. */
  static async start(
    file: string | URL,
    args: readonly string[] = [],
    flags: readonly string[] = [],
    { env, says }: PartOptions = {},
  ) {
    const child = fork(file, [...args], {
      execArgv: ['--import', new URL('./meter.js', import.meta.url).href, ...flags],
      env: { ...process.env, NODE_ENV: 'production', ...env },
      stdio: ['ignore', says === undefined ? 'ignore' : 'pipe', 'inherit', 'ipc'],
    });
    const name = typeof file === 'string' ? file : fileURLToPath(file);
    if (says !== undefined) return new Part(child, await said(child, says, name));
    const { ready } = await next<{ ready: unknown }>(child, name);
    return new Part(child, ready);
  }

  async ask<T>(question: unknown): Promise<T> {
    const answer = next<T & { failure?: string }>(this.child, 'A part');
    this.child.send(question as object);
    const { failure, ...rest } = await answer;
    if (failure !== undefined) throw new Error(failure);
    return rest as T;
  }

  /** Lets it write its profile, if it has one to write. */
  async end(): Promise<void> {
    if (!this.child.connected) return;
    const exited = once(this.child, 'exit');
    this.child.send('end');
    await exited;
  }
}

function next<T>(child: ChildProcess, name: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null) => reject(new Error(`${name} ended with ${code}.`));
    child.once('exit', exited);
    child.once('message', (message) => {
      child.off('exit', exited);
      resolve(message as T);
    });
  });
}

function said(child: ChildProcess, words: RegExp, name: string): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      const found = words.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${text}`)));
  });
}
