import { noteAudit } from '../audit.ts';
import { alignTo, groupTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';
import { lockCredentials, makeOnce } from './made.ts';

// Misconduct: warnings, suspensions that end by themselves, and bans. A key of the community decides by its scope; a person
// needs the permission of the penalty's kind, and a role above the highest of whom it concerns.

export type PenaltyKind = 'WARNING' | 'SUSPENSION' | 'BAN';

export interface Penalty {
  id: string;
  userId: string;
  kind: PenaltyKind;
  reason: string;
  /** Of a suspension: when it ends. */
  endsAt: Date | null;
  issuerUserId: string | null;
  issuerKeyId: string | null;
  createdAt: Date;
  revokedAt: Date | null;
  revokeReason: string | null;
  /** Not revoked, and of a suspension: not over. */
  active: boolean;
}

export interface PenaltyWish {
  userId: string;
  kind: PenaltyKind;
  reason: string;
  endsAt: Date | null;
  idempotencyKey: string;
}

export interface PenaltyFilter {
  userIds?: readonly string[] | null;
  kinds?: readonly PenaltyKind[] | null;
  active?: boolean | null;
}

const permissionOf: Record<PenaltyKind, string> = {
  WARNING: 'WARN_MEMBERS',
  SUSPENSION: 'SUSPEND_MEMBERS',
  BAN: 'BAN_MEMBERS',
};
const longestYears = 10;

/**
 * Warns, suspends or bans a person. Their keys and sessions stop at once while they are kept out. A second suspension with a
 * later end prolongs the first.
 * @throws NOT_FOUND, FORBIDDEN, VALIDATION_FAILED, IDEMPOTENCY_KEY_REUSED
 * @cost up to nine statements, one transaction.
 */
export async function applyPenalty(
  sql: Sql,
  principal: Principal,
  { idempotencyKey, ...wish }: PenaltyWish,
  now: Date,
): Promise<{ penalty: Penalty; replayed: boolean }> {
  const communityId = communityOf(principal);
  const { userId, kind, reason, endsAt } = wish;
  const asked = { what: 'penalty', ...wish };
  const { id, replayed } = await makeOnce(sql, principal, idempotencyKey, asked, async (tx) => {
    mustEnd(kind, endsAt, now);
    await mustJudge(tx, principal, kind, userId, 'userId');
    const penaltyId = newId('Penalty');
    await tx`
      -- applyPenalty
      insert into identity.penalty (
        community_id, id, user_id, kind, reason, ends_at, issuer_user_id, issuer_key_id
      )
      values (
        ${communityId}, ${penaltyId}, ${userId}, ${kind}, ${reason}, ${endsAt}, ${principal.userId ?? null},
        ${principal.keyId ?? null}
      )`;
    await sumUp(tx, communityId, userId);
    const details = { penaltyId, kind, endsAt };
    await noteAudit(tx, communityId, principal, { action: 'PENALTY_APPLIED', userId, details });
    return penaltyId;
  });
  return { penalty: await penaltyById(sql, communityId, id), replayed };
}

/**
 * Takes a penalty back; one that was taken back stays as it is.
 * @param reason  why; null: unsaid.
 * @throws NOT_FOUND, FORBIDDEN
 * @cost up to seven statements, one transaction.
 */
export async function revokePenalty(
  sql: Sql,
  principal: Principal,
  { id, reason }: { id: string; reason: string | null },
): Promise<Penalty> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    await lockCredentials(tx, communityId);
    const { kind, userId, revokedAt } = await penaltyById(tx, communityId, id);
    await mustJudge(tx, principal, kind, userId, 'id');
    if (revokedAt === null) {
      await tx`
        -- revokePenalty
        update identity.penalty set revoked_at = clock_timestamp(), revoke_reason = ${reason}
        where community_id = ${communityId} and id = ${id}`;
      await sumUp(tx, communityId, userId);
      const details = { penaltyId: id, kind };
      await noteAudit(tx, communityId, principal, { action: 'PENALTY_REVOKED', userId, details });
    }
    return penaltyById(tx, communityId, id);
  });
}

/**
 * A page of penalties, newest first, for keys of the community and for people who may warn, suspend or ban.
 * @throws FORBIDDEN, BAD_PAGE, BAD_CURSOR
 * @cost one query, O(page) rows where people or nothing is asked for; one more for a person.
 */
