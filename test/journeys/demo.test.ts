import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Data, data, keyOf, query } from '../kit/client.ts';
import { inBothForms, running } from '../kit/journey.ts';
import type { Handle } from '../kit/processes.ts';

inBothForms('the demo', (laurel) => {
  it('answers the query of the README as the README says', async () => {
    const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');
    const [, text = ''] = /-d '\{"query":\s+(".*")\}'/.exec(readme) ?? [];
    const [, answer = ''] = /^ {4}(\{"data":.*\})$/m.exec(readme) ?? [];
    const { errors, data: answered } = await query(
      laurel(),
      JSON.parse(text),
      {},
      keyOf(laurel(), 'systemKey'),
    );
    expect(errors).toBeUndefined();
    // Others may have earned or spoken meanwhile; who it is and what stands fast is as printed.
    const printed = JSON.parse(answer).data.users.nodes[0];
    const { displayName, level, badges, fields } = answered.users.nodes[0];
    expect(Object.keys(answered.users.nodes[0])).toEqual(Object.keys(printed));
    expect({ displayName, badges }).toEqual({ displayName: printed.displayName, badges: printed.badges });
    expect(level.number).toBeGreaterThanOrEqual(printed.level.number);
    expect(fields.nodes).toHaveLength(1);
  });

  it('has 64 people, each with 90 days of XP and coins', async () => {
    const page = `query ($after: String) {
      users(first: 32, after: $after) {
        nodes { email xp coins dailyStats(last: 90) { days { date xp coins } totals { xp coins } } }
        pageInfo { hasNextPage endCursor }
      }
    }`;
    const people = await allOf((after) => data(laurel(), page, { after }).then(({ users }) => users));
    expect(people).toHaveLength(64);
    expect(new Set(people.map(({ email }) => email)).size).toBe(64);
    for (const { xp, coins, dailyStats } of people) {
      expect(dailyStats.days).toHaveLength(90);
      expect(dailyStats.days.filter((day: Data) => day.xp === 0 || day.coins === 0)).toEqual([]);
      expect(xp).toBeGreaterThanOrEqual(dailyStats.totals.xp);
      expect(coins).toBeGreaterThanOrEqual(dailyStats.totals.coins);
    }
  });

  it('has 10 channels, 6 fields and 12 badges with awards', async () => {
    const { channels, fields, badges } = await data(
      laurel(),
      `{ channels(first: 100) { nodes { id } }
         fields(first: 100) { nodes { key numeric histories(first: 1) { nodes { id } } } }
         badges(first: 100) { nodes { id awardCount } } }`,
    );
    expect(channels.nodes).toHaveLength(10);
    expect(fields.nodes).toHaveLength(6);
    for (const { numeric, histories } of fields.nodes) expect(histories.nodes).toHaveLength(numeric ? 1 : 0);
    expect(badges.nodes).toHaveLength(12);
    for (const { awardCount } of badges.nodes) expect(awardCount).toBeGreaterThan(0);
  });

  it('has three roles, a channel for two of them, and two people who misbehaved', async () => {
    const { roles, channels, penalties } = await data(
      laurel(),
      `{ roles { nodes { title { text } members { nodes { id } } } }
         channels(first: 100) { nodes { topic { text } viewRoles { title { text } } } }
         penalties { nodes { kind active user { status } issuer { highestRole { title { text } } } } } }`,
    );
    expect(roles.nodes.map(({ title, members }: Data) => [title.text, members.nodes.length])).toEqual([
      ['Team', 1],
      ['Moderator', 3],
      ['Mentor', 5],
    ]);
    expect(channels.nodes.filter(({ viewRoles }: Data) => viewRoles !== null)).toEqual([
      {
        topic: { text: 'Moderation' },
        viewRoles: [{ title: { text: 'Team' } }, { title: { text: 'Moderator' } }],
      },
    ]);
    const issuer = { highestRole: { title: { text: 'Moderator' } } };
    expect(penalties.nodes).toEqual([
      { kind: 'SUSPENSION', active: true, user: { status: 'SUSPENDED' }, issuer },
      { kind: 'WARNING', active: true, user: { status: 'ACTIVE' }, issuer },
    ]);
  });

  it.each([
    ['{ email: "admin@returning.ai" }', 'Robin Admin'],
    ['{ external: { system: GAMIFYHOST, value: "user_12345" } }', undefined],
    ['{ external: { system: LYNES, value: "user_123" } }', undefined],
  ])('has the person of the vendors’ examples: %s', async (by, name) => {
    const { user } = await data(laurel(), `{ user(by: ${by}) { id displayName xp } }`);
    expect(user).toMatchObject({
      id: expect.stringMatching(/^usr_/),
      displayName: name ?? expect.any(String),
    });
    expect(user.xp).toBeGreaterThan(0);
  });

  it('has all that a feed can show of the person of Lynes’s examples, and twelve or more changes of points', async () => {
    const { user } = await data(
      laurel(),
      `{ user(by: { external: { system: LYNES, value: "user_123" } }) {
        activity(first: 100, range: { from: "2000-01-01T00:00:00Z" }) { nodes { type title { text } points } }
        activityPage(limit: 1, types: [REDEMPTION]) { total }
        ledger(first: 100, filter: { units: [POINTS] }) { nodes { eventType } }
      } }`,
    );
    const { activity, activityPage, ledger } = user;
    expect(new Set(activity.nodes.map(({ type }: Data) => type)).size).toBe(5);
    const coupon = { type: 'REDEMPTION', title: { text: '10% Discount Coupon' }, points: -500 };
    expect(activity.nodes).toContainEqual(coupon);
    expect(activityPage.total).toBeGreaterThan(0);
    expect(ledger.nodes.length).toBeGreaterThanOrEqual(12);
    const types = ledger.nodes.map(({ eventType }: Data) => eventType);
    expect(types).toEqual(expect.arrayContaining(['adjustment', 'reversal', 'spend']));
  });

  it('has people who follow, like, comment and share, and rules that reward it', async () => {
    const socials = ['follow', 'like', 'comment', 'share'];
    const { users, rules } = await data(
      laurel(),
      `query ($types: [String!]) {
        users(first: 64) { nodes {
          dailyStats(last: 30) { totals { socials } }
          ledger(first: 50, filter: { eventTypes: $types, units: [XP] }) { nodes { eventType } }
        } }
        rules(first: 100) { nodes { eventType } }
      }`,
      { types: socials },
    );
    for (const { dailyStats, ledger } of users.nodes)
      expect(dailyStats.totals.socials).toBeGreaterThanOrEqual(ledger.nodes.length);
    const earned = users.nodes.flatMap(({ ledger }: Data) => ledger.nodes);
    expect(new Set(earned.map(({ eventType }: Data) => eventType))).toEqual(new Set(socials));
    expect(rules.nodes.map(({ eventType }: Data) => eventType)).toEqual(expect.arrayContaining(socials));
  });

  it('rewards messages where people introduce themselves', async () => {
    const { rules, users } = await data(
      laurel(),
      `{ rules(first: 100) { nodes { id title { text } conditions { field values } } }
         users(first: 64) { nodes {
           ledger(first: 1, filter: { eventTypes: ["message"] }) { nodes { ruleId } }
         } } }`,
    );
    const { id, conditions } = rules.nodes.find(({ title }: Data) => title.text === 'Said hello');
    expect(conditions).toEqual([{ field: 'metadata.channelId', values: [expect.stringMatching(/^chn_/)] }]);
    const earned = users.nodes.flatMap(({ ledger }: Data) => ledger.nodes);
    expect(earned.filter(({ ruleId }: Data) => ruleId === id).length).toBeGreaterThan(20);
  });

  it('has a leaderboard of its mentors alone', async () => {
    const { leaderboard, roles } = await data(
      laurel(),
      `{ leaderboard(slug: "top-mentors") {
           rankRoleIds entries(first: 100) { nodes { rank score user { id } } }
         }
         roles { nodes { id title { text } members { nodes { id } } } } }`,
    );
    const mentors = roles.nodes.find(({ title }: Data) => title.text === 'Mentor');
    expect(leaderboard.rankRoleIds).toEqual([mentors.id]);
    const idsOf = (nodes: Data[]) => nodes.map(({ id }) => id).sort();
    expect(idsOf(leaderboard.entries.nodes.map(({ user }: Data) => user))).toEqual(
      idsOf(mentors.members.nodes),
    );
    expect(leaderboard.entries.nodes[0]).toMatchObject({ rank: 1, score: expect.any(Number) });
  });

  it('has two who talk to each other alone, the administrator and a mentor', async () => {
    const text = `{ channels(first: 10, kinds: [DIRECT]) { nodes {
      participants { id } messages(first: 10) { nodes { body author { id } replyTo { body } } }
    } } }`;
    const { channels } = await data(laurel(), text, {}, keyOf(laurel(), 'personalKey'));
    const [{ participants, messages }] = channels.nodes;
    expect(participants.map(({ id }: Data) => id)).toContain(laurel().demo.userId);
    const authors = messages.nodes.map(({ author }: Data) => author.id);
    expect(new Set(authors)).toEqual(new Set(participants.map(({ id }: Data) => id)));
    expect(messages.nodes.length).toBeGreaterThanOrEqual(6);
    expect(messages.nodes.filter(({ replyTo }: Data) => replyTo !== null)).not.toEqual([]);
  });

  it('is where demo.json says', async () => {
    const { demo } = laurel();
    expect(Object.keys(demo).sort()).toEqual(
      'channelId communityId endpoint fieldId integrationKey personalKey systemKey userEmail userId'.split(
        ' ',
      ),
    );
    expect(
      await data(
        laurel(),
        `query ($user: String!, $channel: ID!, $field: ID!, $community: ID!) {
          user(by: { email: $user }) { id }
          channel(id: $channel) { id }
          field(id: $field) { id }
          community(id: $community) { id }
        }`,
        { user: demo.userEmail, channel: demo.channelId, field: demo.fieldId, community: demo.communityId },
      ),
    ).toEqual({
      user: { id: demo.userId },
      channel: { id: demo.channelId },
      field: { id: demo.fieldId },
      community: { id: demo.communityId },
    });
  });
});

