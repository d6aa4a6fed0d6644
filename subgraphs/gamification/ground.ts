import type { Sql, SqlPart } from '../db.ts';
import { badgesFor } from './badge-ground.ts';
import type { Ground, Known, Place, Posting, Profile } from './decide.ts';
import {
  type Definitions,
  definitionsOf,
  type Standing,
  type StandingRow,
  standingIn,
  standingOf,
  versionIn,
} from './definition.ts';
import { type Identifier, membersFound } from './person.ts';
import { clock, type PlaceRow, placesFor, zoneOf } from './place.ts';
import { addProfiles, lockExisting } from './profile-lock.ts';
import type { Unit } from './unit.ts';

// What a batch of postings is decided on: who has what, which rules and levels stand, what was there before.

/** What is read of postings before anything is locked. What came of it meanwhile, writing finds out. */
export interface Ahead {
  /** Of the definitions that the rules are of. */
  version: string | null;
  /** The enabled rules of each event type. */
  rules: Ground['rules'];
  /** The events that stand under references already, by `referenceOf`. */
  known: ReadonlyMap<string, Known>;
  /** Whom the identifiers name, in their order; null where there is nobody. */
  userIds: readonly (string | null)[];
  /** All else that few postings are decided on; undefined for many, which lock first. */
  unlocked: Unlocked | undefined;
}

/** What was read without a lock, at one moment. */
interface Unlocked {
  moment: Moment;
  definitions: Definitions;
  /** Of those people who have one. */
  profiles: ReadonlyMap<string, Profile>;
  /** By person: what changes when anything of the profile does. */
  versions: ReadonlyMap<string, string>;
}

/** When a batch is decided. */
interface Moment {
  recordedAt: Date;
  /** The day it is in the community's time zone. */
  today: string;
}

/** So many postings are decided without a lock at most: of more, some person's profile is likely to change meanwhile. */
const few = 16;

interface Asked {
  eventType: string;
  reference: string | null;
  /** Where it is known. */
  userId?: string;
}

/** What tells a reference from all others. */
export function referenceOf({ eventType, reference }: Asked): string {
  return `${eventType} ${reference}`;
}

/** A profile as JSON, which has no 64-bit numbers. */
type ProfileRow = Omit<Profile, Unit> & Record<Unit, string> & { version: string };

/**
 * Reads what needs no lock, and for few postings all else too.
 * @param people  whom the postings are about, where they are named by identifiers.
 * @param whole   whether all else is read too.
 * @cost one statement, in which nothing grows but by the postings; one more when the definitions are new.
 */
