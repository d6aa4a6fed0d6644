import { beforeAll, expect, it } from 'vitest';
import { data, keyOf, person, query, unique } from '../kit/client.ts';
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

  it('carries files, by the link of a ticket and the link of the message', async () => {
    const createUpload = `mutation ($input: CreateUploadInput!) {
      createUpload(input: $input) { ticket { id uploadUrl } userErrors { code } }
    }`;
    const text = 'Three of us come on Friday.';
    const file = { fileName: 'friday.txt', bytes: text.length, senderId: ada };
    const { ticket } = (await data(laurel(), createUpload, { input: file })).createUpload;
    const stored = await fetch(ticket.uploadUrl, { method: 'PUT', body: text });
    expect(stored.status).toBe(204);
    const { sendMessage } = await data(
      laurel(),
      `mutation ($input: SendMessageInput!) {
        sendMessage(input: $input) { message { attachments { url fileName } } userErrors { code } }
      }`,
      {
        input: {
          ...{ channelId, body: 'Who comes', senderId: ada },
          ...{ attachmentIds: [ticket.id], idempotencyKey: unique('message') },
        },
      },
    );
    expect(sendMessage).toMatchObject({
      message: { attachments: [{ fileName: 'friday.txt' }] },
      userErrors: [],
    });
    expect(await (await fetch(sendMessage.message.attachments[0].url)).text()).toBe(text);
  });

  it('holds people back in a slow channel, and says how long', async () => {
    const channel = {
      ...{ kind: 'OPEN', topic: [{ lang: 'en', text: 'Slow' }] },
      idempotencyKey: unique('channel'),
    };
    const { createChannel } = await data(
      laurel(),
      `mutation ($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } } }`,
      { input: channel },
    );
    const slow = createChannel.channel.id;
    const { setSlowMode } = await data(
      laurel(),
      `mutation ($input: SetSlowModeInput!) { setSlowMode(input: $input) { channel { slowModeSeconds } } }`,
      { input: { channelId: slow, seconds: 3_600 } },
    );
    expect(setSlowMode.channel.slowModeSeconds).toBe(3_600);
    const { createSession } = await data(
      laurel(),
      'mutation ($input: CreateSessionInput!) { createSession(input: $input) { accessToken } }',
      { input: { user: { id: ben }, idempotencyKey: unique('session') } },
    );
    const say = (body: string) =>
      query(
        laurel(),
        `mutation ($input: SendMessageInput!) {
          sendMessage(input: $input) { userErrors { code } }
        }`,
        { input: { channelId: slow, body, idempotencyKey: unique('message') } },
        { authorization: `Bearer ${createSession.accessToken}` },
      );
    expect(await say('One.')).toMatchObject({ data: { sendMessage: { userErrors: [] } } });
    expect(await say('Two.')).toMatchObject({
      errors: [{ extensions: { code: 'THROTTLED', retryAfterSeconds: expect.any(Number) } }],
    });
  });
});
