import type { Sql, SqlPart } from '../db.ts';
import type { newId } from '../id.ts';
import { arraysOf, rowsOf } from '../rows.ts';
import { activitiesOf, addedActivities, placesOfRules, type RulePlaces, unlessNow } from './activity.ts';
import type { Counter, Decided, Profile } from './decide.ts';
import type { Read } from './ground.ts';
import { mostInBucket } from './score-bucket.ts';
import type { Unit } from './unit.ts';

// What was decided of a batch of postings, as rows of all tables, in one statement.

/**
 * Writes all of a batch by one statement, unless what was read without a lock has changed. Its parts run in the order that
 * everything is locked in: each is counted before the next, and what functions do comes last.
 * @returns the runs of scores whose buckets are to be divided; undefined when it was not written.
 */
export async function writePostings(
  sql: Sql,
  communityId: string,
  decided: readonly Decided[],
  profiles: ReadonlyMap<string, Profile>,
  read: Read,
  makeId: typeof newId,
): Promise<bigint[] | undefined> {
  const { recordedAt, today } = read;
  const rules = placesOfRules(read.rules);
  const told = toldBy(decided);
  const [row] = await sql<{ full: bigint[] | null }[]>`
    -- writePostings
    with held as materialized (
      ${holding(sql, communityId, profiles, read)}
    ), event as (
      insert into gamification.event (
        community_id, id, event_type, reference, user_id, amount, metadata, timed, occurred_at, recorded_at, outcome,
        level_before, level_after, reverses, source, actor_user_id, actor_key_id
      )
      select ${communityId}, e.id, e."eventType", e.reference, e."userId", e.amount, e.metadata, e.timed,
        coalesce(e."occurredAt", ${recordedAt}::timestamptz), ${recordedAt}::timestamptz, e.outcome, e."levelBefore",
        e."levelAfter", e.reverses, e.source, e."actorUserId", e."keyId"
      from held, ${rowsOf(
        sql,
        'e',
        `id text, eventType text, reference text, userId text, amount numeric, metadata json, timed boolean,
        occurredAt timestamptz, outcome text, levelBefore integer, levelAfter integer, reverses text, source text,
        actorUserId text, keyId text`,
        eventsOf(decided, read),
      )}
      where held.same
      returning 1
    ), entry as (
      insert into gamification.ledger_entry (
        community_id, id, user_id, unit, amount, balance_after, event_id, event_type, reference, occurred_at, recorded_at,
        rule_id, reversal_of
      )
      select ${communityId}, e.id, e."userId", e.unit, e.amount, e."balanceAfter", e."eventId", e."eventType",
        e.reference, coalesce(e."occurredAt", ${recordedAt}::timestamptz), ${recordedAt}::timestamptz,
        (${rules.ids as string[]}::text[])[e.rule], e."reversalOf"
      from held, ${rowsOf(
        sql,
        'e',
        `id text, userId text, unit text, amount bigint, balanceAfter bigint, eventId text, eventType text,
        reference text, occurredAt timestamptz, rule integer, reversalOf text`,
        entriesOf(decided, read, rules),
      )}
      where held.same
      returning 1
    ), gain as materialized (
      select g.*
      from held, ${rowsOf(
        sql,
        'g',
        `userId text, day date, level integer, XP bigint, COINS bigint, POINTS bigint, PREMIUM bigint, badges integer,
        messages integer, replies integer, reactions integer, visits integer, referrals integer, socials integer`,
        gainsOf(decided, profiles),
      )}
      where held.same
    ), profile as (
      -- They are all there; a conflict finds them by their key, however old the planner's statistics are.
      insert into gamification.profile as p (
        community_id, user_id, begun, level, xp, coins, points, premium, badges, messages, replies, reactions, visits,
        referrals, socials
      )
      select ${communityId}, "userId", true, max(level), coalesce(sum("XP"), 0), coalesce(sum("COINS"), 0),
        coalesce(sum("POINTS"), 0), coalesce(sum("PREMIUM"), 0), coalesce(sum(badges), 0), coalesce(sum(messages), 0),
        coalesce(sum(replies), 0), coalesce(sum(reactions), 0), coalesce(sum(visits), 0), coalesce(sum(referrals), 0),
        coalesce(sum(socials), 0)
      from gain
      group by "userId"
      on conflict (community_id, user_id) do update set
        begun = true, level = excluded.level, xp = p.xp + excluded.xp, coins = p.coins + excluded.coins,
        points = p.points + excluded.points, premium = p.premium + excluded.premium,
        badges = p.badges + excluded.badges, messages = p.messages + excluded.messages,
        replies = p.replies + excluded.replies, reactions = p.reactions + excluded.reactions,
        visits = p.visits + excluded.visits, referrals = p.referrals + excluded.referrals,
        socials = p.socials + excluded.socials
      returning 1
    ), day as (
      insert into gamification.daily_stat as d (
        community_id, user_id, date, xp, coins, messages, replies, reactions, visits, referrals, socials, restated_at
      )
      select ${communityId}, "userId", day, coalesce("XP", 0), coalesce("COINS", 0), coalesce(messages, 0),
        coalesce(replies, 0), coalesce(reactions, 0), coalesce(visits, 0), coalesce(referrals, 0), coalesce(socials, 0),
        case when day < ${today}::date then now() end
      from gain
      where num_nonnulls("XP", "COINS", messages, replies, reactions, visits, referrals, socials) > 0
      on conflict (community_id, user_id, date) do update set
        xp = d.xp + excluded.xp, coins = d.coins + excluded.coins, messages = d.messages + excluded.messages,
        replies = d.replies + excluded.replies, reactions = d.reactions + excluded.reactions,
        visits = d.visits + excluded.visits, referrals = d.referrals + excluded.referrals,
        socials = d.socials + excluded.socials, restated_at = coalesce(excluded.restated_at, d.restated_at)
      returning 1
    ), activity as (
      ${addedActivities(sql, communityId, activitiesOf(decided, read, rules, makeId), rules, recordedAt)}
    ), used as (
      insert into gamification.rule_use (community_id, user_id, rule_id, day, occurred_at, event_id)
      select ${communityId}, u.*
      from held, ${rowsOf(
        sql,
        'u',
        'userId text, ruleId text, day date, occurredAt timestamptz, eventId text',
        usesOf(decided),
      )}
      where held.same
      returning 1
    ), written as materialized (
      select count(*) as rows
      from (
        select from event union all select from entry union all select from profile union all select from day
        union all select from activity union all select from used
      ) w
    ), scored as materialized (
      select gamification.add_scores(
        ${communityId}, g.users, g.days, g.xp, g.coins, g.points, g.premium, ${mostInBucket}
      ) as full_runs
      from written w, (
        select array_agg("userId") as users, array_agg(day) as days, array_agg("XP") as xp, array_agg("COINS") as coins,
          array_agg("POINTS") as points, array_agg("PREMIUM") as premium
        from gain
      ) g
      where w.rows > 0
    ), told as materialized (
      ${told === null ? sql`select` : sql`select log.append(${communityId}, 'xp', ${told}::text::jsonb)`} from scored
    )
    select full_runs as "full" from scored, told`;
  return row === undefined ? undefined : (row.full ?? []);
}