export async function readAhead(
  sql: Sql,
  communityId: string,
  asked: readonly Asked[],
  { people, whole = asked.length <= few }: { people?: readonly Identifier[]; whole?: boolean } = {},
): Promise<Ahead> {
  const eventTypes = [...new Set(asked.map(({ eventType }) => eventType))];
  const references = asked.filter(({ reference }) => reference !== null);
  const person =
    people === undefined
      ? sql`select null::bigint as at, u as user_id from unnest((select ${asked.flatMap(({ userId }) => userId ?? [])}::text[])) u`
      : membersFound(sql, communityId, people);
  const rest = whole ? sql`, ${momentIn(sql, communityId)}, ${profilesIn(sql, communityId)}` : sql``;
  const [row] = await sql<
    (Moment & {
      version: string | null;
      known: (Asked & Omit<Known, 'occurredAt'> & { at: number | null })[] | null;
      userIds: (string | null)[] | null;
      profiles?: ProfileRow[] | null;
    })[]
  >`
    -- readAhead
    with person as materialized (
      ${person}
    )
    select ${versionIn(sql, communityId)} as version, (
      select json_agg(json_build_object(
        'eventType', a."eventType", 'reference', a.reference, 'id', e.id, 'userId', e.user_id,
        'amount', e.amount::text, 'metadata', e.metadata, 'at', e.at
      ))
      -- A plan that doesn't know how many there are is kept: making one costs more than a few postings do.
      from (
        select unnest((select ${references.map(({ eventType }) => eventType)}::text[])) as "eventType",
          unnest((select ${references.map(({ reference }) => reference)}::text[])) as reference
      ) a
      -- One by one, by the index: a join might read all events of the community.
      cross join lateral (
        select id, user_id, amount, metadata, case when timed then extract(epoch from occurred_at) * 1000 end as at
        from gamification.event
        where community_id = ${communityId} and event_type = a."eventType" and reference = a.reference
        limit 1
      ) e
    ) as known, (
      select json_agg(user_id order by at) from person
    ) as "userIds" ${rest}
    from ${clock(sql)}`;
  if (row === undefined) throw new Error('A query without a table gave no row.');
  const definitions = await definitionsOf(sql, communityId, row.version);
  const rules = new Map(eventTypes.map((type) => [type, definitions.rules.get(type) ?? []]));
  const known = new Map<string, Known>();
  for (const { id, userId, amount, metadata, at, ...one } of row.known ?? []) {
    const occurredAt = at === null ? null : new Date(at);
    known.set(referenceOf(one), { id, userId: userId as string, amount, metadata, occurredAt });
  }
  const { profiles, recordedAt, today } = row;
  const unlocked =
    profiles === undefined
      ? undefined
      : { moment: { recordedAt, today }, definitions, ...profilesOf(profiles ?? []) };
  return { version: definitions.version, rules, known, userIds: row.userIds ?? [], unlocked };
}

/** The profiles of the query `person`, as JSON in a statement. */
function profilesIn(sql: Sql, communityId: string): SqlPart {
  return sql`(
    select json_agg(json_build_object(
      'userId', p.user_id, 'version', p.xmin::text, 'XP', p.xp::text, 'COINS', p.coins::text, 'POINTS', p.points::text,
      'PREMIUM', p.premium::text, 'level', p.level, 'badges', p.badges, 'messages', p.messages, 'replies', p.replies,
      'reactions', p.reactions, 'visits', p.visits, 'referrals', p.referrals, 'socials', p.socials, 'begun', p.begun
    ))
    from (select distinct user_id from person) n
    cross join lateral (
      select *, xmin from gamification.profile p where p.community_id = ${communityId} and p.user_id = n.user_id limit 1
    ) p
  ) as profiles`;
}

function profilesOf(rows: readonly ProfileRow[]): Pick<Unlocked, 'profiles' | 'versions'> {
  const profiles = rows.map(({ version: _, XP, COINS, POINTS, PREMIUM, ...others }): Profile => {
    return {
      XP: BigInt(XP),
      COINS: BigInt(COINS),
      POINTS: BigInt(POINTS),
      PREMIUM: BigInt(PREMIUM),
      ...others,
    };
  });
  return {
    profiles: new Map(profiles.map((profile) => [profile.userId, profile])),
    versions: new Map(rows.map(({ userId, version }) => [userId, version])),
  };
}

/**
 * What few postings are decided on without a lock; undefined where that can't be: somebody is new, or badges are awarded
 * or taken back, which have locks of their own.
 * @cost nothing; one statement where there are limits or times.
 */
export async function readUnlocked(
  sql: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Ahead,
): Promise<Read | undefined> {
  const { unlocked } = ahead;
  if (unlocked === undefined || !postings.every(({ userId }) => unlocked.profiles.has(userId)))
    return undefined;
  if (postings.some(({ award, reverses, revokes, undoes }) => award ?? reverses ?? revokes ?? undoes))
    return undefined;
  const { moment, definitions, profiles, versions } = unlocked;
  const places = await placesFor(sql, communityId, postings, ahead);
  const nothing = { had: new Map(), revoked: new Map() };
  return {
    ...groundOf(moment, definitions, places, postings, ahead),
    profiles,
    versions: { definitions: definitions.version, profiles: versions },
    badges: { all: definitions.badges, ...nothing },
  };
}

