import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { isOutage } from '../outage.ts';
import { rowsOf } from '../rows.ts';
import { activitiesOf, addedActivities, type NewActivity, takeBackActivities } from './activity.ts';
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
import { type Ahead, lockProfiles, readAhead, readLocked, referenceOf } from './ground.ts';
import { entriesByEvent, type LedgerEntry } from './ledger.ts';
import { addScores, type ScoreChange } from './score.ts';

// The one write path of everything that changes what a person has. Read what decides under lock, decide in TypeScript,
// write it all by one statement.
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

/** Another transaction took a reference or the last of a badge meanwhile: what was decided no longer holds. */
class Overtaken extends Error {}

const tries = 3;

/**
 * Posts in a transaction of its own. A batch that fails is tried again one by one, so that a bad posting costs itself.
 * @param postings  at most 1,000.
 * @param ahead     what was read of them already.
 * @returns one answer per posting, in their order; a Refusal where one was refused.
 * @throws nothing but faults; in the answers: RULE_NOT_FOUND, VALIDATION_FAILED, IDEMPOTENCY_KEY_REUSED,
 * INSUFFICIENT_BALANCE, LIMIT_EXCEEDED
 * @cost one statement where nothing was read, then up to eight in two round trips, and those of the transaction; for
 * repeats two, without a transaction.
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
    const { known, rules } = read ?? (await readAhead(sql, communityId, postings));
    // A repeat waits for nobody.
    const repeats = await repeatsOf(sql, communityId, postings, known);
    const fresh = postings.filter((_posting, at) => !repeats.has(at));
    const write = (tx: Sql) => postFresh(tx, communityId, fresh, { rules, known }, makeId);
    try {
      const answers = (fresh.length === 0 ? [] : await transaction(sql, write)).values();
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

/** Deadlocks come of people who are new: they are locked after those who are there. */
function isOvertaken(error: unknown): boolean {
  return error instanceof Overtaken || (error as { code?: unknown }).code === '40P01';
}

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
  return postFresh(tx, communityId, postings, await readAhead(tx, communityId, postings), makeId);
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

