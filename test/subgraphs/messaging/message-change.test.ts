import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';
import { said, told } from '../../kit/talk.ts';

let database: TestDatabase;
const { ask, entities } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const edit = `mutation ($input: EditMessageInput!) { editMessage(input: $input) {
  message { id body editedAt mentions { users { id } } } userErrors { code path }
} }`;
const remove = `mutation ($input: DeleteMessageInput!) { deleteMessage(input: $input) {
  message { id body deletedAt pinnedAt mentions { users { id } } replies { nodes { body } } } userErrors { code path }
} }`;

describe('changing messages', () => {
  it('gives one another text, and tells the log once of who did, without the text', async () => {
    const place = await newCommunity(database.resources);
    const [id = ''] = await said(database.sql, place, {});
    const { editMessage } = await ask(place.person(0), edit, { input: { messageId: id, body: 'Better' } });
    expect(editMessage).toMatchObject({
      message: { body: 'Better', editedAt: expect.any(String) },
      userErrors: [],
    });
    await ask(place.person(0), edit, { input: { messageId: id, body: 'Better' } });
    const [, ...events] = await told(database.sql, place);
    expect(events).toMatchObject([
      {
        kind: 'MessageEdited',
        userId: place.memberIds[0],
        channelId: place.channelIds[0],
        payload: { messageId: id, authorId: place.memberIds[0] },
      },
    ]);
    expect(JSON.stringify(events)).not.toContain('Better');
  });

  it('takes the text of a deleted one and leaves its place, with the answers below it', async () => {
    const place = await newCommunity(database.resources);
    const [id = ''] = await said(database.sql, place, { body: 'Gone', mentions: place.memberIds });
    await said(database.sql, place, { body: 'Yes', replyToId: id });
    const { deleteMessage } = await ask(place.person(0), remove, { input: { messageId: id } });
    expect(deleteMessage).toEqual({
      message: {
        id,
        body: null,
        deletedAt: expect.any(String),
        pinnedAt: null,
        mentions: { users: [] },
        replies: { nodes: [{ body: 'Yes' }] },
      },
      userErrors: [],
    });
    expect((await ask(place.person(0), remove, { input: { messageId: id } })).deleteMessage).toEqual(
      deleteMessage,
    );
    const events = await told(database.sql, place);
    expect(events.map(({ kind }) => kind)).toEqual(['MessagePosted', 'MessagePosted', 'MessageDeleted']);
    const [channel] = await entities(
      place.system,
      'Channel',
      place.channelIds,
      '{ messages { nodes { id body } } }',
    );
    expect(channel.messages.nodes).toHaveLength(2);
  });

  it('is for authors and keys of the community; deleting for administrators too', async () => {
    const place = await newCommunity(database.resources, { members: 3 });
    await addAdministrators(database.sql, place.id, place.memberIds.slice(2));
    const [id = '', second = ''] = await said(database.sql, place, {}, {});
    const codes = async (who: number | 'system', operation: string, messageId: string) => {
      const principal = who === 'system' ? place.system : place.person(who);
      const body = operation === edit ? { body: 'x' } : {};
      const answer = Object.values(await ask(principal, operation, { input: { messageId, ...body } }))[0];
      return (answer as { userErrors: { code: string }[] }).userErrors.map(({ code }) => code);
    };
    expect(await codes(1, edit, id)).toEqual(['FORBIDDEN']);
    expect(await codes(2, edit, id)).toEqual(['FORBIDDEN']);
    expect(await codes('system', edit, id)).toEqual([]);
    expect(await codes(1, remove, id)).toEqual(['FORBIDDEN']);
    expect(await codes(2, remove, id)).toEqual([]);
    expect(await codes('system', remove, second)).toEqual([]);
  });
});

describe('changing messages: refusals', () => {
  it.each([
    ['NOT_FOUND', 'messageId', { messageId: 'msg_none' }],
    ['VALIDATION_FAILED', 'body', { body: ' ' }],
    ['VALIDATION_FAILED', 'body', { body: 'x'.repeat(4_001) }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const place = await newCommunity(database.resources);
    const [messageId] = await said(database.sql, place, {});
    const { editMessage } = await ask(place.system, edit, { input: { messageId, body: 'x', ...wrong } });
    expect(editMessage).toEqual({ message: null, userErrors: [{ code, path: ['input', name] }] });
  });

  it('CONFLICT: another text for what is deleted', async () => {
    const place = await newCommunity(database.resources);
    const [messageId] = await said(database.sql, place, {});
    await ask(place.system, remove, { input: { messageId } });
    const { editMessage } = await ask(place.person(0), edit, { input: { messageId, body: 'x' } });
    expect(editMessage.userErrors).toEqual([{ code: 'CONFLICT', path: ['input', 'messageId'] }]);
  });

  it('FORBIDDEN: another text where the author may say nothing', async () => {
    const place = await newCommunity(database.resources, { channels: ['ANNOUNCEMENT'] });
    const [messageId] = await said(database.sql, place, {});
    const { editMessage } = await ask(place.person(0), edit, { input: { messageId, body: 'x' } });
    expect(editMessage.userErrors).toEqual([{ code: 'FORBIDDEN', path: ['input', 'messageId'] }]);
  });
});
