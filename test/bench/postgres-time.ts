import postgres from 'postgres';
import type { Sql } from '../../subgraphs/db.ts';

// What reads cost in PostgreSQL itself, by its own measure.

/** One look: the milliseconds of all its statements, and the pages of tables and indexes that they touched. */
export interface Looked {
  ms: number;
  pages: number;
}

export interface PostgresTime {
  /** Runs `look` some times unmeasured, then `times` times. */
  of(look: (sql: Sql) => Promise<unknown>, times: number): Promise<Looked[]>;
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
  await own.unsafe('set auto_explain.log_buffers = on');
  await own.unsafe('set client_min_messages = log');
  const sql = own as unknown as Sql;
  return {
    async of(look, times) {
      for (let warm = 0; warm < 10; warm++) await look(sql);
      const looked: Looked[] = [];
      for (let n = 0; n < times; n++) {
        heard.length = 0;
        await look(sql);
        looked.push({ ms: sumOf(heard, /duration: ([\d.]+) ms/), pages: sumOf(heard, pagesOfAll) });
      }
      return looked;
    },
    end: () => own.end(),
  };
}

/** The first line of a plan that tells pages is of the whole statement. */
const pagesOfAll = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/;

function sumOf(heard: readonly string[], figures: RegExp): number {
  const found = heard.flatMap((text) => figures.exec(text)?.slice(1) ?? []);
  return found.reduce((sum, figure) => sum + Number(figure ?? 0), 0);
}
