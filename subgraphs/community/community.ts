import { differences, noteAudit } from '../audit.ts';
import { alignTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { communityOf, type Principal } from '../principal.ts';
import { mustHave } from './access.ts';

// The community itself.

export interface Community {
  id: string;
  slug: string;
  name: Record<string, string>;
  timeZone: string;
  createdAt: Date;
  /** Events of people whom nobody knows make them members. */
  eventsAddMembers: boolean;
}

/** Communities by id, in their order; null where there is none. @cost one query by primary key. */
export async function communitiesById(sql: Sql, ids: readonly string[]): Promise<(Community | null)[]> {
  const rows = await sql<Community[]>`
    -- communitiesById
    select ${columns(sql)}
    from community.community
    where community_id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** Adds a community whose events add no members; one that exists is left as it is. */
export async function addCommunity(
  sql: Sql,
  { id, slug, name, timeZone, createdAt }: Omit<Community, 'eventsAddMembers'>,
): Promise<void> {
  await sql`
    -- addCommunity
    insert into community.community (community_id, slug, name, time_zone, created_at)
    values (${id}, ${slug}, ${sql.json(name)}, ${timeZone}, ${createdAt})
    on conflict do nothing`;
}

/** What of a community its administrators set; what is absent stays. */
export interface CommunitySettings {
  eventsAddMembers?: boolean;
}

/** Sets what a community allows. @throws FORBIDDEN  for people who don't administer it. */
export async function updateCommunity(
  sql: Sql,
  principal: Principal,
  { eventsAddMembers }: CommunitySettings,
): Promise<void> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    await mustHave(tx, principal, 'ADMINISTRATOR', 'Setting what the community allows');
    const [before] = await tx<{ eventsAddMembers: boolean }[]>`
      -- updateCommunity: as it was
      select events_add_members as "eventsAddMembers" from community.community
      where community_id = ${communityId}
      for update`;
    if (before === undefined) return;
    const after = { eventsAddMembers: eventsAddMembers ?? before.eventsAddMembers };
    const details = differences(before, after);
    if (Object.keys(details).length === 0) return;
    await tx`
      -- updateCommunity
      update community.community set events_add_members = ${after.eventsAddMembers}
      where community_id = ${communityId}`;
    await noteAudit(tx, communityId, principal, { action: 'COMMUNITY_UPDATED', details });
  });
}

/** What a community begins with. */
export interface NewCommunity {
  /** 1-100 small letters, digits and hyphens, a letter or digit at both ends; unique. */
  slug: string;
  /** In English, 1-200 characters. */
  name: string;
  /** IANA; where its days begin. */
  timeZone: string;
  /** Events of people whom nobody knows make them members; no when absent. */
  eventsAddMembers?: boolean;
}

/**
 * Makes a community that holds nothing yet; for whoever runs Laurel.
 * @throws VALIDATION_FAILED, CONFLICT (the slug is another's)
 */
export async function foundCommunity(sql: Sql, wish: NewCommunity, now: Date): Promise<Community> {
  const { slug, timeZone, eventsAddMembers = false } = wish;
  const name = wish.name.trim();
  if (!/^[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?$/.test(slug)) {
    const form = '1-100 small letters, digits and hyphens, a letter or digit at both ends';
    throw new Refusal('VALIDATION_FAILED', `The slug "${slug}" isn't ${form}.`, {}, ['slug']);
  }
  if (name === '' || name.length > 200)
    throw new Refusal('VALIDATION_FAILED', 'A name has 1-200 characters.', {}, ['name']);
  if (!(await isTimeZone(sql, timeZone))) {
    const message = `There is no time zone "${timeZone}": it is an IANA name like Europe/Berlin.`;
    throw new Refusal('VALIDATION_FAILED', message, {}, ['timeZone']);
  }
  const id = newId('Community');
  const community: Community = {
    ...{ id, slug, name: { en: name }, timeZone },
    ...{ createdAt: now, eventsAddMembers },
  };
  const { count } = await sql`
    -- foundCommunity
    insert into community.community (community_id, slug, name, time_zone, created_at, events_add_members)
    values (${id}, ${slug}, ${sql.json(community.name)}, ${timeZone}, ${now}, ${eventsAddMembers})
    on conflict (slug) do nothing`;
  if (count === 0)
    throw new Refusal('CONFLICT', `There is a community "${slug}" already: take another slug.`, {}, ['slug']);
  return community;
}

/** All communities, oldest first; for whoever runs Laurel. */
export async function allCommunities(sql: Sql): Promise<Community[]> {
  return sql<Community[]>`
    -- allCommunities
    select ${columns(sql)}
    from community.community
    order by created_at, community_id`;
}

/** The community of an id or a slug. @throws NOT_FOUND */
export async function communityNamed(sql: Sql, named: string): Promise<Community> {
  const [community] = await sql<Community[]>`
    -- communityNamed
    select ${columns(sql)}
    from community.community
    where community_id = ${named} or slug = ${named}`;
  if (community !== undefined) return community;
  throw new Refusal('NOT_FOUND', `There is no community "${named}": \`laurel community list\` has them all.`);
}

function columns(sql: Sql) {
  return sql`community_id as id, slug, name, time_zone as "timeZone", created_at as "createdAt",
      events_add_members as "eventsAddMembers"`;
}

/** PostgreSQL counts days by it and JavaScript writes it, so both have to know it. */
async function isTimeZone(sql: Sql, timeZone: string): Promise<boolean> {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    return false;
  }
  const [row] = await sql<{ known: boolean }[]>`
    -- isTimeZone
    select exists (select from pg_timezone_names where name = ${timeZone}) as known`;
  return row?.known ?? false;
}