async function postFresh(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Pick<Ahead, 'rules' | 'known'>,
  makeId: typeof newId,
): Promise<(Posted | Refusal)[]> {
  const { today, isRanked, ...ground } = await readLocked(tx, communityId, postings, ahead);
  let decision = decide(ground, postings, makeId);
  const had = await hadBefore(tx, communityId, ground.badges, toWrite(decision.decisions));
  if (had !== undefined) {
    decision = decide({ ...ground, badges: { ...ground.badges, had } }, postings, makeId);
  }
  const { decisions } = decision;
  const refused = postings.filter((_posting, at) => decisions[at] instanceof Refusal);
  if (await areThereNow(tx, communityId, refused, ahead)) throw new Overtaken();
  const decided = toWrite(decisions);
  if (decided.length > 0) {
    const activities = activitiesOf(decided, ground.rules, makeId);
    const [awarded, written] = await Promise.all([
      writeAwards(tx, communityId, decided),
      writePostings(tx, communityId, decided, [...decision.profiles.values()], activities, today),
      takeBackActivities(tx, communityId, decided),
      isRanked ? addScores(tx, communityId, changesOf(decided)) : undefined,
      tellLog(tx, communityId, decided),
    ]);
    if (!awarded || written !== decided.length) throw new Overtaken();
  }
  const fresh = new Map(decided.map((one) => [one.id, postedOf(one)]));
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

/** @returns how many events were written: fewer when a reference was taken meanwhile. */
async function writePostings(
  tx: Sql,
  communityId: string,
  decided: readonly Decided[],
  profiles: readonly Profile[],
  activities: readonly NewActivity[],
  today: string,
): Promise<number> {
  const events = decided.map(({ id, posting, occurredAt, outcome, level }) => ({
    id,
    eventType: posting.eventType,
    reference: posting.reference,
    userId: posting.userId,
    amount: posting.amount,
    metadata: posting.metadata,
    timed: posting.occurredAt !== null,
    occurredAt,
    outcome,
    levelBefore: level?.before,
    levelAfter: level?.after,
    reverses: posting.reverses?.eventId,
    source: posting.origin.source,
    actorUserId: posting.origin.actorUserId,
    keyId: posting.origin.keyId,
  }));
  const entries = decided.flatMap((one) => one.entries);
  const uses = decided.flatMap(({ id: eventId, posting: { userId }, day, occurredAt, ...one }) =>
    one.uses.map((ruleId) => ({ userId, ruleId, day, occurredAt, eventId })),
  );
  const [row] = await tx<{ events: number }[]>`
    -- writePostings
    with event as (
      insert into gamification.event (
        community_id, id, event_type, reference, user_id, amount, metadata, timed, occurred_at, outcome, level_before,
        level_after, reverses, source, actor_user_id, actor_key_id
      )
      select ${communityId}, e.*
      from ${rowsOf(
        tx,
        'e',
        `id text, eventType text, reference text, userId text, amount numeric, metadata json, timed boolean,
        occurredAt timestamptz, outcome text, levelBefore integer, levelAfter integer, reverses text, source text,
        actorUserId text, keyId text`,
        events,
      )}
      order by e."eventType", e.reference
      on conflict (community_id, event_type, reference) do nothing
      returning 1
    ), entry as (
      insert into gamification.ledger_entry (
        community_id, id, user_id, unit, amount, balance_after, event_id, event_type, reference, occurred_at, rule_id,
        reversal_of
      )
      select ${communityId}, e.*
      from ${rowsOf(
        tx,
        'e',
        `id text, userId text, unit text, amount bigint, balanceAfter bigint, eventId text, eventType text,
        reference text, occurredAt timestamptz, ruleId text, reversalOf text`,
        entries,
      )}
    ), profile as (
      -- They are all there; a conflict finds them by their key, however old the planner's statistics are.
      insert into gamification.profile as p (
        community_id, user_id, xp, coins, points, premium, level, badges, messages, replies, reactions, visits,
        referrals, socials
      )
      select ${communityId}, n.*
      from ${rowsOf(
        tx,
        'n',
        `userId text, XP bigint, COINS bigint, POINTS bigint, PREMIUM bigint, level integer, badges integer,
        messages integer, replies integer, reactions integer, visits integer, referrals integer, socials integer`,
        profiles,
      )}
      on conflict (community_id, user_id) do update set
        xp = excluded.xp, coins = excluded.coins, points = excluded.points, premium = excluded.premium,
        level = excluded.level, badges = excluded.badges, messages = excluded.messages, replies = excluded.replies,
        reactions = excluded.reactions, visits = excluded.visits, referrals = excluded.referrals,
        socials = excluded.socials
    ), day as (
      insert into gamification.daily_stat as d (
        community_id, user_id, date, xp, coins, messages, replies, reactions, visits, referrals, socials, restated_at
      )
      select ${communityId}, n.*, case when n.day < ${today}::date then now() end
      from ${rowsOf(
        tx,
        'n',
        `userId text, day date, xp bigint, coins bigint, messages integer, replies integer, reactions integer,
        visits integer, referrals integer, socials integer`,
        daysOf(decided),
      )}
      on conflict (community_id, user_id, date) do update set
        xp = d.xp + excluded.xp, coins = d.coins + excluded.coins, messages = d.messages + excluded.messages,
        replies = d.replies + excluded.replies, reactions = d.reactions + excluded.reactions,
        visits = d.visits + excluded.visits, referrals = d.referrals + excluded.referrals,
        socials = d.socials + excluded.socials, restated_at = coalesce(excluded.restated_at, d.restated_at)
    ), activity as (
      ${addedActivities(tx, communityId, activities)}
    ), used as (
      insert into gamification.rule_use (community_id, user_id, rule_id, day, occurred_at, event_id)
      select ${communityId}, u.*
      from ${rowsOf(tx, 'u', 'userId text, ruleId text, day date, occurredAt timestamptz, eventId text', uses)}
    )
    select count(*)::integer as events from event`;
  return row?.events ?? 0;
}

interface Day extends Record<Counter, number> {
  userId: string;
  day: string;
  xp: bigint;
  coins: bigint;
}

/** The sums of each person's day. */
function daysOf(decided: readonly Decided[]): Day[] {
  const days = new Map<string, Day>();
  for (const { posting, day, entries, counts } of decided) {
    const key = `${posting.userId} ${day}`;
    const moved = entries.filter(({ unit }) => unit === 'XP' || unit === 'COINS');
    if (moved.length === 0 && counts === null) continue;
    const sums = days.get(key) ?? { userId: posting.userId, day, xp: 0n, coins: 0n, ...noCounts };
    for (const { unit, amount } of moved) sums[unit === 'XP' ? 'xp' : 'coins'] += amount;
    if (counts !== null) sums[counts.counter] += counts.by;
    days.set(key, sums);
  }
  return [...days.values()];
}

/** What its entries change of the scores that leaderboards rank. */
function changesOf(decided: readonly Decided[]): ScoreChange[] {
  return decided.flatMap(({ posting: { userId }, day, entries }) =>
    entries.map(({ unit, amount }) => ({ userId, unit, amount, date: day })),
  );
}

const noCounts = { messages: 0, replies: 0, reactions: 0, visits: 0, referrals: 0, socials: 0 };

/** Changes of XP, of levels and of badges, in the order of the balances. */
async function tellLog(tx: Sql, communityId: string, decided: readonly Decided[]): Promise<void> {
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
  if (told.length === 0) return;
  await tx`
    -- tellLog
    select log.append(${communityId}, 'xp', ${JSON.stringify(told)}::text::jsonb)`;
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
