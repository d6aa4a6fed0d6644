import { LRUCache } from 'lru-cache';
import type { Access, Caller } from './access.ts';
import { isDown } from './ending.ts';
import type { Answer, Engine, Operation, Signal, Stream, StreamEvent, Values } from './engine/index.ts';
import { pause } from './leaving.ts';
import { Follower, Lagging } from './live-follower.ts';
import { Group, type Memory, memoryOfProcess } from './live-group.ts';
import { LiveFailure, type LiveItem, type LiveItems, needsUser, Personal, type Take } from './live-item.ts';

// Subscriptions. Those who subscribe to the same and see the same share one upstream stream, and each event is executed
// and written once for all of them. Whoever comes with a cursor, falls behind, or loses the upstream is told what it missed
// until it meets the others: by a stream of its own, or by that of others who missed the same.

export interface LiveRequest {
  operation: Operation;
  caller: Caller;
  variables: Values | null | undefined;
  /** Resumes after this cursor, whatever the operation says. */
  after?: string | undefined;
  /** Ends the subscription and all it opened, also before anybody reads from it. */
  signal: Signal;
}

export interface Live {
  /** The items of a subscription, or the answer that refuses it. Throws when the upstream breaks off. */
  subscribe(request: LiveRequest): Promise<LiveItems | Answer>;
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

export function createLive(engine: Engine<Caller>, access: Access, memory: Memory = memoryOfProcess): Live {
  const groups = new Map<string, Group>();
  // Operations that turned out to answer personally; they run for each person alone.
  const personal = new LRUCache<string, true>({ max: 10_000 });

  const groupFor = (key: string, open: () => Promise<Stream | Answer>): Group => {
    const known = groups.get(key);
    if (known !== undefined) return known;
    const over = () => {
      if (groups.get(key) === group) groups.delete(key);
    };
    const group = new Group(open, over, memory);
    groups.set(key, group);
    return group;
  };

  return {
    get groups() {
      return groups.size;
    },
    async subscribe({ operation, caller, variables, after, signal }) {
      const { resumable } = operation;
      const openAs = (as: Caller, until?: Signal) => (cursor: string | undefined) =>
        engine
          .subscribe(operation, {
            caller: as,
            variables: variables ?? null,
            after: cursor ?? null,
            ...(until === undefined ? {} : { signal: until }),
          })
          .then((opened) => heeding(opened, access));
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
      if ('events' in first) return { tell: (take) => meet(first, start, upstream, signal, take) };
      return needsUser(first) ? aloneFrom(await upstream.openAlone(start), signal) : first;
    },
  };
}

/** A stream that answers no event before it is known who may not hear of it any more. */
function heeding(opened: Stream | Answer, access: Access): Stream | Answer {
  if (!('events' in opened)) return opened;
  return {
    ...opened,
    answer(event, caller) {
      const heeded = access.heed(event.extensions);
      return heeded === undefined
        ? opened.answer(event, caller)
        : heeded.then(() => opened.answer(event, caller));
    },
  };
}

/** One client's way: what it missed until it meets the group, then the group until it falls behind or breaks off. */
async function meet(
  first: Stream,
  start: string | undefined,
  upstream: Upstream,
  signal: Signal,
  take: Take,
): Promise<void> {
  let own = first;
  let cursor = start;
  let failures = 0;
  let refusal: unknown;
  const hand: Take = (item) => {
    cursor = item.cursor ?? cursor;
    failures = 0;
    const refused = (error: unknown) => {
      refusal = error;
      throw error;
    };
    try {
      return take(item)?.catch(refused);
    } catch (error) {
      return refused(error);
    }
  };
  while (!signal.aborted) {
    const group = upstream.group();
    const release = group.hold();
    try {
      if (!(await replayed(group, own, cursor, signal, hand))) return;
      if (cursor !== undefined && group.knows(cursor)) {
        const follower = new Follower(take);
        try {
          await group.follow(follower, cursor, signal);
        } finally {
          if (follower.cursor !== undefined) [cursor, failures] = [follower.cursor, 0];
          refusal = follower.refusal;
        }
        if (group.completed) return;
      }
    } catch (error) {
      // Go on from before this event, as the person.
      if (error instanceof Personal) break;
      // What was delivered is known by its cursor, so a lost upstream costs time and no event, nor does lagging behind.
      if (!(error instanceof Lagging)) {
        const wait = reopenAfterMs[failures++];
        const isOver = error === refusal || (error instanceof LiveFailure && !areDown(error));
        if (wait === undefined || cursor === undefined || signal.aborted || isOver) throw error;
        await pause(wait, signal);
      }
    } finally {
      release();
    }
    if (signal.aborted) return;
    const opened = await patiently(() => upstream.open(cursor), reopenAfterMs.slice(failures), signal);
    // What was the same for all of a class has become about each of them.
    if (!('events' in opened) && needsUser(opened)) break;
    own = streamOf(opened);
  }
  if (!signal.aborted) await tellAll(streamOf(await upstream.openAlone(cursor)), signal, take);
}

/** What a client missed, until the group knows where it stands; false when there is no more, or nobody who takes it. */
async function replayed(
  group: Group,
  own: Stream,
  start: string | undefined,
  signal: Signal,
  hand: Take,
): Promise<boolean> {
  let cursor = start;
  // Where a client stands in what it missed the group may know too; it joins when it has been told that it is live.
  let isLive = false;
  let hasMet = false;
  let forget = () => {};
  const replay = group.replay(own, start);
  const follower = replay.follow((item) => {
    if (!item.answer.hasData && item.personal === undefined) throw new LiveFailure(item.answer.errors);
    const taken = hand(item);
    cursor = item.cursor ?? cursor;
    isLive ||= item.live;
    forget();
    // What the replay still had to say, the group says too.
    if (isLive && cursor !== undefined) {
      forget = group.meets(cursor, () => {
        hasMet = true;
        follower.leave();
      });
    }
    return taken;
  });
  const leave = () => follower.leave();
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  try {
    await replay.tell(follower);
    return hasMet;
  } finally {
    signal.removeEventListener('abort', leave);
    forget();
  }
}

/** Opens a stream; tries again while its subgraph doesn't answer, after each of the pauses. */
async function patiently(
  open: () => Promise<Stream | Answer>,
  pausesMs: readonly number[],
  signal?: Signal,
): Promise<Stream | Answer> {
  const from = performance.now();
  let opened = await open();
  for (const wait of pausesMs) {
    if ('events' in opened || !areDown(opened) || signal?.aborted) break;
    if (performance.now() - from > patienceMs) break;
    await pause(wait, signal);
    opened = await open();
  }
  return opened;
}

function areDown({ errors }: Pick<Answer, 'errors'>): boolean {
  return errors.every(({ extensions }) => isDown(extensions?.code));
}

function aloneFrom(stream: Stream | Answer, signal: Signal): LiveItems | Answer {
  return 'events' in stream ? { tell: (take) => tellAll(stream, signal, take) } : stream;
}

/** @param first  an event that another stream brought, to be answered anew if this one can. */
async function tellAll(stream: Stream, signal: Signal, take: Take, first?: StreamEvent): Promise<void> {
  const item = async (event: StreamEvent): Promise<LiveItem> => {
    const { json, hasData, errors } = await stream.answer(event);
    if (!hasData) throw new LiveFailure(errors);
    return { json, cursor: event.cursor };
  };
  try {
    if (first !== undefined && !needsUser(first)) await take(await item(first));
    for await (const event of stream.events) {
      const next = await item(event);
      if (signal.aborted) return;
      await take(next);
    }
  } finally {
    await stream.cancel();
  }
}

/** A stream that can't be resumed is shared from the first moment, unless it is about each person. */
async function followOnly(
  { group: groupOf, openAlone }: Upstream,
  signal: Signal,
): Promise<LiveItems | Answer> {
  const group = groupOf();
  const release = group.hold();
  signal.addEventListener('abort', release);
  if (signal.aborted) release();
  const refusal = await group.refusal();
  if (refusal !== undefined) {
    release();
    return needsUser(refusal) ? aloneFrom(await openAlone(undefined), signal) : refusal;
  }
  return {
    async tell(take) {
      try {
        await group.follow(new Follower(take), undefined, signal);
      } catch (error) {
        if (!(error instanceof Personal)) throw error;
        await tellAll(streamOf(await openAlone(undefined)), signal, take, error.event);
      } finally {
        release();
      }
    },
  };
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
