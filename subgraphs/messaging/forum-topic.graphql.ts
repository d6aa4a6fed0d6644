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
import { type Feature, Key, Paged, Partner, Scoped, Write } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page, PageArguments } from '../page.ts';
import { DateTime } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  isVisible,
  PageArgs,
  ReplayablePayload,
} from '../shared.graphql.ts';
import {
  createForumTopic,
  forumTopicsByChannel,
  forumTopicsById,
  type ForumTopic as Row,
} from './forum-topic.ts';
import { Channel, Message, MessageConnection, pageOfMessages, User } from './message.graphql.ts';
import { senderFor } from './right.ts';

@ObjectType({
  simpleResolvers: true,
  description: 'What messages of a forum gather under. Scope: messages:read.',
})
@Key('id')
@Scoped('messages:read')
@Partner()
class ForumTopic {
  channelId!: string;
  authorId!: string;

  @Field(() => ID, { description: '`top_…`.' })
  id!: string;

  @Field(() => String, {
    description: 'What it is about, 1-200 characters. It is text: escape it where it is shown.',
  })
  title!: string;

  @Field(() => DateTime, { description: 'When it was begun.' })
  createdAt!: Date;
}

const ForumTopicConnection = Connection(() => ForumTopic, 'ForumTopic');

@InputType({ description: 'A topic for a forum.' })
class CreateForumTopicInput {
  static rules = z.object({
    title: z
      .string()
      .refine(
        (text) => isVisible(text) && text.length <= 200,
        'A title has 1-200 characters, not all blank.',
      ),
    idempotencyKey,
  });

  @Field(() => ID, { description: 'The forum: a channel of kind FORUM.' })
  channelId!: string;

  @Field(() => String, { description: 'What it is about, 1-200 characters, not all blank.' })
  title!: string;

  @Field(() => ID, {
    nullable: true,
    description: "Who begins it. Needed with a key of the community; a person's key acts as its person.",
  })
  senderId?: string | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each topic: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `createForumTopic`.' })
@Partner()
class CreateForumTopicPayload extends ReplayablePayload {
  @Field(() => ForumTopic, { nullable: true, description: 'The topic; null when it was refused.' })
  forumTopic: object | null = null;
}

const topicById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  forumTopicsById(sql, principal, ids),
);
const topicsOf = perArguments<PageArguments, string, Page<Row>>((ids, page, { sql, principal }) =>
  forumTopicsByChannel(sql, principal, ids, page),
);

@Resolver(() => ForumTopic)
class ForumTopicResolver {
  @Partner()
  @Write(() => CreateForumTopicPayload, {
    scope: 'messages:write',
    description: 'Begins a topic in a forum; whoever may write there may.',
  })
  async createForumTopic(
    @Arg('input', () => CreateForumTopicInput, { description: 'The topic.' }) input: CreateForumTopicInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<CreateForumTopicPayload> {
    const { channelId, title, idempotencyKey: key } = input;
    const authorId = await senderFor(sql, principal, input.senderId ?? null);
    const topic = { channelId, authorId, title, idempotencyKey: key };
    const { topic: forumTopic, replayed } = await createForumTopic(sql, principal, topic);
    return Object.assign(new CreateForumTopicPayload(), { forumTopic, replayed });
  }

  @Partner()
  @Query(() => ForumTopic, {
    nullable: true,
    description: 'One topic of a forum; null when there is none. Scope: messages:read.',
  })
  @Scoped('messages:read')
  forumTopic(
    @Arg('id', () => ID, { description: '`top_…`.' }) id: string,
    @Ctx() context: Context,
  ): Promise<object | null> {
    return topicById(context).load(id);
  }

  @FieldResolver(() => Channel, { description: 'The forum.' })
  channel(@Root() { channelId }: ForumTopic): Channel {
    return { id: channelId };
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who began it.' })
  author(@Root() { authorId }: ForumTopic): User {
    return { id: authorId };
  }

  @FieldResolver(() => MessageConnection, { nullable: true, description: 'Its messages, newest first.' })
  @Paged()
  messages(
    @Root() { id }: ForumTopic,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return pageOfMessages(context, 'topic', id, page);
  }
}

@Resolver(() => Channel)
class ChannelTopicsResolver {
  @FieldResolver(() => ForumTopicConnection, {
    nullable: true,
    description: 'The topics of a forum, newest first; empty elsewhere. Scope: messages:read.',
  })
  @Scoped('messages:read')
  @Paged()
  async forumTopics(
    @Root() { id }: Channel,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await topicsOf(context, page).load(id), (row) => row);
  }
}

@Resolver(() => Message)
class MessageTopicResolver {
  @FieldResolver(() => ForumTopic, {
    nullable: true,
    description: 'The topic it belongs to; null outside forums.',
  })
  forumTopic(@Root() { forumTopicId }: Message, @Ctx() context: Context): Promise<object | null> | null {
    return forumTopicId === null ? null : topicById(context).load(forumTopicId);
  }
}

export const forumTopic: Feature = {
  name: 'forum-topic',
  resolvers: [ForumTopicResolver, ChannelTopicsResolver, MessageTopicResolver],
  references: {
    ForumTopic: ({ id }: { id: string }, context) => topicById(context).load(id),
  },
};
