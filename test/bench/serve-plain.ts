import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSchema, type GraphQLObjectType } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { schemaFiles } from '../../gateway/schema.ts';

// What the fan-out bench compares with. `graphql-ws`: the library as its documentation shows it, graphql-js executing each
// event for each socket, on Laurel's own schema, with everything that is asked for in memory. `ws`: the bare library,
// sending the same bytes to each socket.

type Listen = (item: unknown) => void;

const [kind] = process.argv.slice(2);
const http = createServer();
const sockets = new WebSocketServer({ server: http });
/** Whoever gets the next event. */
const listeners = new Set<unknown>();
const send = kind === 'ws' ? bare(listeners as Set<WebSocket>) : plain(listeners as Set<Listen>);

process.on('message', (message: { event?: string } | 'listeners') => {
  if (message === 'listeners') process.send?.({ listeners: listeners.size });
  if (typeof message === 'string' || message.event === undefined) return;
  const committed = Date.now();
  send(message.event);
  process.send?.({ committed });
});
http.listen(0, '127.0.0.1', () => {
  process.send?.({ ready: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/graphql` });
});

/** Sends the event's message. */
function bare(open: Set<WebSocket>): (message: string) => void {
  sockets.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return (message) => {
    for (const socket of open) socket.send(message);
  };
}

/** Publishes the item of the event's message. */
function plain(listeners: Set<Listen>): (message: string) => void {
  const schema = buildSchema(schemaFiles()['api.graphql'] ?? '');
  const { messages } = (schema.getSubscriptionType() as GraphQLObjectType).getFields();
  if (messages === undefined) throw new Error('The schema has no stream of messages.');
  messages.subscribe = async function* () {
    const queue: unknown[] = [];
    let wake = () => {};
    const listen = (item: unknown) => {
      queue.push(item);
      wake();
    };
    listeners.add(listen);
    try {
      while (true) {
        if (queue.length > 0) yield { messages: queue.shift() };
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      listeners.delete(listen);
    }
  };
  useServer({ schema }, sockets);
  return (message) => {
    const item = JSON.parse(message).payload.data.messages;
    for (const listen of listeners) listen(item);
  };
}
