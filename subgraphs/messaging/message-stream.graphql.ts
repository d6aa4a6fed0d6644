import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { checked, type Feature, Partner, Resumable, Scoped } from '../feature.ts';
import type { LogEvent } from '../log.ts';
import { communityOf } from '../principal.ts';
import { DateTime, EventCursor } from '../scalars.ts';
import { controlItems, StreamItem, streamItems } from '../stream.graphql.ts';
import { openStream } from '../stream.ts';
import { Message, messageById, User } from './message.graphql.ts';
import { readableChannels } from './message.ts';

// What happens in channels, as it happens: the log's stream `messages`, dressed.

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'Somebody said something.' })
@Partner()
class MessagePosted extends StreamItem {
  messageId!: string;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'Somebody reacted to a message.' })
@Partner()
class MessageReacted extends StreamItem {
  messageId!: string;
  userId!: string;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;

  @Field(() => String, { description: 'The emoji.' })
  emoji!: string;
}

@ArgsType()
class MessagesArgs {
  static rules = z.object({
    channelIds: z.array(z.string().max(64)).min(1, 'name 1-100 channels').max(100, 'name 1-100 channels'),
  });

  @Field(() => [ID], { description: 'The channels, 1-100.' })
  channelIds!: string[];

  @Field(() => EventCursor, {
    nullable: true,
    description: 'Go on after this cursor: what was missed comes first.',
  })
  after?: string | null;
}

@Resolver()
class MessageStreamResolver {
  @Partner()
  @Subscription(() => StreamItem, {
    description:
      'What happens in channels: StreamReady or, with `after`, what was missed and StreamResumed; then MessagePosted and MessageReacted. Scope: messages:read.',
    subscribe: async ({ args, context }: { args: MessagesArgs; context: Context }) => {
      const { channelIds, after } = checked(MessagesArgs, args);
      const { principal } = context;
      const readable = await readableChannels(context.sql, principal, channelIds);
      const unreadable = channelIds.find((channelId) => !readable.has(channelId));
      if (unreadable !== undefined) {
        throw new Refusal('FORBIDDEN', `The credential does not reach the channel "${unreadable}".`);
      }
      const wanted = new Set(channelIds);
      const id = { communityId: communityOf(principal), stream: 'messages' } as const;
      const includes = ({ channelId }: LogEvent) => wanted.has(channelId ?? '');
      return streamItems(context, await openStream(context, id, { after, includes }), messageItem);
    },
  })
  @Scoped('messages:read')
  @Resumable()
  messages(@Root() item: StreamItem, @Args(() => MessagesArgs) _args: MessagesArgs): StreamItem {
    return item;
  }
}

@Resolver(() => MessagePosted)
class MessagePostedResolver {
  @FieldResolver(() => Message, {
    nullable: true,
    description: 'The message; null when it was erased since.',
  })
  message(@Root() { messageId }: MessagePosted, @Ctx() context: Context): Promise<object | null> {
    return messageById(context).load(messageId);
  }
}

@Resolver(() => MessageReacted)
class MessageReactedResolver {
  @FieldResolver(() => Message, {
    nullable: true,
    description: 'The message; null when it was erased since.',
  })
  message(@Root() { messageId }: MessageReacted, @Ctx() context: Context): Promise<object | null> {
    return messageById(context).load(messageId);
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who reacted.' })
  by(@Root() { userId }: MessageReacted): User {
    return { id: userId };
  }
}

function messageItem({ kind, userId, payload }: LogEvent): StreamItem {
  const { messageId, emoji } = payload as { messageId: string; emoji?: string };
  if (kind === 'MessageReacted')
    return Object.assign(new MessageReacted(), { userId: userId ?? '', messageId, emoji });
  return Object.assign(new MessagePosted(), { messageId });
}

export const messageStream: Feature = {
  name: 'message-stream',
  resolvers: [MessageStreamResolver, MessagePostedResolver, MessageReactedResolver],
  types: [MessagePosted, MessageReacted, ...controlItems],
};
