import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Handle } from './processes.ts';

// A bad network before Laurel: it cuts connections in the middle of whatever is being said.

export interface Network {
  /** Where Laurel is reached through it. */
  endpoint: string;
  /** How many connections it has cut. */
  readonly cuts: number;
  /** How many bytes of the server a connection made from now on carries at most. */
  carries(bytes: () => number): void;
  /** Where what is connected from now on leads. */
  leadTo(endpoint: string): void;
  /** Cuts what is connected. */
  cut(): void;
  /** Carries nothing any more, in either direction, and closes nothing: as when a laptop sleeps. */
  freeze(): void;
  close(): Promise<void>;
}

/** A network that holds until it is told otherwise. */
export async function networkTo({ endpoint }: Pick<Handle, 'endpoint'>): Promise<Network> {
  let target = new URL(endpoint);
  const connections = new Set<{ client: Socket; server: Socket }>();
  let cuts = 0;
  let limit = () => Number.POSITIVE_INFINITY;
  const listener = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    const connection = { client, server };
    connections.add(connection);
    let left = limit();
    const end = () => {
      connections.delete(connection);
      client.destroy();
      server.destroy();
    };
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk) => {
      client.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      cuts++;
      // What was written is carried; what would follow isn't.
      client.end();
      end();
    });
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}${target.pathname}`,
    get cuts() {
      return cuts;
    },
    carries(bytes) {
      limit = bytes;
    },
    leadTo(other) {
      target = new URL(other);
    },
    cut() {
      for (const { client } of connections) {
        cuts++;
        client.resetAndDestroy();
      }
    },
    freeze() {
      for (const { client, server } of connections) {
        client.pause();
        server.pause();
      }
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const { client } of connections) client.destroy();
      await closed;
    },
  };
}

/** Numbers from 0 to 1 that are the same in each run, so that a test that fails can be run again. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
