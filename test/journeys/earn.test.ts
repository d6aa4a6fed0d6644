import { beforeAll, expect, it } from 'vitest';
import { type Data, data, person, unique } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

const trackEvent = `mutation ($input: TrackEventInput!) {
  trackEvent(input: $input) {
    ledger { id unit amount balanceAfter user { id } }
    leveledUp
    replayed
    userErrors { code message }
  }
}`;
const awardBadge = `mutation ($input: AwardBadgeInput!) {
  awardBadge(input: $input) {
    award { id badge { id } user { id displayName } }
    replayed
    userErrors { code message }
  }
}`;

inBothForms('earning', (laurel) => {
  let userId: string;
  beforeAll(async () => {
    userId = (await person(laurel(), 41)).id;
  });
  const standing = async () => {
    const { user } = await data(
      laurel(),
      `query ($id: ID!) {
        user(by: { id: $id }) { xp points level { number minXp nextAt } dailyStats(last: 1) { totals { xp } } }
      }`,
      { id: userId },
    );
    return user;
  };
  const track = async (eventType: string, reference = unique('event')) => {
    const input = { user: { id: userId }, eventType, reference };
    return (await data(laurel(), trackEvent, { input })).trackEvent;
  };
  const award = async (badgeId: string, idempotencyKey = unique('award'), who = userId) =>
    (await data(laurel(), awardBadge, { input: { badgeId, userId: who, idempotencyKey } })).awardBadge;

  it('counts an event once, however often and at whatever moment it is sent', async () => {
    const before = await standing();
    const reference = unique('event');
    const answers = await Promise.all(Array.from({ length: 8 }, () => track('purchase', reference)));
    answers.push(await track('purchase', reference));

    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(new Set(answers.map(({ ledger }) => JSON.stringify(ledger))).size).toBe(1);
    expect(answers[0].ledger).toMatchObject([
      { unit: 'XP', amount: 100, balanceAfter: before.xp + 100, user: { id: userId } },
      { unit: 'POINTS', amount: 100 },
    ]);
    const after = await standing();
    expect(after.xp).toBe(before.xp + 100);
    expect(after.points).toBe(before.points + 100);
    expect(after.dailyStats.totals.xp).toBe(before.dailyStats.totals.xp + 100);
    expect(after.level.minXp).toBeLessThanOrEqual(after.xp);
    expect(after.level.nextAt).toBeGreaterThan(after.xp);
  });

  it('counts each of many events that come at once', async () => {
    const { xp } = await standing();
    await Promise.all(Array.from({ length: 20 }, () => track('purchase')));
    expect((await standing()).xp).toBe(xp + 2_000);
  });

  it('gives 500 XP and 500 POINTS for signing up, and nothing for a second time', async () => {
    const { ledger } = await track('signup');
    expect(ledger.map(({ unit, amount }: Data) => `${amount} ${unit}`).sort()).toEqual([
      '500 POINTS',
      '500 XP',
    ]);
    const { xp } = await standing();
    expect(await track('signup')).toMatchObject({ ledger: [], userErrors: [] });
    expect((await standing()).xp).toBe(xp);
  });

  it('says so when no rule knows the event', async () => {
    expect(await track('sneeze')).toMatchObject({ ledger: [], userErrors: [{ code: 'RULE_NOT_FOUND' }] });
  });

  it('shows what was earned in the ledger, newest first', async () => {
    const { user } = await data(
      laurel(),
      `query ($id: ID!) {
        user(by: { id: $id }) {
          ledger(first: 2, filter: { units: [XP], eventTypes: ["purchase"] }) { nodes { unit amount eventType } }
        }
      }`,
      { id: userId },
    );
    expect(user.ledger.nodes).toEqual(Array(2).fill({ unit: 'XP', amount: 100, eventType: 'purchase' }));
  });

  it('awards a badge once', async () => {
    const { badges, users } = await data(
      laurel(),
      `{ badges(first: 100) { nodes { id quantity requiresAttachment criterion { measure } } }
         users(first: 100) { nodes { id badges(first: 100) { nodes { badge { id } } } } } }`,
    );
    type Holder = { id: string; badges: { nodes: { badge: { id: string } }[] } };
    const holder: Holder = users.nodes.find(({ id }: Holder) => id === userId);
    const held = new Set(holder.badges.nodes.map(({ badge }) => badge.id));
    type Wanted = {
      id: string;
      quantity: null | number;
      requiresAttachment: boolean;
      criterion: null | object;
    };
    const wanted = badges.nodes.find(
      ({ id, quantity, requiresAttachment, criterion }: Wanted) =>
        quantity === null && !requiresAttachment && criterion === null && !held.has(id),
    );
    const key = unique('award');
    const first = await award(wanted.id, key);
    expect(first).toMatchObject({
      award: { badge: { id: wanted.id }, user: { id: userId, displayName: expect.any(String) } },
      replayed: false,
      userErrors: [],
    });
    expect(await award(wanted.id, key)).toEqual({ ...first, replayed: true });
    expect(await award(wanted.id)).toMatchObject({ award: null, userErrors: [{ code: 'CONFLICT' }] });

    const { user } = await data(
      laurel(),
      'query ($id: ID!) { user(by: { id: $id }) { badges(first: 2) { nodes { badge { id } } } } }',
      { id: userId },
    );
    // It may have brought another, for those who hold so many.
    expect(user.badges.nodes).toContainEqual({ badge: { id: wanted.id } });
  });

  it('awards no more of a badge than there are', async () => {
    const { badges } = await data(laurel(), '{ badges(last: 1) { nodes { id quantity awardCount } } }');
    expect(badges.nodes[0]).toMatchObject({ quantity: 8, awardCount: 8 });
    expect(await award(badges.nodes[0].id)).toMatchObject({
      award: null,
      userErrors: [{ code: 'LIMIT_EXCEEDED' }],
    });
  });
});
