import { LRUCache } from 'lru-cache';
import type { Sql } from './db.ts';
import { eventsAfter, extentOf, type LogEvent, type StreamId } from './log.ts';
import { once } from './remembered.ts';

// The log as those read it who have missed something. After an outage they come all at once and want nearly the same, so
// it is read in blocks that all of them share. What stands in the log doesn't change, it only goes when it is old.

/** Events that one block holds, at numbers (n · size, n · size + size]. */
const blockSize = 500;
const mostBlocks = 64;
const keptMs = 10_000;

interface Block {
  /** The block is complete up to this number. */
  knownTo: number;
  events: readonly LogEvent[];
}

export interface LogPages {
  /**
   * Some of the events after a number, oldest first and without leaving one out that is still kept.
   * @param upTo  the number of an event that is known to have been written; there may be later ones in the answer.
   * @returns [] when nothing up to there is kept any more.
   */
  after(id: StreamId, number: number, upTo: number): Promise<readonly LogEvent[]>;
  /** `extentOf` as it was at some moment since the call, or shortly before it. */
  extent(id: StreamId): Promise<{ first: number; last: number }>;
}

export function openLogPages(sql: Sql): LogPages {
  const blocks = new LRUCache<string, Block>({ max: mostBlocks, ttl: keptMs });
  const reading = new Map<string, Promise<Block>>();
  const extents = new Map<string, Promise<{ first: number; last: number }>>();

  /** @throws what the database throws */
  const read = (key: string, id: StreamId, start: number): Promise<Block> =>
    once(reading, key, async () => {
      const events = await eventsAfter(sql, id, start, blockSize);
      const inside = events.filter(({ number }) => number <= start + blockSize);
      // An event beyond the block says that the block itself is complete.
      const knownTo = events.length > inside.length ? start + blockSize : (inside.at(-1)?.number ?? start);
      const block = { knownTo, events: inside };
      blocks.set(key, block);
      return block;
    });

  const blockWith = async (id: StreamId, start: number, upTo: number): Promise<Block> => {
    const key = `${id.communityId} ${id.stream} ${start}`;
    const needed = Math.min(upTo, start + blockSize);
    const known = blocks.get(key);
    if (known !== undefined && known.knownTo >= needed) return known;
    // What is read already may have begun too early.
    const joined = await reading.get(key);
    if (joined !== undefined && joined.knownTo >= needed) return joined;
    return read(key, id, start);
  };

  return {
    async after(id, number, upTo) {
      const start = number - (number % blockSize);
      const { events } = await blockWith(id, start, upTo);
      const missed = events.filter((event) => event.number > number);
      // The end of the block, or of it all, was pruned: what comes next may be far.
      return missed.length > 0 ? missed : eventsAfter(sql, id, number, blockSize);
    },
    extent: (id) => once(extents, `${id.communityId} ${id.stream}`, () => extentOf(sql, id)),
  };
}
