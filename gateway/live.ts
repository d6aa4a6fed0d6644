import { LRUCache } from 'lru-cache';
import type { Access, Caller } from './access.ts';
import type { Answer, Engine, Operation, Stream, StreamEvent, Values } from './engine/index.ts';
import { Group, type LiveItem } from './live-group.ts';

// Subscriptions. Those who subscribe to the same and see the same share one upstream stream, and each event is executed
// and written once for all of them. Whoever comes with a cursor, or falls behind, reads by a stream of its own until it
// meets the others.

export interface LiveRequest {
  operation: Operation;
  caller: Caller;
  variables: Values | null | undefined;
  /** Resumes after this cursor, whatever the operation says. */
  after?: string | undefined;
  /** Ends the subscription. */
  signal: AbortSignal;
}

export interface Live {
  /** The items of a subscription, or the answer that refuses it. Throws when the upstream breaks off. */
  subscribe(request: LiveRequest): Promise<AsyncIterable<LiveItem> | Answer>;
  /** How many upstream streams are shared now. */
  readonly groups: number;
}

/** What a subscription needs to open upstream streams, as all of its class or as itself. */
interface Upstream {
  /** A resumable stream begins after a cursor; undefined: now. */
  open(after: string | undefined): Promise<Stream | Answer>;
  openAlone(after: string | undefined): Promise<Stream | Answer>;
  group(): Group;
}

export function createLive(engine: Engine<Caller>, access: Access): Live {
  const groups = new Map<string, Group>();
  // Operations that turned out to answer personally; they run for each person alone.
  const personal = new LRUCache<string, true>({ max: 10_000 });

  const groupFor = (key: string, open: () => Promise<Stream | Answer>): Group => {
    let group = groups.get(key);
    if (group === undefined) {
      const opened = new Group(open, () => {
        if (groups.get(key) === opened) groups.delete(key);
      });
      group = opened;
      groups.set(key, group);
    }
    return group;
  };

  return {
    get groups() {
      return groups.size;
    },
    async subscribe({ operation, caller, variables, after, signal }) {
      const { resumable } = operation;
      const openAs = (as: Caller) => (cursor: string | undefined) =>
        engine.subscribe(operation, { caller: as, variables: variables ?? null, after: cursor ?? null });
      const openAlone = openAs(caller);
      const start = resumable && (after ?? startOf(operation, variables));
      const streamKey = operation.streamKey(variables);
      // Wrong variables have no key; the engine answers them.
      if (streamKey === undefined) return aloneFrom(await openAlone(start), signal);

      const shared = await access.classOf(caller);
      const key = `${shared.key} ${streamKey}`;
      const open = openAs(shared.caller);
      if (personal.has(key)) return aloneFrom(await openAlone(start), signal);

      const group = () => groupFor(key, () => open(undefined));
      if (resumable === undefined) return followOnly(group(), signal);
      const first = await open(start);
      if (!('events' in first)) {
        if (!needsUser(first)) return first;
        personal.set(key, true);
        return aloneFrom(await openAlone(start), signal);
      }
      const upstream: Upstream = {
        open,
        openAlone(cursor) {
          personal.set(key, true);
          return openAlone(cursor);
        },
        group,
      };
      return meeting(first, start, upstream, signal);
    },
  };
}

/** One client's way: a stream of its own until it meets the group, then the group until it falls behind. */
async function* meeting(
  first: Stream,
  start: string | undefined,
  upstream: Upstream,
  signal: AbortSignal,
): AsyncGenerator<LiveItem, void> {
  let own = first;
  let cursor = start;
  while (true) {
    const group = upstream.group();
    const release = group.hold();
    try {
      for await (const event of untilMet(own, group, () => cursor, signal)) {
        const answer = await group.answer(event, own);
        if (needsUser(answer)) {
          // Go on from before this event, as the person.
          yield* aloneFrom(streamOf(await upstream.openAlone(cursor)), signal);
          return;
        }
        cursor = event.cursor ?? cursor;
        yield { json: answer.json, cursor: event.cursor };
      }
      await own.cancel();
      if (signal.aborted || cursor === undefined || !group.knows(cursor)) return;
      for await (const item of group.follow(cursor, signal)) {
        cursor = item.cursor ?? cursor;
        yield item;
      }
      if (signal.aborted || group.completed) return;
    } finally {
      release();
      await own.cancel();
    }
    own = streamOf(await upstream.open(cursor));
  }
}

/** The events of a stream, until the group knows where it stands. */
async function* untilMet(
  own: Stream,
  group: Group,
  cursor: () => string | undefined,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent, void> {
  const events = own.events[Symbol.asyncIterator]();
  const left = aborted(signal);
  while (true) {
    const at = cursor();
    const met = at === undefined ? undefined : group.meets(at);
    // What `events` still had to say, the group says too.
    const next = await Promise.race([events.next(), left, ...(met === undefined ? [] : [met.promise])]);
    met?.forget();
    if (next === undefined || next.done) return;
    yield next.value;
  }
}

function aloneFrom(stream: Answer, signal: AbortSignal): Answer;
function aloneFrom(stream: Stream, signal: AbortSignal): AsyncGenerator<LiveItem, void>;
function aloneFrom(stream: Stream | Answer, signal: AbortSignal): AsyncGenerator<LiveItem, void> | Answer;
function aloneFrom(stream: Stream | Answer, signal: AbortSignal): AsyncGenerator<LiveItem, void> | Answer {
  return 'events' in stream ? itemsOf(stream, signal) : stream;
}

async function* itemsOf(stream: Stream, signal: AbortSignal): AsyncGenerator<LiveItem, void> {
  const events = stream.events[Symbol.asyncIterator]();
  const left = aborted(signal);
  try {
    while (true) {
      const next = await Promise.race([events.next(), left]);
      if (next === undefined || next.done) return;
      yield { json: (await stream.answer(next.value)).json, cursor: next.value.cursor };
    }
  } finally {
    await stream.cancel();
  }
}

/** A stream that can't be resumed is shared from the first moment. */
async function followOnly(group: Group, signal: AbortSignal): Promise<AsyncIterable<LiveItem> | Answer> {
  const release = group.hold();
  const refusal = await group.refusal();
  if (refusal !== undefined) {
    release();
    return refusal;
  }
  return (async function* () {
    try {
      yield* group.follow(undefined, signal);
    } finally {
      release();
    }
  })();
}

function streamOf(opened: Stream | Answer): Stream {
  if ('events' in opened) return opened;
  throw new Error(opened.errors[0]?.message ?? 'The stream could not be opened again.');
}

function startOf(operation: Operation, variables: Values | null | undefined): string | undefined {
  const coerced = operation.coerce(variables);
  if ('errors' in coerced) return undefined;
  const after = operation.resumable?.after(coerced.values);
  return after == null ? undefined : String(after);
}

function needsUser({ errors }: Answer): boolean {
  return errors.some(({ extensions }) => extensions?.code === 'NEEDS_USER');
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
