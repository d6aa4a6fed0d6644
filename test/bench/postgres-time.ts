import postgres from 'postgres';
import type { Sql } from '../../subgraphs/db.ts';

// What reads cost in PostgreSQL itself, by its own measure.

export interface PostgresTime {
  /** Runs `look` some times unmeasured, then `times` times. @returns the milliseconds of each: of all its statements. */
  of(look: (sql: Sql) => Promise<unknown>, times: number): Promise<number[]>;
  end(): Promise<void>;
}

/** Opens a connection whose statements tell how long they ran. */
export async function postgresTime(url: string): Promise<PostgresTime> {
  const heard: string[] = [];
  const own = postgres(url, {
    max: 1,
    types: {
      bigint: postgres.BigInt,
      date: { to: 1082, from: [1082], serialize: (day: string) => day, parse: (day: string) => day },
    },
    onnotice: ({ message }) => heard.push(message ?? ''),
  });
  await own.unsafe(`load 'auto_explain'`);
  await own.unsafe('set auto_explain.log_min_duration = 0');
  await own.unsafe('set auto_explain.log_analyze = on');
  await own.unsafe('set auto_explain.log_timing = off');
  await own.unsafe('set client_min_messages = log');
  const sql = own as unknown as Sql;
  return {
    async of(look, times) {
      for (let warm = 0; warm < 10; warm++) await look(sql);
      const measured: number[] = [];
      for (let n = 0; n < times; n++) {
        heard.length = 0;
        await look(sql);
        const each = heard.flatMap((text) => /duration: ([\d.]+) ms/.exec(text)?.[1] ?? []).map(Number);
        measured.push(each.reduce((sum, ms) => sum + ms, 0));
      }
      return measured;
    },
    end: () => own.end(),
  };
}
