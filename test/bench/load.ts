import { Pool } from 'undici';

// The load: a process of its own that keeps some connections busy, one request after another on each.

export interface Job {
  url: string;
  bodies: readonly string[];
  connections: number;
  /** How long, in milliseconds; with `requests` no longer than that. */
  ms: number;
  /** How many at most; unbounded when absent. */
  requests?: number;
  /** Besides those of every request. */
  headers?: Record<string, string>;
}

export interface Load {
  requests: number;
  ms: number;
}

const pools = new Map<string, Pool>();
let turn = 0;

process.on('message', (job: Job) => {
  run(job).then(
    (load) => process.send?.(load),
    (error: Error) => process.send?.({ failure: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: '' });

async function run({ url, bodies, connections, ms, requests: most = Infinity, headers }: Job): Promise<Load> {
  const { origin, pathname } = new URL(url);
  const key = `${connections} ${origin}`;
  const pool = pools.get(key) ?? new Pool(origin, { connections, keepAliveTimeout: 60_000 });
  pools.set(key, pool);
  let requests = 0;
  let begun = 0;
  const began = performance.now();
  const work = async () => {
    while (performance.now() - began < ms && begun < most) {
      begun += 1;
      turn += 1;
      const { statusCode, body } = await pool.request({
        path: pathname,
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
        body: bodies[turn % bodies.length]!,
      });
      const bytes = await body.arrayBuffer();
      if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}: ${Buffer.from(bytes)}`);
      requests += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  return { requests, ms: performance.now() - began };
}
