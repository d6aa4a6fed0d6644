import type { Sql } from '../db.ts';
import { rowsOf } from '../rows.ts';
import type { Awardable } from './awarding.ts';
import { awardableOf, type BadgeRow, badgesFor, badgesIn } from './badge-ground.ts';
import type { Ground, Known, Place, Posting, Profile } from './decide.ts';
import { type Identifier, memberIds } from './person.ts';
import type { Rule } from './rule.ts';
import { scoreLock } from './score.ts';
import type { Unit } from './unit.ts';

// What a batch of postings is decided on: who has what, which rules and levels stand, what was there before.

/** What is read of postings before anything is locked. What came of it meanwhile, writing finds out. */
export interface Ahead {
  /** The enabled rules of each event type. */
  rules: Ground['rules'];
  /** The events that stand under references already, by `referenceOf`. */
  known: ReadonlyMap<string, Known>;
  /** Whom the identifiers name, in their order; null where there is nobody. */
  userIds: readonly (string | null)[];
}

interface Asked {
  eventType: string;
  reference: string | null;
}

/** What tells a reference from all others. */
export function referenceOf({ eventType, reference }: Asked): string {
  return `${eventType} ${reference}`;
}

/** Reads what needs no lock. @cost one statement; nothing of a table grows in it but by the postings. */
export async function readAhead(
  sql: Sql,
  communityId: string,
  asked: readonly Asked[],
  people: readonly Identifier[] = [],
): Promise<Ahead> {
  const eventTypes = [...new Set(asked.map(({ eventType }) => eventType))];
  const references = asked.filter(({ reference }) => reference !== null);
  const [row] = await sql<
    {
      rules: Rule[] | null;
      known: (Asked & Omit<Known, 'occurredAt'> & { at: number | null })[] | null;
      userIds: (string | null)[] | null;
    }[]
  >`
    -- readAhead
    select (
      select json_agg(json_build_object(
        'id', id, 'eventType', event_type, 'awards', awards, 'conditions', conditions,
        'cooldownSeconds', cooldown_seconds, 'dayCap', day_cap, 'weekCap', week_cap, 'lifetimeCap', lifetime_cap,
        'activityType', activity_type, 'wordingId', wording_id, 'limited', ${limited(sql)}
      ) order by created_at, id)
      from gamification.rule
      where community_id = ${communityId} and event_type = any(${eventTypes}) and enabled
    ) as rules, (
      select json_agg(json_build_object(
        'eventType', a."eventType", 'reference', a.reference, 'id', e.id, 'userId', e.user_id,
        'amount', e.amount::text, 'metadata', e.metadata, 'at', e.at
      ))
      from ${rowsOf(sql, 'a', 'eventType text, reference text', references)}
      -- One by one, by the index: a join might read all events of the community.
      cross join lateral (
        select id, user_id, amount, metadata, case when timed then extract(epoch from occurred_at) * 1000 end as at
        from gamification.event
        where community_id = ${communityId} and event_type = a."eventType" and reference = a.reference
        limit 1
      ) e
    ) as known, (
      ${people.length === 0 ? sql`select null` : memberIds(sql, communityId, people)}
    ) as "userIds"`;
  const rules = new Map<string, Rule[]>(eventTypes.map((type) => [type, []]));
  for (const rule of row?.rules ?? []) rules.get(rule.eventType)?.push(rule);
  const known = new Map<string, Known>();
  for (const { id, userId, amount, metadata, at, ...one } of row?.known ?? []) {
    const occurredAt = at === null ? null : new Date(at);
    known.set(referenceOf(one), { id, userId, amount, metadata, occurredAt });
  }
  return { rules, known, userIds: row?.userIds ?? [] };
}

/** The first key of the advisory lock of a community's level curve: postings share it, a change of the curve has it alone. */
export const curveLock = 4_107;

/**
 * Makes sure of people's profiles and locks them, in the one order that everybody locks in; the level curve stays as it
 * is meanwhile, and no run of scores begins.
 * @param userIds  sorted, without duplicates.
 * @cost one statement; three where somebody is new.
 */
