import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHandler } from 'graphql-sse/lib/use/http';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { subgraphSchema, type TestSubgraph } from './federation.ts';

// A subgraph of somebody else, as a server of streams: by graphql-ws, or by graphql-sse where it takes no WebSocket.

export type Transport = 'graphql-ws' | 'graphql-sse';

export interface ForeignServer {
  url: string;
  port: number;
  /** Ends every connection at once, as a crash does, and takes no more. */
  crash(): Promise<void>;
}

/** Serves a subgraph's streams by one transport; at a free port unless one is named. */
export function foreignServer(
  subgraph: TestSubgraph,
  transport: Transport,
  port = 0,
): Promise<ForeignServer> {
  const schema = subgraphSchema(subgraph);
  if (transport === 'graphql-sse') {
    const handle = createHandler({ schema });
    return serving((request, response) => void handle(request, response).catch(() => response.end()), port);
  }
  return serving(
    (_request, response) => response.writeHead(404).end(),
    port,
    (server) => {
      const sockets = new WebSocketServer({ server });
      useServer({ schema }, sockets);
      return () => {
        for (const socket of sockets.clients) socket.terminate();
        sockets.close();
      };
    },
  );
}

/** Any server, by how it answers requests and what else it does with its connections. */
export async function serving(
  answer: RequestListener,
  port = 0,
  more: (server: Server) => () => void = () => () => {},
): Promise<ForeignServer> {
  const server = createServer(answer);
  const end = more(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}/graphql`,
    port: taken,
    async crash() {
      end();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
