import { noteAudit, noteChange } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { communityOf, type Principal } from '../principal.ts';
import { fingerprint, lockAccess, madeBy, mustHave, standingOf } from './access.ts';
import { type Channel, channelsById } from './channel.ts';

// Opening, changing and closing channels. People do so by a role with MANAGE_CHANNELS, and only with channels that are there
// for them; a direct channel is opened by one of its two people and belongs to both.

export interface ChannelWish {
  topic: Record<string, string>;
  description: string | null;
  kind: string;
  category: string | null;
  iframeUrl: string | null;
  hidden: boolean;
  viewRoleIds: readonly string[] | null;
  postRoleIds: readonly string[] | null;
}

/** How many channels a community has at most, without the direct ones. */
export const mostChannels = 1_000;

/**
 * Opens a channel.
 * @throws FORBIDDEN, NOT_FOUND (role), VALIDATION_FAILED, LIMIT_EXCEEDED, IDEMPOTENCY_KEY_REUSED
 * @cost up to seven statements, one transaction.
 */
export async function createChannel(
  sql: Sql,
  principal: Principal,
  { idempotencyKey, ...wish }: ChannelWish & { idempotencyKey: string },
): Promise<{ channel: Channel; replayed: boolean }> {
  const communityId = communityOf(principal);
  const made = { idempotencyKey, asked: fingerprint(wish) };
  if (wish.kind === 'DIRECT') {
    const message = 'A direct channel is opened by `openDirectChannel`.';
    throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'kind']);
  }
  mustShowWhereItMay(wish);
  return transaction(sql, async (tx) => {
    await lockAccess(tx, communityId);
    await mustManageChannels(tx, principal);
    if (principal.channelIds !== undefined)
      throw new Refusal('FORBIDDEN', 'Your credential is limited to channels, and opens no others.');
    const before = await madeBy(tx, 'channel', communityId, made);
    if (before !== undefined) return { channel: await ownWork(tx, communityId, before), replayed: true };
    await mustKnowRoles(tx, communityId, wish);
    const id = newId('Channel');
    const { count } = await tx`
      -- createChannel
      insert into community.channel (
        community_id, id, topic, description, kind, category, iframe_url, hidden, view_role_ids, post_role_ids,
        idempotency_key, asked
      )
      select ${communityId}, ${id}, ${tx.json(wish.topic)}, ${wish.description}, ${wish.kind}, ${wish.category},
        ${wish.iframeUrl}, ${wish.hidden}, ${wish.viewRoleIds as string[] | null}, ${wish.postRoleIds as string[] | null},
        ${idempotencyKey}, ${made.asked}
      where (
        select count(*) from community.channel where community_id = ${communityId} and kind <> 'DIRECT'
      ) < ${mostChannels}`;
    if (count === 0) throw new Refusal('LIMIT_EXCEEDED', `A community has ${mostChannels} channels at most.`);
    await noteAudit(tx, communityId, principal, {
      action: 'CHANNEL_CREATED',
      details: { id, ...told(wish) },
    });
    return { channel: await ownWork(tx, communityId, id), replayed: false };
  });
}

/**
 * Changes a channel; what is left out stays. Its kind stays what it is: what was whispered isn't told to everybody.
 * @throws FORBIDDEN, NOT_FOUND (channel, role), VALIDATION_FAILED
 * @cost up to six statements, one transaction.
 */
export async function updateChannel(
  sql: Sql,
  principal: Principal,
  { id, ...change }: { id: string } & Partial<Omit<ChannelWish, 'kind'>>,
): Promise<Channel> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    await lockAccess(tx, communityId);
    await mustManageChannels(tx, principal);
    const channel = await channelById(tx, principal, id);
    if (channel.kind === 'DIRECT')
      throw new Refusal('FORBIDDEN', 'A direct channel belongs to its two people.', {}, ['input', 'id']);
    const next = { ...channel, ...change };
    mustShowWhereItMay(next);
    await mustKnowRoles(tx, communityId, change);
    await tx`
      -- updateChannel
      update community.channel
      set topic = ${tx.json(next.topic)}, description = ${next.description}, category = ${next.category},
        iframe_url = ${next.iframeUrl}, hidden = ${next.hidden}, view_role_ids = ${next.viewRoleIds as string[] | null},
        post_role_ids = ${next.postRoleIds as string[] | null}, updated_at = clock_timestamp()
      where community_id = ${communityId} and id = ${id}`;
    await noteChange(tx, principal, 'CHANNEL_UPDATED', { id }, told(channel), told(next));
    return ownWork(tx, communityId, id);
  });
}

/**
 * Closes a channel for good; nobody reads what was said in it any more. Direct channels are closed by keys of the community.
 * @throws FORBIDDEN, NOT_FOUND
 * @cost five statements, one transaction.
 */
