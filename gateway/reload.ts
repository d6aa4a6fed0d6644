import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';

// A new supergraph file is served as soon as it is there. The file is looked at and not waited for: that also sees files
// that are renamed into place, mounted, or links to others.

export interface ReloadOptions {
  file: string;
  /** What is served now. */
  text: string;
  /** Serves another supergraph. @throws Error for one that can't be served; then the old one still is */
  replace(text: string): void;
  log: Logger;
  /** Told after another supergraph was taken. */
  replaced(): void;
  /** How often to look. Default 500 ms. */
  everyMs?: number;
}

export interface Reload {
  /** Reads the file now. */
  now(): Promise<void>;
  stop(): void;
}

/** How long a file has to be left alone before it is read: whoever writes it may not be done. */
const settledMs = 200;

export function keepReloaded(options: ReloadOptions): Reload {
  const { file, replace, log, replaced, everyMs = 500 } = options;
  let current = options.text;
  let reading: Promise<void> = Promise.resolve();
  let settling: NodeJS.Timeout | undefined;

  const refuse = (error: unknown) => {
    const reason = (error as Error).message.trim().replace(/\s+/g, ' ');
    log.error({ file, reason }, 'the new supergraph is refused, the old one is served on');
  };

  const read = async (): Promise<void> => {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      return refuse(error);
    }
    // Touched and not changed.
    if (text === current) return;
    try {
      replace(text);
    } catch (error) {
      return refuse(error);
    }
    current = text;
    replaced();
  };
  // One after the other: what was read first must not be served last.
  const now = () => {
    reading = reading.then(read);
    return reading;
  };

  const changed = () => {
    clearTimeout(settling);
    settling = setTimeout(() => void now(), settledMs);
  };
  watchFile(file, { interval: everyMs, persistent: false }, changed);
  // It may have changed since it was read.
  void now();

  return {
    now,
    stop() {
      clearTimeout(settling);
      unwatchFile(file, changed);
    },
  };
}
