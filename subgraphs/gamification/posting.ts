import { type Sql, type SqlPart, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { isOutage } from '../outage.ts';
import { arraysOf, rowsOf } from '../rows.ts';
import { activitiesOf, addedActivities, placesOfRules, takeBackActivities, unlessNow } from './activity.ts';
import { hadBefore, writeAwards } from './badge-ground.ts';
import {
  type Counter,
  type Decided,
  type Decision,
  decide,
  type Outcome,
  type Posting,
  type Profile,
  repeatOf,
} from './decide.ts';
import {
  type Ahead,
  lockProfiles,
  type Read,
  readAhead,
  readLocked,
  readUnlocked,
  referenceOf,
} from './ground.ts';
import { entriesByEvent, type LedgerEntry } from './ledger.ts';
import { divideBuckets } from './score.ts';
import { mostInBucket } from './score-bucket.ts';
import type { Unit } from './unit.ts';

// The one write path of everything that changes what a person has. Read what decides, decide in TypeScript, write it all
// by one statement. Few postings are decided on what was read without a lock: their statement makes sure that it still
// holds. Many, and those that fail at that, are decided under lock, in a transaction.
//
// Everything is locked in this order, by everybody: the level curve and the set of score runs (both shared), profiles by
// user id, those of people who are new, whatever else a feature locks (a badge, an item of a store), events by type and
// reference, what is kept of entries (uses, days, scores), and last the log's counter, which all writers of a community
// wait for.

/** What came of a posting. */
export interface Posted {
  eventId: string;
  entries: LedgerEntry[];
  outcome: Outcome;
  /** Numbers of the levels, where it changed; 0 below the first. */
  level: { before: number; after: number } | null;
  /** Ids of the awards that it brought. */
  awardIds: string[];
  /** The reference was there before, and this is what came of it then. */
  replayed: boolean;
}

/** Another transaction took the last of a badge meanwhile: what was decided no longer holds. */
class Overtaken extends Error {}

const tries = 3;

/**
 * Posts in a transaction of its own. A batch that fails is tried again one by one, so that a bad posting costs itself.
 * @param postings  at most 1,000.
 * @param ahead     what was read of them already.
 * @returns one answer per posting, in their order; a Refusal where one was refused.
 * @throws nothing but faults; in the answers: RULE_NOT_FOUND, VALIDATION_FAILED, IDEMPOTENCY_KEY_REUSED,
 * INSUFFICIENT_BALANCE, LIMIT_EXCEEDED
 * @cost one statement where nothing was read, and one that writes; for many, for people who are new and for badges up to
 * seven in two round trips, and those of the transaction; for repeats two.
 */
export async function postAll(
  sql: Sql,
  communityId: string,
  postings: readonly Posting[],
  makeId: typeof newId = newId,
  ahead?: Ahead,
): Promise<(Posted | Refusal)[]> {
  if (postings.length === 0) return [];
  for (let n = 1, read = ahead; ; n++, read = undefined) {
    const found = read ?? (await readAhead(sql, communityId, postings));
    // A repeat waits for nobody.
    const repeats = await repeatsOf(sql, communityId, postings, found.known);
    const fresh = postings.filter((_posting, at) => !repeats.has(at));
    try {
      const answers = (await postFresh(sql, communityId, fresh, found, makeId)).values();
      return postings.map((_posting, at) => repeats.get(at) ?? (answers.next().value as Posted | Refusal));
    } catch (error) {
      if (isOvertaken(error) && n < tries) continue;
      // What was cut off may have been committed: only its sender can say whether it is to be tried again.
      if (postings.length === 1 || isOutage(error)) throw error;
      break;
    }
  }
  const answers: (Posted | Refusal)[] = [];
  for (const posting of postings) answers.push(...(await postAll(sql, communityId, [posting], makeId)));
  return answers;
}

/** Posts one, in a transaction of its own. @throws the Refusals of `postAll` @cost as `postAll` */
export async function postOne(sql: Sql, communityId: string, posting: Posting): Promise<Posted> {
  const [posted] = await postAll(sql, communityId, [posting]);
  if (posted === undefined) throw new Error('A posting had no answer.');
  if (posted instanceof Refusal) throw posted;
  return posted;
}

/** Does the work of one transaction again, a few times, when what it decided on was changed meanwhile. */
export async function decidedAgain<T>(work: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await work();
    } catch (error) {
      if (!isOvertaken(error) || n === tries) throw error;
    }
  }
}

