import { setTimeout as pause } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Access, Caller } from './access.ts';
import { isDown } from './ending.ts';
import type { Answer, Engine, Operation, Stream, StreamEvent, Values } from './engine/index.ts';
import { Group, Lagging, LiveFailure, type LiveItem, needsUser } from './live-group.ts';

// Subscriptions. Those who subscribe to the same and see the same share one upstream stream, and each event is executed
// and written once for all of them. Whoever comes with a cursor, falls behind, or loses the upstream reads by a stream of
// its own until it meets the others.

export interface LiveRequest {
  operation: Operation;
  caller: Caller;
  variables: Values | null | undefined;
  /** Resumes after this cursor, whatever the operation says. */
  after?: string | undefined;
  /** Ends the subscription and all it opened, also before anybody reads from it. */
  signal: AbortSignal;
}

export interface Live {
  /** The items of a subscription, or the answer that refuses it. Throws when the upstream breaks off. */
  subscribe(request: LiveRequest): Promise<AsyncIterable<LiveItem> | Answer>;
  /** How many upstream streams are shared now. */
  readonly groups: number;
}

/** How a subscription opens upstream streams: for all of its class, for itself alone, and the one it shares. */
interface Upstream {
  /** A resumable stream begins after a cursor; undefined: now. */
  open(after: string | undefined): Promise<Stream | Answer>;
  openAlone(after: string | undefined): Promise<Stream | Answer>;
  group(): Group;
}

/** Pauses before an upstream that broke off is opened again; after the last the client is told. */
const reopenAfterMs = [100, 300, 1_000, 2_000, 4_000, 8_000];
/** And before one that can't be resumed is opened, since whoever lost it by an error asks for it anew at once. */
const openAfterMs = reopenAfterMs.slice(0, 3);
/** A subgraph that lets every try run into its timeout is given up after as long as one that refuses them. */
const patienceMs = 15_000;

export function createLive(engine: Engine<Caller>, access: Access): Live {
  const groups = new Map<string, Group>();
  // Operations that turned out to answer personally; they run for each person alone.
  const personal = new LRUCache<string, true>({ max: 10_000 });

  const groupFor = (key: string, open: () => Promise<Stream | Answer>): Group => {
    const known = groups.get(key);
    if (known !== undefined) return known;
    const group = new Group(open, () => {
      if (groups.get(key) === group) groups.delete(key);
    });
    groups.set(key, group);
    return group;
  };

  return {
    get groups() {
      return groups.size;
    },
    async subscribe({ operation, caller, variables, after, signal }) {
      const { resumable } = operation;
      const openAs = (as: Caller, until?: AbortSignal) => (cursor: string | undefined) =>
        engine.subscribe(operation, {
          caller: as,
          variables: variables ?? null,
          after: cursor ?? null,
          ...(until === undefined ? {} : { signal: until }),
        });
      const openAlone = openAs(caller, signal);
      const start = resumable && (after ?? startOf(operation, variables));
      const streamKey = operation.streamKey(variables);
      // Wrong variables have no key; the engine answers them.
      if (streamKey === undefined) return aloneFrom(await openAlone(start), signal);

      const shared = await access.classOf(caller);
      const key = `${shared.key} ${streamKey}`;
      if (personal.has(key)) return aloneFrom(await openAlone(start), signal);

      // The group outlives whoever opened it.
      const openShared = () => openAs(shared.caller)(undefined);
      const upstream: Upstream = {
        open: openAs(shared.caller, signal),
        openAlone(cursor) {
          personal.set(key, true);
          return openAlone(cursor);
        },
        group: () => groupFor(key, resumable ? openShared : () => patiently(openShared, openAfterMs)),
      };
      if (resumable === undefined) return followOnly(upstream, signal);
      const first = await upstream.open(start);
      if ('events' in first) return meeting(first, start, upstream, signal);
      return needsUser(first) ? aloneFrom(await upstream.openAlone(start), signal) : first;
    },
  };
}