export async function penaltiesPage(
  sql: Sql,
  principal: Principal,
  filter: PenaltyFilter,
  page: PageArguments,
): Promise<Page<Penalty>> {
  if (!(await judges(sql, principal))) throw unread();
  const request = pageRequest('penalty', page);
  const { beyond, order } = keyset(sql, request, { at: 'p.created_at', id: 'p.id', newestFirst: true });
  const { userIds } = filter;
  const rows = await sql<Penalty[]>`
    -- penaltiesPage
    select ${columns(sql)}
    from identity.penalty p
    where p.community_id = ${communityOf(principal)}
      ${userIds == null ? sql`` : sql`and p.user_id = any(${userIds as string[]})`}
      ${narrowed(sql, filter)} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/**
 * The penalties of each person, newest first: one's own, and everybody's for those who may read all.
 * @returns one page per id, in their order; a Refusal for a person whose penalties the caller may not read.
 * @throws BAD_PAGE, BAD_CURSOR
 * @cost one query, O(people x page) rows; one more for a person who asks for others'.
 */
export async function penaltiesByUser(
  sql: Sql,
  principal: Principal,
  userIds: readonly string[],
  filter: Omit<PenaltyFilter, 'userIds'>,
  page: PageArguments,
): Promise<(Page<Penalty> | Refusal)[]> {
  const others = userIds.some((id) => id !== principal.userId);
  const readsAll = others && (await judges(sql, principal));
  const request = pageRequest('penalty-user', page);
  const { beyond, order } = keyset(sql, request, { at: 'p.created_at', id: 'p.id', newestFirst: true });
  const rows = await sql<Penalty[]>`
    -- penaltiesByUser
    select q.*
    from unnest(${userIds as string[]}::text[]) as u(id)
    cross join lateral (
      select ${columns(sql)}
      from identity.penalty p
      where p.community_id = ${communityOf(principal)} and p.user_id = u.id ${narrowed(sql, filter)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) q`;
  return groupTo(userIds, rows, ({ userId }) => userId).map((own, at) =>
    readsAll || userIds[at] === principal.userId
      ? pageOf(own, request, ({ createdAt, id }) => ({ at: createdAt, id }))
      : unread(),
  );
}

/** Penalties by id, in their order; null where there is none that the caller may read. @cost one query, two for a person. */
export async function penaltiesById(
  sql: Sql,
  principal: Principal,
  ids: readonly string[],
): Promise<(Penalty | null)[]> {
  const readsAll = await judges(sql, principal);
  const found = await byId(sql, communityOf(principal), ids);
  return found.map((one) => (readsAll || one?.userId === principal.userId ? one : null));
}

/** Adds penalties as they are, and sums up what they come to; ids that exist are left as they are. */
export async function addPenalties(
  sql: Sql,
  communityId: string,
  penalties: readonly (Pick<Penalty, 'id' | 'userId' | 'kind' | 'reason' | 'endsAt' | 'createdAt'> &
    Partial<Penalty>)[],
): Promise<void> {
  await sql`
    -- addPenalties
    insert into identity.penalty (
      community_id, id, user_id, kind, reason, ends_at, issuer_user_id, created_at, revoked_at
    )
    select ${communityId}, p.id, p."userId", p.kind, p.reason, p."endsAt", p."issuerUserId", p."createdAt", p."revokedAt"
    from jsonb_to_recordset(${sql.json(penalties as never)}) p(
      id text, "userId" text, kind text, reason text, "endsAt" timestamptz, "issuerUserId" text,
      "createdAt" timestamptz, "revokedAt" timestamptz
    )
    on conflict do nothing`;
  for (const userId of new Set(penalties.map((one) => one.userId))) await sumUp(sql, communityId, userId);
}

/** Writes what a person's penalties come to; triggers tell the log when that changes. */
async function sumUp(sql: Sql, communityId: string, userId: string): Promise<void> {
  await sql`
    -- sumUp
    update identity.user u
    set banned = coalesce(p.banned, false), suspended_until = p.suspended_until
    from (
      select bool_or(kind = 'BAN') as banned,
        max(ends_at) filter (where ends_at > clock_timestamp()) as suspended_until
      from identity.penalty
      where community_id = ${communityId} and user_id = ${userId} and revoked_at is null
    ) p
    where u.community_id = ${communityId} and u.id = ${userId}`;
}

/** Checks that the caller may give a person a penalty, and take it back. */
async function mustJudge(
  sql: Sql,
  principal: Principal,
  kind: PenaltyKind,
  userId: string,
  argument: string,
): Promise<void> {
  const communityId = communityOf(principal);
  const path = ['input', argument];
  const judge = principal.userId ?? null;
  const [found] = await sql<{ known: boolean; holds: boolean | null; outranks: boolean }[]>`
    -- mustJudge
    select
      exists (select from identity.user where community_id = ${communityId} and id = ${userId}) as known,
      (select allowed from community.holds(${communityId}, ${[judge] as string[]}, ${permissionOf[kind]})) as holds,
      community.outranks(${communityId}, ${judge}, ${userId}) as outranks`;
  const isPerson = actsAsPerson(principal);
  if (isPerson && found?.holds !== true) {
    const message = `A ${kind} takes a role with ${permissionOf[kind]}, or a key of the community.`;
    throw new Refusal('FORBIDDEN', message);
  }
  if (!found?.known) throw new Refusal('NOT_FOUND', `No user has the id "${userId}".`, {}, path);
  if (isPerson && !found.outranks) {
    const message = "Your highest role does not stand above that person's.";
    throw new Refusal('FORBIDDEN', message, {}, path);
  }
}

/** Whether the caller reads everybody's penalties. @cost none for a key of the community, else one query. */
async function judges(sql: Sql, principal: Principal): Promise<boolean> {
  if (!actsAsPerson(principal)) return true;
  if (principal.userId === undefined) return false;
  const [row] = await sql<{ judges: boolean | null }[]>`
    -- judges
    select bool_or(h.allowed) as judges
    from unnest(${Object.values(permissionOf)}::text[]) as p(permission)
    cross join lateral community.holds(${communityOf(principal)}, ${[principal.userId]}, p.permission) h`;
  return row?.judges ?? false;
}

function unread(): Refusal {
  return new Refusal('FORBIDDEN', "Others' penalties are read by those who may warn, suspend or ban.");
}

function mustEnd(kind: PenaltyKind, endsAt: Date | null, now: Date): void {
  const path = ['input', 'endsAt'];
  if (kind !== 'SUSPENSION') {
    if (endsAt === null) return;
    const message = `A ${kind} has no end: leave \`endsAt\` out, or make it a SUSPENSION.`;
    throw new Refusal('VALIDATION_FAILED', message, {}, path);
  }
  const latest = new Date(now);
  latest.setUTCFullYear(now.getUTCFullYear() + longestYears);
  if (endsAt !== null && endsAt > now && endsAt <= latest) return;
  const message = `A suspension has an end to come, at most ${longestYears} years away; a BAN has none.`;
  throw new Refusal('VALIDATION_FAILED', message, {}, path);
}

