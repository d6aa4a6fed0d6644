import { expect, it } from 'vitest';
import { data } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

inBothForms('seeing a community', (laurel) => {
  it('shows fifty people with what all four subgraphs know of them', async () => {
    const { users } = await data(
      laurel(),
      `query ($first: Int!) {
        users(first: $first) {
          nodes {
            id displayName email externalIds { system value }
            fields { nodes { field { key } ... on NumberFieldValue { number } } }
            xp coins level { number name { text } }
            dailyStats(last: 7) { totals { xp } days { date xp coins } }
            badges(first: 3) { nodes { awardedAt badge { id title { text } } } }
            messages(first: 2) { nodes { body channel { topic { text } } reactions { emoji count } } }
          }
          pageInfo { hasNextPage endCursor }
        }
      }`,
      { first: 50 },
    );
    expect(users.nodes).toHaveLength(50);
    expect(users.pageInfo.hasNextPage).toBe(true);
    for (const user of users.nodes) {
      expect(user).toMatchObject({
        id: expect.stringMatching(/^usr_/),
        displayName: expect.any(String),
        xp: expect.any(Number),
        coins: expect.any(Number),
        level: { number: expect.any(Number) },
      });
      expect(user.fields.nodes.length).toBeGreaterThanOrEqual(2);
      expect(user.dailyStats.days).toHaveLength(7);
      expect(user.badges.nodes.length).toBeGreaterThanOrEqual(1);
      expect(user.badges.nodes[0].badge.title.text).toEqual(expect.any(String));
    }
    expect(
      users.nodes.flatMap((user: { messages: { nodes: unknown[] } }) => user.messages.nodes),
    ).not.toEqual([]);
  });

  it('goes on to the next page where the last one ended', async () => {
    const page = `query ($after: String) {
      users(first: 40, after: $after) { nodes { id xp } pageInfo { hasNextPage endCursor } }
    }`;
    const { users: first } = await data(laurel(), page);
    const { users: second } = await data(laurel(), page, { after: first.pageInfo.endCursor });
    const ids = [...first.nodes, ...second.nodes].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(64);
    expect(second.pageInfo.hasNextPage).toBe(false);
  });

  it('comes back from a message to its author and on to what the author earned', async () => {
    const { channel } = await data(
      laurel(),
      `query ($id: ID!) {
        channel(id: $id) {
          topic { text }
          messages(first: 20) { nodes { id body author { displayName xp badges(first: 1) { nodes { id } } } } }
        }
      }`,
      { id: laurel().demo.channelId },
    );
    expect(channel.messages.nodes).toHaveLength(20);
    for (const { author } of channel.messages.nodes) {
      expect(author).toMatchObject({ displayName: expect.any(String), xp: expect.any(Number) });
    }
  });

  it('finds again what it saw, by ids alone', async () => {
    const { channelId, communityId, fieldId, userId } = laurel().demo;
    const text = `query ($ids: [ID!]!) {
      nodes(ids: $ids) {
        __typename id
        ... on User { displayName xp }
        ... on Channel { topic { text } }
        ... on Community { slug }
        ... on Field { key }
      }
    }`;
    const ids = [userId, channelId, communityId, fieldId, userId.replace(/.{4}$/, 'zzzz')];
    expect((await data(laurel(), text, { ids })).nodes).toEqual([
      { __typename: 'User', id: userId, displayName: expect.any(String), xp: expect.any(Number) },
      { __typename: 'Channel', id: channelId, topic: { text: 'General' } },
      { __typename: 'Community', id: communityId, slug: 'demo' },
      { __typename: 'Field', id: fieldId, key: 'deposits' },
      null,
    ]);
  });
});
