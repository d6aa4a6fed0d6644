import { Pool } from 'undici';

// The load: a process of its own that keeps some connections busy, one request after another on each.

export interface Job {
  url: string;
  bodies: readonly string[];
  connections: number;
  ms: number;
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

async function run({ url, bodies, connections, ms, headers }: Job): Promise<Load> {
  const { origin, pathname } = new URL(url);
  const key = `${connections} ${origin}`;
  const pool = pools.get(key) ?? new Pool(origin, { connections, keepAliveTimeout: 60_000 });
  pools.set(key, pool);
  let requests = 0;
  const began = performance.now();
  const work = async () => {
    while (performance.now() - began < ms) {
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
