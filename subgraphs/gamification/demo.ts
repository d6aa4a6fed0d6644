import type { Sql } from '../db.ts';
import {
  demoChannels,
  demoCommunity,
  demoDays,
  demoId,
  demoMoment,
  demoPeople,
  demoRandom,
  demoRoles,
} from '../demo.ts';
import { Refusal } from '../errors.ts';
import type { EntityName } from '../id.ts';
import type { Principal } from '../principal.ts';
import { adjustBalance, reverseEvent, spendBalance } from './adjustment.ts';
import { addBadges, type Badge } from './badge.ts';
import { awardPosting } from './badge-award.ts';
import type { Posting } from './decide.ts';
import { type NewEvent, trackEvents } from './event.ts';
import type { LeaderboardSettings } from './leaderboard.ts';
import { createLeaderboard } from './leaderboard-change.ts';
import { setLevels } from './level-change.ts';
import { type Origin, ownOrigin } from './origin.ts';
import { postAll } from './posting.ts';
import { type NewRule, plainRule, setRules } from './rule.ts';
import { addTiers, type Tier } from './tier.ts';
import { setUnits, type Unit, type UnitSettings } from './unit.ts';

const rules: NewRule[] = [
  rule(0, 'signup', { en: 'Signed up', de: 'Angemeldet' }, { XP: 500, POINTS: 500 }, { lifetimeCap: 1 }),
  rule(1, 'purchase', { en: 'Purchase', de: 'Kauf' }, { XP: 100, POINTS: 100 }),
  rule(2, 'visit', { en: 'Daily visit', de: 'Besuch' }, { XP: 10, COINS: 2 }),
  rule(3, 'lesson', { en: 'Lesson finished', de: 'Lektion' }, { XP: 40, COINS: 10 }),
  rule(4, 'referral', { en: 'Friend invited', de: 'Empfehlung' }, { XP: 75, COINS: 25 }),
  rule(
    5,
    'first-week',
    { en: 'First Week Champion', de: 'Die erste Woche' },
    { POINTS: 200 },
    { activityType: 'CHALLENGE' },
  ),
  rule(
    6,
    'week-in-a-row',
    { en: 'One Week Streak', de: 'Eine Woche am Stück' },
    { XP: 20 },
    { activityType: 'STREAK_MILESTONE' },
  ),
  rule(
    7,
    'daily-login',
    { en: 'Daily Login Bonus', de: 'Täglicher Bonus' },
    { POINTS: 25 },
    { activityType: 'STREAK_POINTS' },
  ),
  rule(8, 'follow', { en: 'Followed somebody', de: 'Jemandem gefolgt' }, { XP: 5 }, { dayCap: 10 }),
  rule(9, 'like', { en: 'Liked a post', de: 'Beitrag gemocht' }, { XP: 1 }, { dayCap: 20 }),
  rule(10, 'comment', { en: 'Commented', de: 'Kommentiert' }, { XP: 5, COINS: 1 }, { dayCap: 10 }),
  rule(11, 'share', { en: 'Shared a post', de: 'Beitrag geteilt' }, { XP: 10, COINS: 2 }, { dayCap: 3 }),
  // Those who are new are to be welcomed, so what is said there alone earns.
  rule(
    12,
    'message',
    { en: 'Said hello', de: 'Hallo gesagt' },
    { XP: 5, COINS: 1 },
    {
      conditions: [{ field: 'metadata.channelId', operator: 'EQUALS', values: [demoChannels[1]?.id ?? ''] }],
      dayCap: 3,
    },
  ),
];

function rule(
  n: number,
  eventType: string,
  title: Record<string, string>,
  amounts: Partial<Record<Unit, number>>,
  limits: Partial<NewRule> = {},
): NewRule {
  return { id: demoId('Rule', n), ...plainRule(eventType, title, amounts), ...limits };
}