export async function lockProfiles(
  tx: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Map<string, Profile>> {
  const locked = await lockExisting(tx, communityId, userIds);
  if (locked.size === userIds.length) return locked;
  await addProfiles(tx, communityId, userIds);
  return lockExisting(tx, communityId, userIds);
}

/** Makes those profiles that aren't there. */
async function addProfiles(tx: Sql, communityId: string, userIds: readonly string[]): Promise<void> {
  await tx`
    -- addProfiles
    insert into gamification.profile (community_id, user_id, level)
    select ${communityId}, u.id, coalesce((
      select max(l.number) from gamification.level l where l.community_id = ${communityId} and l.min_xp <= 0
    ), 0)
    from unnest(${userIds as string[]}::text[]) u(id)
    order by u.id
    on conflict do nothing`;
}

async function lockExisting(
  tx: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<Map<string, Profile>> {
  const rows = await tx<Profile[]>`
    -- lockProfiles
    with held as materialized (
      select pg_advisory_xact_lock_shared(${curveLock}, hashtext(${communityId})),
        pg_advisory_xact_lock_shared(${scoreLock(tx, communityId)})
    )
    select p.user_id as "userId", p.xp as "XP", p.coins as "COINS", p.points as "POINTS", p.premium as "PREMIUM",
      p.level, p.badges, p.messages, p.replies, p.reactions, p.visits, p.referrals, p.socials
    -- A row is locked once it was joined, which is after both locks; then it is read as it is by then.
    from held, gamification.profile p
    where p.community_id = ${communityId} and p.user_id = any(${userIds as string[]})
    order by p.user_id
    for update of p`;
  return new Map(rows.map((row) => [row.userId, row]));
}

/** What is read under lock. */
export interface Read extends Ground {
  /** The day it is in the community's time zone. */
  today: string;
  /** There are runs of scores, finished or not. */
  isRanked: boolean;
}

/**
 * Locks the people of postings and reads all that is decided on.
 * @cost two statements in one round trip; one more for each of these: limits or times, badges that are named or taken
 * back. Twice that and one more where somebody is new.
 */
export async function readLocked(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  ahead: Pick<Ahead, 'rules' | 'known'>,
): Promise<Read> {
  const userIds = [...new Set(postings.map(({ userId }) => userId))].sort();
  // Sent without waiting for each other: the others read with a snapshot that is newer than the locks.
  const read = () =>
    Promise.all([
      lockExisting(tx, communityId, userIds),
      groundFor(tx, communityId, postings, ahead),
      badgesFor(tx, communityId, postings),
    ]);
  let [profiles, ground, held] = await read();
  if (profiles.size < userIds.length) {
    await addProfiles(tx, communityId, userIds);
    [profiles, ground, held] = await read();
  }
  const { awardable, ...others } = ground;
  return { ...others, profiles, badges: { awardable, ...held } };
}

/** Reads all but profiles and what people had, for postings in their order. */
async function groundFor(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
  { rules, known }: Pick<Ahead, 'rules' | 'known'>,
): Promise<Omit<Read, 'profiles' | 'badges'> & { awardable: Awardable[] }> {
  const isLimited = [...rules.values()].some((own) => own.some((rule) => rule.limited));
  const isTimed = postings.some(({ occurredAt }) => occurredAt !== null);
  const [[common], rows] = await Promise.all([
    tx<
      {
        recordedAt: Date;
        today: string;
        isRanked: boolean;
        levels: { number: number; minXp: string }[] | null;
        below: Unit[];
        badges: BadgeRow[] | null;
      }[]
    >`
      -- groundFor
      select now()::timestamptz(3) as "recordedAt", (now() at time zone ${zoneOf(tx, communityId)})::date as today,
        exists(
          select from gamification.score_run where community_id = ${communityId} and not dropped
        ) as "isRanked", (
          select json_agg(json_build_object('number', number, 'minXp', min_xp::text) order by number)
          from gamification.level where community_id = ${communityId}
        ) as levels, array(
          select unit from gamification.unit where community_id = ${communityId} and may_go_below_zero
        ) as below, ${badgesIn(tx, communityId, postings)} as badges`,
    isLimited || isTimed ? placesFor(tx, communityId, postings) : [],
  ]);
  if (common === undefined) throw new Error('A query without a table gave no row.');
  const { recordedAt, today, isRanked, levels, below, badges } = common;
  const places = postings.map(
    (posting): Place => ({
      occurredAt: recordedAt,
      day: today,
      known: posting.reference === null ? null : (known.get(referenceOf(posting)) ?? null),
      used: [],
    }),
  );
  for (const { at, moment, day, used } of rows) {
    Object.assign(places[at] as Place, { occurredAt: moment, day, used: used ?? [] });
  }
  return {
    ...{ recordedAt, today, isRanked, rules, places },
    levels: (levels ?? []).map(({ number, minXp }) => ({ number, minXp: BigInt(minXp) })),
    belowZero: new Set(below),
    awardable: (badges ?? []).map(awardableOf),
  };
}

/** When postings happened and what rules with limits paid around it; nothing of those that happen now and have no limits. */
async function placesFor(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
): Promise<{ at: number; day: string; moment: Date; used: Place['used'] | null }[]> {
  const eventTypes = [...new Set(postings.map(({ eventType }) => eventType))];
  const asked = postings.map(({ userId, eventType, occurredAt }, at) => ({
    ...{ at, userId, eventType, occurredAt },
  }));
  return tx<{ at: number; day: string; moment: Date; used: Place['used'] | null }[]>`
    -- placesFor
    with bounded as materialized (
      select * from gamification.rule
      where community_id = ${communityId} and event_type = any(${eventTypes}) and enabled and ${limited(tx)}
    )
    select a.at, a.day, a.moment, u.used
    from (
      select a.*, coalesce(a."occurredAt", now())::timestamptz(3) as moment,
        (coalesce(a."occurredAt", now()) at time zone z.name)::date as day
      from (select ${zoneOf(tx, communityId)} as name) z, ${rowsOf(
        tx,
        'a',
        'at integer, userId text, eventType text, occurredAt timestamptz',
        asked,
      )}
    ) a
    left join lateral (
      select jsonb_agg(jsonb_build_object('ruleId', r.id, 'limits', jsonb_build_object(
        'day', case when r.day_cap is null then 0 else (
          select count(*) from gamification.rule_use w
          where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id and w.day = a.day
        ) end,
        'week', case when r.week_cap is null then 0 else (
          select count(*) from gamification.rule_use w
          where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
            and w.day >= date_trunc('week', a.day)::date and w.day < date_trunc('week', a.day)::date + 7
        ) end,
        'lifetime', case when r.lifetime_cap is null then 0 else (
          select count(*) from (
            select from gamification.rule_use w
            where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
            limit r.lifetime_cap
          ) w
        ) end,
        'near', r.cooldown_seconds is not null and exists (
          select from gamification.rule_use w
          where w.community_id = ${communityId} and w.user_id = a."userId" and w.rule_id = r.id
            and w.day between a.day - (r.cooldown_seconds / 86400 + 2) and a.day + (r.cooldown_seconds / 86400 + 2)
            and w.occurred_at > a.moment - r.cooldown_seconds * interval '1 second'
            and w.occurred_at < a.moment + r.cooldown_seconds * interval '1 second'
        )
      ))) as used
      from bounded r
      where r.event_type = a."eventType"
    ) u on true
    -- Of what happens now and has no limits there is nothing to tell.
    where u.used is not null or a."occurredAt" is not null`;
}

/** The community's time zone. */
function zoneOf(sql: Sql, communityId: string) {
  return sql`coalesce((select time_zone from community.time_zone(${communityId})), 'UTC')`;
}

/** Whether a rule has a cap or a cooldown. */
function limited(sql: Sql) {
  return sql`coalesce(cooldown_seconds, day_cap, week_cap, lifetime_cap) is not null`;
}
