import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page, PageArguments } from '../page.ts';
import { DateTime } from '../scalars.ts';
import { Connection, type ConnectionOf, connectionOf, PageArgs } from '../shared.graphql.ts';
import { closedChannels, emptyClosedChannels } from './closed-channel.ts';
import { type MessageOwner, messagesBy, messagesById, type Message as Row } from './message.ts';
import { unknownMessage } from './right.ts';

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
  forumTopicId!: string | null;
  mentions!: string[];

  @Field(() => ID, { description: '`msg_…`.' })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'The text, 1-4,000 characters; null once deleted. It is text, whatever markup it holds: escape it where it is shown.',
  })
  body!: string | null;

  @Field(() => DateTime, { description: 'When it was sent.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it was last edited; null: never.' })
  editedAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'When it was deleted; null: it is not. It keeps its place, so that the answers to it keep theirs.',
  })
  deletedAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was pinned; null: it is not.' })
  pinnedAt!: Date | null;
}

export const MessageConnection = Connection(() => Message, 'Message');

@ArgsType()
class UserMessagesArgs extends PageArgs {
  @Field(() => ID, { nullable: true, description: 'Only those of this channel.' })
  channelId?: string | null;
}

export const messageById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  messagesById(sql, principal, ids),
);

interface MessagesOf {
  owner: MessageOwner;
  page: PageArguments;
  within?: string | null | undefined;
}

const messagesOf = perArguments<MessagesOf, string, Page<Row>>(
  (ids, { owner, page, within }, { sql, principal }) =>
    messagesBy(sql, principal, owner, ids, page, within ?? null),
);

/** The message that an input names. @throws NOT_FOUND  there is none that the caller may read. */
export async function messageNamed(context: Context, id: string, name = 'messageId'): Promise<Row> {
  const message = await messageById(context).load(id);
  if (message === null) throw unknownMessage(id, name);
  return message;
}

/** A page of the messages of a channel, author, topic, or in answer to one. */
export async function pageOfMessages(
  context: Context,
  owner: MessageOwner,
  id: string,
  { first, after, last, before }: PageArgs,
  within?: string | null,
): Promise<ConnectionOf<object>> {
  const page = await messagesOf(context, { owner, page: { first, after, last, before }, within }).load(id);
  return connectionOf(page, (row) => row);
}

@Resolver(() => Message)
class MessageResolver {
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
    @Args(() => UserMessagesArgs) args: UserMessagesArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return pageOfMessages(context, 'author', id, args, args.channelId);
  }
}

export const message: Feature = {
  name: 'message',
  resolvers: [MessageResolver, ChannelMessagesResolver, UserMessagesResolver],
  references: {
    User: ({ id }: { id: string }) => ({ id }),
    Channel: ({ id }: { id: string }) => ({ id }),
    Message: ({ id }: { id: string }, context) => messageById(context).load(id),
  },
  readers: () => [closedChannels],
  chores: [emptyClosedChannels],
};
