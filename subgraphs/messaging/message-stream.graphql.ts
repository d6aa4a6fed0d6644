import {
  Args,
  ArgsType,
  type ClassType,
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
import { checked, type Feature, Partner, Resumable, Scoped } from '../feature.ts';
import type { LogEvent } from '../log.ts';
import { communityOf } from '../principal.ts';
import { DateTime, EventCursor } from '../scalars.ts';
import { controlItems, StreamItem, streamItems } from '../stream.graphql.ts';
import { openStream } from '../stream.ts';
import { audienceFor } from './audience.ts';
import { Message, messageById, User } from './message.graphql.ts';

// What happens in channels, as it happens: the log's stream `messages`, dressed.

/** What events about one message have. */
abstract class MessageEvent extends StreamItem {
  messageId!: string;
  /** Who did it; null when a key of the community did. */
  userId!: string | null;
}

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'Somebody said something.' })
@Partner()
class MessagePosted extends MessageEvent {
  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'A message has another text.' })
@Partner()
class MessageEdited extends MessageEvent {
  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'A message lost its text and keeps its place.',
})
@Partner()
class MessageDeleted extends MessageEvent {
  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'Somebody reacted to a message, or took a reaction back.',
})
@Partner()
class MessageReacted extends MessageEvent {
  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;

  @Field(() => String, { description: 'The emoji.' })
  emoji!: string;

  @Field(() => Boolean, { description: 'Put on the message; false: taken off it.' })
  added!: boolean;
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
      'What happens in channels: StreamReady or, with `after`, what was missed and StreamResumed; then MessagePosted, MessageEdited, MessageDeleted and MessageReacted. Scope: messages:read.',
    subscribe: async ({ args, context }: { args: MessagesArgs; context: Context }) => {
      const { channelIds, after } = checked(MessagesArgs, args);
      const { principal } = context;
      const id = { communityId: communityOf(principal), stream: 'messages' } as const;
      const isForCaller = await audienceFor(context.sql, principal, channelIds);
      const includes = (event: LogEvent) => event.kind in items && isForCaller(event);
      return streamItems(context, await openStream(context, id, { after, includes }), messageItem);
    },
  })
  @Scoped('messages:read')
  @Resumable()
  messages(@Root() item: StreamItem, @Args(() => MessagesArgs) _args: MessagesArgs): StreamItem {
    return item;
  }
}

/** What each kind of event is about, and who did it. */
function eventResolver(item: () => ClassType<MessageEvent>, byWhom: string) {
  @Resolver(item)
  class EventResolver {
    @FieldResolver(() => Message, {
      nullable: true,
      description: 'The message as it is now; null when it was erased since.',
    })
    message(@Root() { messageId }: MessageEvent, @Ctx() context: Context): Promise<object | null> {
      return messageById(context).load(messageId);
    }

    @FieldResolver(() => User, { nullable: true, description: byWhom })
    by(@Root() { userId }: MessageEvent): User | null {
      return userId === null ? null : { id: userId };
    }
  }
  return EventResolver;
}

const items = { MessagePosted, MessageEdited, MessageDeleted, MessageReacted };

/** The item of an event of one of these kinds, but for its cursor and moment. */
export function messageItem({ kind, userId, payload }: LogEvent): StreamItem {
  const Item = items[kind as keyof typeof items];
  // What was there before reactions could be taken back was added.
  return Object.assign(new Item(), { userId, added: true, ...payload });
}

export const messageStream: Feature = {
  name: 'message-stream',
  resolvers: [
    MessageStreamResolver,
    eventResolver(() => MessagePosted, 'Who said it.'),
    eventResolver(() => MessageEdited, 'Who edited it; null: a key of the community.'),
    eventResolver(() => MessageDeleted, 'Who deleted it; null: a key of the community.'),
    eventResolver(() => MessageReacted, 'Whose reaction it is.'),
  ],
  types: [...Object.values(items), ...controlItems],
};