/** Whether what was decided no longer holds, and is to be decided again. */
function isOvertaken(error: unknown): boolean {
  const { code, constraint_name: constraint } = error as { code?: unknown; constraint_name?: unknown };
  // Deadlocks come of people who are new: they are locked after those who are there.
  const isDeadlock = code === '40P01';
  const isTaken = code === '23505' && constraint === uniqueReference;
  return error instanceof Overtaken || isDeadlock || isTaken;
}

/** The constraint that another's event under the same reference meets. */
const uniqueReference = 'event_community_id_event_type_reference_key';

/** What `gamification.hold` fails with when people or levels are not as they were read. */
const hasChanged = 'LR001';

/**
 * Posts inside a transaction, for features whose own writes commit with it. What they lock themselves comes after
 * `lockProfiles(tx, communityId, userIds)` and before this; after it they lock nothing more, since the log's counter is
 * held. Call it once, with all there is. The caller wakes the log's tail after the commit.
 * @returns as `postAll`; a Refusal has written nothing, whether the rest shall stand the caller decides.
 */
export async function post(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  makeId: typeof newId = newId,
): Promise<(Posted | Refusal)[]> {
  // Read under lock: nobody tries this again when another's event is there first.
  await lockProfiles(tx, communityId, [...new Set(postings.map(({ userId }) => userId))].sort());
  return postLocked(tx, communityId, postings, await readAhead(tx, communityId, postings), makeId);
}

/** What is answered to postings whose events are there, by their place. */
async function repeatsOf(
  sql: Sql,
  communityId: string,
  postings: readonly Posting[],
  known: Ahead['known'],
): Promise<Map<number, Posted | Refusal>> {
  if (known.size === 0) return new Map();
  const decisions = postings.flatMap((posting, at) => {
    const event = posting.reference === null ? undefined : known.get(referenceOf(posting));
    return event === undefined ? [] : [[at, repeatOf(event, posting)] as const];
  });
  const before = decisions.flatMap(([, one]) => (one instanceof Refusal ? [] : [one.repeats]));
  const posted = await postedBefore(sql, communityId, before);
  return new Map(
    decisions.map(([at, one]) => [at, one instanceof Refusal ? one : (posted.get(one.repeats) as Posted)]),
  );
}

/** Posts what stands under no reference yet: without a lock where that can be, else in a transaction. */
async function postFresh(
  sql: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Ahead,
  makeId: typeof newId,
): Promise<(Posted | Refusal)[]> {
  if (postings.length === 0) return [];
  return (
    (await postUnlocked(sql, communityId, postings, ahead, makeId)) ??
    transaction(sql, (tx) => postLocked(tx, communityId, postings, ahead, makeId))
  );
}

/** Posts by one statement; undefined where that can't be, and nothing is written. */
async function postUnlocked(
  sql: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Ahead,
  makeId: typeof newId,
): Promise<(Posted | Refusal)[] | undefined> {
  const read = await readUnlocked(sql, communityId, postings, ahead);
  if (read === undefined) return undefined;
  const decision = decide(read, postings, makeId);
  const decided = toWrite(decision.decisions);
  // Badges have locks of their own.
  if (decided.some(({ awards }) => awards.length > 0)) return undefined;
  if (decided.length > 0) {
    try {
      const isFull = await writePostings(sql, communityId, decided, decision.profiles, read, makeId);
      // It is done with a bucket too full as well; whoever next comes into it would divide it too.
      if (isFull) await transaction(sql, (tx) => divideBuckets(tx, communityId)).catch(() => {});
    } catch (error) {
      if ((error as { code?: unknown }).code === hasChanged) return undefined;
      throw error;
    }
  }
  return answersTo(sql, communityId, decision.decisions);
}

async function postLocked(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Pick<Ahead, 'rules' | 'known'>,
  makeId: typeof newId,
): Promise<(Posted | Refusal)[]> {
  const read = await readLocked(tx, communityId, postings, ahead);
  let decision = decide(read, postings, makeId);
  const had = await hadBefore(tx, communityId, read.badges, toWrite(decision.decisions));
  if (had !== undefined) {
    decision = decide({ ...read, badges: { ...read.badges, had } }, postings, makeId);
  }
  const { decisions, profiles } = decision;
  const refused = postings.filter((_posting, at) => decisions[at] instanceof Refusal);
  if (await areThereNow(tx, communityId, refused, ahead)) throw new Overtaken();
  const decided = toWrite(decisions);
  if (decided.length > 0) {
    const [awarded, , isFull] = await Promise.all([
      writeAwards(tx, communityId, decided),
      takeBackActivities(tx, communityId, decided),
      writePostings(tx, communityId, decided, profiles, read, makeId),
    ]);
    if (!awarded) throw new Overtaken();
    if (isFull) await divideBuckets(tx, communityId);
  }
  return answersTo(tx, communityId, decisions);
}

