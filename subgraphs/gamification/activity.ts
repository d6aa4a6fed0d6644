import { alignTo, groupTo, type Sql, type SqlPart } from '../db.ts';
import type { newId } from '../id.ts';
import {
  keyset,
  type NumberedArguments,
  type NumberedPage,
  numberedPage,
  numberedRequest,
  type Page,
  type PageArguments,
  pageOf,
  pageRequest,
} from '../page.ts';
import { rowsOf } from '../rows.ts';
import type { Decided, Ground } from './decide.ts';
import { type TimeRange, within } from './ledger.ts';

// Activities: what a person did, as a feed shows it. Written with the posting that causes them: one for each rule that
// paid an event, for each badge awarded, and for each spending. They keep the words of their moment; what is taken back
// leaves the feed, and stays known. Source: Lynes docs, "Get User Activity History".

export const activityTypes = [
  'EVENT',
  'REDEMPTION',
  'CHALLENGE',
  'STREAK_MILESTONE',
  'STREAK_POINTS',
] as const;

export type ActivityType = (typeof activityTypes)[number];

/** What the activities of a rule can be: what is redeemed is spent, not earned. */
export type EarnedType = Exclude<ActivityType, 'REDEMPTION'>;

/** The words and pictures that something is shown by, each by language. */
export interface Wording {
  title: Record<string, string>;
  description: Record<string, string> | null;
  images: Record<string, string> | null;
}

export interface Activity {
  id: string;
  userId: string;
  type: ActivityType;
  /** null: spent on nothing that was named. */
  wording: Wording | null;
  points: bigint;
  eventId: string;
  occurredAt: Date;
  takenBackAt: Date | null;
}

export interface ActivityFilter {
  types?: readonly ActivityType[] | null;
  range?: TimeRange | null;
  /** With those whose event was taken back. */
  takenBack?: boolean;
}

/**
 * Each person's activities, newest first; ties broken by id.
 * @returns one page per id, in `userIds` order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table activity; index (community_id, user_id, occurred_at desc, id desc).
 * @cost one query, O(people x page) rows.
 */
export async function activitiesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  filter: ActivityFilter,
  page: PageArguments,
): Promise<Page<Activity>[]> {
  const request = pageRequest('activity', page);
  const { beyond, order } = keyset(sql, request, { at: 'a.occurred_at', id: 'a.id', newestFirst: true });
  const rows = await sql<Activity[]>`
    -- activitiesByUser
    select p.*
    from unnest(${userIds as string[]}::text[]) as u(id)
    cross join lateral (
      select ${columns(sql)}
      from gamification.activity a ${withWording(sql)}
      where a.community_id = ${communityId} and a.user_id = u.id ${narrowed(sql, filter)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) p`;
  return groupTo(userIds, rows, ({ userId }) => userId).map((own) =>
    pageOf(own, request, ({ occurredAt, id }) => ({ at: occurredAt, id })),
  );
}

/**
 * The same by number, with an exact total.
 * @throws BAD_PAGE
 * @cost one query, O(people x their activities) to count, O(people x (offset + limit)) to skip.
 */
export async function numberedActivitiesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  filter: ActivityFilter,
  page: NumberedArguments,
): Promise<NumberedPage<Activity>[]> {
  const { offset, limit } = numberedRequest(page);
  const rows = await sql<(Partial<Activity> & { owner: string; total: bigint })[]>`
    -- numberedActivitiesByUser
    select u.id as owner, t.total, p.*
    from unnest(${userIds as string[]}::text[]) as u(id)
    cross join lateral (
      select count(*) as total
      from gamification.activity a
      where a.community_id = ${communityId} and a.user_id = u.id ${narrowed(sql, filter)}
    ) t
    left join lateral (
      select ${columns(sql)}
      from gamification.activity a ${withWording(sql)}
      where a.community_id = ${communityId} and a.user_id = u.id ${narrowed(sql, filter)}
      order by a.occurred_at desc, a.id desc
      offset ${offset} limit ${limit}
    ) p on true`;
  return groupTo(userIds, rows, ({ owner }) => owner).map((own) => numberedPage<Activity>(own, offset));
}

