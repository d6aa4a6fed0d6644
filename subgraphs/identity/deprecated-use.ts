import type { Sql } from '../db.ts';
import type { Principal } from '../principal.ts';

// How often keys asked for what will go of the schema, day by day, as gateways counted it. A day is one in UTC.

/** What one key asked for since it was told last. */
export interface CountedUse {
  communityId: string;
  keyId: string;
  coordinate: string;
  calls: number;
  /** When the last of them was, milliseconds since 1970. */
  at: number;
}

/** What a key used of what will go. */
export interface DeprecatedUse {
  coordinate: string;
  lastUsedAt: Date;
  callsLast30Days: number;
}

/** How long uses are remembered. */
export const useRetentionDays = 90;

/**
 * Adds what gateways counted. Keys that are gone are left out.
 * @param uses  one per key and coordinate.
 * @cost one statement; rows are locked in the order of their keys.
 */
export async function noteUses(sql: Sql, uses: readonly CountedUse[]): Promise<void> {
  await sql`
    -- noteUses
    insert into identity.deprecated_use as d (community_id, key_id, coordinate, day, calls, last_at)
    select k.community_id, k.id, u.coordinate, (u.at at time zone 'UTC')::date, u.calls, u.at
    from (
      select "communityId", "keyId", coordinate, calls, to_timestamp(at / 1000) as at
      from jsonb_to_recordset(${sql.json(uses as never)})
        as r("communityId" text, "keyId" text, coordinate text, calls bigint, at float8)
    ) u
    join identity.api_key k on k.community_id = u."communityId" and k.id = u."keyId"
    order by k.community_id, k.id, u.coordinate collate "C"
    on conflict (community_id, key_id, coordinate, day) do update set
      calls = d.calls + excluded.calls,
      last_at = greatest(d.last_at, excluded.last_at)`;
}

/**
 * What the caller's own key used, by coordinate; nothing for callers without a key.
 * @cost one query over the key's rows: what is deprecated, times the days it was used on.
 */
export async function usesOfKey(sql: Sql, { communityId, keyId }: Principal): Promise<DeprecatedUse[]> {
  if (communityId === undefined || keyId === undefined) return [];
  return sql<DeprecatedUse[]>`
    -- usesOfKey
    select coordinate, max(last_at) as "lastUsedAt",
      least(
        2147483647,
        coalesce(sum(calls) filter (where day > (now() at time zone 'UTC')::date - 30), 0)
      )::int as "callsLast30Days"
    from identity.deprecated_use
    where community_id = ${communityId} and key_id = ${keyId}
    group by coordinate
    order by coordinate`;
}

/** Forgets uses older than the retention. */
export async function pruneUses(sql: Sql): Promise<void> {
  await sql`
    -- pruneUses
    delete from identity.deprecated_use
    where day < (now() at time zone 'UTC')::date - ${useRetentionDays}::int`;
}