/** One client's way: a stream of its own until it meets the group, then the group until it falls behind or breaks off. */
async function* meeting(
  first: Stream,
  start: string | undefined,
  upstream: Upstream,
  signal: AbortSignal,
): AsyncGenerator<LiveItem, void> {
  let own = first;
  let cursor = start;
  let failures = 0;
  // Where a client stands in what it missed the group may know too; it joins when it has been told that it is live.
  let live = false;
  while (!signal.aborted) {
    const group = upstream.group();
    const release = group.hold();
    try {
      const meets = untilMet(own, group, () => (live ? cursor : undefined));
      let step = await meets.next();
      for (; !step.done; step = await meets.next()) {
        const answer = await group.answer(step.value, own);
        // Go on from before this event, as the person.
        if (needsUser(answer)) return yield* itemsOf(streamOf(await upstream.openAlone(cursor)), signal);
        if (!answer.hasData) throw new LiveFailure(answer.errors);
        cursor = step.value.cursor ?? cursor;
        live ||= step.value.live;
        failures = 0;
        yield { json: answer.json, cursor: step.value.cursor };
      }
      if (step.value === 'ended') return;
      await own.cancel();
      if (cursor !== undefined && group.knows(cursor)) {
        for await (const item of group.follow(cursor, signal)) {
          if (item.personal) return yield* itemsOf(streamOf(await upstream.openAlone(cursor)), signal);
          cursor = item.cursor ?? cursor;
          failures = 0;
          yield item;
        }
        if (group.completed) return;
      }
    } catch (error) {
      // What was delivered is known by its cursor, so a lost upstream costs time and no event, nor does lagging behind.
      if (!(error instanceof Lagging)) {
        const wait = reopenAfterMs[failures++];
        const isOver = error instanceof LiveFailure && !areDown(error);
        if (wait === undefined || cursor === undefined || signal.aborted || isOver) throw error;
        await pause(wait, undefined, { signal }).catch(() => {});
      }
    } finally {
      release();
      await own.cancel();
    }
    if (signal.aborted) return;
    const opened = await patiently(() => upstream.open(cursor), reopenAfterMs.slice(failures), signal);
    // What was the same for all of a class has become about each of them.
    if (!('events' in opened) && needsUser(opened))
      return yield* itemsOf(streamOf(await upstream.openAlone(cursor)), signal);
    own = streamOf(opened);
    live = false;
  }
}

/** Opens a stream; tries again while its subgraph doesn't answer, after each of the pauses. */
async function patiently(
  open: () => Promise<Stream | Answer>,
  pausesMs: readonly number[],
  signal?: AbortSignal,
): Promise<Stream | Answer> {
  const from = performance.now();
  let opened = await open();
  for (const wait of pausesMs) {
    if ('events' in opened || !areDown(opened) || signal?.aborted) break;
    if (performance.now() - from > patienceMs) break;
    await pause(wait, undefined, { signal }).catch(() => {});
    opened = await open();
  }
  return opened;
}

function areDown({ errors }: Pick<Answer, 'errors'>): boolean {
  return errors.every(({ extensions }) => isDown(extensions?.code));
}

/** The events of a stream, until the group knows where it stands (`met`) or there are no more (`ended`). */
async function* untilMet(
  own: Stream,
  group: Group,
  cursor: () => string | undefined,
): AsyncGenerator<StreamEvent, 'met' | 'ended'> {
  const events = own.events[Symbol.asyncIterator]();
  while (true) {
    const at = cursor();
    const met = at === undefined ? undefined : group.meets(at);
    // What `events` still had to say, the group says too.
    const next = await Promise.race([events.next(), ...(met === undefined ? [] : [met.promise])]);
    met?.forget();
    if (next === undefined) return 'met';
    if (next.done) return 'ended';
    yield next.value;
  }
}

function aloneFrom(stream: Stream | Answer, signal: AbortSignal): AsyncGenerator<LiveItem, void> | Answer {
  return 'events' in stream ? itemsOf(stream, signal) : stream;
}

/** @param first  an event that another stream brought, to be answered anew if this one can. */
async function* itemsOf(
  stream: Stream,
  signal: AbortSignal,
  first?: StreamEvent,
): AsyncGenerator<LiveItem, void> {
  const item = async (event: StreamEvent): Promise<LiveItem> => {
    const { json, hasData, errors } = await stream.answer(event);
    if (!hasData) throw new LiveFailure(errors);
    return { json, cursor: event.cursor };
  };
  try {
    if (first !== undefined && !needsUser(first)) yield await item(first);
    for await (const event of stream.events) {
      const next = await item(event);
      if (signal.aborted) return;
      yield next;
    }
  } finally {
    await stream.cancel();
  }
}

/** A stream that can't be resumed is shared from the first moment, unless it is about each person. */
async function followOnly(
  { group: groupOf, openAlone }: Upstream,
  signal: AbortSignal,
): Promise<AsyncIterable<LiveItem> | Answer> {
  const group = groupOf();
  const release = group.hold();
  signal.addEventListener('abort', release, { once: true });
  if (signal.aborted) release();
  const refusal = await group.refusal();
  if (refusal !== undefined) {
    release();
    return needsUser(refusal) ? aloneFrom(await openAlone(undefined), signal) : refusal;
  }
  return (async function* () {
    try {
      for await (const item of group.follow(undefined, signal)) {
        if (item.personal) return yield* itemsOf(streamOf(await openAlone(undefined)), signal, item.personal);
        yield item;
      }
    } finally {
      release();
    }
  })();
}

function streamOf(opened: Stream | Answer): Stream {
  if ('events' in opened) return opened;
  throw new LiveFailure(opened.errors);
}

/** The cursor that an operation itself resumes after. */
export function startOf(operation: Operation, variables: Values | null | undefined): string | undefined {
  const coerced = operation.coerce(variables);
  if ('errors' in coerced) return undefined;
  const after = operation.resumable?.after(coerced.values);
  return after == null ? undefined : String(after);
}