/** What is answered to each decision, once they are written. */
async function answersTo(
  tx: Sql,
  communityId: string,
  decisions: readonly Decision[],
): Promise<(Posted | Refusal)[]> {
  const fresh = new Map(toWrite(decisions).map((one) => [one.id, postedOf(one)]));
  const before = decisions.flatMap((one) =>
    'repeats' in one && !fresh.has(one.repeats) ? [one.repeats] : [],
  );
  const known = await postedBefore(tx, communityId, before);
  return decisions.map((one) => {
    if (one instanceof Refusal) return one;
    const posted = 'repeats' in one ? (fresh.get(one.repeats) ?? known.get(one.repeats)) : fresh.get(one.id);
    if (posted === undefined) throw new Error('A posting was decided and not answered.');
    return 'repeats' in one ? { ...posted, replayed: true } : posted;
  });
}

/** Whether events stand that didn't when it was looked ahead: a repeat is not refused for what its first did. */
async function areThereNow(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  { known }: Pick<Ahead, 'known'>,
): Promise<boolean> {
  const unknown = postings.filter((one) => one.reference !== null && !known.has(referenceOf(one)));
  return unknown.length > 0 && (await readAhead(tx, communityId, unknown)).known.size > 0;
}

function toWrite(decisions: readonly Decision[]): Decided[] {
  return decisions.filter((one): one is Decided => 'posting' in one);
}

/**
 * Writes all of a batch by one statement, which fails where what was decided on no longer holds. Its parts run in the order
 * that everything is locked in: each is counted before the next, and what functions do comes last.
 * @returns whether buckets of scores are to be divided.
 */
