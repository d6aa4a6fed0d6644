import type { AuditAction } from '../audit.ts';
import type { Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { communityOf, type Principal, type PrincipalKind } from '../principal.ts';
import { mustAdminister } from './administrator.ts';

// Who did what with keys, sessions, people and all that is administered: written where it is done, never changed, and
// forgotten after 400 days. The table refuses anything else.

export interface AuditEntry {
  id: string;
  at: Date;
  action: AuditAction;
  /** The kind of the credential, in capitals. */
  actorKind: Uppercase<PrincipalKind>;
  actorUserId: string | null;
  actorKeyId: string | null;
  keyId: string | null;
  sessionId: string | null;
  userId: string | null;
  details: Record<string, unknown>;
}

export interface AuditFilter {
  actions?: readonly AuditAction[] | null;
  /** Those who did it. */
  actorIds?: readonly string[] | null;
  /** Those to whom, or to whose keys and sessions, it was done. */
  userIds?: readonly string[] | null;
  keyIds?: readonly string[] | null;
  /** Included. */
  since?: Date | null;
  /** Not included. */
  until?: Date | null;
}

/** How long entries are kept; the table knows the same number. */
export const auditRetentionDays = 400;

/**
 * A page of entries, newest first.
 * @throws FORBIDDEN (a person who doesn't administer the community), BAD_PAGE, BAD_CURSOR
 * @source table audit_entry and its indexes by `at`.
 * @cost one query, O(page) rows where a key, a person or nothing is asked for; one more for a person.
 */
export async function auditPage(
  sql: Sql,
  principal: Principal,
  filter: AuditFilter,
  page: PageArguments,
): Promise<Page<AuditEntry>> {
  // A key of an integration that was given the scope reads all; a person's scopes say nothing of others.
  if (principal.kind !== 'integration') await mustAdminister(sql, principal, 'Reading the audit');
  const { actions, actorIds, userIds, keyIds, since, until } = filter;
  const request = pageRequest('audit', page);
  const { beyond, order } = keyset(sql, request, { at: 'at', id: 'id', newestFirst: true });
  const rows = await sql<AuditEntry[]>`
    -- auditPage
    select id, at, action, actor_kind as "actorKind", actor_user_id as "actorUserId", actor_key_id as "actorKeyId",
      key_id as "keyId", session_id as "sessionId", user_id as "userId", details
    from identity.audit_entry
    where community_id = ${communityOf(principal)}
      ${actions == null ? sql`` : sql`and action = any(${actions as string[]})`}
      ${actorIds == null ? sql`` : sql`and (actor_user_id = any(${actorIds as string[]}) or actor_key_id = any(${actorIds as string[]}))`}
      ${userIds == null ? sql`` : sql`and user_id = any(${userIds as string[]})`}
      ${keyIds == null ? sql`` : sql`and key_id = any(${keyIds as string[]})`}
      ${since == null ? sql`` : sql`and at >= ${since}`}
      ${until == null ? sql`` : sql`and at < ${until}`}
      ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ at, id }) => ({ at, id }));
}

/** Forgets entries older than the retention. */
export async function pruneAudit(sql: Sql): Promise<void> {
  await sql`
    -- pruneAudit
    delete from identity.audit_entry where at < now() - make_interval(days => ${auditRetentionDays})`;
}
