import type { Caller, CredentialHeaders } from './access.ts';
import { draining, type Ending, endingFor, endingJson, permissionRevoked, tokenExpiring } from './ending.ts';
import type { Answer, Operation, Signal, Values } from './engine/index.ts';
import type { Graph } from './graph.ts';
import { type Stopping, stopping } from './leaving.ts';
import { startOf } from './live.ts';
import { LiveFailure, type LiveItems, type Take } from './live-item.ts';
import { shuttingDown } from './told.ts';

// One client's stream, for as long as its credential lasts: each item is paid for, a credential that comes to allow
// something else goes on by what it allows now, and whoever has to go is told why.

export interface Following {
  /** How many streams of clients are open. */
  readonly count: number;
  /** Opens a stream; or the answer that refuses it. */
  follow(graph: Graph, request: FollowRequest): Promise<LiveItems | Answer>;
  /** Ends all streams, those too that are being opened; resolves when each has its last item, or has waited too long. */
  drain(): Promise<void>;
}

export interface FollowRequest {
  operation: Operation;
  caller: Caller;
  variables: Values | null | undefined;
  /** What the client came with; it is watched. */
  credentials: CredentialHeaders;
  /** Resumes after this cursor, whatever the operation says. */
  after: string | undefined;
  /** Says that the client has left. */
  left: Signal;
}

/** How long a client that doesn't read may keep the process from going. */
const lastWordMs = 2_000;

export function createFollowing(): Following {
  const open = new Set<(why: Ending) => void>();
  let drained = () => {};
  let isDraining = false;

  async function follow(
    graph: Graph,
    { operation, variables, credentials, caller, after, left }: FollowRequest,
    first: { items: LiveItems; stop: Stopping },
    take: Take,
  ): Promise<void> {
    const { access, engine, live } = graph;
    let [asking, asked, { items, stop }] = [caller, operation, first];
    let cursor = after ?? startOf(operation, variables);
    let ending: Ending | undefined;
    let moved: Caller | undefined;
    const again = caller.charge?.again;
    const end = (why: Ending) => {
      ending ??= why;
      stop.abort();
    };
    open.add(end);
    if (isDraining) end(draining(goingDown()));
    try {
      while (true) {
        const watching = access.watch(credentials, asking, (why, now) => {
          if (now === 'expired') end(tokenExpiring(why));
          else if (now === 'refused' || operation.resumable === undefined) end(permissionRevoked(why));
          else {
            moved = now;
            stop.abort();
          }
        });
        try {
          const told: Take = (item) => {
            const doubt = watching.doubt();
            if (doubt !== undefined) return doubt.then(() => told(item));
            // What came meanwhile is for nobody.
            if (ending !== undefined || moved !== undefined) return undefined;
            again?.();
            cursor = item.cursor ?? cursor;
            return take(item);
          };
          await items.tell(told);
        } catch (error) {
          if (moved === undefined) ending ??= endingFor(error);
        } finally {
          watching.stop();
          stop.abort();
        }
        if (ending !== undefined || moved === undefined || left.aborted) break;
        const going = await goOn(moved, asked, cursor);
        if ('reason' in going) ending = going;
        else ({ asking, asked, items, stop } = going);
        moved = undefined;
        if (ending !== undefined) break;
      }
      if (ending === undefined || left.aborted) return;
      const json = endingJson(engine, asked, variables, ending, cursor);
      if (json === undefined) throw ending.error;
      await take({ json, cursor });
    } finally {
      open.delete(end);
      if (open.size === 0) drained();
    }

    /** The same stream, as the caller may see it now, from where it stands. */
    async function goOn(now: Caller, before: Operation, from: string | undefined) {
      const seen = engine.prepare(now.view, before.text, before.name);
      if ('answer' in seen) return permissionRevoked(new LiveFailure(seen.errors));
      const next = caller.charge === undefined ? now : { charge: caller.charge, ...now };
      const until = stopping(left);
      const again = await live.subscribe({
        operation: seen,
        caller: next,
        variables,
        after: from,
        signal: until.signal,
      });
      if ('json' in again) return endingFor(new LiveFailure(again.errors));
      return { asking: next, asked: seen, items: again, stop: until };
    }
  }

  return {
    get count() {
      return open.size;
    },
    async follow(graph, request) {
      const { operation, caller, variables, after, left } = request;
      const stop = stopping(left);
      const items = await graph.live.subscribe({ operation, caller, variables, after, signal: stop.signal });
      return 'json' in items ? items : { tell: (take) => follow(graph, request, { items, stop }, take) };
    },
    async drain() {
      isDraining = true;
      if (open.size === 0) return;
      const told = new Promise<void>((resolve) => {
        drained = resolve;
        setTimeout(resolve, lastWordMs).unref();
      });
      for (const end of open) end(draining(goingDown()));
      await told;
    },
  };
}

function goingDown(): LiveFailure {
  return new LiveFailure([shuttingDown]);
}
