import { timingSafeEqual } from 'node:crypto';
import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import type { Audience, Principal, PrincipalKind } from '../principal.ts';
import { allScopes, type Scope } from '../scopes.ts';
import { type ApiKeyKind, hashOf } from './api-key.ts';

// Who a credential belongs to. Unknown, malformed, revoked, expired and of somebody kept out are all the same "nobody".

const secretForm = /^laurel_(?:sys|int|per)_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

/**
 * Who the secret of a key belongs to, or null.
 * @param community  id or slug asked for by `x-community`; null: the key's own.
 * @throws FORBIDDEN  the key is valid and not of that community: scopes of one mean nothing in another.
 * @cost one query by two unique prefixes, one more when a community is named; none for what is no secret.
 */
export async function authenticate(
  sql: Sql,
  secret: string,
  community: string | null,
): Promise<Principal | null> {
  const prefix = secretForm.exec(secret)?.[1];
  if (prefix === undefined) return null;
  const found = await sql<
    {
      communityId: string;
      id: string;
      kind: ApiKeyKind;
      scopes: Scope[];
      userId: string | null;
      readsAs: string | null;
      channelIds: string[] | null;
      audience: Audience | null;
      expiresAt: Date | null;
      hash: Buffer;
    }[]
  >`
    -- authenticate
    select k.community_id as "communityId", k.id, k.kind, k.scopes, k.user_id as "userId",
      case when k.user_id is not null then community.reads_as(k.community_id, k.user_id) end as "readsAs",
      k.channel_ids as "channelIds", k.audience, least(k.expires_at, s.ends_at) as "expiresAt", s.hash
    from (
      select community_id, id as key_id, hash, null::timestamptz as ends_at
      from identity.api_key where prefix = ${prefix}
      union all
      select community_id, key_id, hash, ends_at from identity.former_secret where prefix = ${prefix}
    ) s
    join identity.api_key k on k.community_id = s.community_id and k.id = s.key_id
    where k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
      and (s.ends_at is null or s.ends_at > now())
      and (k.user_id is null or exists (
        select from identity.user u
        where u.community_id = k.community_id and u.id = k.user_id and identity.status_of(u) = 'ACTIVE'
      ))`;
  const hash = hashOf(secret);
  const key = found.find((one) => timingSafeEqual(one.hash, hash));
  if (key === undefined) return null;
  await mustName(sql, key.communityId, community);
  return {
    kind: key.kind.toLowerCase() as PrincipalKind,
    communityId: key.communityId,
    keyId: key.id,
    // A system key may do all there is, also what came after it was made.
    scopes: key.kind === 'SYSTEM' ? allScopes : key.scopes,
    ...(key.userId === null ? {} : { userId: key.userId }),
    ...(key.readsAs === null ? {} : { readsAs: key.readsAs }),
    ...(key.channelIds === null ? {} : { channelIds: key.channelIds }),
    ...(key.audience === null ? {} : { audience: key.audience }),
    ...(key.expiresAt === null ? {} : { expiresAt: key.expiresAt.getTime() }),
  };
}

/**
 * Who a session is of, whose access token was read; null when it has ended, or its person was kept out since.
 * @throws FORBIDDEN  as for keys.
 * @cost one query by primary keys, one more when a community is named.
 */
export async function authenticateSession(
  sql: Sql,
  { communityId, sessionId, expiresAt }: { communityId: string; sessionId: string; expiresAt: number },
  community: string | null,
): Promise<Principal | null> {
  const [session] = await sql<
    { userId: string; readsAs: string; scopes: Scope[]; channelIds: string[] | null; endsAt: Date }[]
  >`
    -- authenticateSession
    select s.user_id as "userId", community.reads_as(s.community_id, s.user_id) as "readsAs", s.scopes,
      s.channel_ids as "channelIds", s.expires_at as "endsAt"
    from identity.session s
    join identity.user u on u.community_id = s.community_id and u.id = s.user_id
      and identity.status_of(u) = 'ACTIVE'
    where s.community_id = ${communityId} and s.id = ${sessionId} and s.ended_at is null and s.expires_at > now()`;
  if (session === undefined) return null;
  await mustName(sql, communityId, community);
  const { userId, readsAs, scopes, channelIds, endsAt } = session;
  return {
    kind: 'session',
    communityId,
    userId,
    readsAs,
    sessionId,
    scopes,
    ...(channelIds === null ? {} : { channelIds }),
    expiresAt: Math.min(expiresAt, endsAt.getTime()),
  };
}

/** What changed of credentials since a number. */
export interface CredentialChanges {
  /** The number to ask after next. */
  last: number;
  /** Of keys, sessions and people, each once; `*` when it may be any. */
  ids: string[];
}

/**
 * Keys, sessions and people whose credentials changed, in all communities; triggers tell the log of them.
 * @param after  null: from now on.
 * @cost one query, over a range of the log's primary key.
 */
export async function credentialChanges(sql: Sql, after: number | null): Promise<CredentialChanges> {
  const [row] = await sql<{ last: bigint; ids: string[] | null }[]>`
    -- credentialChanges
    select s.last, (
      select array_agg(distinct e.payload ->> 'id') from log.event e
      where e.community_id = s.community_id and e.stream = s.name and e.number > coalesce(${after}::bigint, s.last)
    ) as ids
    from log.stream s
    where s.community_id = '' and s.name = 'credentials'`;
  return { last: Number(row?.last ?? 0n), ids: row?.ids ?? [] };
}

async function mustName(sql: Sql, communityId: string, community: string | null): Promise<void> {
  if (community === null || community === communityId) return;
  const [found] = await sql<{ id: string }[]>`
    -- mustName
    select community_id as id from community.find_communities(${[community]}) where community_id = ${communityId}`;
  if (found === undefined) {
    throw new Refusal('FORBIDDEN', 'The credential does not belong to the community that x-community names.');
  }
}
