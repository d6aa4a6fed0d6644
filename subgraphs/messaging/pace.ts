import { noteChange } from '../audit.ts';
import { alignTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { communityOf, type Principal } from '../principal.ts';
import { withinKey } from './message.ts';
import { may } from './right.ts';

// How fast a person may write in a channel: ten messages at once and one a second after that; in slow mode one every so
// many seconds. Counted in the database, so that several processes agree. Keys of the community and those who manage
// messages are not held up.

/** Messages at once, and how long one takes to come back, in seconds. */
export const pace = { burst: 10, everySeconds: 1 } as const;

/** The longest slow mode: 6 hours, in seconds. */
export const slowestSeconds = 21_600;

/** Somebody's wish to write. */
export interface Wish {
  authorId: string;
  channelId: string;
}

/**
 * Takes room for messages of people, in their order.
 * @returns for each wish null, or in how many seconds there is room for it.
 * @cost one statement; rows are locked in the order of their keys.
 */
export async function takeRoom(
  sql: Sql,
  communityId: string,
  wishes: readonly Wish[],
): Promise<(number | null)[]> {
  if (wishes.length === 0) return [];
  const keyOf = ({ authorId, channelId }: Wish) => `${authorId} ${channelId}`;
  const wanted = new Map<string, Wish & { count: number }>();
  for (const wish of wishes) {
    const known = wanted.get(keyOf(wish));
    wanted.set(keyOf(wish), { ...wish, count: (known?.count ?? 0) + 1 });
  }
  const distinct = [...wanted.values()];
  const rows = await sql<(Wish & { granted: number; seconds: number })[]>`
    -- takeRoom
    insert into messaging.pace as p (
      community_id, author_id, channel_id, free_at, every_seconds, burst, wanted, granted
    )
    select ${communityId}, w.author_id, w.channel_id,
      now() + least(w.count, r.burst) * r.every_seconds * interval '1 second',
      r.every_seconds, r.burst, w.count, least(w.count, r.burst)
    from unnest(
      ${distinct.map(({ authorId }) => authorId)}::text[], ${distinct.map(({ channelId }) => channelId)}::text[],
      ${distinct.map(({ count }) => count)}::int[]
    ) as w(author_id, channel_id, count)
    left join messaging.slow_mode s on s.community_id = ${communityId} and s.channel_id = w.channel_id
    cross join lateral (
      select coalesce(s.seconds, ${pace.everySeconds}) as every_seconds,
        case when s.seconds is null then ${pace.burst} else 1 end::int as burst
    ) r
    order by w.author_id, w.channel_id
    on conflict (community_id, author_id, channel_id) do update set
      every_seconds = excluded.every_seconds, burst = excluded.burst, wanted = excluded.wanted,
      granted = messaging.granted(p.free_at, excluded.every_seconds, excluded.burst, excluded.wanted),
      free_at = greatest(p.free_at, now()) + interval '1 second' * excluded.every_seconds
        * messaging.granted(p.free_at, excluded.every_seconds, excluded.burst, excluded.wanted)
    returning author_id as "authorId", channel_id as "channelId", granted, greatest(1, ceil(
      extract(epoch from p.free_at - now()) - (p.burst - 1) * p.every_seconds
    ))::int as seconds`;
  const rooms = new Map(rows.map((row) => [keyOf(row), row]));
  return wishes.map((wish) => {
    const room = rooms.get(keyOf(wish));
    if (room === undefined) return null;
    room.granted--;
    return room.granted >= 0 ? null : room.seconds;
  });
}

/** Why a message has to wait. */
export function tooFast(seconds: number): Refusal {
  const problem = `You write faster than this channel takes it: send the message again in ${seconds} s.`;
  return new Refusal('THROTTLED', problem, { retryAfterSeconds: seconds });
}

/**
 * Sets how long a person has to wait between two messages in a channel.
 * @param seconds  1 to `slowestSeconds`; 0: no slow mode.
 * @throws NOT_FOUND, FORBIDDEN
 */
export async function setSlowMode(
  sql: Sql,
  principal: Principal,
  channelId: string,
  seconds: number,
): Promise<void> {
  const communityId = communityOf(principal);
  const path = ['input', 'channelId'];
  const [known] = await sql`
    -- setSlowMode: the channel
    select from community.channel_kinds(${communityId}, ${[channelId]})`;
  if (known === undefined || !withinKey(principal, channelId))
    throw new Refusal('NOT_FOUND', `No channel has the id "${channelId}".`, {}, path);
  if (!(await may(sql, principal, channelId, ['MANAGE_CHANNELS', 'MANAGE_MESSAGES']))) {
    const problem = 'Slow mode takes the permission MANAGE_CHANNELS or MANAGE_MESSAGES in the channel.';
    throw new Refusal('FORBIDDEN', problem, {}, path);
  }
  await transaction(sql, async (tx) => {
    const [before = 0] = await slowModes(tx, communityId, [channelId]);
    await (seconds === 0
      ? tx`
          -- setSlowMode: none
          delete from messaging.slow_mode where community_id = ${communityId} and channel_id = ${channelId}`
      : tx`
          -- setSlowMode
          insert into messaging.slow_mode (community_id, channel_id, seconds)
          values (${communityId}, ${channelId}, ${seconds})
          on conflict (community_id, channel_id) do update set seconds = excluded.seconds`);
    const [was, is] = [{ slowModeSeconds: before }, { slowModeSeconds: seconds }];
    await noteChange(tx, principal, 'CHANNEL_UPDATED', { id: channelId }, was, is);
  });
}

/** The slow mode of channels, in seconds; 0 where there is none. @cost one query by primary key. */
export async function slowModes(
  sql: Sql,
  communityId: string,
  channelIds: readonly string[],
): Promise<number[]> {
  const rows = await sql<{ channelId: string; seconds: number }[]>`
    -- slowModes
    select channel_id as "channelId", seconds
    from messaging.slow_mode
    where community_id = ${communityId} and channel_id = any(${channelIds as string[]})`;
  return alignTo(channelIds, rows, ({ channelId }) => channelId).map((row) => row?.seconds ?? 0);
}

/** Forgets the pace of those who have paused. */
export async function prunePace(sql: Sql): Promise<void> {
  await sql`
    -- prunePace
    delete from messaging.pace where free_at < now()`;
}
