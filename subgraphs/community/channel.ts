import { alignTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';
import { allPermissions } from './access.ts';

// Where people talk. What is said there belongs to messaging.

export interface Channel {
  id: string;
  topic: Record<string, string>;
  description: string | null;
  kind: string;
  category: string | null;
  /** Of an IFRAME channel: the page it shows. */
  iframeUrl: string | null;
  /** There only for those who manage channels. */
  hidden: boolean;
  /** Who it is there for; null: every member. */
  viewRoleIds: string[] | null;
  /** Who writes in it; null: whoever it is there for. */
  postRoleIds: string[] | null;
  /** Of a DIRECT channel: its two people. */
  participantIds: string[] | null;
  createdAt: Date;
  updatedAt: Date;
}

/** A channel as it is added; what is left out stands open to every member. */
export type NewChannel = Pick<Channel, 'id' | 'topic' | 'kind' | 'createdAt' | 'updatedAt'> &
  Partial<Channel>;

/**
 * A page of the channels that are there for the caller, oldest first; direct ones come among a person's.
 * @param kinds  undefined: of every kind.
 * @throws BAD_PAGE, BAD_CURSOR
 * @cost one query; O(page) rows for a key of the community, O(channels of the person) for a person.
 */
export async function channelsPage(
  sql: Sql,
  principal: Principal,
  kinds: readonly string[] | undefined,
  page: PageArguments,
): Promise<Page<Channel>> {
  const request = pageRequest('channel', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<Channel[]>`
    -- channelsPage
    select ${columns(sql)}
    from community.channel
    where community_id = ${communityOf(principal)} ${visible(sql, principal)} ${beyond}
      ${kinds === undefined ? sql`` : sql`and kind = any(${kinds as string[]})`}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Channels by id, in their order; null where there is none for the caller. @cost one query by primary key. */
export async function channelsById(
  sql: Sql,
  principal: Principal,
  ids: readonly string[],
): Promise<(Channel | null)[]> {
  const rows = await sql<Channel[]>`
    -- channelsById
    select ${columns(sql)}
    from community.channel
    where community_id = ${communityOf(principal)} and id = any(${ids as string[]}) ${visible(sql, principal)}`;
  return alignTo(ids, rows, ({ id }) => id);
}

/**
 * What each person may do in a channel, of what concerns channels.
 * @param users  null: a key of the community.
 * @returns a list per pair, in their order; `[]` where the channel isn't there for the person.
 * @cost one query by port.
 */
export async function permissionsIn(
  sql: Sql,
  communityId: string,
  pairs: readonly { channelId: string; userId: string | null }[],
): Promise<string[][]> {
  const rows = await sql<{ permissions: string[] }[]>`
    -- permissionsIn
    select p.permissions
    from community.channel_permissions(
      ${communityId}, ${pairs.map(({ userId }) => userId) as string[]}, ${pairs.map(({ channelId }) => channelId)}
    ) p
    order by p.at`;
  // The ports know two more words than the API; it hides a channel instead.
  return rows.map(({ permissions }) => allPermissions.filter((one) => permissions.includes(one)));
}

/** Adds channels; ids that exist are left as they are. */
export async function addChannels(
  sql: Sql,
  communityId: string,
  channels: readonly NewChannel[],
): Promise<void> {
  await sql`
    -- addChannels
    insert into community.channel (
      community_id, id, topic, description, kind, category, iframe_url, hidden, view_role_ids, post_role_ids,
      low_user_id, high_user_id, created_at, updated_at
    )
    select ${communityId}, c.id, c.topic, c.description, c.kind, c.category, c."iframeUrl", coalesce(c.hidden, false),
      c."viewRoleIds", c."postRoleIds", least(c."participantIds"[1], c."participantIds"[2]),
      greatest(c."participantIds"[1], c."participantIds"[2]), c."createdAt", c."updatedAt"
    from jsonb_to_recordset(${sql.json(channels as never)}) c(
      id text, topic jsonb, description text, kind text, category text, "iframeUrl" text, hidden boolean,
      "viewRoleIds" text[], "postRoleIds" text[], "participantIds" text[] collate "C", "createdAt" timestamptz,
      "updatedAt" timestamptz
    )
    on conflict do nothing`;
}

// A channel that isn't there for a person, and one that a credential isn't limited to, are like channels that don't exist.
function visible(sql: Sql, principal: Principal) {
  const { userId, readsAs, channelIds } = principal;
  const reader = userId ?? readsAs ?? null;
  return sql`
    ${channelIds === undefined ? sql`` : sql`and id = any(${channelIds as string[]})`}
    ${actsAsPerson(principal) ? sql`and id in (select community.visible_channels(${communityOf(principal)}, ${reader}, true))` : sql``}`;
}

function columns(sql: Sql) {
  return sql`id, topic, description, kind, category, iframe_url as "iframeUrl", hidden, view_role_ids as "viewRoleIds",
    post_role_ids as "postRoleIds",
    case when low_user_id is not null then array[low_user_id, high_user_id] end as "participantIds",
    created_at as "createdAt", updated_at as "updatedAt"`;
}
