import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import type { LogEvent } from '../log.ts';
import type { LogReader } from '../log-reader.ts';
import { forgetUses, reversalOf, reversibleEvents } from './adjustment.ts';
import type { Posting } from './decide.ts';
import { ownOrigin } from './origin.ts';
import { membersNamed } from './person.ts';
import { post } from './posting.ts';
import { lockProfiles } from './profile-lock.ts';

// What people say is counted, and rewarded where a rule says so: the log's stream `messages`, read as events `message`,
// `reply` and `reaction`. What is deleted or taken off counts no more, and what it earned is taken back, unless that is
// spent. Rules see `metadata.channelId`, so that they can reward what is said in one place alone.

/** That something was said, or stands no more. */
interface Told {
  eventType: 'message' | 'reply' | 'reaction';
  /** The id of the message; for a reaction also its emoji and person. */
  reference: string;
  userId: string;
  occurredAt: Date;
  metadata: Record<string, unknown>;
  stands: boolean;
  /** Of the log. */
  number: number;
}

/** The newest event of what was told. */
interface Known {
  reference: string;
  eventId: string;
  stands: boolean;
}

/** Posts what is said: each message, reply and reaction once. */
export const messageEvents: LogReader = {
  name: 'gamification.messages',
  stream: 'messages',
  async handle(sql, communityId, events) {
    // Only the end of it counts: what was said and deleted between two looks at the log never stood.
    const told = [...new Map(events.flatMap(toldBy).map((one) => [one.reference, one])).values()];
    const present = await presentOf(sql, communityId, [...new Set(told.map(({ userId }) => userId))]);
    const ours = told.filter(({ userId }) => present.has(userId));
    if (ours.length === 0) return;
    await lockProfiles(sql, communityId, [...present].sort());
    const known = await knownOf(sql, communityId, ours);

    const undone = ours.flatMap(({ reference, stands }) => {
      const before = known.get(reference);
      return !stands && before?.stands ? [before.eventId] : [];
    });
    const reversals = (await reversibleEvents(sql, communityId, undone)).map((one) =>
      reversalOf(one, { ...unsaid, reference: one.eventId }, { eventId: one.eventId }),
    );
    const postings = [
      ...reversals,
      ...ours
        .filter((one) => isNew(one, known.get(one.reference)))
        .map((one) => ({
          ...postingOf(one),
          // An emoji that is put back counts anew, so it is another event.
          ...(known.has(one.reference) && { reference: `${one.reference} ${one.number}` }),
        })),
    ];
    if (postings.length === 0) return;
    const posted = await post(sql, communityId, postings);
    const reversed = reversals.flatMap(({ undoes = '' }, at) =>
      posted[at] instanceof Refusal ? [] : [undoes],
    );
    await forgetUses(sql, communityId, reversed);
  },
};

/** A message is said once; a reaction may be put back. */
function isNew({ eventType, stands }: Told, before: Known | undefined): boolean {
  return stands && (before === undefined || (eventType === 'reaction' && !before.stands));
}

const unsaid = { reason: null, metadata: null, origin: ownOrigin };

function toldBy({ kind, userId, channelId, payload, occurredAt, number }: LogEvent): Told[] {
  const { messageId, authorId, replyToId, emoji, added, createdAt } = payload as Record<
    string,
    string | undefined
  > & {
    added?: boolean;
  };
  if (messageId === undefined) return [];
  const about = {
    number,
    occurredAt: createdAt === undefined ? occurredAt : new Date(createdAt),
    metadata: { channelId, ...(replyToId !== undefined && { replyToId }) },
  };
  const eventType = replyToId === undefined ? 'message' : 'reply';
  if (kind === 'MessagePosted' && userId !== null) {
    return [{ ...about, eventType, reference: messageId, userId, stands: true }];
  }
  // Whoever deleted it: it is its author's event.
  if (kind === 'MessageDeleted' && authorId !== undefined) {
    return [{ ...about, eventType, reference: messageId, userId: authorId, stands: false }];
  }
  if (kind === 'MessageReacted' && userId !== null && emoji !== undefined) {
    const reference = `${messageId} ${emoji} ${userId}`;
    const metadata = { channelId, messageId, emoji };
    return [{ ...about, eventType: 'reaction', reference, userId, metadata, stands: added !== false }];
  }
  return [];
}

function postingOf({ eventType, reference, userId, occurredAt, metadata }: Told): Posting {
  return { eventType, reference, userId, occurredAt, metadata, amount: null, origin: ownOrigin };
}

/** Those of these people who are there: some may have been erased since. */
async function presentOf(sql: Sql, communityId: string, userIds: readonly string[]): Promise<Set<string>> {
  const found = await membersNamed(
    sql,
    communityId,
    userIds.map((id) => ({ id })),
  );
  return new Set(found.filter((id) => id !== null));
}

/** What is known of what was told, by its reference. @cost one query by the index of references. */
async function knownOf(sql: Sql, communityId: string, told: readonly Told[]): Promise<Map<string, Known>> {
  const asked = told.map(({ eventType, reference }) => ({ eventType, reference }));
  const rows = await sql<Known[]>`
    -- knownOf
    select t.reference, e.id as "eventId", not exists (
      select from gamification.event r where r.community_id = e.community_id and r.reverses = e.id
    ) as stands
    from json_to_recordset(${JSON.stringify(asked)}::text::json) t("eventType" text, reference text)
    cross join lateral (
      -- the reference itself, or one with a number after it
      select * from gamification.event e
      where e.community_id = ${communityId} and e.event_type = t."eventType"
        and e.reference >= t.reference and e.reference < t.reference || '!'
      order by e.recorded_at desc, e.id desc
      limit 1
    ) e`;
  return new Map(rows.map((row) => [row.reference, row]));
}
