import { type Sql, transaction } from './db.ts';
import { eventsAfter, type LogEvent, type StreamName } from './log.ts';
import type { LogTail } from './log-tail.ts';

// What happens in the background because of what stands in the log: indexes, rollups, whatever one subgraph keeps of
// another's events.

const readEveryMs = 50;

/** A background reader: handles each event of a stream of every community once, in order. */
export interface LogReader {
  /** Stands in `log.reader`; a reader by a new name starts from the beginning. */
  name: string;
  stream: StreamName;
  /** Its writes commit together with the position, so that an event has its effect once. */
  handle(sql: Sql, communityId: string, events: LogEvent[]): Promise<void>;
}

/**
 * Brings a reader up to the end of its streams. Of many processes one works on a community at a time; the others
 * skip it.
 * @returns whether there was anything to handle.
 */
export async function catchUp(sql: Sql, reader: LogReader): Promise<boolean> {
  await sql`
    -- catchUp: a row for each stream that has none yet
    insert into log.reader (community_id, stream, name)
    select community_id, name, ${reader.name} from log.stream s
    where name = ${reader.stream} and not exists (
      select from log.reader r
      where r.community_id = s.community_id and r.stream = s.name and r.name = ${reader.name}
    )
    on conflict do nothing`;
  // A community whose events can't be handled costs itself: the others are served, then the fault is told.
  const failed: string[] = [];
  let fault: unknown;
  let handled = false;
  for (let community: string | undefined = ''; community !== undefined; ) {
    try {
      community = await handleSome(sql, reader, failed);
      handled ||= community !== undefined;
    } catch (error) {
      if (!(error instanceof HandlingFailed)) throw error;
      failed.push(error.communityId);
      fault = error.cause;
    }
  }
  if (failed.length > 0) throw fault;
  return handled;
}

/** @returns the community some of whose events were handled; undefined when there are none to handle. */
async function handleSome(sql: Sql, reader: LogReader, except: string[]): Promise<string | undefined> {
  return transaction(sql, async (tx) => {
    const [behind] = await tx<{ communityId: string; position: bigint; last: bigint }[]>`
      -- handleSome
      select r.community_id as "communityId", r.position, s.last
      from log.reader r join log.stream s on s.community_id = r.community_id and s.name = r.stream
      where r.name = ${reader.name} and r.stream = ${reader.stream} and r.position < s.last
        and r.community_id <> all(${except}::text[])
      limit 1
      for update of r skip locked`;
    if (behind === undefined) return undefined;
    const { communityId } = behind;
    const events = await eventsAfter(
      tx,
      { communityId, stream: reader.stream },
      Number(behind.position),
      1_000,
    );
    if (events.length > 0) {
      await reader.handle(tx, communityId, events).catch((error: unknown) => {
        throw new HandlingFailed(communityId, error);
      });
    }
    // Nothing left to read: what the reader missed was pruned.
    const reached = events.at(-1)?.number ?? behind.last;
    await tx`
      -- handleSome: the position
      update log.reader set position = ${reached}
      where community_id = ${communityId} and stream = ${reader.stream} and name = ${reader.name}`;
    return communityId;
  });
}

/** Those that have something to handle, in some community. @cost one statement, O(readers x communities) rows */
export async function readersBehind(sql: Sql, readers: readonly LogReader[]): Promise<LogReader[]> {
  const names = readers.map(({ name }) => name);
  const rows = await sql<{ name: string }[]>`
    -- readersBehind
    select distinct w.name
    from unnest(${names}::text[], ${readers.map(({ stream }) => stream)}::text[]) as w(name, stream)
    join log.stream s on s.name = w.stream
    left join log.reader r on r.community_id = s.community_id and r.stream = s.name and r.name = w.name
    where s.last > coalesce(r.position, 0)`;
  const behind = new Set(rows.map(({ name }) => name));
  return readers.filter(({ name }) => behind.has(name));
}

class HandlingFailed extends Error {
  constructor(
    readonly communityId: string,
    cause: unknown,
  ) {
    super('A background reader failed.', { cause });
  }
}

/** Keeps readers caught up until `stop()` is called; what they throw goes to `onFault` and is tried again. */
export function keepReading(
  sql: Sql,
  tail: LogTail,
  readers: readonly LogReader[],
  onFault: (error: unknown) => void,
): { stop(): Promise<void> } {
  let working: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const read = async () => {
    let handled = false;
    const behind = await readersBehind(sql, readers).catch((error) => {
      onFault(error);
      return readers;
    });
    for (const reader of behind) {
      if (stopped) break;
      const more = await catchUp(sql, reader).catch(onFault);
      handled ||= more === true;
    }
    // What readers write may be told by the log too.
    if (handled) tail.wake();
  };
  // Every write of this process wakes; one look at the log is enough for all that come close together.
  const wake = () => {
    if (stopped || timer !== undefined || readers.length === 0) return;
    timer = setTimeout(() => {
      timer = undefined;
      working = working.then(read);
    }, readEveryMs);
    timer.unref();
  };
  const forget = tail.onWake(wake);
  wake();
  return {
    async stop() {
      stopped = true;
      forget();
      clearTimeout(timer);
      await working;
    },
  };
}