describe('the demo in two stores', () => {
  let [one, other]: Handle[] = [];
  beforeAll(async () => {
    [one, other] = await Promise.all([running('one process'), running('five processes')]);
  }, 120_000);

  it('has the same ids', async () => {
    expect(other?.demo).toMatchObject(idsOf(one?.demo));
    const things = `{
      users(first: 100) { nodes { id email badges(first: 100) { nodes { id badge { id } } } } }
      channels(first: 100) { nodes { id } }
      roles { nodes { id } }
      penalties { nodes { id } }
      fields(first: 100) { nodes { id key } }
      badges(first: 100) { nodes { id } }
      rest: fieldHistories(last: 100) { nodes { id value resultingSum } }
    }`;
    const [here, there] = await Promise.all([data(one as Handle, things), data(other as Handle, things)]);
    // Other journeys award badges meanwhile, each with an id of its own.
    const demoAwards = ({ users }: Data) =>
      users.nodes.flatMap(({ badges }: Data) => badges.nodes.map(({ id }: Data) => id));
    const awards = new Set(demoAwards(there));
    expect(demoAwards(here).filter((id: string) => awards.has(id)).length).toBeGreaterThan(200);
    for (const { users } of [here, there]) for (const user of users.nodes) delete user.badges;
    expect(there).toEqual(here);
  });

  it('has the same 1,006 messages with replies and reactions', async () => {
    const [here, there] = await Promise.all([messagesOf(one as Handle), messagesOf(other as Handle)]);
    // What other journeys say meanwhile has an id of its own.
    const common = [...here.keys()].filter((id) => there.has(id));
    expect(common).toHaveLength(1_006);
    const textOf = (message: Data) => [message.body, message.author.id, message.replyTo?.id];
    for (const id of common) expect(textOf(there.get(id))).toEqual(textOf(here.get(id)));
    const messages = common.map((id) => here.get(id));
    expect(messages.filter(({ replyTo }) => replyTo !== null).length).toBeGreaterThan(100);
    expect(messages.filter(({ reactions }) => reactions.length > 0).length).toBeGreaterThan(300);
  });
});

function idsOf(demo: Data): object {
  const { communityId, userId, userEmail, channelId, fieldId } = demo;
  return { communityId, userId, userEmail, channelId, fieldId };
}

/** Every message of every channel, by its id. */
async function messagesOf(laurel: Handle): Promise<Map<string, Data>> {
  const { channels } = await data(laurel, '{ channels(first: 100) { nodes { id } } }');
  const page = `query ($id: ID!, $after: String) {
    channel(id: $id) {
      messages(first: 100, after: $after) {
        nodes { id body author { id } replyTo { id } reactions { emoji count } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }`;
  const all = await Promise.all(
    channels.nodes.map(({ id }: { id: string }) =>
      allOf((after) => data(laurel, page, { id, after }).then(({ channel }) => channel.messages)),
    ),
  );
  return new Map(all.flat().map((message) => [message.id, message]));
}

/** All rows of a list, page by page. */
async function allOf(read: (after: string | null) => Promise<Data>): Promise<Data[]> {
  const rows: Data[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const { nodes, pageInfo }: Data = await read(after);
    rows.push(...nodes);
    [after, more] = [pageInfo.endCursor, pageInfo.hasNextPage];
  }
  return rows;
}
