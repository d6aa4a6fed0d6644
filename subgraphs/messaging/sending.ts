import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import type { Principal } from '../principal.ts';
import { usableAttachments } from './attachment.ts';
import { knownMentions, mentionsIn, mentionsRefused } from './mention.ts';
import { type Message, messageColumns, withinKey } from './message.ts';
import { takeRoom, tooFast } from './pace.ts';
import { senderNamed, unknownSender } from './right.ts';

// Sending: what arrives within a tick is checked by one query and stored by one statement, whoever sends it. In a whisper
// channel a member writes to those who moderate it, who answer one member by replying and all by not replying.

/** What somebody wants to send. */
export interface Draft {
  principal: Principal;
  channelId: string;
  body: string;
  /** As given; a key of the community has to name one. */
  senderId: string | null;
  /** The message that it answers, which the caller may read. */
  answers: Message | null;
  forumTopicId: string | null;
  /** Files that it carries, in their order. */
  attachmentIds: readonly string[];
  idempotencyKey: string;
  /** The input that named the channel. */
  path: readonly string[];
}

export interface NewMessage {
  channelId: string;
  authorId: string;
  body: string;
  replyToId: string | null;
  idempotencyKey: string;
  forumTopicId?: string | null;
  audienceId?: string | null;
  mentions?: readonly string[];
  attachmentIds?: readonly string[];
}

export interface SentMessage {
  message: Message;
  replayed: boolean;
}

/**
 * Sends up to 100 messages of a community.
 * @returns one answer per draft, in their order; a Refusal for the one that it is about: NOT_FOUND, FORBIDDEN,
 *   VALIDATION_FAILED, IDEMPOTENCY_KEY_REUSED, THROTTLED.
 * @cost two statements; one more each for people's pace, for mentions and for repeats.
 */
export async function postDrafts(
  sql: Sql,
  communityId: string,
  drafts: readonly Draft[],
): Promise<(SentMessage | Refusal)[]> {
  const answers: (SentMessage | Refusal)[] = [];
  const refuse = (at: number, error: unknown) => {
    if (!(error instanceof Refusal)) throw error;
    answers[at] = error;
  };

  const named: Named[] = [];
  for (const [at, draft] of drafts.entries()) {
    try {
      const authorId = senderNamed(draft.principal, draft.senderId);
      named.push({ at, draft, authorId, mentioned: mentionsIn(draft.body) });
    } catch (error) {
      refuse(at, error);
    }
  }
  if (named.length === 0) return answers;

  const standings = await standingsOf(sql, communityId, named);
  const mentions = await knownMentions(
    sql,
    communityId,
    named.map(({ mentioned }) => mentioned),
  );
  const usable = await usableAttachments(
    sql,
    communityId,
    drafts.flatMap(({ attachmentIds }) => attachmentIds),
  );
  const accepted: Accepted[] = [];
  for (const [n, one] of named.entries()) {
    const { at, draft, authorId } = one;
    const standing = standings[n] as Standing;
    try {
      const message = { ...messageOf(one, standing), mentions: mentions[n] ?? [] };
      const isFree = draft.principal.userId === undefined || standing.permissions.includes('MANAGE_MESSAGES');
      const missing = draft.attachmentIds.find((id) => usable.get(id) !== authorId);
      const held = missing === undefined ? undefined : unknownAttachment(missing);
      accepted.push({ at, message, hurries: !isFree && held === undefined, held });
    } catch (error) {
      refuse(at, error);
    }
  }
  await holdTheHasty(sql, communityId, accepted);

  const free = accepted.filter(({ held }) => held === undefined);
  const sent = await sendMessages(
    sql,
    communityId,
    free.map(({ message }) => message),
  );
  for (const [n, { at }] of free.entries()) answers[at] = sent[n] as SentMessage | Refusal;
  // A repeat of what was sent before is answered as it was then, whatever now stands against it.
  const others = accepted.filter(({ held }) => held !== undefined);
  const repeated = await repeatsOf(
    sql,
    communityId,
    others.map(({ message }) => message),
  );
  for (const [n, { at, held }] of others.entries()) answers[at] = repeated[n] ?? (held as Refusal);
  return answers;
}

/**
 * Stores up to 100 messages and tells the log, in one statement.
 * @returns one answer per message, in their order; `replayed` where the idempotency key had sent it before, a Refusal
 *   where the key had sent another.
 * @cost one statement; one more when one was a repeat.
 */
export async function sendMessages(
  sql: Sql,
  communityId: string,
  messages: readonly NewMessage[],
): Promise<(SentMessage | Refusal)[]> {
  if (messages.length === 0) return [];
  const rows = messages.map((message) => ({ ...message, id: newId('Message') }));
  const stored = await addMessages(sql, communityId, rows);
  const sent = new Map(stored.map((message) => [message.id, message]));
  const repeated = rows.filter(({ id }) => !sent.has(id));
  const repeats = new Map(
    (await repeatsOf(sql, communityId, repeated)).map((one, n) => [repeated[n]?.id, one]),
  );
  return rows.map(({ id }) => {
    const message = sent.get(id);
    if (message !== undefined) return { message, replayed: false };
    const repeat = repeats.get(id);
    if (repeat == null)
      throw new Error('A message that conflicts with an idempotency key has a first message.');
    return repeat;
  });
}

