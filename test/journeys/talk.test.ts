import { beforeAll, expect, it } from 'vitest';
import { data, keyOf, person, unique } from '../kit/client.ts';
import { inBothForms } from '../kit/journey.ts';

const sent = 'message { id body author { id displayName } replyTo { id } } replayed userErrors { code path }';

inBothForms('talking', (laurel) => {
  let [ada, ben, channelId, question] = ['', '', '', ''];
  beforeAll(async () => {
    ada = (await person(laurel(), 42)).id;
    ben = (await person(laurel(), 43)).id;
    channelId = laurel().demo.channelId;
  });
  const send = async (input: object, headers?: Record<string, string>) =>
    (
      await data(
        laurel(),
        `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ${sent} } }`,
        { input },
        headers,
      )
    ).sendMessage;
  const react = async (senderId: string, emoji: string) =>
    (
      await data(
        laurel(),
        `mutation ($input: ReactInput!) {
          react(input: $input) { message { reactions { emoji count } } userErrors { code } }
        }`,
        { input: { messageId: question, senderId, emoji } },
      )
    ).react;

  it('sends a message once', async () => {
    const input = {
      channelId,
      body: 'Who comes on Friday?',
      senderId: ada,
      idempotencyKey: unique('message'),
    };
    const first = await send(input);
    expect(first).toMatchObject({
      message: { body: 'Who comes on Friday?', author: { id: ada, displayName: expect.any(String) } },
      replayed: false,
      userErrors: [],
    });
    expect(await send(input)).toEqual({ ...first, replayed: true });
    question = first.message.id;
  });

  it('answers it', async () => {
    const { replyToMessage } = await data(
      laurel(),
      `mutation ($input: ReplyToMessageInput!) { replyToMessage(input: $input) { ${sent} } }`,
      { input: { messageId: question, body: 'I do.', senderId: ben, idempotencyKey: unique('message') } },
    );
    expect(replyToMessage).toMatchObject({
      message: { body: 'I do.', author: { id: ben }, replyTo: { id: question } },
      userErrors: [],
    });
  });

  it('reacts to it, each person once with each emoji', async () => {
    await react(ada, '🎉');
    await react(ben, '👍');
    await react(ada, '👍');
    expect(await react(ben, '👍')).toEqual({
      message: {
        reactions: [
          { emoji: '👍', count: 2 },
          { emoji: '🎉', count: 1 },
        ],
      },
      userErrors: [],
    });
  });

  it('shows all of it to whoever reads the channel', async () => {
    const { channel } = await data(
      laurel(),
      `query ($id: ID!) {
        channel(id: $id) {
          messages(first: 20) {
            nodes { id author { id } replies(first: 5) { nodes { body author { id } } } reactions { emoji } }
          }
        }
      }`,
      { id: channelId },
    );
    const found = channel.messages.nodes.find(({ id }: { id: string }) => id === question);
    expect(found).toEqual({
      id: question,
      author: { id: ada },
      replies: { nodes: [{ body: 'I do.', author: { id: ben } }] },
      reactions: [{ emoji: '👍' }, { emoji: '🎉' }],
    });
  });

  it("sends as the person of a person's key", async () => {
    const input = { channelId, body: 'From my phone.', idempotencyKey: unique('message') };
    const { message } = await send(input, keyOf(laurel(), 'personalKey'));
    expect(message.author.id).toBe(laurel().demo.userId);
  });

  it('lets a person speak for nobody else', async () => {
    const input = { channelId, body: 'Not me.', senderId: ada, idempotencyKey: unique('message') };
    expect(await send(input, keyOf(laurel(), 'personalKey'))).toMatchObject({
      message: null,
      userErrors: [{ code: 'FORBIDDEN' }],
    });
  });

  it("needs to know who speaks with the community's key", async () => {
    const input = { channelId, body: 'Nobody.', idempotencyKey: unique('message') };
    expect(await send(input)).toMatchObject({ message: null, userErrors: [{ path: ['input', 'senderId'] }] });
  });
});