const badges: [en: string, de: string, description: string, more?: Partial<Badge>][] = [
  ['First steps', 'Erste Schritte', 'Joined the community.'],
  ['Talkative', 'Gesprächig', 'Wrote a hundred messages.', { coinsReward: 20n }],
  ['Scholar', 'Gelehrt', 'Finished ten lessons.', { xpReward: 50n }],
  ['Helper', 'Hilfreich', 'Answered many questions.', { requiresAttachment: true }],
  ['Early bird', 'Frühaufsteher', 'Here before eight.'],
  ['Night owl', 'Nachteule', 'Here after midnight.'],
  ['Regular', 'Stammgast', 'Visited on fifty days.', { measure: 'VISITS', atLeast: 50n, xpReward: 100n }],
  [
    'Ambassador',
    'Botschafter',
    'Invited five friends.',
    { measure: 'REFERRALS', atLeast: 5n, xpReward: 100n },
  ],
  ['Collector', 'Sammler', 'Holds five badges.', { measure: 'BADGES', atLeast: 5n }],
  ['Veteran', 'Urgestein', 'A year in the community.'],
  ['Champion', 'Champion', 'Led the board for a month.', { xpReward: 200n, coinsReward: 100n }],
  ['Founder', 'Gründer', 'One of the first eight.', { quantity: 8 }],
];

const tiers: Tier[] = [
  ['Bronze', 'Bronze', 0n, 'A place at the table', 'Ein Platz am Tisch'],
  ['Silver', 'Silber', 2_000n, 'Free shipping', 'Kostenloser Versand'],
  ['Gold', 'Gold', 5_000n, 'Early access', 'Vorabzugang'],
  ['Laurel', 'Lorbeer', 20_000n, 'A seat in the council', 'Ein Sitz im Rat'],
].map(([en, de, minXp, benefit, vorteil], n) => ({
  id: demoId('Tier', n),
  minXp: minXp as bigint,
  name: { en: String(en), de: String(de) },
  benefits: [{ en: String(benefit), de: String(vorteil) }],
  imageUrl: `https://example.org/tiers/${n + 1}.png`,
}));

const units: UnitSettings[] = [
  { unit: 'COINS', name: { en: 'Coins', de: 'Münzen' }, mayGoBelowZero: false },
  { unit: 'POINTS', name: { en: 'Points', de: 'Punkte' }, mayGoBelowZero: false },
];

const everybody = { startsOn: null, endsOn: null, enabled: true, rankRoleIds: [], viewRoleIds: [] };
const columns = ['rank', 'displayName', 'score'].map((column) => ({ column, visible: true }));

const leaderboards: LeaderboardSettings[] = [
  {
    ...everybody,
    slug: 'top-members',
    name: { en: 'Top members', de: 'Die Besten' },
    unit: 'XP',
    windows: ['ALL_TIME', 'WEEKLY', 'MONTHLY', 'ROLLING_30D'],
    columns,
    topLimit: null,
    onlyPositive: true,
  },
  {
    ...everybody,
    slug: 'coin-collectors',
    name: { en: 'Coin collectors', de: 'Münzsammler' },
    unit: 'COINS',
    windows: ['MONTHLY', 'DAILY'],
    columns,
    topLimit: 10,
    onlyPositive: true,
  },
  {
    ...everybody,
    slug: 'top-mentors',
    name: { en: 'Top mentors', de: 'Die besten Mentoren' },
    unit: 'XP',
    windows: ['ALL_TIME', 'MONTHLY'],
    columns,
    topLimit: null,
    onlyPositive: false,
    rankRoleIds: demoRoles.filter(({ title }) => title.en === 'Mentor').map(({ id }) => id),
  },
];