export async function deleteChannel(sql: Sql, principal: Principal, id: string): Promise<string> {
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    await lockAccess(tx, communityId);
    await mustManageChannels(tx, principal);
    const channel = await channelById(tx, principal, id);
    if (channel.kind === 'DIRECT' && principal.userId !== undefined)
      throw new Refusal('FORBIDDEN', 'A direct channel belongs to its two people.', {}, ['input', 'id']);
    await tx`
      -- deleteChannel
      delete from community.channel where community_id = ${communityId} and id = ${id}`;
    await noteAudit(tx, communityId, principal, {
      action: 'CHANNEL_DELETED',
      details: { id, ...told(channel) },
    });
    return id;
  });
}

/**
 * The direct channel between the caller and another person; the same two have one, whoever opened it.
 * @throws NEEDS_USER, FORBIDDEN, NOT_FOUND, VALIDATION_FAILED
 * @cost up to four statements.
 */
export async function openDirectChannel(sql: Sql, principal: Principal, userId: string): Promise<Channel> {
  const communityId = communityOf(principal);
  const { userId: self, channelIds } = principal;
  const path = ['input', 'userId'];
  if (self === undefined)
    throw new Refusal(
      'NEEDS_USER',
      'A direct channel is between its opener and another person: come as a person.',
    );
  if (self === userId) {
    const message = 'A direct channel is between two people: name somebody else.';
    throw new Refusal('VALIDATION_FAILED', message, {}, path);
  }
  if (channelIds !== undefined)
    throw new Refusal('FORBIDDEN', 'Your credential is limited to channels, and opens no others.');
  const [low = '', high = ''] = [self, userId].sort();
  const known = () => sql<{ id: string }[]>`
    -- openDirectChannel: known
    select id from community.channel
    where community_id = ${communityId} and kind = 'DIRECT' and low_user_id = ${low} and high_user_id = ${high}`;
  const [before] = await known();
  if (before !== undefined) return ownWork(sql, communityId, before.id);
  const { permissions } = await standingOf(sql, principal);
  if (!permissions.includes('ALLOW_DM'))
    throw new Refusal('FORBIDDEN', 'Opening direct channels takes a role with ALLOW_DM.');
  const [found] = await sql<{ id: string | null }[]>`
    -- openDirectChannel: with whom
    select user_id as id from identity.find_members(${communityId}, ${sql.json([{ id: userId }])})`;
  if (found?.id == null) throw new Refusal('NOT_FOUND', `No user has the id "${userId}".`, {}, path);
  await sql`
    -- openDirectChannel
    insert into community.channel (community_id, id, topic, kind, low_user_id, high_user_id)
    values (${communityId}, ${newId('Channel')}, '{}', 'DIRECT', ${low}, ${high})
    on conflict (community_id, low_user_id, high_user_id) where kind = 'DIRECT' do nothing`;
  const [opened] = await known();
  return ownWork(sql, communityId, opened?.id ?? '');
}

/** A channel as the audit tells of it. */
function told(channel: ChannelWish | Channel): ChannelWish {
  const { topic, description, kind, category, iframeUrl, hidden, viewRoleIds, postRoleIds } = channel;
  return { topic, description, kind, category, iframeUrl, hidden, viewRoleIds, postRoleIds };
}

function mustManageChannels(sql: Sql, principal: Principal) {
  return mustHave(sql, principal, 'MANAGE_CHANNELS', 'Managing channels');
}

/** A channel that is there for the caller. */
async function channelById(sql: Sql, principal: Principal, id: string): Promise<Channel> {
  const [channel] = await channelsById(sql, principal, [id]);
  if (channel == null) throw new Refusal('NOT_FOUND', `No channel has the id "${id}".`, {}, ['input', 'id']);
  return channel;
}

/** A channel as it was just made or changed, also where it isn't there any more for whoever did. */
async function ownWork(sql: Sql, communityId: string, id: string): Promise<Channel> {
  const [channel] = await channelsById(sql, { kind: 'system', communityId, scopes: [] }, [id]);
  if (channel == null) throw new Error('A channel is there in the transaction that made it.');
  return channel;
}

function mustShowWhereItMay({ kind, iframeUrl }: Pick<ChannelWish, 'kind' | 'iframeUrl'>): void {
  if ((kind === 'IFRAME') === (iframeUrl !== null)) return;
  const message = 'An IFRAME channel shows a page, others none: `iframeUrl` goes with that kind alone.';
  throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'iframeUrl']);
}

async function mustKnowRoles(
  sql: Sql,
  communityId: string,
  { viewRoleIds, postRoleIds }: Partial<Pick<ChannelWish, 'viewRoleIds' | 'postRoleIds'>>,
): Promise<void> {
  const [view, post] = [viewRoleIds ?? [], postRoleIds ?? []];
  if (view.length + post.length === 0) return;
  const [unknown] = await sql<{ id: string }[]>`
    -- mustKnowRoles
    select w.id from unnest(${[...view, ...post]}::text[]) with ordinality as w(id, at)
    where not exists (select from community.role o where o.community_id = ${communityId} and o.id = w.id)
    order by w.at
    limit 1`;
  if (unknown === undefined) return;
  const path = ['input', view.includes(unknown.id) ? 'viewRoleIds' : 'postRoleIds'];
  throw new Refusal('NOT_FOUND', `No role has the id "${unknown.id}".`, {}, path);
}