function eventsOf(decided: readonly Decided[], { recordedAt }: Read) {
  const events = decided.map(({ id, posting, occurredAt, outcome, level }) => ({
    id,
    eventType: posting.eventType,
    reference: posting.reference,
    userId: posting.userId,
    amount: posting.amount,
    metadata: posting.metadata,
    timed: posting.occurredAt !== null,
    occurredAt: unlessNow(occurredAt, recordedAt),
    outcome,
    levelBefore: level?.before,
    levelAfter: level?.after,
    reverses: posting.reverses?.eventId,
    source: posting.origin.source,
    actorUserId: posting.origin.actorUserId,
    keyId: posting.origin.keyId,
  }));
  return events.sort(byReference);
}

function entriesOf(decided: readonly Decided[], { recordedAt }: Read, { places }: RulePlaces) {
  return decided.flatMap((one) =>
    one.entries.map(
      ({ id, userId, unit, amount, balanceAfter, eventId, eventType, reference, ruleId, reversalOf }) => {
        const rule = ruleId === null ? null : places.get(ruleId);
        const occurredAt = unlessNow(one.occurredAt, recordedAt);
        return {
          id,
          userId,
          unit,
          amount,
          balanceAfter,
          eventId,
          eventType,
          reference,
          occurredAt,
          rule,
          reversalOf,
        };
      },
    ),
  );
}

