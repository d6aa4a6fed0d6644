import type { Sql } from '../db.ts';
import { demoCommunity, demoDays, demoId, demoMoment, demoPeople, demoRandom } from '../demo.ts';
import type { EntityName } from '../id.ts';
import { addAwards, addBadges } from './badge.ts';
import { type NewEvent, trackEvents } from './event.ts';
import { setLevels } from './level.ts';
import { type NewRule, plainRule, setRules } from './rule.ts';
import type { Unit } from './unit.ts';

const rules: NewRule[] = [
  rule(0, 'signup', { en: 'Signed up', de: 'Angemeldet' }, { XP: 500, POINTS: 500 }, { lifetimeCap: 1 }),
  rule(1, 'purchase', { en: 'Purchase', de: 'Kauf' }, { XP: 100, POINTS: 100 }),
  rule(2, 'visit', { en: 'Daily visit', de: 'Besuch' }, { XP: 10, COINS: 2 }),
  rule(3, 'lesson', { en: 'Lesson finished', de: 'Lektion' }, { XP: 40, COINS: 10 }),
  rule(4, 'referral', { en: 'Friend invited', de: 'Empfehlung' }, { XP: 75, COINS: 25 }),
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

const badges = [
  ['First steps', 'Erste Schritte', 'Joined the community.'],
  ['Talkative', 'Gesprächig', 'Wrote a hundred messages.'],
  ['Scholar', 'Gelehrt', 'Finished ten lessons.'],
  ['Helper', 'Hilfreich', 'Answered many questions.'],
  ['Early bird', 'Frühaufsteher', 'Here before eight.'],
  ['Night owl', 'Nachteule', 'Here after midnight.'],
  ['Streak of seven', 'Sieben Tage', 'A week without a gap.'],
  ['Ambassador', 'Botschafter', 'Invited five friends.'],
  ['Collector', 'Sammler', 'Holds five badges.'],
  ['Veteran', 'Urgestein', 'A year in the community.'],
  ['Champion', 'Champion', 'Led the board for a month.'],
  ['Founder', 'Gründer', 'One of the first eight.'],
] as const;

/** Rules, levels and badges of the demo, and ninety days of what everybody earned. */
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
    badges.map(([en, de, description], n) => ({
      id: demoId('Badge', n),
      title: { en, de },
      description: { en: description },
      imageUrl: `https://example.org/badges/${n + 1}.png`,
      darkImageUrl: `https://example.org/badges/${n + 1}-dark.png`,
      quantity: n === 11 ? 8 : null,
      awardCount: 0,
      createdAt: demoMoment(now, foundedDaysAgo, n),
    })),
  );
  await addAwards(sql, communityId, awards(now));

  const events = earned(now);
  let [event, entry] = [0, 0];
  const makeId = (entity: EntityName) => demoId(entity, entity === 'LedgerEntry' ? ++entry : ++event);
  for (let from = 0; from < events.length; from += 500) {
    await trackEvents(sql, communityId, events.slice(from, from + 500), makeId);
  }
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

function awards(now: Date) {
  const random = demoRandom(4);
  let n = 0;
  return demoPeople.flatMap(({ id: userId }, person) =>
    badges.flatMap((_badge, at) => {
      // Everybody has the first; the last has a quantity, and goes to the first eight.
      const held = at === 0 || (at === 11 ? person < 8 : random(4) === 0);
      if (!held) return [];
      n++;
      const id = demoId('BadgeAward', n);
      const awardedAt = demoMoment(now, random(demoDays), 600 + at);
      return [{ id, badgeId: demoId('Badge', at), userId, idempotencyKey: `demo-${n}`, awardedAt }];
    }),
  );
}
