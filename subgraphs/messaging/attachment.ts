import { groupTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';

// Attachments: a ticket for a file's bytes, the bytes, then a message that carries the file. What no message carries
// within a day is forgotten, and so is what a deleted message carried.

/** The largest file: 25 MiB, in bytes. */
export const largestFile = 26_214_400;

/** Files that a message may carry, and a person may have that no message carries yet. */
export const mostAttachments = 10;
export const mostUnused = 20;

/** How long bytes are taken for a ticket, and a file is kept that no message carries, in milliseconds. */
export const ticketMs = 10 * 60_000;
const unusedMs = 24 * 60 * 60_000;

export interface Attachment {
  id: string;
  fileName: string;
  contentType: string;
  bytes: number;
}

export interface Ticket {
  id: string;
  maxBytes: number;
  expiresAt: Date;
}

/**
 * A ticket for a file of a member.
 * @throws LIMIT_EXCEEDED  `mostUnused` wait for a message already.
 */
export async function createTicket(
  sql: Sql,
  communityId: string,
  file: { ownerId: string; fileName: string; maxBytes: number; now: Date },
): Promise<Ticket> {
  const { ownerId, fileName, maxBytes, now } = file;
  const expiresAt = new Date(now.getTime() + ticketMs);
  const [ticket] = await sql<Ticket[]>`
    -- createTicket
    insert into messaging.attachment (community_id, id, owner_id, file_name, max_bytes, created_at, expires_at)
    select ${communityId}, ${newId('Attachment')}, ${ownerId}, ${fileName}, ${maxBytes}, ${now}, ${expiresAt}
    where (
      select count(*) from messaging.attachment
      where community_id = ${communityId} and owner_id = ${ownerId} and message_id is null
    ) < ${mostUnused}
    returning id, max_bytes as "maxBytes", expires_at as "expiresAt"`;
  if (ticket !== undefined) return ticket;
  const problem = `At most ${mostUnused} files wait for a message to carry them: send some, or wait a day.`;
  throw new Refusal('LIMIT_EXCEEDED', problem, {}, ['input']);
}

/** A ticket that bytes may still come for. */
export async function awaitedFile(
  sql: Sql,
  communityId: string,
  id: string,
  now: Date,
): Promise<{ maxBytes: number } | undefined> {
  const [row] = await sql<{ maxBytes: number }[]>`
    -- awaitedFile
    select max_bytes as "maxBytes"
    from messaging.attachment
    where community_id = ${communityId} and id = ${id} and bytes is null and expires_at > ${now}`;
  return row;
}

/** The bytes of a file are there. @returns false when they were before. */
export async function storedFile(
  sql: Sql,
  communityId: string,
  id: string,
  { contentType, bytes }: { contentType: string; bytes: number },
): Promise<boolean> {
  const { count } = await sql`
    -- storedFile
    update messaging.attachment set content_type = ${contentType}, bytes = ${bytes}
    where community_id = ${communityId} and id = ${id} and bytes is null`;
  return count === 1;
}

/** A file that a message carries which isn't deleted. */
export async function carriedFile(
  sql: Sql,
  communityId: string,
  id: string,
): Promise<Attachment | undefined> {
  const [row] = await sql<Attachment[]>`
    -- carriedFile
    select ${columns(sql)}
    from messaging.attachment a
    join messaging.message m on m.community_id = a.community_id and m.id = a.message_id and m.deleted_at is null
    where a.community_id = ${communityId} and a.id = ${id} and a.bytes is not null`;
  return row;
}

/** The files that messages carry, in their order; none of deleted ones. @cost one query by index. */
export async function attachmentsByMessage(
  sql: Sql,
  communityId: string,
  messageIds: readonly string[],
): Promise<Attachment[][]> {
  const rows = await sql<(Attachment & { messageId: string })[]>`
    -- attachmentsByMessage
    select ${columns(sql)}, a.message_id as "messageId"
    from messaging.attachment a
    join messaging.message m on m.community_id = a.community_id and m.id = a.message_id and m.deleted_at is null
    where a.community_id = ${communityId} and a.message_id = any(${messageIds as string[]})
    order by a.message_id, a.position`;
  return groupTo(messageIds, rows, ({ messageId }) => messageId);
}

/** Of these files those that messages of their owner may carry: there, and carried by none. @cost none, or one query. */
export async function usableAttachments(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await sql<{ id: string; ownerId: string }[]>`
    -- usableAttachments
    select id, owner_id as "ownerId"
    from messaging.attachment
    where community_id = ${communityId} and id = any(${ids as string[]}) and bytes is not null and message_id is null`;
  return new Map(rows.map(({ id, ownerId }) => [id, ownerId]));
}

/**
 * Forgets files that no message carried within a day, and those of deleted messages.
 * @param remove  takes away the bytes under a key.
 */
export async function pruneAttachments(
  sql: Sql,
  now: Date,
  remove: (key: string) => Promise<void>,
): Promise<void> {
  const rows = await sql<{ communityId: string; id: string }[]>`
    -- pruneAttachments
    select a.community_id as "communityId", a.id
    from messaging.attachment a
    where a.message_id is null and a.created_at < ${new Date(now.getTime() - unusedMs)}
    union all
    select a.community_id, a.id
    from messaging.message m
    join messaging.attachment a on a.community_id = m.community_id and a.message_id = m.id
    where m.deleted_at is not null
    limit 10000`;
  for (const { communityId, id } of rows) {
    // The bytes first: a row without bytes is found again, bytes without a row never.
    await remove(`${communityId}/${id}`);
    await sql`
      -- pruneAttachments: one
      delete from messaging.attachment where community_id = ${communityId} and id = ${id}`;
  }
}

function columns(sql: Sql) {
  return sql`a.id, a.file_name as "fileName", a.content_type as "contentType", a.bytes`;
}