function usesOf(decided: readonly Decided[]) {
  return decided.flatMap(({ id: eventId, posting: { userId }, day, occurredAt, uses }) =>
    uses.map((ruleId) => ({ userId, ruleId, day, occurredAt, eventId })),
  );
}

/** A query of one row that holds the people of a batch and tells whether all is as it was read. */
function holding(
  sql: Sql,
  communityId: string,
  profiles: ReadonlyMap<string, Profile>,
  { versions }: Read,
): SqlPart {
  if (versions === undefined) return sql`select true as same`; // they are locked
  const people = [...profiles.keys()].sort().map((userId) => {
    return { userId, version: versions.profiles.get(userId) };
  });
  return sql`
    select gamification.hold(
      ${communityId}, ${versions.definitions}, ${arraysOf(sql, 'userId text, version text', people)}
    ) as same`;
}

interface Referred {
  eventType: string;
  reference: string | null;
}

/** In one order, as everybody writes them: otherwise two may wait for each other. */
function byReference(one: Referred, other: Referred): number {
  if (one.eventType !== other.eventType) return one.eventType < other.eventType ? -1 : 1;
  return (one.reference ?? '') < (other.reference ?? '') ? -1 : 1;
}

/** What a batch adds to a person's day; undefined where it has nothing of it. */
interface Gain extends Record<Counter | 'badges', number | undefined>, Record<Unit, bigint | undefined> {
  userId: string;
  day: string;
  /** What it has after the batch. */
  level: number;
}

function gainsOf(decided: readonly Decided[], profiles: ReadonlyMap<string, Profile>): Gain[] {
  const gains = new Map<string, Gain>();
  for (const { posting, day, entries, counts, awards, revoked } of decided) {
    const key = `${posting.userId} ${day}`;
    let gain = gains.get(key);
    if (gain === undefined) {
      gain = noGain(posting.userId, day, profiles.get(posting.userId)?.level ?? 0);
      gains.set(key, gain);
    }
    for (const { unit, amount } of entries) gain[unit] = (gain[unit] ?? 0n) + amount;
    if (counts !== null) gain[counts.counter] = (gain[counts.counter] ?? 0) + counts.by;
    const badges = awards.length - revoked.length;
    if (badges !== 0) gain.badges = (gain.badges ?? 0) + badges;
  }
  return [...gains.values()].sort(byPerson);
}

/** In the order that people are locked in, which is that of their rows too. */
function byPerson(one: Gain, other: Gain): number {
  if (one.userId === other.userId) return one.day < other.day ? -1 : 1;
  return one.userId < other.userId ? -1 : 1;
}

function noGain(userId: string, day: string, level: number): Gain {
  const none = undefined;
  // One literal: see decide.ts.
  // biome-ignore format: one line each would say no more.
  return {
    userId, day, level, XP: none, COINS: none, POINTS: none, PREMIUM: none, badges: none,
    messages: none, replies: none, reactions: none, visits: none, referrals: none, socials: none,
  };
}

/** What the log tells: changes of XP, of levels and of badges, in the order of the balances; null: nothing. */
function toldBy(decided: readonly Decided[]): string | null {
  const told = decided.flatMap(({ id: eventId, posting: { userId }, entries, level, awards }) => [
    ...entries
      .filter(({ unit }) => unit === 'XP')
      .map(({ id, balanceAfter }) => ({
        kind: 'XpChanged',
        user_id: userId,
        payload: { entryId: id, total: String(balanceAfter) },
      })),
    ...(level === null
      ? []
      : [
          {
            kind: 'LevelChanged',
            user_id: userId,
            payload: { eventId, from: level.before, to: level.after },
          },
        ]),
    ...awards.map(({ id }) => ({ kind: 'BadgeAwarded', user_id: userId, payload: { awardId: id } })),
  ]);
  return told.length === 0 ? null : JSON.stringify(told);
}
