import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { isOutage } from '../outage.ts';
import { takeBackActivities } from './activity.ts';
import { hadBefore, writeAwards } from './badge-ground.ts';
import { type Decided, type Decision, decide, type Outcome, type Posting, repeatOf } from './decide.ts';
import { type Ahead, type Read, readAhead, readLocked, readUnlocked, referenceOf } from './ground.ts';
import { entriesByEvent, type LedgerEntry } from './ledger.ts';
import { writePostings } from './posting-write.ts';
import { lockProfiles } from './profile-lock.ts';
import { divideBuckets } from './score.ts';

// The one write path of everything that changes what a person has. Read what decides, decide in TypeScript, write it all
// by one statement. Few postings are decided on what was read without a lock: their statement makes sure that it still
// holds. Many, and those that fail at that, are decided under lock, in a transaction.
//
// Everything is locked in this order, by everybody: the level curve and the set of score runs (both shared), profiles by
// user id, those of people who are new, whatever else a feature locks (a badge, an item of a store), events by type and
// reference, what is kept of entries (days, words, uses, scores), and last the log's counter, which all writers of a community
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

/** Another took the last of a badge or changed a rule meanwhile: what was decided no longer holds. */
class Overtaken extends Error {}

/** Whoever is overtaken has been so by somebody who is done, so this ends by itself; it is a bound against our own faults. */
const tries = 100;

/**
 * Posts in a transaction of its own. A batch that fails is tried again one by one, so that a bad posting costs itself.
 * @param postings  at most 1,000.
 * @param ahead     what was read of them already.
 * @returns one answer per posting, in their order; a Refusal where one was refused.
 * @throws nothing but faults; in the answers: RULE_NOT_FOUND, VALIDATION_FAILED, IDEMPOTENCY_KEY_REUSED,
 * INSUFFICIENT_BALANCE, LIMIT_EXCEEDED
 * @cost one statement where nothing was read, and one that writes; for many, for people who are new and where badges come a
 * transaction with those of `readLocked` too, and up to three of badges; for repeats two.
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

/** Does the work of one transaction again as long as what it decided on is changed meanwhile. */
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

/** The constraint that another's event under the same reference meets, as PostgreSQL named it. */
const uniqueReference = 'event_community_id_event_type_reference_key';

/**
 * Posts inside a transaction, for features whose own writes commit with it. What they lock themselves comes after
 * `lockProfiles(tx, communityId, userIds)` and before this; after it they lock nothing that whoever holds the log's counter
 * of XP may wait for. Call it once, with all there is. The caller wakes the log's tail after the commit.
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
  const ahead = await readAhead(tx, communityId, postings, { whole: false });
  const { rules, known } = ahead;
  const { answers, full } = await postLocked(tx, communityId, postings, { rules, known }, makeId);
  await divideBuckets(tx, communityId, full);
  return answers;
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

/** What was answered, and the runs of scores whose buckets are to be divided. */
interface Done {
  answers: (Posted | Refusal)[];
  full: readonly bigint[];
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
  const { answers, full } =
    (await postUnlocked(sql, communityId, postings, ahead, makeId)) ??
    (await transaction(sql, (tx) => postLocked(tx, communityId, postings, ahead, makeId)));
  // What was posted stands, whatever becomes of this: whoever next comes into a bucket too full divides it.
  if (full.length > 0) await transaction(sql, (tx) => divideBuckets(tx, communityId, full)).catch(() => {});
  return answers;
}

/** Posts by one statement; undefined where that can't be, and nothing is written. */
async function postUnlocked(
  sql: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Ahead,
  makeId: typeof newId,
): Promise<Done | undefined> {
  const read = await readUnlocked(sql, communityId, postings, ahead);
  if (read === undefined) return undefined;
  const { decisions, profiles } = decide(read, postings, makeId);
  // What limits were looked up may be newer than all else, and no statement finds out where nothing is written.
  if (read.isPlaced && decisions.some((one) => one instanceof Refusal)) return undefined;
  const decided = toWrite(decisions);
  // Badges have locks of their own.
  if (decided.some(({ awards }) => awards.length > 0)) return undefined;
  const full =
    decided.length === 0 ? [] : await writePostings(sql, communityId, decided, profiles, read, makeId);
  return full && { answers: await answersTo(sql, communityId, decisions), full };
}

/** @param ahead  its version is given by whoever reads ahead again when it is over. @throws Overtaken */
async function postLocked(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Pick<Ahead, 'rules' | 'known'> & Partial<Pick<Ahead, 'version'>>,
  makeId: typeof newId,
): Promise<Done> {
  const read = await readLocked(tx, communityId, postings, ahead);
  if (ahead.version !== undefined && ahead.version !== read.version) throw new Overtaken();
  const { decisions, profiles } = await decideAwards(tx, communityId, read, postings, makeId);
  const refused = postings.filter((_posting, at) => decisions[at] instanceof Refusal);
  if (await areThereNow(tx, communityId, refused, ahead)) throw new Overtaken();
  const decided = toWrite(decisions);
  if (decided.length === 0) return { answers: await answersTo(tx, communityId, decisions), full: [] };
  const [awarded, , full = []] = await Promise.all([
    writeAwards(tx, communityId, decided),
    takeBackActivities(tx, communityId, decided),
    writePostings(tx, communityId, decided, profiles, read, makeId),
  ]);
  if (!awarded) throw new Overtaken();
  return { answers: await answersTo(tx, communityId, decisions), full };
}

/** Decides until it is known of everybody who is awarded a badge whether they had it: whom it doesn't go to, others get it. */
async function decideAwards(
  tx: Sql,
  communityId: string,
  read: Read,
  postings: readonly Posting[],
  makeId: typeof newId,
): Promise<ReturnType<typeof decide>> {
  const lookedUp = new Set<string>();
  let { badges } = read;
  for (;;) {
    const decision = decide({ ...read, badges }, postings, makeId);
    const had = await hadBefore(tx, communityId, badges, toWrite(decision.decisions), lookedUp);
    if (had === undefined) return decision;
    badges = { ...badges, had };
  }
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
  return unknown.length > 0 && (await readAhead(tx, communityId, unknown, { whole: false })).known.size > 0;
}

function toWrite(decisions: readonly Decision[]): Decided[] {
  return decisions.filter((one): one is Decided => 'posting' in one);
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
