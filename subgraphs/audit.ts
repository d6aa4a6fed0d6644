import type { Sql } from './db.ts';
import { newId } from './id.ts';
import { communityOf, type Principal } from './principal.ts';

// What administrators do leaves a trace, whatever subgraph does it: an entry of identity's audit, written in the
// transaction of what it tells of.

export type AuditAction =
  | 'KEY_CREATED'
  | 'KEY_UPDATED'
  | 'KEY_ROTATED'
  | 'KEY_REVOKED'
  | 'SESSION_BEGUN'
  | 'SESSION_ENDED'
  | 'PENALTY_APPLIED'
  | 'PENALTY_REVOKED'
  | 'COMMUNITY_UPDATED'
  | 'MEMBER_PERMISSIONS_SET'
  | 'ROLE_CREATED'
  | 'ROLE_UPDATED'
  | 'ROLE_DELETED'
  | 'ROLE_ASSIGNED'
  | 'ROLE_UNASSIGNED'
  | 'CHANNEL_CREATED'
  | 'CHANNEL_UPDATED'
  | 'CHANNEL_DELETED'
  | 'RULE_CREATED'
  | 'RULE_UPDATED'
  | 'RULE_DELETED'
  | 'LEVELS_SET'
  | 'TIERS_SET'
  | 'UNIT_SET'
  | 'BADGE_CREATED'
  | 'BADGE_UPDATED'
  | 'BADGE_DELETED'
  | 'BADGE_REVOKED'
  | 'LEADERBOARD_CREATED'
  | 'LEADERBOARD_UPDATED'
  | 'LEADERBOARD_DELETED'
  | 'MESSAGE_EDITED'
  | 'MESSAGE_DELETED'
  | 'MESSAGE_PINNED'
  | 'MESSAGE_UNPINNED';

/** What was done, to which key, session or person, and whose that is. */
export interface Audited {
  action: AuditAction;
  keyId?: string;
  sessionId?: string;
  userId?: string | null;
  /** Ids of what else it was done to, names, rights and times; of a change what was before and after. Never a secret. */
  details?: Record<string, unknown>;
}

/** Notes what a caller does. @param sql  the transaction that does it. @cost one statement. */
export async function noteAudit(
  sql: Sql,
  communityId: string,
  { kind, userId, keyId, sessionId }: Principal,
  { action, details = {}, ...done }: Audited,
): Promise<void> {
  const actor = { kind: kind.toUpperCase(), userId, keyId, sessionId };
  await sql`
    -- noteAudit
    select identity.note_audit(
      ${communityId}, ${newId('AuditEntry')}, ${action}, ${sql.json(actor as never)}, ${sql.json(done as never)},
      ${textOf(details)}::text::jsonb
    )`;
}

/** Notes what of a thing became another; nothing where nothing did. @param ids  of the thing. @cost one statement, or none. */
export async function noteChange<Values extends object>(
  sql: Sql,
  principal: Principal,
  action: AuditAction,
  ids: Record<string, string>,
  before: Values,
  after: Values,
): Promise<void> {
  const details = differences(before, after);
  if (Object.keys(details).length === 0) return;
  await noteAudit(sql, communityOf(principal), principal, { action, details: { ...ids, ...details } });
}

/** What of some values became another: `{ name: { before, after } }`; empty when nothing did. */
export function differences<Values extends object>(
  before: Values,
  after: Values,
): Partial<Record<keyof Values, object>> {
  const names = Object.keys(before) as (keyof Values)[];
  return Object.fromEntries(
    names
      .filter((name) => textOf(before[name]) !== textOf(after[name]))
      .map((name) => [name, { before: before[name], after: after[name] }]),
  ) as Partial<Record<keyof Values, object>>;
}

/** JSON with amounts as text, which has all their digits. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? String(inner) : inner));
}