async function writePostings(
  sql: Sql,
  communityId: string,
  decided: readonly Decided[],
  profiles: ReadonlyMap<string, Profile>,
  read: Read,
  makeId: typeof newId,
): Promise<boolean> {
  const { recordedAt, today } = read;
  const rules = placesOfRules(read.rules);
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
  events.sort(byReference);
  const entries = decided.flatMap((one) =>
    one.entries.map(
      ({ id, userId, unit, amount, balanceAfter, eventId, eventType, reference, ruleId, reversalOf }) => {
        const rule = ruleId === null ? null : rules.places.get(ruleId);
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
  const uses = decided.flatMap(({ id: eventId, posting: { userId }, day, occurredAt, ...one }) =>
    one.uses.map((ruleId) => ({ userId, ruleId, day, occurredAt, eventId })),
  );
  const told = toldBy(decided);
  const [row] = await sql<{ isFull: boolean }[]>`
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
        events,
      )}
      returning 1
    ), entry as (
      insert into gamification.ledger_entry (
        community_id, id, user_id, unit, amount, balance_after, event_id, event_type, reference, occurred_at, recorded_at,
        rule_id, reversal_of
      )
      select ${communityId}, e.id, e."userId", e.unit, e.amount, e."balanceAfter", e."eventId", e."eventType",
        e.reference, coalesce(e."occurredAt", ${recordedAt}::timestamptz), ${recordedAt}::timestamptz,
        (${rules.ids as string[]}::text[])[e.rule], e."reversalOf"
      from ${rowsOf(
        sql,
        'e',
        `id text, userId text, unit text, amount bigint, balanceAfter bigint, eventId text, eventType text,
        reference text, occurredAt timestamptz, rule integer, reversalOf text`,
        entries,
      )}
      returning 1
    ), sum as materialized (
      select s.*
      from ${rowsOf(
        sql,
        's',
        `userId text, day date, level integer, XP bigint, COINS bigint, POINTS bigint, PREMIUM bigint, badges integer,
        messages integer, replies integer, reactions integer, visits integer, referrals integer, socials integer`,
        sumsOf(decided, profiles),
      )}
    ), profile as (
      -- They are all there; a conflict finds them by their key, however old the planner's statistics are.
      insert into gamification.profile as p (
        community_id, user_id, level, xp, coins, points, premium, badges, messages, replies, reactions, visits,
        referrals, socials
      )
      select ${communityId}, "userId", max(level), coalesce(sum("XP"), 0), coalesce(sum("COINS"), 0),
        coalesce(sum("POINTS"), 0), coalesce(sum("PREMIUM"), 0), coalesce(sum(badges), 0), coalesce(sum(messages), 0),
        coalesce(sum(replies), 0), coalesce(sum(reactions), 0), coalesce(sum(visits), 0), coalesce(sum(referrals), 0),
        coalesce(sum(socials), 0)
      from sum
      group by "userId"
      on conflict (community_id, user_id) do update set
        level = excluded.level, xp = p.xp + excluded.xp, coins = p.coins + excluded.coins,
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
      from sum
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
      from ${rowsOf(sql, 'u', 'userId text, ruleId text, day date, occurredAt timestamptz, eventId text', uses)}
      returning 1
    ), written as materialized (
      select count(*) as rows
      from (
        select from event union all select from entry union all select from profile union all select from day
        union all select from activity union all select from used
      ) w
    ), scored as materialized (
      select case when w.rows > 0 then gamification.add_scores(
        ${communityId}, s.users, s.days, s.xp, s.coins, s.points, s.premium, ${mostInBucket}
      ) end as is_full
      from written w, (
        select array_agg("userId") as users, array_agg(day) as days, array_agg("XP") as xp, array_agg("COINS") as coins,
          array_agg("POINTS") as points, array_agg("PREMIUM") as premium
        from sum
      ) s
    ), told as materialized (
      ${told === null ? sql`select` : sql`select log.append(${communityId}, 'xp', ${told}::text::jsonb)`} from scored
    )
    select coalesce(is_full, false) as "isFull" from scored, told`;
  return row?.isFull === true;
}

/** A query of one row that holds the people of a batch as they were read; of those who are locked nothing is to be done. */
function holding(
  sql: Sql,
  communityId: string,
  profiles: ReadonlyMap<string, Profile>,
  { versions, profiles: before }: Read,
): SqlPart {
  if (versions === undefined) return sql`select`;
  const people = [...profiles.keys()].sort().map((userId) => {
    const { XP, level } = profiles.get(userId) as Profile;
    const moves = before.get(userId)?.XP !== XP;
    return { userId, version: versions.get(userId), xp: moves ? XP : null, level: moves ? level : null };
  });
  return sql`
    select gamification.hold(
      ${communityId}, ${arraysOf(sql, 'userId text, version text, xp bigint, level integer', people)}
    )`;
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
interface Sum extends Record<Counter | 'badges', number | undefined>, Record<Unit, bigint | undefined> {
  userId: string;
  day: string;
  /** What it has after the batch. */
  level: number;
}

function sumsOf(decided: readonly Decided[], profiles: ReadonlyMap<string, Profile>): Sum[] {
  const sums = new Map<string, Sum>();
  for (const { posting, day, entries, counts, awards, revoked } of decided) {
    const key = `${posting.userId} ${day}`;
    let sum = sums.get(key);
    if (sum === undefined) {
      sum = noSum(posting.userId, day, profiles.get(posting.userId)?.level ?? 0);
      sums.set(key, sum);
    }
    for (const { unit, amount } of entries) sum[unit] = (sum[unit] ?? 0n) + amount;
    if (counts !== null) sum[counts.counter] = (sum[counts.counter] ?? 0) + counts.by;
    const badges = awards.length - revoked.length;
    if (badges !== 0) sum.badges = (sum.badges ?? 0) + badges;
  }
  return [...sums.values()];
}

function noSum(userId: string, day: string, level: number): Sum {
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

function postedOf({ id, entries, outcome, level, awards }: Decided): Posted {
  return { eventId: id, entries, outcome, level, awardIds: awards.map((award) => award.id), replayed: false };
}

/** What came of events that were written before. */
async function postedBefore(
  tx: Sql,
  communityId: string,
  eventIds: readonly string[],
): Promise<Map<string, Posted>> {
  const ids = [...new Set(eventIds)];
  if (ids.length === 0) return new Map();
  const [rows, entries] = await Promise.all([
    tx<{ id: string; outcome: Outcome; before: number | null; after: number | null; awardIds: string[] }[]>`
      -- postedBefore
      select id, outcome, level_before as before, level_after as after, array(
        select a.id from gamification.badge_award a
        where a.community_id = e.community_id and a.event_id = e.id
        order by a.id
      ) as "awardIds"
      from gamification.event e
      where community_id = ${communityId} and id = any(${ids})`,
    entriesByEvent(tx, communityId, ids),
  ]);
  return new Map(
    rows.map(({ id, outcome, before, after, awardIds }) => {
      const level = before === null || after === null ? null : { before, after };
      const own = entries[ids.indexOf(id)] ?? [];
      return [id, { eventId: id, entries: own, outcome, level, awardIds, replayed: true }];
    }),
  );
}
