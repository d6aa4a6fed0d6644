import { type AuditAction, noteAudit } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';
import { knownMentions, mentionsIn, mentionsRefused } from './mention.ts';
import { type Message, messageColumns } from './message.ts';
import { may } from './right.ts';

// Editing and deleting. Nobody puts words into another's mouth: people edit what they said themselves, while those who
// moderate may delete it. A deleted message keeps its place, so that the answers to it still stand below something.

/**
 * Gives a message another text.
 * @param message  as the caller read it.
 * @throws CONFLICT  it is deleted.   @throws FORBIDDEN, VALIDATION_FAILED
 */
export async function editMessage(
  sql: Sql,
  principal: Principal,
  message: Message,
  body: string,
): Promise<Message> {
  const path = ['input', 'messageId'];
  const deleted = new Refusal('CONFLICT', 'The message is deleted: send a new one.', {}, path);
  if (actsAsPerson(principal) && message.authorId !== principal.userId)
    throw new Refusal('FORBIDDEN', 'A message is edited by whoever wrote it.', {}, path);
  if (message.deletedAt !== null) throw deleted;
  const communityId = communityOf(principal);
  // Who may say nothing new in a channel may not do it by editing.
  if (!(await may(sql, principal, message.channelId, ['POST_MESSAGES']))) {
    const problem = 'This channel takes no messages from you, so what you said there stays as it is.';
    throw new Refusal('FORBIDDEN', problem, {}, path);
  }
  if (message.body === body) return message;
  const mentioned = mentionsIn(body);
  const isNew = mentioned.some((id) => !message.mentions.includes(id));
  if (isNew && !(await may(sql, principal, message.channelId, ['ALLOW_MENTIONS']))) throw mentionsRefused();
  const [mentions = []] = await knownMentions(sql, communityId, [mentioned]);
  const edited = await change(
    sql,
    principal,
    message,
    'MESSAGE_EDITED',
    (some) => some<Message[]>`
      -- editMessage
      with m as (
        update messaging.message set body = ${body}, mentions = ${mentions}, edited_at = now()
        where community_id = ${communityId} and id = ${message.id} and deleted_at is null
        returning *
      ), told as (${toldOf(some, principal, 'MessageEdited')})
      select ${messageColumns(some)} from m, (select count(*) from told) t`,
  );
  if (edited === undefined) throw deleted;
  return edited;
}

/**
 * Takes a message's text away; what stands on it, its reactions and the answers to it, stays. Again, it changes nothing.
 * @param message  as the caller read it.
 * @throws FORBIDDEN  for whoever neither wrote it nor moderates its channel.
 */
export async function deleteMessage(sql: Sql, principal: Principal, message: Message): Promise<Message> {
  const isOwn = message.authorId === principal.userId;
  if (!isOwn && !(await may(sql, principal, message.channelId, ['DELETE_MESSAGES', 'MANAGE_MESSAGES']))) {
    const problem =
      'A message is deleted by whoever wrote it, or by those who manage messages in its channel.';
    throw new Refusal('FORBIDDEN', problem, {}, ['input', 'messageId']);
  }
  const deleted = await change(
    sql,
    principal,
    message,
    'MESSAGE_DELETED',
    (some) => some<Message[]>`
      -- deleteMessage
      with m as (
        update messaging.message set body = null, mentions = '{}', pinned_at = null, deleted_at = now()
        where community_id = ${communityOf(principal)} and id = ${message.id} and deleted_at is null
        returning *
      ), told as (${toldOf(some, principal, 'MessageDeleted')})
      select ${messageColumns(some)} from m, (select count(*) from told) t`,
  );
  if (deleted !== undefined) return deleted;
  const [before] = await sql<Message[]>`
    -- deleteMessage: it was deleted before
    select ${messageColumns(sql)}
    from messaging.message m
    where m.community_id = ${communityOf(principal)} and m.id = ${message.id}`;
  return before ?? message;
}

/**
 * Tells the log of the messages `m`; `user_id` is the person who changed them, null for a key of the community.
 * @param also  what else the event says.
 */
export function toldOf(sql: Sql, principal: Principal, kind: string, also: Record<string, boolean> = {}) {
  return sql`
    select log.append(${communityOf(principal)}, 'messages', jsonb_agg(jsonb_build_object(
      'kind', ${kind}::text, 'user_id', ${principal.userId ?? null}::text, 'channel_id', channel_id,
      'payload', jsonb_strip_nulls(jsonb_build_object(
        'messageId', id, 'authorId', author_id, 'replyToId', reply_to_id, 'audienceId', audience_id
      )) || ${sql.json(also)}
    )))
    from m
    having count(*) > 0`;
}

/** Notes what was done to another's message; never what it says. */
export async function noteMessage(
  sql: Sql,
  principal: Principal,
  action: AuditAction,
  { id, channelId, authorId }: Message,
): Promise<void> {
  const done = { action, userId: authorId, details: { id, channelId } };
  await noteAudit(sql, communityOf(principal), principal, done);
}

/** Changes a message by one statement; of another's, the audit tells. @returns undefined where nothing changed. */
async function change(
  sql: Sql,
  principal: Principal,
  message: Message,
  action: AuditAction,
  statement: (sql: Sql) => PromiseLike<Message[]>,
): Promise<Message | undefined> {
  if (message.authorId === principal.userId) return (await statement(sql))[0];
  return transaction(sql, async (tx) => {
    const [changed] = await statement(tx);
    if (changed !== undefined) await noteMessage(tx, principal, action, message);
    return changed;
  });
}
