import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

// The clients of the fan-out bench: a process that holds some thousands of sockets, looks at each message it gets, and
// tells when they came. Every event says its number; a socket that misses one, or gets one twice, is a failure.

export interface Opening {
  open: {
    /** What these sockets are called in later questions. */
    name: string;
    url: string;
    headers: Record<string, string>;
    sockets: number;
    /** What each subscribes to, in turn; none for a server that sends without being asked. */
    payloads: readonly object[];
    /** The server tells nothing before the first event. */
    silent?: boolean;
    /** How many sockets are being opened at the same time. */
    atOnce: number;
    /** Over how many milliseconds they spread. */
    withinMs?: number;
    /** The number of the event before the first that each is to get, in turn; -1: whatever comes first. */
    after?: readonly number[];
  };
}

/** Answered when all sockets of a name have an event of this number, or were told that they are live. */
export interface Awaiting {
  awaited: { name: string; event: number | 'live' };
}

export interface Closing {
  close: string;
}

/** When an event came: milliseconds since 1970 -> sockets. */
export type Arrivals = [ms: number, sockets: number][];

interface Crowd {
  sockets: WebSocket[];
  arrivals: Map<number | 'live', Map<number, number>>;
  counts: Map<number | 'live', number>;
  waiting: { event: number | 'live'; resolve(): void } | undefined;
  failure: string | undefined;
  /** One message as it came. */
  sample: string;
}

const crowds = new Map<string, Crowd>();

process.on('message', (question: Opening | Awaiting | Closing | string) => {
  if (typeof question === 'string') return;
  const work =
    'open' in question
      ? open(question.open)
      : 'awaited' in question
        ? arrived(question.awaited.name, question.awaited.event)
        : close(question.close);
  work.then(
    (answer) => process.send?.(answer),
    (error: Error) => process.send?.({ failure: error.message }),
  );
});
process.send?.({ ready: '' });

async function open({ name, url, sockets, atOnce, withinMs = 0, ...how }: Opening['open']): Promise<object> {
  const crowd: Crowd = {
    ...{ sockets: [], arrivals: new Map(), counts: new Map(), sample: '' },
    ...{ waiting: undefined, failure: undefined },
  };
  crowds.set(name, crowd);
  const began = performance.now();
  let begun = 0;
  const worker = async () => {
    for (let n = begun++; n < sockets; n = begun++) {
      const wait = (withinMs * n) / sockets - (performance.now() - began);
      if (wait > 0) await pause(wait);
      const payload = how.payloads[n % how.payloads.length];
      const after = how.after?.[n % how.after.length] ?? -1;
      crowd.sockets.push(await connected(crowd, url, how, payload, after));
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, sockets) }, worker));
  return { ms: performance.now() - began };
}

/** A socket that gets what it subscribes to: open when it has its first message, or is connected if it asks for nothing. */
function connected(
  crowd: Crowd,
  url: string,
  { headers, silent = false }: Pick<Opening['open'], 'headers' | 'silent'>,
  payload: object | undefined,
  after: number,
): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false });
    let last = after;
    const send = (message: object) => socket.send(JSON.stringify(message));
    const failed = (why: string) => {
      crowd.failure ??= why;
      crowd.waiting?.resolve();
      reject(new Error(why));
    };
    socket.on('error', ({ message }) => failed(message));
    socket.on('close', (code, reason) => {
      if (!closing.has(socket)) failed(`A socket was closed: ${code} ${reason}`);
    });
    socket.on('open', () => {
      if (payload === undefined) resolve(socket);
      else send({ type: 'connection_init', payload: headers });
    });
    socket.on('message', (data: Buffer) => {
      const number = numberIn(data);
      if (number !== undefined) {
        if (last >= 0 && number !== last + 1) failed(`After event ${last} came ${number}.`);
        last = number;
        came(crowd, number, data);
        return;
      }
      const text = String(data);
      if (text.startsWith('{"type":"connection_ack"')) {
        send({ id: randomUUID(), type: 'subscribe', payload });
        if (silent) resolve(socket);
      } else if (text.startsWith('{"type":"ping"')) send({ type: 'pong' });
      else if (/"__typename":"Stream(Ready|Resumed)"/.test(text)) {
        came(crowd, 'live', data);
        resolve(socket);
      } else failed(text);
    });
  });
}

const closing = new WeakSet<WebSocket>();
const mark = Buffer.from('event ');

/** The number in the body of an event, `event 000012`. */
function numberIn(data: Buffer): number | undefined {
  const at = data.indexOf(mark);
  return at < 0 ? undefined : Number(data.toString('latin1', at + mark.length, at + mark.length + 6));
}

function came(crowd: Crowd, event: number | 'live', data: Buffer): void {
  const count = (crowd.counts.get(event) ?? 0) + 1;
  crowd.counts.set(event, count);
  let times = crowd.arrivals.get(event);
  if (times === undefined) {
    times = new Map();
    crowd.arrivals.set(event, times);
    crowd.sample = String(data);
  }
  const now = Date.now();
  times.set(now, (times.get(now) ?? 0) + 1);
  const { waiting, sockets } = crowd;
  if (waiting?.event === event && count === sockets.length) waiting.resolve();
}

async function arrived(name: string, event: number | 'live'): Promise<object> {
  const crowd = crowds.get(name) as Crowd;
  if ((crowd.counts.get(event) ?? 0) < crowd.sockets.length && crowd.failure === undefined) {
    await new Promise<void>((resolve) => {
      crowd.waiting = { event, resolve };
    });
  }
  crowd.waiting = undefined;
  if (crowd.failure !== undefined) throw new Error(crowd.failure);
  const arrivals: Arrivals = [...(crowd.arrivals.get(event) ?? [])];
  crowd.arrivals.clear();
  crowd.counts.clear();
  return { arrivals, sample: crowd.sample };
}

async function close(name: string): Promise<object> {
  const { sockets } = crowds.get(name) as Crowd;
  crowds.delete(name);
  for (const socket of sockets) {
    closing.add(socket);
    socket.close();
  }
  return {};
}