/** Rules, levels, badges and leaderboards of the demo, and ninety days of what everybody earned. */
export async function loadDemo(sql: Sql, now: Date): Promise<void> {
  const { id: communityId, foundedDaysAgo } = demoCommunity;
  await setRules(sql, communityId, rules);
  await setLevels(
    sql,
    communityId,
    Array.from({ length: 30 }, (_, n) => ({
      number: n + 1,
      minXp: 100 * n * (n + 1),
      name: { en: `Level ${n + 1}`, de: `Stufe ${n + 1}` },
    })),
  );
  await addBadges(
    sql,
    communityId,
    badges.map(([en, de, description, more], n) => ({
      id: demoId('Badge', n),
      title: { en, de },
      description: { en: description },
      imageUrl: `https://example.org/badges/${n + 1}.png`,
      darkImageUrl: `https://example.org/badges/${n + 1}-dark.png`,
      createdAt: demoMoment(now, foundedDaysAgo, n),
      ...more,
    })),
  );

  await addTiers(sql, communityId, tiers);
  await setUnits(sql, communityId, units);

  const events = [...earned(now), ...orders(now), ...social(now)];
  const taken = await takenIds(sql, communityId);
  const isNew = taken.size === 0;
  const made = new Map<EntityName, number>();
  const makeId = (entity: EntityName): string => {
    const count = (made.get(entity) ?? 0) + 1;
    made.set(entity, count);
    const id = demoId(entity, count);
    return taken.has(id) ? makeId(entity) : id;
  };
  await postAll(sql, communityId, awards(now), makeId);
  for (let from = 0; from < events.length; from += 1_000) {
    await trackEvents(sql, communityId, events.slice(from, from + 1_000), makeId);
  }
  // On another day its moments are others, and nothing of it could be told again.
  if (isNew) await fillFeed(sql, now, makeId);
  const team: Principal = { kind: 'system', communityId, scopes: [] };
  for (const [n, board] of leaderboards.entries()) {
    await createLeaderboard(sql, team, board, `demo-${n}`, now, (entity) => demoId(entity, n));
  }
  // Nobody was told of its days before.
  if (isNew) {
    await sql`
      -- loadDemo: days
      update gamification.daily_stat set restated_at = null
      where community_id = ${communityId}`;
  }
}

/** The ids that a demo loaded before, or in part, has taken: those of its own day. */
async function takenIds(sql: Sql, communityId: string): Promise<Set<string>> {
  const dayMs = 24 * 60 * 60 * 1_000;
  const rows = await sql<{ id: string }[]>`
    -- takenIds
    select id from gamification.event
    where community_id = ${communityId} and id < ${demoId('LedgerEvent', dayMs)}
    union all
    select id from gamification.ledger_entry
    where community_id = ${communityId} and id < ${demoId('LedgerEntry', dayMs)}
    union all
    select id from gamification.badge_award
    where community_id = ${communityId} and id < ${demoId('BadgeAward', dayMs)}`;
  return new Set(rows.map(({ id }) => id));
}

/** What everybody did, oldest first: something every day. The rule `signup` is left for whoever tries it. */
function earned(now: Date): NewEvent[] {
  const random = demoRandom(3);
  const event = (
    id: string,
    eventType: string,
    daysAgo: number,
    minute: number,
    reference: string,
  ): NewEvent => ({
    user: { id },
    eventType,
    amount: null,
    metadata: null,
    occurredAt: demoMoment(now, daysAgo, minute),
    reference,
  });
  const events: NewEvent[] = [];
  for (let daysAgo = demoDays - 1; daysAgo >= 0; daysAgo--) {
    demoPeople.forEach(({ id }, n) => {
      events.push(event(id, 'visit', daysAgo, 300 + random(400), `demo-visit-${n}-${daysAgo}`));
      const also = ['lesson', 'purchase', 'referral', undefined, undefined, undefined, undefined][random(7)];
      if (also !== undefined)
        events.push(event(id, also, daysAgo, 720 + random(600), `demo-${also}-${n}-${daysAgo}`));
    });
  }
  return events;
}

