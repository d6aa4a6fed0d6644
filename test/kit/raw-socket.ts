import { connect, type Socket } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import type { Data } from './client.ts';

// A WebSocket client that knows no protocol: it sends what it is told, and misses no message.

export interface RawSocket {
  socket: WebSocket;
  /** Sends a text as it is, anything else as JSON. */
  send(...messages: unknown[]): void;
  /** The next message. @throws when the socket closes without one */
  next(): Promise<Data>;
  /** What came and wasn't asked for yet. */
  readonly unread: Data[];
  /** How the server closed it: with the code alone, since the reason is for people. */
  readonly closed: Promise<number>;
}

/** Opens a socket to a graph; by its protocol unless another, or none, is named. */
export async function rawSocket(
  endpoint: string,
  protocols: string | string[] = 'graphql-transport-ws',
  options: ClientOptions = {},
): Promise<RawSocket> {
  const socket = new WebSocket(endpoint.replace(/^http/, 'ws'), protocols, options);
  const unread: Data[] = [];
  let wake = () => {};
  socket.on('message', (data) => {
    unread.push(JSON.parse(String(data)));
    wake();
  });
  const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));
  void closed.then(() => wake());
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return {
    socket,
    unread,
    closed,
    send(...messages) {
      for (const message of messages)
        socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    },
    async next() {
      while (unread.length === 0) {
        if (socket.readyState === WebSocket.CLOSED) throw new Error('The socket closed without a message.');
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return unread.shift();
    },
  };
}

/** A socket whose connection the server has acknowledged. */
export async function acknowledged(endpoint: string, payload?: object): Promise<RawSocket> {
  const opened = await rawSocket(endpoint);
  opened.send({ type: 'connection_init', payload });
  const { type } = await opened.next();
  if (type !== 'connection_ack') throw new Error(`Expected connection_ack, got ${type}.`);
  return opened;
}

/** A TCP connection whose upgrade the server has accepted; the frames are whoever's who writes them. */
export async function upgraded(endpoint: string, protocol = 'graphql-transport-ws'): Promise<Socket> {
  const { hostname, port, pathname } = new URL(endpoint);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  const headers = [
    'Host: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    `Sec-WebSocket-Protocol: ${protocol}`,
  ];
  socket.write(`GET ${pathname} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  // What follows the head is left for who reads frames.
  let head = '';
  while (!head.endsWith('\r\n\r\n')) {
    const byte = socket.read(1);
    if (byte === null) await new Promise<void>((resolve) => socket.once('readable', () => resolve()));
    else head += byte;
  }
  return socket;
}
