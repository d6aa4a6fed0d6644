import { join } from 'node:path';
import { type Resources, systemClock } from './context.ts';
import { cursorSeal } from './cursor.ts';
import { connect, migrate, type Sql, schemaProblem } from './db.ts';
import { runningDatabaseUrl } from './embedded.ts';
import { filesIn } from './files.ts';
import { openTail } from './log-tail.ts';
import { openSecrets, type Secrets } from './secret.ts';
import { sessionTokens } from './session-token.ts';
import { StartFailure } from './start-failure.ts';

// What a process opens of the database before it serves, and closes after.

export interface Store {
  resources: Resources;
  secrets: Secrets;
  close(): Promise<void>;
}

/** Connects and waits until the database answers. @throws StartFailure when it doesn't */
export async function reach(url: string): Promise<Sql> {
  let sql: Sql | undefined;
  try {
    sql = connect(url);
    await sql`select 1`;
    return sql;
  } catch (error) {
    await sql?.end({ timeout: 0 }).catch(() => {});
    const { code, message } = error as { code?: string; message?: string };
    throw new StartFailure(
      `The database at ${placeOf(url)} can't be reached: ${sql === undefined ? code : message || code}.`,
    );
  }
}

/** Migrates the schema. @throws StartFailure when the database refuses */
export async function migrated(sql: Sql): Promise<string[]> {
  try {
    return await migrate(sql);
  } catch (error) {
    throw new StartFailure(`The database can't be migrated: ${(error as Error).message}.`);
  }
}

/** Where a process keeps what isn't in the database. */
export interface Places {
  dataFolder: string;
  /** Where links to files lead; undefined: to the process that serves them. */
  filesUrl?: string | undefined;
}

/** Opens what resolvers work with. @throws StartFailure when this program doesn't know the database's schema */
export async function openStore(
  sql: Sql,
  { dataFolder, filesUrl }: Places,
  onFault: (error: unknown) => void,
): Promise<Store> {
  const problem = await schemaProblem(sql);
  if (problem !== undefined) throw new StartFailure(problem);
  const tail = await openTail(sql, onFault);
  const secrets = await openSecrets(sql, onFault);
  return {
    secrets,
    resources: {
      sql,
      tail,
      cursors: cursorSeal(secrets.of('cursor')),
      tokens: sessionTokens(secrets.of('session')),
      files: filesIn(join(dataFolder, 'files'), secrets.of('file'), filesUrl),
      now: systemClock,
    },
    async close() {
      await secrets.close();
      await tail.close();
    },
  };
}

/** Where a database is, without user and password. */
function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'DATABASE_URL';
  const { hostname, port, pathname } = new URL(url);
  return `${hostname}:${port || 5432}${pathname}`;
}

/** Which database a command uses, in the order they are looked for. */
export interface DatabaseChoice {
  databaseUrl: string | undefined;
  dataFolder: string;
}

/**
 * The database of a process that doesn't own one: DATABASE_URL, or what a `laurel start` or `laurel db` on the same data
 * folder runs. @throws StartFailure that names the three ways when there is none
 */
export async function databaseUrlFor({ databaseUrl, dataFolder }: DatabaseChoice): Promise<string> {
  const url = databaseUrl ?? (await runningDatabaseUrl(dataFolder));
  if (url !== undefined) return url;
  throw new StartFailure(
    `There is no database to use. Set DATABASE_URL to a PostgreSQL, run \`laurel db\`, or run \`laurel start\` (both with LAUREL_DATA=${dataFolder}).`,
  );
}
