import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

// No log holds a secret: what the processes of a test run log, and PostgreSQL for them, is searched when they end.

/** What secrets look like, right ones and guessed ones. */
const forms: Record<string, RegExp> = {
  'a key': /laurel_(?:sys|int|per)_[0-9a-f]{12}_[\w-]{43}/,
  'a refresh token': /laurel_ref_[\w-]{22}_[\w-]{43}/,
  'a signed token': /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*/,
  "a database's password": /postgres(?:ql)?:\/\/[^\s:/@]+:[^\s@]+@/,
};

/** The kinds of secrets in a text. */
export function secretsIn(text: string): string[] {
  return Object.entries(forms).flatMap(([kind, form]) => (form.test(text) ? [kind] : []));
}

/** @throws Error when a log holds a secret; the message does not. */
export function mustHoldNoSecret(log: string, whose: string): void {
  const lines = log.split('\n').filter((line) => secretsIn(line).length > 0);
  if (lines.length === 0) return;
  const kinds = [...new Set(lines.flatMap(secretsIn))].join(', ');
  const shown = lines[0]?.replace(/(laurel_\w{3}_|eyJ|:\/\/)[\w.:-]+/g, '$1…').slice(0, 300);
  throw new Error(`The log of ${whose} holds ${kinds}, on ${lines.length} lines: ${shown}`);
}

/** The same for the log of an embedded database. @param folder  the data folder of its Laurel. */
export async function databaseLogMustHoldNoSecret(folder: string): Promise<void> {
  const logs = join(folder, 'postgres/cluster/log');
  for (const name of await readdir(logs).catch(() => []))
    mustHoldNoSecret(await readFile(join(logs, name), 'utf8'), 'PostgreSQL');
}
