import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setMemberPermissions } from '../../../subgraphs/community/role-change.ts';
import { newId } from '../../../subgraphs/id.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { mentionsIn, mostMentions } from '../../../subgraphs/messaging/mention.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id body mentions { users { id } channels { id } } } userErrors { code path }
} }`;
const edit = `mutation ($input: EditMessageInput!) { editMessage(input: $input) {
  message { mentions { users { id } channels { id } } } userErrors { code path }
} }`;

describe('mentions', () => {
  it('name each person and channel of the text once, in its order; tokens of nobody are text', async () => {
    const place = await newCommunity(database.resources);
    const [first, second] = place.memberIds;
    const [channelId] = place.channelIds;
    const body = `<@${second}> <@${first}> <@${second}> in <#${channelId}>, not <@${newId('User')}> or <#${first}>`;
    const input = { channelId, body, idempotencyKey: 'a' };
    const { message } = (await ask(place.person(0), send, { input })).sendMessage;
    expect(message).toMatchObject({
      body,
      mentions: { users: [{ id: second }, { id: first }], channels: [{ id: channelId }] },
    });
    const changed = { messageId: message.id, body: `only <@${first}>` };
    expect((await ask(place.person(0), edit, { input: changed })).editMessage.message.mentions).toEqual({
      users: [{ id: first }],
      channels: [],
    });
  });

  it('are read in linear time from any text', () => {
    expect(mentionsIn('<@usr_'.repeat(600))).toEqual([]);
  });

  it('FORBIDDEN: mentioning where one may not, by an edit too; what was mentioned before stays', async () => {
    const place = await newCommunity(database.resources);
    const [first, second] = place.memberIds;
    const input = { channelId: place.channelIds[0], body: `<@${first}>`, idempotencyKey: 'a' };
    const { message } = (await ask(place.person(0), send, { input })).sendMessage;
    await setMemberPermissions(database.sql, place.system, ['POST_MESSAGES', 'VIEW_HISTORY']);
    const again = await ask(place.person(0), send, { input: { ...input, idempotencyKey: 'b' } });
    const refused = [{ code: 'FORBIDDEN', path: ['input', 'body'] }];
    expect(again.sendMessage).toMatchObject({ message: null, userErrors: refused });
    const edited = async (body: string) =>
      (await ask(place.person(0), edit, { input: { messageId: message.id, body } })).editMessage;
    expect(await edited(`<@${first}> and <@${second}>`)).toMatchObject({
      message: null,
      userErrors: refused,
    });
    expect(await edited(`Hello <@${first}>`)).toMatchObject({
      message: { mentions: { users: [{ id: first }] } },
      userErrors: [],
    });
  });

  it(`VALIDATION_FAILED: more than ${mostMentions} of them`, async () => {
    const place = await newCommunity(database.resources);
    const body = Array.from({ length: mostMentions + 1 }, () => `<@${newId('User')}>`).join('');
    const input = { channelId: place.channelIds[0], body, idempotencyKey: 'a' };
    const { sendMessage } = await ask(place.person(0), send, { input });
    expect(sendMessage.userErrors).toEqual([{ code: 'VALIDATION_FAILED', path: ['input', 'body'] }]);
  });
});