/** Activities by id, in their order; null where there is none. @cost one query by primary key. */
export async function activitiesById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Activity | null)[]> {
  const rows = await sql<Activity[]>`
    -- activitiesById
    select ${columns(sql)}
    from gamification.activity a ${withWording(sql)}
    where a.community_id = ${communityId} and a.id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** What the feed shows of what was decided. */
export function activitiesOf(
  decided: readonly Decided[],
  ground: ActivityGround,
  places: RulePlaces,
  makeId: typeof newId,
): NewActivity[] {
  return decided.flatMap((one) => activitiesOfOne(one, ground, places, makeId));
}

type ActivityGround = Pick<Ground, 'rules' | 'recordedAt' | 'badges'>;

export type NewActivity = ReturnType<typeof activitiesOfOne>[number];

/**
 * The rules of a batch, each by its place: most of the rows that it writes name one of few. Places begin at 1, as in SQL's
 * arrays.
 */
export interface RulePlaces {
  ids: readonly string[];
  wordingIds: readonly string[];
  /** By the id of the rule. */
  places: ReadonlyMap<string, number>;
}

export function placesOfRules(rules: Ground['rules']): RulePlaces {
  const all = [...rules.values()].flat();
  return {
    ids: all.map(({ id }) => id),
    wordingIds: all.map(({ wordingId }) => wordingId),
    places: new Map(all.map(({ id }, at) => [id, at + 1])),
  };
}

/**
 * Takes back the activities of what is reversed. Their people are locked, and badges that they were awarded too.
 * @cost one statement; none when nothing is taken back.
 */
export async function takeBackActivities(
  tx: Sql,
  communityId: string,
  decided: readonly Decided[],
): Promise<void> {
  const undone = decided.flatMap(undoneBy);
  const revoked = decided.flatMap((one) => one.revoked.map(({ awardId }) => awardId));
  if (undone.length + revoked.length > 0) await takeBack(tx, communityId, undone, revoked);
}

/** What the feed shows of one event. */
function activitiesOfOne(
  { id: eventId, posting, occurredAt, entries, awards }: Decided,
  { rules, recordedAt, badges }: ActivityGround,
  { places }: RulePlaces,
  makeId: typeof newId,
) {
  const { userId, eventType, shownAs } = posting;
  const pointsOf = (ruleId: string | null) =>
    entries
      .filter((entry) => entry.unit === 'POINTS' && entry.ruleId === ruleId)
      .reduce((sum, { amount }) => sum + amount, 0n);
  const activity = (
    type: ActivityType,
    points: bigint,
    of: { rule?: number | undefined; award?: Decided['awards'][number]; wording?: Wording | null },
  ) => ({
    id: makeId('Activity'),
    userId,
    type,
    points,
    eventId,
    occurredAt: unlessNow(occurredAt, recordedAt),
    rule: of.rule,
    awardId: of.award?.id,
    wordingId: of.award && badges.all.byId.get(of.award.badgeId)?.wordingId,
    title: of.wording?.title,
    description: of.wording?.description,
    images: of.wording?.images,
  });
  const made = [];
  for (const { id, activityType } of rules.get(eventType) ?? []) {
    if (activityType === null || !entries.some(({ ruleId }) => ruleId === id)) continue;
    made.push(activity(activityType, pointsOf(id), { rule: places.get(id) }));
  }
  if (shownAs !== undefined) made.push(activity(shownAs.type, pointsOf(null), { wording: shownAs.wording }));
  for (const award of awards) made.push(activity('EVENT', 0n, { award }));
  return made;
}

/** A moment to be written; null where it is the moment of writing, which most are. */
export function unlessNow(occurredAt: Date, recordedAt: Date): Date | null {
  return occurredAt === recordedAt ? null : occurredAt;
}

function undoneBy({ posting: { userId, undoes, reverses }, occurredAt, entries }: Decided): Undone[] {
  if (undoes === undefined) return [];
  const entryIds = entries.flatMap(({ reversalOf }) => reversalOf ?? []);
  return [{ userId, occurredAt, eventId: undoes, whole: reverses !== undefined, entryIds }];
}

/** An event some of whose entries are taken back. */
interface Undone {
  userId: string;
  occurredAt: Date;
  eventId: string;
  /** All of it. */
  whole: boolean;
  entryIds: string[];
}

/** Adds activities, in a statement that has `held` before it. @param recordedAt  when those happened that have no time. */
export function addedActivities(
  tx: Sql,
  communityId: string,
  made: readonly NewActivity[],
  { ids, wordingIds }: RulePlaces,
  recordedAt: Date,
): SqlPart {
  return tx`
    insert into gamification.activity (
      community_id, id, user_id, type, wording_id, points, event_id, cause_id, occurred_at
    )
    select ${communityId}, m.id, m."userId", m.type,
      coalesce((${wordingIds as string[]}::uuid[])[m.rule], m."wordingId", case
        when m.title is not null then gamification.keep_wording(${communityId}, m.title, m.description, m.images)
      end), m.points, m."eventId", coalesce((${ids as string[]}::text[])[m.rule], m."awardId"),
      coalesce(m."occurredAt", ${recordedAt}::timestamptz)
    from held, ${rowsOf(
      tx,
      'm',
      `id text, userId text, type text, rule integer, awardId text, wordingId uuid, title jsonb, description jsonb,
      images jsonb, points bigint, eventId text, occurredAt timestamptz`,
      made,
    )}
    where held.same
    returning 1`;
}

async function takeBack(
  tx: Sql,
  communityId: string,
  undone: readonly Undone[],
  revoked: readonly string[],
): Promise<void> {
  await tx`
    -- takeBack
    update gamification.activity a
    set taken_back_at = case when u.whole then now() else a.taken_back_at end, points = a.points - coalesce((
      select sum(l.amount)
      from gamification.ledger_entry l
      where l.community_id = a.community_id and l.id = any(u."entryIds") and l.unit = 'POINTS'
        and l.rule_id is not distinct from a.cause_id
    ), 0)
    from (
      select *, null as cause_id
      from json_to_recordset(${JSON.stringify(undone)}::text::json) u(
        "userId" text, "occurredAt" timestamptz, "eventId" text, whole boolean, "entryIds" text[]
      )
      union all
      select user_id, awarded_at, event_id, true, '{}', id
      from gamification.badge_award
      where community_id = ${communityId} and id = any(${revoked as string[]})
    ) u
    where a.community_id = ${communityId} and a.user_id = u."userId" and a.occurred_at = u."occurredAt"
      and a.event_id = u."eventId" and (u.cause_id is null or u.cause_id = a.cause_id)`;
}

function narrowed(sql: Sql, { types, range, takenBack = false }: ActivityFilter) {
  return sql`
    ${types == null ? sql`` : sql`and a.type = any(${types as string[]})`}
    ${within(sql, 'a.occurred_at', range)}
    ${takenBack ? sql`` : sql`and a.taken_back_at is null`}`;
}

function withWording(sql: Sql) {
  return sql`
    left join gamification.wording w on w.community_id = a.community_id and w.id = a.wording_id`;
}

function columns(sql: Sql) {
  return sql`a.id, a.user_id as "userId", a.type, case when w.id is not null then
      jsonb_build_object('title', w.title, 'description', w.description, 'images', w.images)
    end as wording, a.points, a.event_id as "eventId", a.occurred_at as "occurredAt",
    a.taken_back_at as "takenBackAt"`;
}
