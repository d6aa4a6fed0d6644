import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';

// Who may do what with messages, as the ports of identity and community say.

/**
 * Who writes: a person's credential acts as its person, a key of the community names a member.
 * @throws FORBIDDEN, VALIDATION_FAILED
 */
export function senderNamed(principal: Principal, senderId: string | null): string {
  const path = ['input', 'senderId'];
  if (principal.userId !== undefined) {
    if (senderId === null || senderId === principal.userId) return principal.userId;
    throw new Refusal('FORBIDDEN', "A person's key acts as that person: leave out `senderId`.", {}, path);
  }
  if (senderId !== null) return senderId;
  const problem = 'A key of the community names the member it acts for: set `senderId`.';
  throw new Refusal('VALIDATION_FAILED', problem, {}, path);
}

/** `senderNamed`, and whoever a key of the community names is a member. @throws NOT_FOUND @cost none, or one query by port. */
export async function senderFor(sql: Sql, principal: Principal, senderId: string | null): Promise<string> {
  const sender = senderNamed(principal, senderId);
  if (principal.userId !== undefined) return sender;
  const [found] = await sql<{ userId: string | null }[]>`
    -- senderFor
    select user_id as "userId"
    from identity.find_members(${communityOf(principal)}, ${sql.json([{ id: sender }])})`;
  if (found?.userId == null) throw unknownSender(sender);
  return sender;
}

export function unknownSender(senderId: string): Refusal {
  return new Refusal('NOT_FOUND', `No user has the id "${senderId}".`, {}, ['input', 'senderId']);
}

/** Refuses an id of a message that isn't there, or isn't for the caller. */
export function unknownMessage(messageId: string, name = 'messageId'): Refusal {
  return new Refusal('NOT_FOUND', `No message has the id "${messageId}".`, {}, ['input', name]);
}

/** Whether the caller may do one of these in a channel; a key of the community may do all. @cost none, or one query by port. */
export async function may(
  sql: Sql,
  principal: Principal,
  channelId: string,
  permissions: readonly string[],
): Promise<boolean> {
  if (!actsAsPerson(principal)) return true;
  const [row] = await sql<{ allowed: boolean }[]>`
    -- may
    select p.permissions && ${permissions as string[]}::text[] as allowed
    from community.channel_permissions(
      ${communityOf(principal)}, ${[principal.userId ?? '']}, ${[channelId]}
    ) p`;
  return row?.allowed ?? false;
}
