import type { Sql } from '../db.ts';
import type { BadgeGround, TakenBack } from './awarding.ts';
import type { Decided, Posting } from './decide.ts';

// The badges of a batch of postings: what is read before it is decided, and what is written after.

/** Reads what is known of those who are to be awarded a badge by name, and what is taken back. @cost one statement each, if any. */
export async function badgesFor(
  tx: Sql,
  communityId: string,
  postings: readonly Posting[],
): Promise<Omit<BadgeGround, 'all'>> {
  const named = postings.flatMap(({ userId, award }) =>
    award === undefined ? [] : [{ userId, badgeId: award.badgeId }],
  );
  const undone = postings.flatMap(({ reverses, revokes }, at) =>
    reverses === undefined && revokes === undefined
      ? []
      : [{ at, eventId: reverses?.eventId, awardId: revokes?.awardId }],
  );
  const [had, revoked] = await Promise.all([
    hadOf(tx, communityId, named),
    undone.length === 0 ? [] : awardsUndone(tx, communityId, undone),
  ]);
  return { had, revoked: byPlace(revoked) };
}

/** Whether people hold badges, as `BadgeGround.had` has it. */
async function hadOf(tx: Sql, communityId: string, pairs: readonly Pair[]): Promise<Map<string, boolean>> {
  if (pairs.length === 0) return new Map();
  const rows = await tx<(Pair & { holds: boolean })[]>`
    -- hadOf
    select a.badge_id as "badgeId", a.user_id as "userId", bool_or(a.revoked_at is null) as holds
    from gamification.badge_award a
    join unnest(${pairs.map(({ badgeId }) => badgeId)}::text[], ${pairs.map(({ userId }) => userId)}::text[])
      as p(badge_id, user_id) on a.badge_id = p.badge_id and a.user_id = p.user_id
    where a.community_id = ${communityId}
    group by 1, 2`;
  return new Map(rows.map(({ holds, ...pair }) => [keyOf(pair), holds]));
}

/**
 * What is known of those whom a batch would award badges: few reach a measure, so they are looked up only then.
 * @param lookedUp  whom it was asked of before, and is from now on: `badge person`.
 * @returns undefined when nobody new had one of them, and what was decided holds.
 */
export async function hadBefore(
  tx: Sql,
  communityId: string,
  { had }: Pick<BadgeGround, 'had'>,
  decided: readonly Decided[],
  lookedUp: Set<string>,
): Promise<Map<string, boolean> | undefined> {
  const unknown = (all: readonly Pair[]) => all.filter((one) => !lookedUp.has(keyOf(one)));
  const lookUp = (all: readonly Pair[]) => {
    for (const one of all) lookedUp.add(keyOf(one));
    return hadOf(tx, communityId, all);
  };
  const awarded = unknown(
    decided.flatMap(({ posting: { userId, award }, awards }) =>
      awards.filter(({ badgeId }) => badgeId !== award?.badgeId).map(({ badgeId }) => ({ userId, badgeId })),
    ),
  );
  const known = await lookUp(awarded);
  if (known.size === 0) return undefined;
  // These go to others now, of whom it is asked at once.
  const badgeIds = new Set(awarded.filter((one) => known.has(keyOf(one))).map(({ badgeId }) => badgeId));
  const userIds = new Set(decided.map(({ posting }) => posting.userId));
  const others = [...userIds].flatMap((userId) => [...badgeIds].map((badgeId) => ({ userId, badgeId })));
  return new Map([...had, ...known, ...(await lookUp(unknown(others)))]);
}

/** A person and a badge. */
interface Pair {
  userId: string;
  badgeId: string;
}

/** As `BadgeGround.had` has it. */
function keyOf({ userId, badgeId }: Pair): string {
  return `${badgeId} ${userId}`;
}

/**
 * Writes the awards of a batch and takes back others. Send it before the events are written: badges are locked first.
 * @returns whether all were written: not when a badge ran out meanwhile, or a person was awarded it.
 */
export async function writeAwards(
  tx: Sql,
  communityId: string,
  decided: readonly Decided[],
): Promise<boolean> {
  const awards = decided.flatMap(({ id: eventId, posting: { userId, award }, occurredAt, awards: own }) =>
    own.map(({ id, badgeId }) => {
      const attachmentUrl = badgeId === award?.badgeId ? award.attachmentUrl : null;
      return { id, badgeId, userId, eventId, attachmentUrl, awardedAt: occurredAt };
    }),
  );
  const revoked = decided.flatMap((one) => one.revoked);
  const changes = awards.length + revoked.length;
  if (changes === 0) return true;
  const badgeIds = [...awards, ...revoked].map(({ badgeId }) => badgeId);
  const [, [row]] = await Promise.all([
    tx`
      -- writeAwards: lock
      select from gamification.badge
      where community_id = ${communityId} and id = any(${badgeIds})
      order by id
      for update`,
    tx<{ changed: number }[]>`
      -- writeAwards
      with revoked as (
        update gamification.badge_award set revoked_at = now()
        where community_id = ${communityId} and id = any(${revoked.map(({ awardId }) => awardId)})
          and revoked_at is null
        returning badge_id
      ), awarded as (
        insert into gamification.badge_award (
          community_id, id, badge_id, user_id, event_id, attachment_url, awarded_at
        )
        select ${communityId}, a.id, a."badgeId", a."userId", a."eventId", a."attachmentUrl",
          a."awardedAt"
        from json_to_recordset(${JSON.stringify(awards)}::text::json) a(
          id text, "badgeId" text, "userId" text, "eventId" text, "attachmentUrl" text,
          "awardedAt" timestamptz
        )
        on conflict do nothing
        returning badge_id
      ), counted as (
        update gamification.badge b set award_count = b.award_count + n.more - n.less
        from (
          select badge_id, count(*) filter (where more) as more, count(*) filter (where not more) as less
          from (select badge_id, true as more from awarded union all select badge_id, false from revoked) c
          group by badge_id
        ) n
        where b.community_id = ${communityId} and b.id = n.badge_id
          and (b.quantity is null or n.more = 0 or b.award_count + n.more - n.less <= b.quantity)
        returning n.more + n.less as changes
      )
      select coalesce(sum(changes), 0)::integer as changed from counted`,
  ]);
  return row?.changed === changes;
}

async function awardsUndone(
  tx: Sql,
  communityId: string,
  undone: readonly { at: number; eventId: string | undefined; awardId: string | undefined }[],
): Promise<(TakenBack & { at: number })[]> {
  return tx<(TakenBack & { at: number })[]>`
    -- awardsUndone
    select u.at, a.id as "awardId", a.badge_id as "badgeId"
    from json_to_recordset(${JSON.stringify(undone)}::text::json) u(at integer, "eventId" text, "awardId" text)
    join gamification.badge_award a on a.community_id = ${communityId}
      and (a.event_id = u."eventId" or a.id = u."awardId")
    where a.revoked_at is null`;
}

function byPlace(rows: readonly (TakenBack & { at: number })[]): Map<number, TakenBack[]> {
  const places = new Map<number, TakenBack[]>();
  for (const { at, ...one } of rows) places.set(at, [...(places.get(at) ?? []), one]);
  return places;
}
