import { Arg, Ctx, Field, ID, InputType, ObjectType, Resolver } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Partner, Write } from '../feature.ts';
import { collected } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { idempotencyKey, isVisible, ReplayablePayload } from '../shared.graphql.ts';
import { mostAttachments } from './attachment.ts';
import { Message, messageById, messageNamed } from './message.graphql.ts';
import type { Message as Row } from './message.ts';
import { type Draft, postDrafts, type SentMessage } from './sending.ts';

/** The bounds of a message's text. */
export const body = z
  .string()
  .refine(
    (text) => isVisible(text) && text.length <= 4_000,
    'A message has 1-4,000 characters, not all blank.',
  )
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'A message is valid Unicode without NUL.');

/** The text of a message, as inputs describe it. */
export const bodyDescription =
  'The text, 1-4,000 characters, not all blank; `<@usr_…>` mentions a person, `<#chn_…>` a channel, 50 at most.';

@InputType({ description: 'A message for a channel.' })
class SendMessageInput {
  static rules = z.object({
    body,
    idempotencyKey,
    attachmentIds: z
      .array(z.string().max(64))
      .max(mostAttachments, 'A message carries at most 10 files.')
      .refine((ids) => new Set(ids).size === ids.length, 'A message carries each file once.')
      .nullish(),
  });

  @Field(() => ID, { description: 'Where.' })
  channelId!: string;

  @Field(() => String, { description: bodyDescription })
  body!: string;

  @Field(() => ID, {
    nullable: true,
    description: "Who sends. Needed with a key of the community; a person's key sends as its person.",
  })
  senderId?: string | null;

  @Field(() => ID, { nullable: true, description: 'The message of the same channel that this one answers.' })
  replyToId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The topic it belongs to. Needed in a forum, unless it answers a message there.',
  })
  forumTopicId?: string | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Files that it carries, up to 10, each `att_…` of a ticket whose bytes the sender has sent.',
  })
  attachmentIds?: string[] | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each message: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'An answer to a message, in its channel.' })
class ReplyToMessageInput {
  static rules = z.object({ body, idempotencyKey });

  @Field(() => ID, { description: 'The message to answer.' })
  messageId!: string;

  @Field(() => String, { description: bodyDescription })
  body!: string;

  @Field(() => ID, {
    nullable: true,
    description: "Who answers. Needed with a key of the community; a person's key sends as its person.",
  })
  senderId?: string | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each message: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `sendMessage`.' })
@Partner()
class SendMessagePayload extends ReplayablePayload {
  @Field(() => Message, { nullable: true, description: 'The message; null when it was refused.' })
  message: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `replyToMessage`.' })
@Partner()
class ReplyToMessagePayload extends ReplayablePayload {
  @Field(() => Message, { nullable: true, description: 'The answer; null when it was refused.' })
  message: object | null = null;
}

const post = collected<Draft, SentMessage>(postDrafts);

@Resolver()
class SendingResolver {
  @Partner()
  @Write(() => SendMessagePayload, { scope: 'messages:write', description: 'Sends a message to a channel.' })
  async sendMessage(
    @Arg('input', () => SendMessageInput, { description: 'The message.' }) input: SendMessageInput,
    @Ctx() context: Context,
  ): Promise<SendMessagePayload> {
    const { channelId, replyToId = null, forumTopicId = null } = input;
    const attachmentIds = input.attachmentIds ?? [];
    const answers = replyToId === null ? null : await messageById(context).load(replyToId);
    if (replyToId !== null && answers?.channelId !== channelId) {
      const problem = `No message of this channel has the id "${replyToId}".`;
      throw new Refusal('NOT_FOUND', problem, {}, ['input', 'replyToId']);
    }
    const draft = { ...input, answers, forumTopicId, attachmentIds, path: ['input', 'channelId'] };
    return Object.assign(new SendMessagePayload(), await posted(context, draft));
  }

  @Partner()
  @Write(() => ReplyToMessagePayload, {
    scope: 'messages:write',
    description: 'Answers a message, in its channel.',
  })
  async replyToMessage(
    @Arg('input', () => ReplyToMessageInput, { description: 'The answer.' }) input: ReplyToMessageInput,
    @Ctx() context: Context,
  ): Promise<ReplyToMessagePayload> {
    const answers: Row = await messageNamed(context, input.messageId);
    const { channelId } = answers;
    const draft = {
      ...input,
      channelId,
      answers,
      forumTopicId: null,
      attachmentIds: [],
      path: ['input', 'messageId'],
    };
    return Object.assign(new ReplyToMessagePayload(), await posted(context, draft));
  }
}

async function posted(
  { sql, tail, principal }: Context,
  {
    channelId,
    body: text,
    senderId = null,
    answers,
    forumTopicId,
    attachmentIds,
    idempotencyKey: key,
    path,
  }: Omit<Draft, 'principal' | 'senderId'> & { senderId?: string | null },
): Promise<SentMessage> {
  const draft = {
    principal,
    channelId,
    body: text,
    senderId,
    answers,
    forumTopicId,
    attachmentIds,
    idempotencyKey: key,
    path,
  };
  const sent = await post(sql, communityOf(principal), draft);
  tail.wake();
  return sent;
}

export const sending: Feature = { name: 'sending', resolvers: [SendingResolver] };
