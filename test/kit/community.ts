import { addChannels, type NewChannel } from '../../subgraphs/community/channel.ts';
import { addCommunity } from '../../subgraphs/community/community.ts';
import { addFields, type FieldType } from '../../subgraphs/community/field.ts';
import { memberIndex } from '../../subgraphs/community/member.ts';
import { addRoles, assignRoles, type NewRole } from '../../subgraphs/community/role.ts';
import type { Resources } from '../../subgraphs/context.ts';
import { addBadges } from '../../subgraphs/gamification/badge.ts';
import type { NewEvent } from '../../subgraphs/gamification/event.ts';
import { setLevels } from '../../subgraphs/gamification/level-change.ts';
import { type NewRule, plainRule, setRules } from '../../subgraphs/gamification/rule.ts';
import { setUnits } from '../../subgraphs/gamification/unit.ts';
import { newId } from '../../subgraphs/id.ts';
import { addUsers, type NewUser } from '../../subgraphs/identity/user.ts';
import { catchUp } from '../../subgraphs/log-reader.ts';
import type { Principal } from '../../subgraphs/principal.ts';
import { allScopes } from '../../subgraphs/scopes.ts';

// Communities for tests, made by the domain's own functions. Each test may make one, so that none sees another's rows.

export interface Wishes {
  /** How many people; 2 by default. */
  members?: number;
  timeZone?: string;
  /** One channel each; one OPEN by default. */
  channels?: readonly string[];
  /** One field each, `key` is the type in lower case; one NUMBER by default. */
  fields?: readonly FieldType[];
  /** One badge each, by its quantity; none by default. */
  badges?: readonly (number | null)[];
}

export interface TestCommunity {
  id: string;
  slug: string;
  /** In the order they joined. */
  members: readonly NewUser[];
  memberIds: readonly string[];
  channelIds: readonly string[];
  fieldIds: readonly string[];
  badgeIds: readonly string[];
  /** The community's one key. */
  system: Principal;
  /** A person's own key, all scopes. */
  person(n: number, limits?: Partial<Principal>): Principal;
}

/** The day that everything in a test community is founded on. */
export const founded = new Date('2026-01-01T00:00:00Z');

/**
 * A community with rules `purchase` (100 XP, 100 POINTS), `visit` (10 XP, 2 COINS), `refund` (-30 COINS) and, once a
 * person, `signup` (500 XP, 500 POINTS), with levels at 0, 300 and 1,000 XP, and whose COINS may go below zero.
 */
export async function newCommunity(
  resources: Resources,
  { members = 2, timeZone = 'UTC', channels = ['OPEN'], fields = ['NUMBER'], badges = [] }: Wishes = {},
): Promise<TestCommunity> {
  const { sql } = resources;
  const id = newId('Community');
  const slug = id.replace('_', '-');
  await addCommunity(sql, { id, slug, name: { en: 'Test', de: 'Prüfung' }, timeZone, createdAt: founded });
  const people = Array.from({ length: members }, (_, n) => personOf(n));
  if (members > 0) await addUsers(sql, id, people);
  await catchUp(sql, memberIndex);
  const places = channels.map(channelOf);
  await addChannels(sql, id, places);
  const recorded = fields.map((type, n) => fieldOf(type, n));
  await addFields(sql, id, recorded);
  const honours = badges.map(badgeOf);
  await addBadges(sql, id, honours);
  await setRules(sql, id, rules());
  await setUnits(sql, id, [{ unit: 'COINS', name: null, mayGoBelowZero: true }]);
  await setLevels(
    sql,
    id,
    [0, 300, 1_000].map((minXp, n) => ({ number: n + 1, minXp, name: { en: `Level ${n + 1}` } })),
  );
  const memberIds = people.map((person) => person.id);
  return {
    id,
    slug,
    members: people,
    memberIds,
    channelIds: places.map((place) => place.id),
    fieldIds: recorded.map((field) => field.id),
    badgeIds: honours.map((badge) => badge.id),
    system: { kind: 'system', communityId: id, keyId: newId('ApiKey'), scopes: allScopes },
    person: (n, limits) => ({
      kind: 'personal',
      communityId: id,
      userId: memberIds[n] ?? '',
      scopes: allScopes,
      ...limits,
    }),
  };
}

/** Rules of one community: ids are its own. */
const rules = (): NewRule[] =>
  [
    { ...plainRule('signup', { en: 'Signed up' }, { XP: 500, POINTS: 500 }), lifetimeCap: 1 },
    plainRule('purchase', { en: 'Purchase' }, { XP: 100, POINTS: 100 }),
    plainRule('visit', { en: 'Visit' }, { XP: 10, COINS: 2 }),
    plainRule('refund', { en: 'Refund' }, { COINS: -30 }),
  ].map((rule) => ({ id: newId('Rule'), ...rule }));

/** The n-th person of a test community, who joined in its n-th hour. */
export function personOf(n: number, details: Partial<NewUser> = {}): NewUser {
  return {
    id: newId('User'),
    email: `Person${n}@example.org`,
    username: `Person.${n}`,
    displayName: `Person ${n}`,
    firstName: null,
    lastName: null,
    avatarUrl: null,
    language: 'en',
    timeZone: 'UTC',
    status: 'ACTIVE',
    joinedAt: inHour(n),
    externalIds: [{ system: 'GAMIFYHOST', value: `user_${n}` }],
    ...details,
  };
}

function channelOf(kind: string, n: number): NewChannel {
  const common = { topic: { en: `${kind} ${n}` }, description: null, category: null };
  return { id: newId('Channel'), kind, ...common, createdAt: inHour(n), updatedAt: inHour(n) };
}

function fieldOf(type: FieldType, n: number) {
  const options = type === 'SELECT' ? ['gold', 'silver'] : null;
  const key = type.toLowerCase() + (n === 0 ? '' : n);
  const common = { key, name: { en: key }, type, description: null, required: false, options };
  return { id: newId('Field'), ...common, createdAt: inHour(n), updatedAt: inHour(n) };
}

function badgeOf(quantity: number | null, n: number) {
  const look = { title: { en: `Badge ${n}` }, description: null, imageUrl: 'https://example.org/light.png' };
  return { id: newId('Badge'), ...look, darkImageUrl: null, quantity, awardCount: 0, createdAt: inHour(n) };
}

function inHour(n: number): Date {
  return new Date(founded.getTime() + n * 3_600_000);
}

/** An event of a person: a purchase without reference unless said otherwise. */
export function eventOf(userId: string, details: Partial<NewEvent> = {}): NewEvent {
  return {
    user: { id: userId },
    eventType: 'purchase',
    amount: null,
    metadata: null,
    occurredAt: null,
    reference: null,
    ...details,
  };
}

/** Adds a role to a test community and gives it to people; without permissions and of rank 10 unless said otherwise. */
export async function newRole(
  { sql }: Resources,
  communityId: string,
  { holders = [], ...details }: Partial<NewRole> & { holders?: readonly (string | undefined)[] } = {},
): Promise<string> {
  const id = newId('Role');
  const role = { id, title: { en: 'Role' }, color: null, rank: 10, billable: false, permissions: [] };
  await addRoles(sql, communityId, [{ ...role, createdAt: founded, ...details }]);
  await assignRoles(sql, communityId, id, holders.map(String));
  return details.id ?? id;
}
