import type { Logger } from 'pino';
import type { Config } from '../gateway/config.ts';
import { type Closing, doAndExit } from '../gateway/process.ts';
import { type Sql, schemaProblem } from '../subgraphs/db.ts';
import { Refusal } from '../subgraphs/errors.ts';
import { StartFailure } from '../subgraphs/start-failure.ts';

// Commands that do one thing to the database of a Laurel, whether it runs or not.

export interface Work {
  sql: Sql;
  config: Config;
  log: Logger;
  closing: Closing;
}

/**
 * Runs a command on the database that DATABASE_URL names, or that a Laurel on the data folder runs.
 * @param orStart  starts the embedded database for this command when neither is there.
 */
export function onDatabase(work: (given: Work) => Promise<void>, orStart = false): Promise<void> {
  return doAndExit(async (config, log, closing) => {
    const { databaseUrlFor, migrated, reach } = await import('../subgraphs/store.ts');
    const { runningDatabaseUrl } = await import('../subgraphs/embedded.ts');
    const isOurs =
      orStart &&
      config.databaseUrl === undefined &&
      (await runningDatabaseUrl(config.dataFolder)) === undefined;
    const sql = await reach(isOurs ? await started(config, closing) : await databaseUrlFor(config));
    closing.add(() => sql.end({ timeout: 5 }));
    if (isOurs) await migrated(sql);
    const problem = await schemaProblem(sql);
    if (problem !== undefined) throw new StartFailure(problem);
    try {
      await work({ sql, config, log, closing });
    } catch (error) {
      throw error instanceof Refusal ? new StartFailure(error.message) : error;
    }
  });
}

async function started(config: Config, closing: Closing): Promise<string> {
  const { startDatabase } = await import('../gateway/index.ts');
  return startDatabase(config, closing);
}

/** Rows as columns, each as wide as its widest cell; for people. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, n) => Math.max(...rows.map((row) => row[n]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, n) => cell.padEnd(widths[n] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