/** Stores messages and tells the log; those whose idempotency key is known are left out of the answer. */
export async function addMessages(
  sql: Sql,
  communityId: string,
  messages: readonly (NewMessage & { id: string; createdAt?: Date })[],
): Promise<Message[]> {
  const carriers = messages.filter(({ attachmentIds = [] }) => attachmentIds.length > 0);
  return sql<Message[]>`
    -- addMessages
    with m as (
      insert into messaging.message (
        community_id, id, channel_id, author_id, body, reply_to_id, forum_topic_id, audience_id, mentions,
        idempotency_key, created_at
      )
      select ${communityId}, n.id, n."channelId", n."authorId", n.body, n."replyToId", n."forumTopicId", n."audienceId",
        coalesce(n.mentions, '{}'), n."idempotencyKey", coalesce(n."createdAt", now())
      from jsonb_to_recordset(${sql.json(messages as never)}) n(
        id text, "channelId" text, "authorId" text, body text, "replyToId" text, "forumTopicId" text,
        "audienceId" text, mentions text[], "idempotencyKey" text, "createdAt" timestamptz
      )
      order by n."authorId", n."idempotencyKey"
      on conflict (community_id, author_id, idempotency_key) do nothing
      returning *
    ), told as (
      select log.append(${communityId}, 'messages', jsonb_agg(jsonb_build_object(
        'kind', 'MessagePosted', 'user_id', author_id, 'channel_id', channel_id,
        'payload', jsonb_strip_nulls(jsonb_build_object(
          'messageId', id, 'authorId', author_id, 'replyToId', reply_to_id, 'forumTopicId', forum_topic_id,
          'audienceId', audience_id, 'createdAt', created_at
        ))
      ) order by created_at, id))
      from m
      having count(*) > 0
    )${carriers.length === 0 ? sql`` : sql`, ${carried(sql, communityId, carriers)}`}
    select ${messageColumns(sql)} from m, (select count(*) from told) t`;
}

/** Hands files to the new ones of the messages `m` that carry them. */
function carried(sql: Sql, communityId: string, carriers: readonly (NewMessage & { id: string })[]) {
  const files = carriers.flatMap(({ id, attachmentIds = [] }) =>
    attachmentIds.map((file, n) => ({ id, file, at: n + 1 })),
  );
  return sql`carried as (
    update messaging.attachment a set message_id = f.id, position = f.at
    from jsonb_to_recordset(${sql.json(files)}) f(id text, file text, at int)
    join m on m.id = f.id
    where a.community_id = ${communityId} and a.id = f.file and a.message_id is null
  )`;
}

/** A draft whose sender is known, and the ids that its text mentions. */
interface Named {
  at: number;
  draft: Draft;
  authorId: string;
  mentioned: string[];
}

/** A message that may be sent unless something holds it. */
interface Accepted {
  at: number;
  message: NewMessage;
  /** Whether its sender has a pace to keep. */
  hurries: boolean;
  held: Refusal | undefined;
}

/** What the ports and the forum say about a sender in a channel. */
interface Standing {
  isMember: boolean;
  exists: boolean;
  permissions: string[];
  moderates: boolean;
  kind: string | null;
  /** The channel of the topic that was named; null when there is no such topic. */
  topicChannelId: string | null;
}

async function standingsOf(sql: Sql, communityId: string, named: readonly Named[]): Promise<Standing[]> {
  const senders = named.map(({ authorId }) => authorId);
  // A key of the community writes with the community's rights, whoever it names.
  const writers = named.map(({ draft }) => draft.principal.userId ?? null) as string[];
  const channels = named.map(({ draft }) => draft.channelId);
  const topics = named.map(({ draft }) => draft.forumTopicId) as string[];
  return sql<Standing[]>`
    -- standingsOf
    select f.user_id is not null as "isMember", coalesce(p.known, false) as exists, p.permissions, k.kind,
      k.kind = 'WHISPER' and (
        select m.allowed
        from community.may(${communityId}, array[q.sender_id], array[q.channel_id], 'MANAGE_MESSAGES') m
      ) as moderates,
      t.channel_id as "topicChannelId"
    from unnest(${senders}::text[], ${channels}::text[], ${topics}::text[])
      with ordinality as q(sender_id, channel_id, topic_id, at)
    left join identity.find_members(${communityId}, ${sql.json(senders.map((id) => ({ id })))}) f on f.at = q.at
    left join community.channel_permissions(${communityId}, ${writers}::text[], ${channels}::text[]) p on p.at = q.at
    left join community.channel_kinds(${communityId}, ${channels}::text[]) k on k.id = q.channel_id
    left join messaging.forum_topic t on t.community_id = ${communityId} and t.id = q.topic_id
    order by q.at`;
}

