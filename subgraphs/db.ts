import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Postgrator from 'postgrator';
import postgres from 'postgres';
import { openPool, type Sql, transaction } from './pool.ts';

export { type Sql, transaction } from './pool.ts';

// The one PostgreSQL behind everything: connecting, transactions, migrations. SQL itself stands in the feature
// that needs it.

/** A statement, or a part to put into one. */
export type SqlPart = postgres.PendingQuery<postgres.Row[]>;

export interface ConnectOptions {
  /** Connections at most, 10 by default. */
  max?: number;
  /** Sees the text of each statement sent; tests count with it. */
  onStatement?: (text: string) => void;
}

/** No statement of a request runs longer. */
const longestStatementMs = 30_000;

/** Opens a pool; connects when first used. `sql.end({ timeout: 5 })` closes it. */
export function connect(url: string, { max = 10, onStatement }: ConnectOptions = {}): Sql {
  return openPool(url, {
    max,
    connect_timeout: 10,
    idle_timeout: 0,
    // Seconds before a connection that failed is tried again: a database that is back is found within one.
    backoff: (attempt) => (0.5 + Math.random() / 2) * Math.min(3 ** attempt / 100, 1),
    onnotice: () => {},
    connection: { application_name: 'laurel', statement_timeout: longestStatementMs },
    types: {
      bigint: postgres.BigInt,
      date: { to: 1082, from: [1082], serialize: (day: string) => day, parse: (day: string) => day },
    },
    ...(onStatement === undefined ? {} : { debug: (_connection, text) => onStatement(text) }),
  });
}

/** Rows in the order of the keys they were asked by; null where a key has none. */
export function alignTo<Row>(
  keys: readonly string[],
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): (Row | null)[] {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  return keys.map((key) => byKey.get(key) ?? null);
}

/** All rows of each key, in the order they came; `[]` where a key has none. */
export function groupTo<Row>(
  keys: readonly string[],
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): Row[][] {
  const byKey = new Map<string, Row[]>(keys.map((key) => [key, []]));
  for (const row of rows) byKey.get(keyOf(row))?.push(row);
  return keys.map((key) => byKey.get(key) ?? []);
}

/** The schemas that Laurel's migrations make, in the order they are made: `log` first, since all append to it. */
export const schemas = ['log', 'identity', 'community', 'gamification', 'messaging'] as const;

/**
 * Brings every schema to the version of this program, in one transaction under one lock: a second process that
 * migrates at the same time waits, and a failure leaves the database as it was.
 * @returns the files that ran, `identity/001.do.user.sql`; `[]` when there was nothing to do.
 */
export async function migrate(sql: Sql): Promise<string[]> {
  const ran: string[] = [];
  await transaction(sql, async (tx) => {
    await tx`set local statement_timeout = 0`;
    await tx`select pg_advisory_xact_lock(hashtext('laurel.migrate'))`;
    for (const schema of schemas) {
      for (const { filename } of await migrations(tx, schema).migrate()) {
        ran.push(`${schema}/${filename.slice(filename.lastIndexOf('/') + 1)}`);
      }
    }
  });
  return ran;
}

/**
 * What keeps this program from serving on this database, in one sentence; undefined when nothing does. A process
 * serves only on a schema it knows: neither an older one nor a newer one.
 */
export async function schemaProblem(sql: Sql): Promise<string | undefined> {
  for (const schema of schemas) {
    const known = migrations(sql, schema);
    const [stored, newest] = [await known.getDatabaseVersion(), await known.getMaxVersion()];
    const found = `The database's schema "${schema}" is at version ${stored}`;
    if (stored < newest) return `${found}, this Laurel needs ${newest}: run \`laurel migrate\`.`;
    if (stored > newest) return `${found}, this Laurel knows ${newest}: run a newer Laurel.`;
  }
  return undefined;
}

function migrations(sql: Sql, schema: string): Postgrator {
  const folder = schema === 'log' ? 'subgraphs/migrations' : `subgraphs/${schema}/migrations`;
  return new Postgrator({
    driver: 'pg',
    schemaTable: `${schema}.migration`,
    migrationPattern: `${packageRoot().replace(/[[\]{}()?*!]/g, '[$&]')}/${folder}/*.sql`,
    newline: 'LF',
    execQuery: async (query) => ({ rows: [...(await sql.unsafe(query))] }),
    execSqlScript: async (script) => {
      await sql.unsafe(script);
    },
  });
}

/** The folder of package.json: the SQL files lie beside the sources, not beside what is compiled from them. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