/** What was read of a batch. */
export interface Read extends Ground {
  /** The day it is in the community's time zone. */
  today: string;
  /** What was read without a lock holds as long as these stand; undefined: it was read under lock. */
  versions: { definitions: string | null; profiles: ReadonlyMap<string, string> } | undefined;
  /** Limits or times were looked up, by a statement of their own. */
  isPlaced: boolean;
}

/** What was read of a batch under lock. */
export interface ReadLocked extends Read {
  /** Of the definitions as they are by then. */
  version: string | null;
}

/**
 * Locks the people of postings and reads all that is decided on.
 * @cost two statements in one round trip; one more for each of these: limits or times, badges that are named or taken
 * back. Twice that and two more where somebody is new.
 */
export async function readLocked(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Pick<Ahead, 'rules' | 'known'>,
): Promise<ReadLocked> {
  const userIds = [...new Set(postings.map(({ userId }) => userId))].sort();
  // Sent without waiting for each other: the others read with a snapshot that is newer than the locks.
  const read = () =>
    Promise.all([
      lockExisting(tx, communityId, userIds),
      readCommon(tx, communityId, postings),
      placesFor(tx, communityId, postings, ahead),
      badgesFor(tx, communityId, postings),
    ]);
  let [profiles, { moment, version, standing }, places, held] = await read();
  if (profiles.size < userIds.length) {
    await addProfiles(tx, communityId, userIds);
    [profiles, { moment, version, standing }, places, held] = await read();
  }
  const ground = groundOf(moment, standing, places, postings, ahead);
  const badges = { all: standing.badges, ...held };
  return { ...ground, profiles, versions: undefined, badges, version };
}

/** What is the same for all postings of a batch, read under lock: how many of a badge are left is remembered by nobody. */
async function readCommon(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
): Promise<{ moment: Moment; version: string | null; standing: Standing }> {
  const named = postings.flatMap(({ award }) => award?.badgeId ?? []);
  const [row] = await tx<(Moment & StandingRow & { version: string | null })[]>`
    -- readCommon
    select ${momentIn(tx, communityId)}, ${versionIn(tx, communityId)} as version, ${standingIn(tx, communityId, named)} from ${clock(tx)}`;
  if (row === undefined) throw new Error('A query without a table gave no row.');
  const { recordedAt, today, version, ...standing } = row;
  return { moment: { recordedAt, today }, version, standing: standingOf(standing) };
}

/** The columns of `Moment`, in a statement that has a `clock`. */
function momentIn(sql: Sql, communityId: string): SqlPart {
  return sql`
    clock.now as "recordedAt", (clock.now at time zone ${zoneOf(sql, communityId)})::date as today`;
}

function groundOf(
  moment: Moment,
  { levels, belowZero }: Standing,
  placed: readonly PlaceRow[],
  postings: readonly Posting[],
  { rules, known }: Pick<Ahead, 'rules' | 'known'>,
): Omit<Read, 'profiles' | 'badges' | 'versions'> {
  const isNow = ({ at }: PlaceRow) => postings[at]?.occurredAt === null;
  // Limits are looked up around a moment of their own, which then is that of all.
  const present = placed.find(isNow);
  const recordedAt = present?.moment ?? moment.recordedAt;
  const today = present?.day ?? moment.today;
  const places = postings.map(
    (posting): Place => ({
      occurredAt: recordedAt,
      day: today,
      known: posting.reference === null ? null : (known.get(referenceOf(posting)) ?? null),
      used: [],
    }),
  );
  for (const row of placed) {
    const { at, moment, day, used } = row;
    Object.assign(places[at] as Place, { used: used ?? [], ...(!isNow(row) && { occurredAt: moment, day }) });
  }
  return { recordedAt, today, rules, places, levels, belowZero, isPlaced: placed.length > 0 };
}