/** Holds the messages that their senders have no room for now. */
async function holdTheHasty(sql: Sql, communityId: string, accepted: Accepted[]): Promise<void> {
  const hasty = accepted.filter(({ hurries }) => hurries);
  const waits = await takeRoom(
    sql,
    communityId,
    hasty.map(({ message }) => message),
  );
  for (const [n, one] of hasty.entries()) {
    const seconds = waits[n];
    if (seconds != null) one.held = tooFast(seconds);
  }
}

function unknownAttachment(id: string): Refusal {
  const problem = `The sender has no file "${id}" that is sent and carried by no message yet.`;
  return new Refusal('NOT_FOUND', problem, {}, ['input', 'attachmentIds']);
}

/** The message of a draft, by what its sender may do. @throws NOT_FOUND, FORBIDDEN, VALIDATION_FAILED */
function messageOf({ draft, authorId, mentioned }: Named, standing: Standing): NewMessage {
  const { principal, channelId, body, answers, attachmentIds, idempotencyKey, path } = draft;
  // A channel that the credential is not limited to is, for it, not there.
  if (!standing.exists || !withinKey(principal, channelId)) {
    throw new Refusal('NOT_FOUND', `No channel has the id "${channelId}".`, {}, path);
  }
  if (!standing.isMember) throw unknownSender(authorId);
  const may = (permission: string) => standing.permissions.includes(permission);
  if (!may('POST_MESSAGES')) {
    const problem =
      'This channel takes no messages from you: it is for announcements, for speech, or for others.';
    throw new Refusal('FORBIDDEN', problem, {}, path);
  }
  if (mentioned.length > 0 && !may('ALLOW_MENTIONS')) throw mentionsRefused();
  if (attachmentIds.length > 0 && !may('ATTACH_FILES')) {
    const problem = 'This channel takes no files from you.';
    throw new Refusal('FORBIDDEN', problem, {}, ['input', 'attachmentIds']);
  }
  const forumTopicId = topicOf(draft, standing);
  const audienceId =
    standing.kind !== 'WHISPER' ? null : standing.moderates ? (answers?.audienceId ?? null) : authorId;
  return {
    channelId,
    authorId,
    body,
    replyToId: answers?.id ?? null,
    forumTopicId,
    audienceId,
    attachmentIds,
    idempotencyKey,
  };
}

/** The topic that a message belongs to: an answer to that of what it answers. @throws NOT_FOUND, VALIDATION_FAILED */
function topicOf(
  { answers, forumTopicId, channelId }: Draft,
  { kind, topicChannelId }: Standing,
): string | null {
  const path = ['input', 'forumTopicId'];
  if (forumTopicId !== null && topicChannelId !== channelId) {
    throw new Refusal('NOT_FOUND', `No topic of this channel has the id "${forumTopicId}".`, {}, path);
  }
  if (answers !== null) {
    if (forumTopicId === null || forumTopicId === answers.forumTopicId) return answers.forumTopicId;
    const problem = 'An answer stands in the topic of what it answers: leave out `forumTopicId`.';
    throw new Refusal('VALIDATION_FAILED', problem, {}, path);
  }
  if (kind === 'FORUM' && forumTopicId === null) {
    const problem =
      'In a forum messages gather under topics: set `forumTopicId`, or begin one by `createForumTopic`.';
    throw new Refusal('VALIDATION_FAILED', problem, {}, path);
  }
  return forumTopicId;
}

type First = Message & { idempotencyKey: string };

/** What an edit or a deletion left can't be compared; the key, the channel and what is answered still can. */
function isRepeat(first: First, row: NewMessage): boolean {
  const isSameText = first.body === row.body || first.editedAt !== null || first.deletedAt !== null;
  return first.channelId === row.channelId && first.replyToId === row.replyToId && isSameText;
}

function keyReused(key: string): Refusal {
  const problem = `The idempotency key "${key}" was used for another message: use a new one.`;
  return new Refusal('IDEMPOTENCY_KEY_REUSED', problem, {}, ['input', 'idempotencyKey']);
}

/** What each message was answered when its key was first used; null where it never was. @cost none, or one query. */
async function repeatsOf(
  sql: Sql,
  communityId: string,
  repeats: readonly NewMessage[],
): Promise<(SentMessage | Refusal | null)[]> {
  if (repeats.length === 0) return [];
  const firsts = await sql<First[]>`
    -- repeatsOf
    select ${messageColumns(sql)}, m.idempotency_key as "idempotencyKey"
    from messaging.message m
    where m.community_id = ${communityId} and (m.author_id, m.idempotency_key) in (
      select * from unnest(
        ${repeats.map(({ authorId }) => authorId)}::text[], ${repeats.map(({ idempotencyKey }) => idempotencyKey)}::text[]
      )
    )`;
  return repeats.map((row) => {
    const first = firsts.find(
      ({ authorId, idempotencyKey }) => authorId === row.authorId && idempotencyKey === row.idempotencyKey,
    );
    if (first === undefined) return null;
    return isRepeat(first, row) ? { message: first, replayed: true } : keyReused(row.idempotencyKey);
  });
}
