import { createHash } from 'node:crypto';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { credentialsNow, extentOf } from '../log.ts';
import type { LogTail } from '../log-tail.ts';
import { zoneOf } from './day.ts';
import { leaderboardsById } from './leaderboard.ts';
import { entriesPage, type LeaderboardEntry, type Run, runsFor } from './leaderboard-entry.ts';
import type { RankWindow } from './rank-window.ts';

// The top of a leaderboard as it changes. All who follow the same top share one look at it, at most one a second, so that
// they see the same states under the same cursors, and a busy community costs no more than a quiet one.

/** Which top is followed. */
export interface Top {
  communityId: string;
  boardId: string;
  window: RankWindow;
  /** Rows, 1-100. */
  size: number;
}

/** The top at one moment. */
export interface TopState {
  /** Tells it from all other states of the leaderboard, in every process alike: `placeOf`. */
  place: number;
  /** Null while the leaderboard has none to show. */
  run: Run | null;
  entries: readonly LeaderboardEntry[];
  /** What a gateway has to know before it tells it; see subscribe.ts. */
  credentialsAt: number;
}

/** One look at a top a second at most. */
const throttleMs = 1_000;
/** States that can be told apart between one event of the log's stream `xp` and the next. */
const statesBetween = 2 ** 20;

/** Where states lie that follow an event of the log's stream `xp`. */
export function placeOf(xpNumber: number, state = ''): number {
  // Coins and points are told by no event of that stream, and neither are new settings.
  const mark = createHash('sha256').update(state).digest().readUInt32BE(0) % statesBetween;
  return xpNumber * statesBetween + mark;
}

/** The event of the log's stream `xp` that a place follows. */
export function xpNumberAt(place: number): number {
  return Math.floor(place / statesBetween);
}

interface Looking {
  sql: Sql;
  tail: LogTail;
  now(): Date;
}

const watches = new WeakMap<LogTail, Map<string, TopWatch>>();

/**
 * The states of a top: what it is now, then each that differs from the last. A follower that is slow gets the newest. They
 * end when the leaderboard is deleted, or has the window no more.
 */
export function topStates(resources: Looking, top: Top): AsyncGenerator<TopState, void> {
  const known = watches.get(resources.tail) ?? new Map<string, TopWatch>();
  watches.set(resources.tail, known);
  const key = JSON.stringify([top.communityId, top.boardId, top.window, top.size]);
  let watch = known.get(key);
  if (watch === undefined) {
    const made = new TopWatch(resources, top, () => {
      if (known.get(key) === made) known.delete(key);
    });
    known.set(key, made);
    watch = made;
  }
  return watch.follow();
}

/** One top that somebody follows. */
class TopWatch {
  private readonly followers = new Set<() => void>();
  private readonly forget: () => void;
  private state: TopState | undefined;
  private seen = '';
  private failure: unknown;
  private isGone = false;
  private looking: Promise<void> | undefined;
  private lookedAt = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly resources: Looking,
    private readonly top: Top,
    /** Called when it takes nobody any more. */
    private readonly onOver: () => void,
  ) {
    this.forget = resources.tail.onWake(() => this.lookSoon());
    this.look();
  }

  follow(): AsyncGenerator<TopState, void> {
    let told: TopState | undefined;
    let ended = false;
    let wake = () => {};
    const woken = () => wake();
    this.followers.add(woken);
    const next = async (): Promise<IteratorResult<TopState, void>> => {
      while (!ended) {
        if (this.failure !== undefined) {
          end();
          throw this.failure;
        }
        if (this.isGone) {
          end();
          break;
        }
        if (this.state !== undefined && this.state !== told) {
          told = this.state;
          return { done: false, value: told };
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return { done: true, value: undefined };
    };
    const end = () => {
      ended = true;
      wake();
      this.followers.delete(woken);
      if (this.followers.size === 0) this.close();
    };
    const over = { done: true as const, value: undefined };
    return {
      next,
      async return() {
        end();
        return over;
      },
      async throw(error: unknown) {
        end();
        throw error;
      },
      [Symbol.asyncIterator]() {
        return this;
      },
      async [Symbol.asyncDispose]() {
        end();
      },
    };
  }

  private close(): void {
    clearTimeout(this.timer);
    this.forget();
    this.onOver();
  }

  private lookSoon(): void {
    if (this.looking !== undefined || this.timer !== undefined) return;
    const wait = this.lookedAt + throttleMs - performance.now();
    if (wait <= 0) this.look();
    else {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.look();
      }, wait);
      this.timer.unref();
    }
  }

  private look(): void {
    this.lookedAt = performance.now();
    this.looking = this.read()
      .catch((error: unknown) => {
        // Ranks that are still being counted will come.
        if (error instanceof Refusal && error.code === 'RANKS_NOT_READY') return;
        this.failure = error;
        this.onOver();
        this.tell();
      })
      .finally(() => {
        this.looking = undefined;
      });
  }

  /** All of a look is read at one moment, so that a place is one state, whichever process looks. */
  private async read(): Promise<void> {
    const { communityId, boardId, window, size } = this.top;
    const found = await transaction(this.resources.sql, async (tx) => {
      await tx`set transaction isolation level repeatable read`;
      const [board] = await leaderboardsById(tx, communityId, [boardId]);
      if (board == null || !board.windows.includes(window)) return 'gone' as const;
      const clock = { timeZone: await zoneOf(tx, communityId), now: this.resources.now() };
      const [run = null] = await runsFor(tx, communityId, [{ board, window, period: null }], clock);
      if (run instanceof Refusal) throw run;
      // Nothing can have changed without this.
      const look = JSON.stringify([String(run?.runId), String(run?.changes), board.updatedAt]);
      if (this.state !== undefined && look === this.seen) return undefined;
      const { last } = await extentOf(tx, { communityId, stream: 'xp' });
      const page =
        run === null ? { edges: [] } : await entriesPage(tx, communityId, board, run, { first: size });
      return {
        look,
        state: {
          place: placeOf(last, look),
          run,
          entries: page.edges.map(({ node }) => node),
          credentialsAt: await credentialsNow(tx, communityId),
        },
      };
    });
    if (found === undefined) return;
    if (found === 'gone') {
      this.isGone = true;
      this.onOver();
      this.tell();
      return;
    }
    const { look, state } = found;
    this.seen = look;
    if (this.state !== undefined && sameTop(this.state, state.run, state.entries)) return;
    this.state = state;
    this.tell();
  }

  private tell(): void {
    for (const follower of this.followers) follower();
  }
}

function sameTop(state: TopState, run: Run | null, entries: readonly LeaderboardEntry[]): boolean {
  const words = (rows: readonly LeaderboardEntry[]) =>
    rows.map(({ userId, score, rank, tiedWith }) => `${userId} ${score} ${rank} ${tiedWith}`).join();
  return state.run?.runId === run?.runId && words(state.entries) === words(entries);
}