/** Everything that a feed can show, of the person that Lynes's examples name: two weeks, a coupon, an order taken back. */
async function fillFeed(sql: Sql, now: Date, makeId: (entity: EntityName) => string): Promise<void> {
  const { id: communityId } = demoCommunity;
  const userId = demoPeople[2]?.id ?? '';
  const event = (eventType: string, daysAgo: number): NewEvent => ({
    ...{ user: { id: userId }, eventType, reference: `demo-feed-${eventType}-${daysAgo}` },
    ...{ amount: null, metadata: null, occurredAt: demoMoment(now, daysAgo, 700) },
  });
  const logins = Array.from({ length: 14 }, (_, n) => event('daily-login', 20 - n));
  const others = [event('first-week', 14), event('week-in-a-row', 13), event('week-in-a-row', 7)];
  const orders = [event('purchase', 6), event('purchase', 5)];
  const posted = await trackEvents(sql, communityId, [...logins, ...others, ...orders], makeId);

  const said = (reference: string, reason: string, daysAgo: number) => ({
    ...{ reference: `demo-feed-${reference}`, reason, metadata: null, origin: ownOrigin },
    occurredAt: demoMoment(now, daysAgo, 720),
  });
  const item = {
    title: { en: '10% Discount Coupon', de: 'Gutschein über 10 %' },
    description: { en: 'You redeemed points for a discount coupon', de: 'Du hast Punkte eingelöst' },
    images: { en: 'https://example.org/rewards/discount.png' },
  };
  const spending = { userId, unit: 'POINTS', amount: 500n, item, ...said('coupon', 'A coupon.', 4) } as const;
  await spendBalance(sql, communityId, spending);
  const gift = { userId, unit: 'POINTS', action: 'INCREASE', amount: 50n } as const;
  await adjustBalance(sql, communityId, { ...gift, ...said('gift', 'For a report.', 3) });
  const last = posted.at(-1);
  if (last === undefined || last instanceof Refusal) throw last ?? new Error('Nothing was posted.');
  await reverseEvent(sql, communityId, { eventId: last.eventId, ...said('return', 'Returned.', 2) });
}

/** What people did with each other in the last thirty days: about a third of them something each day. */
function social(now: Date): NewEvent[] {
  const random = demoRandom(6);
  const events: NewEvent[] = [];
  for (let daysAgo = 29; daysAgo >= 0; daysAgo--) {
    demoPeople.forEach(({ id }, n) => {
      const eventType = ['follow', 'like', 'like', 'comment', 'share'][random(15)];
      const other = demoPeople[(n + 1 + random(demoPeople.length - 1)) % demoPeople.length]?.id ?? '';
      const occurredAt = demoMoment(now, daysAgo, 600 + random(700));
      if (eventType === undefined) return;
      events.push({
        ...{ user: { id }, eventType, amount: null, metadata: { userId: other }, occurredAt },
        reference: `demo-${eventType}-${n}-${daysAgo}`,
      });
    });
  }
  return events;
}

/** Fifteen orders of the person that GamifyHost's examples name, through GamifyHost. */
function orders(now: Date): NewEvent[] {
  const origin: Origin = { ...ownOrigin, source: 'GAMIFYHOST' };
  return Array.from({ length: 15 }, (_, n) => ({
    user: { external: { system: 'GAMIFYHOST', value: 'user_12345' } },
    eventType: 'purchase',
    amount: null,
    metadata: { order: `order-${1_001 + n}` },
    occurredAt: demoMoment(now, 60 - n * 4, 900 + n),
    reference: `demo-order-${n}`,
    origin,
  }));
}

/** Who was awarded what by hand: the others come by themselves, from what everybody did. */
function awards(now: Date): Posting[] {
  const random = demoRandom(4);
  let n = 0;
  return demoPeople.flatMap(({ id: userId }, person) =>
    badges.flatMap(([, , , { measure, requiresAttachment = false } = {}], at) => {
      // Everybody has the first; the last has a quantity, and goes to the first eight.
      const held = at === 0 || (at === 11 ? person < 8 : random(4) === 0);
      if (!held || measure !== undefined) return [];
      n++;
      const attachmentUrl = requiresAttachment ? `https://example.org/proofs/${n}.png` : null;
      return awardPosting({
        ...{ userId, badgeId: demoId('Badge', at), attachmentUrl, reference: `demo-${n}`, origin: ownOrigin },
        at: demoMoment(now, random(demoDays), 600 + at),
      });
    }),
  );
}
