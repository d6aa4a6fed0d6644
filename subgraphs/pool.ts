import { setImmediate as nextTurn } from 'node:timers/promises';
import postgres from 'postgres';
import { isCutOff } from './outage.ts';

// A pool that gets over the loss of its connections. postgres.js 3.4.9 does not: what was to be written to a connection
// that goes stays for its next one, which then never begins; a statement given to it between its error and its end waits
// for ever; and a transaction that goes on without it ends the process. So a pool that has lost a connection is given
// nothing new, another takes its place, and what it hasn't answered soon after is cut off.
// Sources: https://github.com/porsager/postgres/pull/1168 and https://github.com/porsager/postgres/issues/1208

/** A pool, or a transaction of it: tagged templates either way. Bigints arrive as `bigint`, days as `YYYY-MM-DD`. */
export type Sql = postgres.Sql<{ bigint: bigint; date: string }>;

/** How long a pool that has lost a connection may still answer what it was asked, in milliseconds. */
const lastAnswersMs = 5_000;
/** So many of them at most, or PostgreSQL would have no connections left for the newest. */
const mostLost = 4;

/** A pool of postgres.js, until it loses a connection. */
interface Generation {
  sql: Sql;
  hasLost: boolean;
}

const generations = new WeakMap<Sql, () => Generation>();

/** Opens a pool; connects when first used. `listen` has a connection of its own, which is opened again when it goes. */
export function openPool(url: string, options: postgres.Options<Record<string, postgres.PostgresType>>): Sql {
  const listener = postgres(url, { ...options, max_lifetime: null });
  // What the server tells of its types is kept by all: postgres.js asks at each connection, and nobody catches a failure.
  const parsed = listener.options as object as { shared: { typeArrayMap: object } };
  const mustAsk = () => Object.keys(parsed.shared.typeArrayMap).length === 0;
  const alive = new Set<postgres.Sql>([listener]);
  let ended = false;
  let now = open();
  /** Those that may still answer, the oldest first. */
  const lost: Sql[] = [];

  function open(): Generation {
    let isUsed = false;
    const own = {
      ...parsed,
      fetch_types: mustAsk(),
      // What the server has said: `onparameter` is told of what is new, which for each pool all of it is.
      parameters: {},
      onparameter() {
        isUsed = true;
        own.fetch_types = mustAsk();
      },
      onclose() {
        if (ended || !isUsed || generation.hasLost) return;
        generation.hasLost = true;
        if (now === generation) now = open();
        lost.push(generation.sql);
        const oldest = lost.length > mostLost ? lost.shift() : undefined;
        if (oldest !== undefined) void cutOff(oldest);
        setTimeout(() => cutOff(generation.sql), lastAnswersMs).unref();
      },
    };
    const generation = { sql: postgres(own as never) as unknown as Sql, hasLost: false };
    alive.add(generation.sql);
    return generation;
  }

  async function cutOff(sql: Sql): Promise<void> {
    if (lost[0] === sql) lost.shift();
    await sql.end({ timeout: 0 });
    alive.delete(sql);
  }

  async function end(how?: { timeout?: number }): Promise<void> {
    ended = true;
    await Promise.all([...alive].map((sql) => sql.end(how)));
  }

  const pool = new Proxy((() => {}) as unknown as Sql, {
    apply: (_target, _this, args) => Reflect.apply(now.sql, undefined, args),
    get(_target, name) {
      if (name === 'end') return end;
      return Reflect.get(name === 'listen' ? listener : now.sql, name);
    },
  });
  generations.set(pool, () => now);
  return pool;
}

/**
 * Runs `work` in one transaction, which is rolled back when it throws. After the pool has lost a connection it gets no
 * further: it may be this one.
 */
export function transaction<T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> {
  const generation = generations.get(sql)?.();
  if (generation === undefined) throw new Error('A transaction begins on a pool.');
  const mayGoOn = () => {
    if (generation.hasLost) throw new ConnectionLost();
  };
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  const done = generation.sql.begin(async (inner) => {
    const guarded = new Proxy(inner as unknown as Sql, {
      apply(target, _this, args) {
        mayGoOn();
        return Reflect.apply(target, undefined, args);
      },
      get(target, name) {
        mayGoOn();
        return Reflect.get(target, name);
      },
    });
    try {
      const result = await work(guarded);
      mayGoOn();
      return result;
    } catch (error) {
      // Whether it was this connection is known after the next turn. If so its end rejects the whole, and there is nobody
      // any more to whom postgres.js could send a rollback.
      if (isCutOff(error)) await nextTurn();
      return isOver ? new Promise<never>(() => {}) : Promise.reject(error);
    }
  }) as Promise<T>;
  done.then(over, over);
  return done;
}

class ConnectionLost extends Error {
  readonly code = 'CONNECTION_CLOSED';

  constructor() {
    super('A connection to the database was lost.');
  }
}
