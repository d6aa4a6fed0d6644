import { type Sql, transaction } from './db.ts';

// `laurel verify`: proves over the whole store that what is kept twice agrees, and says where not. One community after
// another, each check one query in one snapshot, so that it can run while others write.

/** Something kept that isn't what it is counted to be. */
export interface Discrepancy {
  communityId: string;
  /** What is wrong: `balances`, `daily stats` … */
  check: string;
  /** Whose, of when. */
  where: string;
  kept: string;
  counted: string;
}

/** One thing that is kept twice. */
export interface Check {
  name: string;
  /** Up to `most` discrepancies of a community. */
  find(sql: Sql, communityId: string, most: number): Promise<Omit<Discrepancy, 'communityId' | 'check'>[]>;
}

/** What a subgraph has verified. */
export interface Verifiable {
  checks: readonly Check[];
  /** Every community that it keeps anything of. */
  communities(sql: Sql): Promise<string[]>;
}

export interface Verified {
  communities: number;
  /** Of each check and community at most `mostShown`. */
  discrepancies: Discrepancy[];
}

export interface VerifyOptions {
  /** Told after each community. */
  onProgress?: (done: number, all: number) => void;
  /** These communities and no other. */
  only?: readonly string[];
}

const mostShown = 20;

/** Numbers of the log's streams, which have no hole between the oldest that is kept and the last that was given. */
const logCheck: Check = {
  name: 'log numbers',
  find: (sql, communityId, most) => sql<{ where: string; kept: string; counted: string }[]>`
    -- verify: log numbers
    select s.name as where, coalesce(n.count, 0) || ' events' as kept,
      case when n.count is null then 'none kept'
        else (s.last - n.first + 1) || ' from ' || n.first || ' to ' || s.last end as counted
    from log.stream s
    left join (
      select stream, min(number) as first, max(number) as last, count(*) as count
      from log.event where community_id = ${communityId}
      group by stream
    ) n on n.stream = s.name
    where s.community_id = ${communityId} and n.count is not null
      and (n.last <> s.last or n.count <> s.last - n.first + 1)
    order by s.name
    limit ${most}`,
};

/**
 * Verifies every community, or those named.
 * @cost reads all entries, events and the log once.
 */
export async function verify(
  sql: Sql,
  parts: readonly Verifiable[],
  { onProgress = () => {}, only }: VerifyOptions = {},
): Promise<Verified> {
  const ids = only ?? (await communitiesKept(sql, parts));
  const checks = [...parts.flatMap((part) => part.checks), logCheck];
  const discrepancies: Discrepancy[] = [];
  for (const [at, communityId] of ids.entries()) {
    for (const check of checks) {
      // Long work: no statement of it is a request's.
      const found = await transaction(sql, async (tx) => {
        await tx`set local statement_timeout = 0`;
        // All rows are compared with all. Where statistics are older than the rows, to look them up one by one seems cheap.
        await tx`set local enable_nestloop = off`;
        return check.find(tx, communityId, mostShown);
      });
      discrepancies.push(...found.map((one) => ({ communityId, check: check.name, ...one })));
    }
    onProgress(at + 1, ids.length);
  }
  return { communities: ids.length, discrepancies };
}

async function communitiesKept(sql: Sql, parts: readonly Verifiable[]): Promise<string[]> {
  const logged = await sql<{ id: string }[]>`
    -- communitiesKept
    select distinct community_id as id from log.stream`;
  const kept = await Promise.all(parts.map(({ communities }) => communities(sql)));
  return [...new Set([...logged.map(({ id }) => id), ...kept.flat()])].sort();
}
