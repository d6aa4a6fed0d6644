import { alignTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';

// Where people talk. What is said there belongs to messaging.

export interface Channel {
  id: string;
  topic: Record<string, string>;
  description: string | null;
  kind: string;
  category: string | null;
  createdAt: Date;
  updatedAt: Date;
}

/**
 * A page of channels, oldest first.
 * @param within  ids that the caller's key is limited to; undefined: all.
 * @throws BAD_PAGE, BAD_CURSOR
 * @cost one query, O(page) rows.
 */
export async function channelsPage(
  sql: Sql,
  communityId: string,
  within: readonly string[] | undefined,
  page: PageArguments,
): Promise<Page<Channel>> {
  const request = pageRequest('channel', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<Channel[]>`
    -- channelsPage
    select ${columns(sql)}
    from community.channel
    where community_id = ${communityId} ${beyond}
      ${within === undefined ? sql`` : sql`and id = any(${within as string[]})`}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Channels by id, in their order; null where there is none. @cost one query by primary key. */
export async function channelsById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Channel | null)[]> {
  const rows = await sql<Channel[]>`
    -- channelsById
    select ${columns(sql)}
    from community.channel
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** Adds channels; ids that exist are left as they are. */
export async function addChannels(
  sql: Sql,
  communityId: string,
  channels: readonly Channel[],
): Promise<void> {
  await sql`
    -- addChannels
    insert into community.channel (community_id, id, topic, description, kind, category, created_at, updated_at)
    select ${communityId}, c.id, c.topic, c.description, c.kind, c.category, c."createdAt", c."updatedAt"
    from jsonb_to_recordset(${sql.json(channels as never)}) c(
      id text, topic jsonb, description text, kind text, category text, "createdAt" timestamptz, "updatedAt" timestamptz
    )
    on conflict do nothing`;
}

function columns(sql: Sql) {
  return sql`id, topic, description, kind, category, created_at as "createdAt", updated_at as "updatedAt"`;
}
