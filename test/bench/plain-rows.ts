import { type Sql, type SqlPart, transaction } from '../../subgraphs/db.ts';
import { newId } from '../../subgraphs/id.ts';
import { rowsOf } from '../../subgraphs/rows.ts';

// What awards write, written by nobody who thinks: rows made beforehand, into the same tables with the same indexes, in
// one transaction. No lock is waited for but the rows' own, nothing is read or decided. That rows are encoded counts, as it
// does for whoever thinks.

/** What an award is about. */
export interface PlainAward {
  userId: string;
  eventType: string;
  reference: string;
}

export class PlainRows {
  private constructor(private readonly sql: Sql) {}

  static async open(sql: Sql): Promise<PlainRows> {
    await sql`create schema bench`;
    await sql`
      create table bench.entry (
        community_id text collate "C" not null,
        id text collate "C" not null,
        user_id text collate "C" not null,
        unit text not null,
        amount bigint not null,
        event_type text collate "C" not null,
        reference text collate "C",
        occurred_at timestamptz(3) not null default now(),
        primary key (community_id, id)
      )`;
    return new PlainRows(sql);
  }

  /** One row an award, into one table with a primary key. */
  bare(communityId: string, awards: readonly PlainAward[]): () => Promise<unknown> {
    const rows = awards.map((award) => ({ id: newId('LedgerEntry'), ...award }));
    return () => this.sql`
      -- bench: bare
      insert into bench.entry (community_id, id, user_id, unit, amount, event_type, reference)
      select ${communityId}, id, "userId", 'XP', 10, "eventType", reference
      from ${rowsOf(this.sql, 'e', 'id text, userId text, eventType text, reference text', rows)}`;
  }

  /** All rows of an award with two entries and an activity. */
  all(communityId: string, awards: readonly PlainAward[]): () => Promise<unknown> {
    const ruleId = newId('Rule');
    const events = awards.map((award) => ({
      id: newId('LedgerEvent'),
      activity: newId('Activity'),
      ruleId,
      ...award,
    }));
    const entries = events.flatMap(({ id: eventId, ...award }) =>
      [
        { unit: 'XP', amount: 10 },
        { unit: 'COINS', amount: 2 },
      ].map((moved) => ({ ...award, ...moved, id: newId('LedgerEntry'), eventId })),
    );
    const sums = new Map<string, number>();
    for (const { userId } of awards) sums.set(userId, (sums.get(userId) ?? 0) + 1);
    // In one order, as everybody writes: otherwise two of them may wait for each other.
    const people = [...sums].map(([userId, times]) => ({ userId, times })).sort(byUser);
    const told = entries
      .filter(({ unit }) => unit === 'XP')
      .map(({ id, userId }) => ({
        kind: 'XpChanged',
        user_id: userId,
        payload: { entryId: id, total: '10' },
      }));
    const tables = () => ({
      events: rowsOf(
        this.sql,
        'e',
        'id text, activity text, ruleId text, eventType text, reference text, userId text',
        events,
      ),
      entries: rowsOf(
        this.sql,
        'e',
        `id text, userId text, unit text, amount bigint, eventId text, eventType text, reference text, ruleId text`,
        entries,
      ),
      people: rowsOf(this.sql, 'p', 'userId text, times bigint', people),
    });
    return () => transaction(this.sql, (tx) => write(tx, communityId, tables(), JSON.stringify(told)));
  }
}

function byUser(one: { userId: string }, other: { userId: string }): number {
  return one.userId < other.userId ? -1 : 1;
}

async function write(
  tx: Sql,
  communityId: string,
  { events, entries, people }: Record<'events' | 'entries' | 'people', SqlPart>,
  told: string,
): Promise<void> {
  await Promise.all([
    tx`
      -- bench: profiles
      insert into gamification.profile as p (community_id, user_id, xp, coins)
      select ${communityId}, "userId", times * 10, times * 2 from ${people}
      on conflict (community_id, user_id) do update set xp = p.xp + excluded.xp, coins = p.coins + excluded.coins`,
    tx`
      -- bench: rows
      with event as (
        insert into gamification.event (
          community_id, id, event_type, reference, user_id, timed, occurred_at, outcome, source
        )
        select ${communityId}, e.id, e."eventType", e.reference, e."userId", false, now(), 'EARNED', 'LAUREL'
        from ${events}
      ), activity as (
        insert into gamification.activity (
          community_id, id, user_id, type, wording_id, points, event_id, cause_id, occurred_at
        )
        select ${communityId}, e.activity, e."userId", 'EVENT', ${wordingId}, 0, e.id, e."ruleId", now()
        from ${events}
      ), entry as (
        insert into gamification.ledger_entry (
          community_id, id, user_id, unit, amount, balance_after, event_id, event_type, reference, occurred_at, rule_id
        )
        select ${communityId}, e.id, e."userId", e.unit, e.amount, e.amount, e."eventId", e."eventType", e.reference,
          now(), e."ruleId"
        from ${entries}
      ), day as (
        insert into gamification.daily_stat as d (community_id, user_id, date, xp, coins)
        select ${communityId}, "userId", current_date, times * 10, times * 2 from ${people}
        on conflict (community_id, user_id, date) do update set xp = d.xp + excluded.xp, coins = d.coins + excluded.coins
      )
      insert into gamification.score as s (community_id, run_id, user_id, score)
      select ${communityId}, r.id, "userId", times * 10
      from gamification.score_run r, ${people}
      where r.community_id = ${communityId}
      on conflict (community_id, run_id, user_id) do update set score = s.score + excluded.score`,
    tx`
      -- bench: the run
      with bucket as (
        update gamification.score_bucket set people = people where community_id = ${communityId} and low = 1
      )
      update gamification.score_run set changes = changes + 1 where community_id = ${communityId}`,
    tx`
      -- bench: log
      select log.append(${communityId}, 'xp', ${told}::text::jsonb)`,
  ]);
}

/** Any. */
const wordingId = '00000000-0000-4000-8000-000000000000';
