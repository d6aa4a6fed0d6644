import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Key, Paged, Partner, Scoped, Write } from '../feature.ts';
import { collected, perArguments, perRequest } from '../loader.ts';
import type { Page, PageArguments } from '../page.ts';
import { communityOf } from '../principal.ts';
import { DateTime } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  PageArgs,
  ReplayablePayload,
} from '../shared.graphql.ts';
import {
  type MessageOwner,
  messagesBy,
  messagesById,
  mustBeAllowedToPost,
  type NewMessage,
  type Message as Row,
  type SentMessage,
  senderFor,
  sendMessages,
} from './message.ts';

@ObjectType({ simpleResolvers: true, description: 'A person in a community.' })
@Key('id')
export class User {
  @Field(() => ID, { description: '`usr_…`.' })
  id!: string;
}

@ObjectType({ simpleResolvers: true, description: 'A place to talk.' })
@Key('id')
export class Channel {
  @Field(() => ID, { description: '`chn_…`.' })
  id!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What somebody said in a channel. Scope: messages:read.' })
@Key('id')
@Scoped('messages:read')
@Partner()
export class Message {
  channelId!: string;
  authorId!: string;
  replyToId!: string | null;

  @Field(() => ID, { description: '`msg_…`.' })
  id!: string;

  @Field(() => String, {
    description: 'The text, 1-4,000 characters. It is text: escape it where it is shown.',
  })
  body!: string;

  @Field(() => DateTime, { description: 'When it was sent.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it was last edited; null: never.' })
  editedAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was deleted; null: it is not.' })
  deletedAt!: Date | null;
}

const MessageConnection = Connection(() => Message, 'Message');

const body = z
  .string()
  .refine(
    (text) => text.trim() !== '' && text.length <= 4_000,
    'A message has 1-4,000 characters, not all blank.',
  )
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'A message is valid Unicode without NUL.');

@InputType({ description: 'A message for a channel.' })
class SendMessageInput {
  static rules = z.object({ body, idempotencyKey });

  @Field(() => ID, { description: 'Where.' })
  channelId!: string;

  @Field(() => String, { description: 'The text, 1-4,000 characters.' })
  body!: string;

  @Field(() => ID, {
    nullable: true,
    description: "Who sends. Needed with a key of the community; a person's key sends as its person.",
  })
  senderId?: string | null;

  @Field(() => ID, { nullable: true, description: 'The message of the same channel that this one answers.' })
  replyToId?: string | null;

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

  @Field(() => String, { description: 'The text, 1-4,000 characters.' })
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

export const messageById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  messagesById(sql, principal, ids),
);

const messagesOf = perArguments<{ owner: MessageOwner; page: PageArguments }, string, Page<Row>>(
  (ids, { owner, page }, { sql, principal }) => messagesBy(sql, principal, owner, ids, page),
);

const send = collected<NewMessage, SentMessage>(sendMessages);

@Resolver(() => Message)
class MessageResolver {
  @Partner()
  @Write(() => SendMessagePayload, { scope: 'messages:write', description: 'Sends a message to a channel.' })
  async sendMessage(
    @Arg('input', () => SendMessageInput, { description: 'The message.' }) input: SendMessageInput,
    @Ctx() context: Context,
  ): Promise<SendMessagePayload> {
    const { channelId, replyToId = null } = input;
    if (replyToId !== null) {
      const answered = await messageById(context).load(replyToId);
      if (answered?.channelId !== channelId) {
        const problem = `No message of this channel has the id "${replyToId}".`;
        throw new Refusal('NOT_FOUND', problem, {}, ['input', 'replyToId']);
      }
    }
    return Object.assign(
      new SendMessagePayload(),
      await post(context, { ...input, replyToId }, ['input', 'channelId']),
    );
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
    const path = ['input', 'messageId'];
    const answered = await messageById(context).load(input.messageId);
    if (answered === null)
      throw new Refusal('NOT_FOUND', `No message has the id "${input.messageId}".`, {}, path);
    const message = { ...input, channelId: answered.channelId, replyToId: answered.id };
    return Object.assign(new ReplyToMessagePayload(), await post(context, message, path));
  }

  @Partner()
  @Query(() => Message, {
    nullable: true,
    description: 'One message; null when there is none. Scope: messages:read.',
  })
  @Scoped('messages:read')
  message(
    @Arg('id', () => ID, { description: '`msg_…`.' }) id: string,
    @Ctx() context: Context,
  ): Promise<object | null> {
    return messageById(context).load(id);
  }

  @FieldResolver(() => Channel, { description: 'Where it was said.' })
  channel(@Root() { channelId }: Message): Channel {
    return { id: channelId };
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who said it.' })
  author(@Root() { authorId }: Message): User {
    return { id: authorId };
  }

  @FieldResolver(() => Message, { nullable: true, description: 'The message that this one answers.' })
  replyTo(@Root() { replyToId }: Message, @Ctx() context: Context): Promise<object | null> | null {
    return replyToId === null ? null : messageById(context).load(replyToId);
  }

  @FieldResolver(() => MessageConnection, { nullable: true, description: 'The answers to it, oldest first.' })
  @Paged()
  replies(
    @Root() { id }: Message,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return pageOfMessages(context, 'reply', id, page);
  }
}

@Resolver(() => Channel)
class ChannelMessagesResolver {
  @FieldResolver(() => MessageConnection, {
    nullable: true,
    description: 'What was said in the channel, newest first. Scope: messages:read.',
  })
  @Scoped('messages:read')
  @Paged()
  messages(
    @Root() { id }: Channel,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return pageOfMessages(context, 'channel', id, page);
  }
}

@Resolver(() => User)
class UserMessagesResolver {
  @FieldResolver(() => MessageConnection, {
    nullable: true,
    description: 'What the person said, newest first. Scope: messages:read.',
  })
  @Scoped('messages:read')
  @Paged()
  messages(
    @Root() { id }: User,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return pageOfMessages(context, 'author', id, page);
  }
}

async function post(
  { sql, tail, principal }: Context,
  input: {
    channelId: string;
    body: string;
    senderId?: string | null;
    replyToId: string | null;
    idempotencyKey: string;
  },
  path: readonly string[],
): Promise<SentMessage> {
  const { channelId, replyToId, body: text, idempotencyKey: key } = input;
  const authorId = await senderFor(sql, principal, input.senderId ?? null);
  await mustBeAllowedToPost(sql, principal, channelId, path);
  const message = { channelId, authorId, body: text, replyToId, idempotencyKey: key };
  const sent = await send(sql, communityOf(principal), message);
  tail.wake();
  return sent;
}

async function pageOfMessages(
  context: Context,
  owner: MessageOwner,
  id: string,
  page: PageArgs,
): Promise<ConnectionOf<object>> {
  return connectionOf(await messagesOf(context, { owner, page }).load(id), (row) => row);
}

export const message: Feature = {
  name: 'message',
  resolvers: [MessageResolver, ChannelMessagesResolver, UserMessagesResolver],
  references: {
    User: ({ id }: { id: string }) => ({ id }),
    Channel: ({ id }: { id: string }) => ({ id }),
    Message: ({ id }: { id: string }, context) => messageById(context).load(id),
  },
};
