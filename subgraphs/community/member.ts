import type { Sql } from '../db.ts';
import type { LogReader } from '../log-reader.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';

// The index of members: what identity's log tells, kept where lists of people can be filtered and paged.

export interface Member {
  userId: string;
  joinedAt: Date;
}

/**
 * A page of members, in the order they joined.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table member; index (community_id, joined_at, user_id).   @cost one query, O(page) rows.
 */
export async function membersPage(sql: Sql, communityId: string, page: PageArguments): Promise<Page<Member>> {
  const request = pageRequest('member', page);
  const { beyond, order } = keyset(sql, request, { at: 'joined_at', id: 'user_id', newestFirst: false });
  const rows = await sql<Member[]>`
    -- membersPage
    select user_id as "userId", joined_at as "joinedAt"
    from community.member
    where community_id = ${communityId} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ joinedAt, userId }) => ({ at: joinedAt, id: userId }));
}

/** Lets people administer the community. */
export async function addAdministrators(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
): Promise<void> {
  await sql`
    -- addAdministrators
    insert into community.administrator (community_id, user_id)
    select ${communityId}, u.id from unnest(${userIds as string[]}::text[]) as u(id)
    on conflict do nothing`;
}

/** Keeps the index: one row for each that joined. */
export const memberIndex: LogReader = {
  name: 'community.member',
  stream: 'members',
  async handle(sql, communityId, events) {
    const joined = events
      .filter(({ kind }) => kind === 'MemberJoined')
      .map(({ userId, payload }) => ({ userId, joinedAt: payload.joinedAt }));
    await sql`
      -- memberIndex
      insert into community.member (community_id, user_id, joined_at)
      select ${communityId}, m."userId", m."joinedAt"
      from jsonb_to_recordset(${sql.json(joined as never)}) m("userId" text, "joinedAt" timestamptz)
      order by m."userId"
      on conflict do nothing`;
  },
};
