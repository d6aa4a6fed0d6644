import { alignTo, groupTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';

// Messages and the replies to them: a reply is a message of the same channel that names the one it answers.

export interface Message {
  id: string;
  channelId: string;
  authorId: string;
  body: string;
  replyToId: string | null;
  createdAt: Date;
  editedAt: Date | null;
  deletedAt: Date | null;
}

export interface NewMessage {
  channelId: string;
  authorId: string;
  body: string;
  replyToId: string | null;
  idempotencyKey: string;
}

export interface SentMessage {
  message: Message;
  replayed: boolean;
}

export type MessageOwner = 'channel' | 'author' | 'reply';

const owners = {
  channel: { column: 'channel_id', newestFirst: true },
  author: { column: 'author_id', newestFirst: true },
  reply: { column: 'reply_to_id', newestFirst: false },
} as const;

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
  const rows = messages.map((message) => ({ ...message, id: newId('Message') }));
  const stored = await addMessages(sql, communityId, rows);
  const sent = new Map(stored.map((message) => [message.id, message]));
  const repeats = rows.filter(({ id }) => !sent.has(id));
  const firsts = repeats.length === 0 ? [] : await firstMessages(sql, communityId, repeats);
  return rows.map((row) => {
    const message = sent.get(row.id);
    if (message !== undefined) return { message, replayed: false };
    const first = firsts.find(
      ({ authorId, idempotencyKey }) => authorId === row.authorId && idempotencyKey === row.idempotencyKey,
    );
    if (first === undefined)
      throw new Error('A message that conflicts with an idempotency key has a first message.');
    const same =
      first.channelId === row.channelId && first.body === row.body && first.replyToId === row.replyToId;
    if (same) return { message: first, replayed: true };
    const problem = `The idempotency key "${row.idempotencyKey}" was used for another message: use a new one.`;
    return new Refusal('IDEMPOTENCY_KEY_REUSED', problem, {}, ['input', 'idempotencyKey']);
  });
}

/**
 * Who sends: a person's credential sends as its person, a key of the community names a member.
 * @throws FORBIDDEN, NOT_FOUND, VALIDATION_FAILED
 * @cost one query by port, for keys of the community.
 */
export async function senderFor(sql: Sql, principal: Principal, senderId: string | null): Promise<string> {
  const path = ['input', 'senderId'];
  if (principal.userId !== undefined) {
    if (senderId === null || senderId === principal.userId) return principal.userId;
    throw new Refusal('FORBIDDEN', "A person's key sends as that person: leave out `senderId`.", {}, path);
  }
  if (senderId === null) {
    throw new Refusal(
      'VALIDATION_FAILED',
      'A key of the community names the member it acts for: set `senderId`.',
      {},
      path,
    );
  }
  const [found] = await sql<{ userId: string | null }[]>`
    -- senderFor
    select user_id as "userId"
    from identity.find_members(${communityOf(principal)}, ${sql.json([{ id: senderId }])})`;
  if (found?.userId == null) throw new Refusal('NOT_FOUND', `No user has the id "${senderId}".`, {}, path);
  return senderId;
}

/**
 * Refuses what the caller may not post in a channel. A channel that the credential is not limited to is, for it, not there.
 * @throws NOT_FOUND, FORBIDDEN
 * @cost one query by port.
 */
export async function mustBeAllowedToPost(
  sql: Sql,
  principal: Principal,
  channelId: string,
  path: readonly string[],
): Promise<void> {
  const communityId = communityOf(principal);
  const [answer] = withinKey(principal, channelId)
    ? await sql<{ exists: boolean; allowed: boolean }[]>`
        -- mustBeAllowedToPost
        select allowed, known as exists
        from community.may(${communityId}, ${[principal.userId ?? null] as string[]}, ${[channelId]}, 'POST_MESSAGES')`
    : [];
  if (answer === undefined || !answer.exists) {
    throw new Refusal('NOT_FOUND', `No channel has the id "${channelId}".`, {}, path);
  }
  if (!answer.allowed)
    throw new Refusal(
      'FORBIDDEN',
      'This channel takes no messages from you: it is for announcements, for speech, or for others.',
      {},
      path,
    );
}

