import { on, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type RawData, WebSocket } from 'ws';
import { data, person, unique } from '../kit/client.ts';
import { running } from '../kit/journey.ts';
import type { Handle } from '../kit/processes.ts';

// The bytes that client/README.md shows to those who write clients in other languages, sent as they stand there.

interface Line {
  sent: boolean;
  text: string;
}

/** The fenced blocks of a kind, each line by line. */
async function blocksOf(kind: string): Promise<Line[][]> {
  const text = await readFile(join(import.meta.dirname, '../../client/README.md'), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) =>
    block
      .trimEnd()
      .split('\n')
      .map((line) => ({ sent: line.startsWith('>'), text: line.slice(2) })),
  );
}

/** What the names of the document stand for. */
class Names {
  private readonly values: Map<string, string>;

  constructor(values: Record<string, string>) {
    this.values = new Map(Object.entries(values));
  }

  filledIn(text: string): string {
    return text.replace(/\$([A-Z]+)\b/g, (_, name) => this.values.get(name) ?? `unknown ${name}`);
  }

  /** Compares to the byte, but for numbers and for names that have no value yet: they get one. */
  compare(got: string | undefined, text: string): void {
    const names: string[] = [];
    const pattern = text
      .replace(/[.*+?^{}()|[\]\\]/g, '\\$&')
      .replace(/(?<=":)\d+/g, '\\d+')
      .replace(/\$([A-Z]+)\b/g, (_, name) => {
        const known = this.values.get(name);
        if (known === undefined && !names.includes(name)) {
          names.push(name);
          return `(?<${name}>[\\w-]+)`;
        }
        return known ?? `\\k<${name}>`;
      });
    expect(got).toMatch(new RegExp(`^${pattern}$`));
    const groups = new RegExp(`^${pattern}$`).exec(got ?? '')?.groups ?? {};
    for (const [name, value] of Object.entries(groups)) this.values.set(name, value);
  }
}

let laurel: Handle;
let userId: string;
let names: Names;
beforeAll(async () => {
  laurel = await running('one process');
  ({ id: userId } = await person(laurel, 42));
}, 120_000);

async function earn(): Promise<void> {
  const input = { user: { id: userId }, eventType: 'visit', reference: unique('frame') };
  const text = 'mutation ($input: TrackEventInput!) { trackEvent(input: $input) { userErrors { message } } }';
  await data(laurel, text, { input });
}

/** A socket, and the messages that nobody asked for yet: several may come at once. */
interface Connection {
  socket: WebSocket;
  messages: AsyncIterator<[RawData, boolean]>;
}

async function connected(): Promise<Connection> {
  const socket = new WebSocket(laurel.endpoint.replace(/^http/, 'ws'), 'graphql-transport-ws');
  const messages = on(socket, 'message') as AsyncIterator<[RawData, boolean]>;
  await once(socket, 'open');
  return { socket, messages };
}

/** Sends and awaits a block's messages, each `connection_init` over a socket of its own. */
async function play(block: readonly Line[] = [], before?: Connection): Promise<Connection | undefined> {
  let connection = before;
  for (const { sent, text } of block) {
    if (text.includes('connection_init')) {
      connection?.socket.close();
      connection = await connected();
    }
    if (connection === undefined) throw new Error('The document sends before it connects.');
    if (sent) {
      connection.socket.send(names.filledIn(text));
      continue;
    }
    const { value } = await connection.messages.next();
    names.compare(String(value[0]), text);
  }
  return connection;
}

it('shows the frames of graphql-transport-ws as they are', async () => {
  const [opening, event, ping, resuming, refused, ...more] = await blocksOf('frames');
  names = new Names({ KEY: laurel.demo.systemKey, PERSON: userId });
  const connection = await play(opening);
  await Promise.all([play(event, connection), earn()]);
  await play(ping, connection);
  await play(refused, await play(resuming, connection));
  expect(more).toEqual([]);
});

it('shows requests and answers of server-sent events as they are', async () => {
  const [opening, resuming, ...more] = await blocksOf('http');
  const { host } = new URL(laurel.endpoint);
  names = new Names({ KEY: laurel.demo.systemKey, PERSON: userId, HOST: host });
  await exchange(opening);
  await earn();
  await exchange(resuming);
  expect(more).toEqual([]);
});

/** Sends a block's request as it stands there, and compares as much of the answer as it shows. */
async function exchange(block: readonly Line[] = []): Promise<void> {
  const { hostname, port } = new URL(laurel.endpoint);
  const request = names.filledIn(linesOf(block, true).join('\r\n'));
  const [, length] = /Content-Length: (\d+)/.exec(request) ?? [];
  expect(request.split('\r\n\r\n')[1]).toHaveLength(Number(length));
  const socket = connect(Number(port), hostname);
  socket.write(request);

  const answer = linesOf(block, false);
  const end = answer.indexOf('');
  let rest = '';
  let headers: string[] | undefined;
  const body: string[] = [];
  for await (const bytes of socket) {
    rest += bytes;
    const [head = '', ...tail] = rest.split('\r\n\r\n');
    if (headers === undefined && tail.length === 0) continue;
    if (headers === undefined) {
      headers = head.split('\r\n');
      rest = tail.join('\r\n\r\n');
    }
    // Each chunk is its length, and as much text.
    for (let chunk = chunkIn(rest); chunk !== undefined; chunk = chunkIn(rest)) {
      body.push(...chunk.text.split('\n').slice(0, -1));
      rest = rest.slice(chunk.size);
    }
    if (body.length >= answer.length - end - 1) break;
  }
  expect(headers).toEqual(expect.arrayContaining(answer.slice(0, end)));
  for (const [n, line] of answer.slice(end + 1).entries()) names.compare(body[n], line);
}

function linesOf(block: readonly Line[], sent: boolean): string[] {
  return block.filter((line) => line.sent === sent).map(({ text }) => text);
}

/** The first chunk of a body in ASCII; undefined when it isn't there as a whole. */
function chunkIn(text: string): { text: string; size: number } | undefined {
  const [head, length = ''] = /^([\da-f]+)\r\n/.exec(text) ?? [];
  if (head === undefined) return undefined;
  const size = Number.parseInt(length, 16);
  const end = head.length + size + 2;
  return text.length < end ? undefined : { text: text.slice(head.length, end - 2), size: end };
}