async function penaltyById(sql: Sql, communityId: string, id: string): Promise<Penalty> {
  const [penalty] = await byId(sql, communityId, [id]);
  if (penalty == null) throw new Refusal('NOT_FOUND', `No penalty has the id "${id}".`, {}, ['input', 'id']);
  return penalty;
}

async function byId(sql: Sql, communityId: string, ids: readonly string[]): Promise<(Penalty | null)[]> {
  const rows = await sql<Penalty[]>`
    -- penaltiesById
    select ${columns(sql)}
    from identity.penalty p
    where p.community_id = ${communityId} and p.id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

function narrowed(sql: Sql, { kinds, active }: PenaltyFilter) {
  return sql`
    ${kinds == null ? sql`` : sql`and p.kind = any(${kinds as string[]})`}
    ${active == null ? sql`` : sql`and ${isActive(sql)} = ${active}`}`;
}

function isActive(sql: Sql) {
  return sql`(p.revoked_at is null and (p.ends_at is null or p.ends_at > now()))`;
}

function columns(sql: Sql) {
  return sql`p.id, p.user_id as "userId", p.kind, p.reason, p.ends_at as "endsAt", p.issuer_user_id as "issuerUserId",
    p.issuer_key_id as "issuerKeyId", p.created_at as "createdAt", p.revoked_at as "revokedAt",
    p.revoke_reason as "revokeReason", ${isActive(sql)} as active`;
}