/** Of these channels those that the caller may read: there, open to the person, within the key's limits. @cost one query by port. */
export async function readableChannels(
  sql: Sql,
  principal: Principal,
  channelIds: readonly string[],
): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    -- readableChannels
    select c.id
    from community.readable_channels(
      ${communityOf(principal)}, ${principal.userId ?? principal.readsAs ?? null}, ${actsAsPerson(principal)}
    ) as c(id)
    where c.id = any(${channelIds as string[]})`;
  return new Set(rows.map(({ id }) => id).filter((id) => withinKey(principal, id)));
}

/** Messages by id, in their order; null where there is none that the caller may read. @cost one query by primary key. */
export async function messagesById(
  sql: Sql,
  principal: Principal,
  ids: readonly string[],
): Promise<(Message | null)[]> {
  const rows = await sql<Message[]>`
    -- messagesById
    select ${columns(sql)}
    from messaging.message m
    where m.community_id = ${communityOf(principal)} and m.id = any(${ids as string[]}) ${readable(sql, principal)}`;
  return alignTo(ids, rows, ({ id }) => id);
}

/**
 * The messages of each channel or author, newest first, or the replies to each message, oldest first; only those that
 * the caller may read.
 * @returns one page per id, in their order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table message and its indexes by created_at.   @cost one query, O(ids x page) rows.
 */
export async function messagesBy(
  sql: Sql,
  principal: Principal,
  owner: MessageOwner,
  ids: readonly string[],
  page: PageArguments,
): Promise<Page<Message>[]> {
  const { column, newestFirst } = owners[owner];
  const request = pageRequest(`message-${owner}`, page);
  const { beyond, order } = keyset(sql, request, { at: 'm.created_at', id: 'm.id', newestFirst });
  const rows = await sql<(Message & { owner: string })[]>`
    -- messagesBy
    select o.owner, p.*
    from unnest(${ids as string[]}::text[]) as o(owner)
    cross join lateral (
      select ${columns(sql)}
      from messaging.message m
      where m.community_id = ${communityOf(principal)} and m.${sql(column)} = o.owner
        ${readable(sql, principal)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) p`;
  return groupTo(ids, rows, (row) => row.owner).map((own) =>
    pageOf(own, request, ({ createdAt, id }) => ({ at: createdAt, id })),
  );
}

/** Stores messages and tells the log; those whose idempotency key is known are left out of the answer. */
export async function addMessages(
  sql: Sql,
  communityId: string,
  messages: readonly (NewMessage & { id: string; createdAt?: Date })[],
): Promise<Message[]> {
  return sql<Message[]>`
    -- addMessages
    with m as (
      insert into messaging.message (
        community_id, id, channel_id, author_id, body, reply_to_id, idempotency_key, created_at
      )
      select ${communityId}, n.id, n."channelId", n."authorId", n.body, n."replyToId", n."idempotencyKey",
        coalesce(n."createdAt", now())
      from jsonb_to_recordset(${sql.json(messages as never)}) n(
        id text, "channelId" text, "authorId" text, body text, "replyToId" text, "idempotencyKey" text,
        "createdAt" timestamptz
      )
      order by n."authorId", n."idempotencyKey"
      on conflict (community_id, author_id, idempotency_key) do nothing
      returning *
    ), told as (
      select log.append(${communityId}, 'messages', jsonb_agg(jsonb_build_object(
        'kind', 'MessagePosted', 'user_id', author_id, 'channel_id', channel_id,
        'payload', jsonb_build_object('messageId', id)
      ) order by created_at, id))
      from m
      having count(*) > 0
    )
    select ${columns(sql)} from m, (select count(*) from told) t`;
}

async function firstMessages(
  sql: Sql,
  communityId: string,
  repeats: readonly NewMessage[],
): Promise<(Message & { idempotencyKey: string })[]> {
  return sql<(Message & { idempotencyKey: string })[]>`
    -- firstMessages
    select ${columns(sql)}, m.idempotency_key as "idempotencyKey"
    from messaging.message m
    where m.community_id = ${communityId} and (m.author_id, m.idempotency_key) in (
      select * from unnest(
        ${repeats.map(({ authorId }) => authorId)}::text[], ${repeats.map(({ idempotencyKey }) => idempotencyKey)}::text[]
      )
    )`;
}

function withinKey({ channelIds }: Principal, channelId: string): boolean {
  return channelIds === undefined || channelIds.includes(channelId);
}

/** Narrows `m` to what the caller may read; a key of the community without limits reads everything. */
function readable(sql: Sql, principal: Principal) {
  const { communityId, userId, readsAs, channelIds } = principal;
  return sql`
    ${channelIds === undefined ? sql`` : sql`and m.channel_id = any(${channelIds as string[]})`}
    ${actsAsPerson(principal) ? sql`and m.channel_id in (select community.readable_channels(${communityId ?? ''}, ${userId ?? readsAs ?? null}, true))` : sql``}`;
}

function columns(sql: Sql) {
  return sql`m.id, m.channel_id as "channelId", m.author_id as "authorId", m.body, m.reply_to_id as "replyToId",
    m.created_at as "createdAt", m.edited_at as "editedAt", m.deleted_at as "deletedAt"`;
}
