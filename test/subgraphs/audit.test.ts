import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../subgraphs/community/member.ts';
import type { Subgraph } from '../../subgraphs/feature.ts';
import { awardBadge } from '../../subgraphs/gamification/badge-award.ts';
import { gamification } from '../../subgraphs/gamification/index.ts';
import { ownOrigin } from '../../subgraphs/gamification/origin.ts';
import { messaging } from '../../subgraphs/messaging/index.ts';
import { newCommunity, type TestCommunity } from '../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';
import { type Answer, asking } from '../kit/subgraph.ts';
import { said } from '../kit/talk.ts';

// What administrators do in gamification and messaging; community.test.ts has it of the community.

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

/** Ids that steps need, and those that steps before them made. */
type Known = Record<'userId' | 'channelId' | 'messageId' | 'awardId' | 'made', string>;

/** A mutation as it is sent, and what it leaves. */
interface Step {
  name: string;
  input(known: Known): object;
  /** What is asked for, to know the id of what it made. */
  made?: string;
  action: string;
  details: object;
  /** People may not, keys of the community may. */
  byKey?: true;
  /** It is done to the second member. */
  toPerson?: true;
}

const en = (text: string) => [{ lang: 'en', text }];
const idempotencyKey = 'key';
const was = (before: unknown, after: unknown) => ({ before, after });
const own = ({ made: id }: Known) => ({ id });

const rule = { eventType: 'order', title: en('Order'), awards: [{ unit: 'XP', amount: '5' }] };
const badge = { title: en('Host'), xpReward: '1000000' };
const board = { slug: 'top', name: en('Top'), unit: 'XP', windows: ['ALL_TIME'] };

const ofGamification: Step[] = [
  {
    name: 'createRule',
    input: () => ({ ...rule, idempotencyKey }),
    made: 'rule { id }',
    action: 'RULE_CREATED',
    details: { eventType: 'order', title: { en: 'Order' } },
  },
  {
    name: 'updateRule',
    input: (known) => ({ ...own(known), dayCap: 3 }),
    action: 'RULE_UPDATED',
    details: { dayCap: was(null, 3) },
  },
  {
    name: 'deleteRule',
    input: own,
    action: 'RULE_DELETED',
    details: { eventType: 'order', dayCap: 3 },
  },
  {
    name: 'setLevels',
    input: () => ({ table: [{ minXp: '0' }, { minXp: '500', name: en('Half') }] }),
    action: 'LEVELS_SET',
    details: {
      levels: was(expect.arrayContaining([{ number: 3, minXp: '1000', name: { en: 'Level 3' } }]), [
        { number: 1, minXp: '0', name: null },
        { number: 2, minXp: '500', name: { en: 'Half' } },
      ]),
    },
  },
  {
    name: 'setTiers',
    // What has no id is a new tier each time.
    input: ({ made }) => ({
      tiers: [{ name: en('Gold'), minXp: '9', ...(/^tir_/.test(made) && { id: made }) }],
    }),
    made: 'tiers { id }',
    action: 'TIERS_SET',
    details: { tiers: was([], [expect.objectContaining({ minXp: '9', name: { en: 'Gold' } })]) },
  },
  {
    name: 'setUnit',
    input: () => ({ unit: 'POINTS', name: en('Stars') }),
    action: 'UNIT_SET',
    details: { unit: 'POINTS', name: was(null, { en: 'Stars' }) },
  },
  {
    name: 'createBadge',
    input: () => ({ ...badge, idempotencyKey }),
    made: 'badge { id }',
    action: 'BADGE_CREATED',
    details: { title: { en: 'Host' }, xpReward: '1000000' },
  },
  {
    name: 'updateBadge',
    input: (known) => ({ ...own(known), xpReward: '7' }),
    action: 'BADGE_UPDATED',
    details: { xpReward: was('1000000', '7') },
  },
  {
    name: 'deleteBadge',
    input: own,
    action: 'BADGE_DELETED',
    details: { title: { en: 'Host' }, xpReward: '7' },
  },
  {
    name: 'revokeBadge',
    input: ({ awardId }) => ({ awardId }),
    made: 'award { id }',
    action: 'BADGE_REVOKED',
    details: { badgeId: expect.stringMatching(/^bdg_/) },
    toPerson: true,
  },
  {
    name: 'createLeaderboard',
    input: () => ({ ...board, idempotencyKey }),
    made: 'leaderboard { id }',
    action: 'LEADERBOARD_CREATED',
    details: { slug: 'top', windows: ['ALL_TIME'] },
  },
  {
    name: 'updateLeaderboard',
    input: ({ made }) => ({ leaderboardId: made, topLimit: 9 }),
    action: 'LEADERBOARD_UPDATED',
    details: { topLimit: was(null, 9) },
  },
  {
    name: 'deleteLeaderboard',
    input: ({ made }) => ({ leaderboardId: made }),
    action: 'LEADERBOARD_DELETED',
    details: { slug: 'top', topLimit: 9 },
  },
];

