import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { Resources } from '../../subgraphs/context.ts';
import { connect, type Sql } from '../../subgraphs/db.ts';
import { openStore } from '../../subgraphs/store.ts';

// A database of its own for each test file, on the server that global-setup.ts started.

declare module 'vitest' {
  export interface ProvidedContext {
    serverUrl: string;
  }
}

export const templateName = 'laurel_template';

export interface TestDatabase {
  url: string;
  sql: Sql;
  resources: Resources;
  /** What `resources.now()` says; undefined: the real time. */
  clock: { now: Date | undefined };
  /** The statements that `work` sends, each by its name: the first line of our SQL is `-- name`. */
  statementsOf(work: () => Promise<unknown>): Promise<string[]>;
  /** Fails when the log could not be followed meanwhile. */
  close(): Promise<void>;
}

/** A migrated database with what resolvers work with, or a copy of another `template`. */
export async function freshDatabase(template = templateName): Promise<TestDatabase> {
  const url = await emptyDatabase(template);
  const recorders = new Set<string[]>();
  const sql = connect(url, {
    onStatement: (text) => {
      // What a process looks for in the background is no work's.
      if (text.includes('pg_catalog') || text.includes('-- refreshSecrets')) return;
      for (const recorder of recorders) recorder.push(/-- (.*)/.exec(text)?.[1] ?? text);
    },
  });
  const faults: unknown[] = [];
  const dataFolder = await mkdtemp(join(tmpdir(), 'laurel-test-'));
  const clock: TestDatabase['clock'] = { now: undefined };
  const store = await openStore(sql, { dataFolder }, (fault) => faults.push(fault));
  return {
    url,
    sql,
    clock,
    resources: { ...store.resources, now: () => clock.now ?? new Date() },
    async statementsOf(work) {
      const statements: string[] = [];
      recorders.add(statements);
      await work();
      recorders.delete(statements);
      return statements;
    },
    async close() {
      await store.close();
      await sql.end({ timeout: 5 });
      await rm(dataFolder, { recursive: true, force: true });
      if (faults.length > 0) throw faults[0];
    },
  };
}

/** The URL of a new database without Laurel's schemas, or of a copy of `template`. */
export async function emptyDatabase(template = 'template1'): Promise<string> {
  const server = inject('serverUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  const sql = connect(server, { max: 1 });
  await sql.unsafe(`create database ${name} template ${template}`);
  await sql.end();
  return databaseUrl(server, name);
}

/** The URL of another database on the same server. */
export function databaseUrl(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = name;
  return url.href;
}
