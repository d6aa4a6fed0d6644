import type { Sql } from './db.ts';
import { newId } from './id.ts';
import type { Principal } from './principal.ts';

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
  | 'CHANNEL_DELETED';

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
      ${sql.json(details as never)}
    )`;
}

/** What of some values became another: `{ name: { before, after } }`; empty when nothing did. */
export function differences<Values extends object>(
  before: Values,
  after: Values,
): Partial<Record<keyof Values, object>> {
  const names = Object.keys(before) as (keyof Values)[];
  return Object.fromEntries(
    names
      .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
      .map((name) => [name, { before: before[name], after: after[name] }]),
  ) as Partial<Record<keyof Values, object>>;
}