const ofMessaging: Step[] = [
  {
    name: 'setSlowMode',
    input: ({ channelId }) => ({ channelId, seconds: 60 }),
    made: 'channel { id }',
    action: 'CHANNEL_UPDATED',
    details: { slowModeSeconds: was(0, 60) },
  },
  ...(
    [
      ['pinMessage', 'MESSAGE_PINNED', {}],
      ['unpinMessage', 'MESSAGE_UNPINNED', {}],
      ['editMessage', 'MESSAGE_EDITED', { body: 'Text of a key' }],
      ['deleteMessage', 'MESSAGE_DELETED', {}],
    ] as const
  ).map(
    ([name, action, more]): Step => ({
      name,
      input: ({ messageId }) => ({ messageId, ...more }),
      made: 'message { id }',
      action,
      details: { channelId: expect.stringMatching(/^chn_/) },
      toPerson: true,
      ...(name === 'editMessage' && { byKey: true }),
    }),
  ),
];

describe.each<[string, Subgraph, Step[], string[]]>([
  [
    'gamification',
    gamification,
    ofGamification,
    // Events, entries and awards say themselves who made them.
    [
      ...['trackEvent', 'trackEvents', 'adjustBalance', 'spendBalance', 'reverseLedgerEntry', 'reverseEvent'],
      'awardBadge',
    ],
  ],
  [
    'messaging',
    messaging,
    ofMessaging,
    // What people do for themselves.
    [
      ...['createUpload', 'createForumTopic', 'sendMessage', 'replyToMessage', 'react', 'unreact'],
      ...['markRead', 'setPresence', 'startTyping'],
    ],
  ],
])('the audit of what administrators do in %s', (_name, subgraph, steps, unnoted) => {
  const { ask, errorsOf } = asking(subgraph, () => database.resources);

  it('knows every mutation', () => {
    const fields = Object.keys(subgraph.schema.getMutationType()?.getFields() ?? {});
    expect([...steps.map(({ name }) => name), ...unnoted].sort()).toEqual(fields.sort());
  });

  it('tells of each once, in its transaction, with who did it and what became another', async () => {
    const place = await newCommunity(database.resources, { members: 2, badges: [null] });
    const [admin = ''] = place.memberIds;
    await addAdministrators(database.sql, place.id, [admin]);
    const known = await knownOf(place);
    const expected: Answer[] = [];
    for (const { name, input, made = '', ...step } of steps) {
      const principal = step.byKey ? place.system : place.person(0);
      const operation = `mutation ($input: ${name.charAt(0).toUpperCase()}${name.slice(1)}Input!) {
        done: ${name}(input: $input) { ${made} userErrors { message } }
      }`;
      // What can't be noted isn't done, or there was nothing to note of it afterwards.
      await withoutAudit(async () => {
        expect(await errorsOf(principal, operation, { input: input(known) }), name).toHaveLength(1);
      });
      const { done } = await ask(principal, operation, { input: input(known) });
      expect(done.userErrors, name).toEqual([]);
      const [id = known.made] = Object.values<Answer>(done).flatMap((one) => [one].flat()[0]?.id ?? []);
      known.made = id;
      // A repeat changes nothing, and is refused where what it names is gone: neither is told.
      await ask(principal, operation, { input: input(known) });
      expected.push({
        action: step.action,
        actorUserId: step.byKey ? null : admin,
        actorKeyId: step.byKey ? place.system.keyId : null,
        userId: step.toPerson ? known.userId : null,
        details: expect.objectContaining({ ...(!/_SET$/.test(step.action) && { id }), ...step.details }),
      });
    }
    const noted = await notedOf(place);
    expect(noted).toEqual(expected);
    expect(JSON.stringify(noted)).not.toContain('Text');
  });
});

describe('the audit of messages', () => {
  const { ask } = asking(messaging, () => database.resources);
  const operations = [
    `mutation ($id: ID!) { editMessage(input: { messageId: $id, body: "Else" }) { userErrors { code } } }`,
    `mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { userErrors { code } } }`,
  ];

  it.each([
    ["one's own", 0, []],
    ["another's, which is refused", 1, [{ code: 'FORBIDDEN' }]],
  ])('tells of nothing that is done to %s', async (_whose, author, userErrors) => {
    const place = await newCommunity(database.resources);
    const [id] = await said(database.sql, place, { authorId: place.memberIds[author] ?? '' });
    for (const operation of operations) {
      const [answer] = Object.values<Answer>(await ask(place.person(0), operation, { id }));
      expect(answer).toEqual({ userErrors });
    }
    expect(await notedOf(place)).toEqual([]);
  });
});

/** A message of the second member, and a badge that they hold. */
async function knownOf(place: TestCommunity): Promise<Known> {
  const [, userId = ''] = place.memberIds;
  const [messageId = ''] = await said(database.sql, place, { authorId: userId });
  const [[badgeId = ''], [channelId = '']] = [place.badgeIds, place.channelIds];
  const given = { badgeId, userId, attachmentUrl: null, idempotencyKey, origin: ownOrigin };
  const { award } = await awardBadge(database.sql, place.id, given);
  return { userId, channelId, messageId, awardId: award.id, made: '' };
}

function notedOf({ id }: TestCommunity): Promise<Answer[]> {
  return database.sql<Answer[]>`
    select action, actor_user_id as "actorUserId", actor_key_id as "actorKeyId", user_id as "userId", details
    from identity.audit_entry where community_id = ${id} order by at, id`;
}

/** While this runs, the audit takes nothing. */
async function withoutAudit(work: () => Promise<void>): Promise<void> {
  const { sql } = database;
  await sql`alter function identity.note_audit rename to note_audit_gone`;
  try {
    await work();
  } finally {
    await sql`alter function identity.note_audit_gone rename to note_audit`;
  }
}
