import { alignTo, type Sql } from '../db.ts';

// The community itself.

export interface Community {
  id: string;
  slug: string;
  name: Record<string, string>;
  timeZone: string;
  createdAt: Date;
}

/** Communities by id, in their order; null where there is none. @cost one query by primary key. */
export async function communitiesById(sql: Sql, ids: readonly string[]): Promise<(Community | null)[]> {
  const rows = await sql<Community[]>`
    -- communitiesById
    select community_id as id, slug, name, time_zone as "timeZone", created_at as "createdAt"
    from community.community
    where community_id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** Adds a community; one that exists is left as it is. */
export async function addCommunity(
  sql: Sql,
  { id, slug, name, timeZone, createdAt }: Community,
): Promise<void> {
  await sql`
    -- addCommunity
    insert into community.community (community_id, slug, name, time_zone, created_at)
    values (${id}, ${slug}, ${sql.json(name)}, ${timeZone}, ${createdAt})
    on conflict do nothing`;
}
