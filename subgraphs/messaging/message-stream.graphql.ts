import {
  Args,
  ArgsType,
  type ClassType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { checked, type Feature, Paged, Partner, Resumable, Scoped } from '../feature.ts';
import type { LogEvent } from '../log.ts';
import { pageSize } from '../page.ts';
import { communityOf } from '../principal.ts';
import { DateTime, EventCursor } from '../scalars.ts';
import {
  controlItems,
  StreamItem,
  StreamItemConnection,
  StreamPageArgs,
  streamConnection,
  streamItems,
} from '../stream.graphql.ts';
import { openStream, readStream, type StreamFilter } from '../stream.ts';
import { audienceFor } from './audience.ts';
import { channelClosed } from './closed-channel.ts';
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

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'A message was pinned to its channel, or the pin was taken off.',
})
@Partner()
class MessagePinned extends MessageEvent {
  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;

  @Field(() => Boolean, { description: 'Pinned; false: the pin was taken off.' })
  pinned!: boolean;
}

const channelIdsRule = z
  .array(z.string().max(64))
  .min(1, 'name 1-100 channels')
  .max(100, 'name 1-100 channels');

@ArgsType()
class MessageEventsArgs extends StreamPageArgs {
  static rules = z.object({ channelIds: channelIdsRule, ...StreamPageArgs.pageRules });

  @Field(() => [ID], { description: 'The channels, 1-100.' })
  channelIds!: string[];
}

@ArgsType()
class MessagesArgs {
  static rules = z.object({ channelIds: channelIdsRule });

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
      'What happens in channels: StreamReady or, with `after`, what was missed and StreamResumed; then MessagePosted, MessageEdited, MessageDeleted, MessageReacted and MessagePinned. Scope: messages:read.',
    subscribe: async ({ args, context }: { args: MessagesArgs; context: Context }) => {
      const { channelIds, after } = checked(MessagesArgs, args);
      const filter = await channelFilter(context, channelIds);
      const steps = await openStream(context, streamOf(context), { after, ...filter });
      return streamItems(context, steps, messageItem);
    },
  })
  @Scoped('messages:read')
  @Resumable()
  messages(@Root() item: StreamItem, @Args(() => MessagesArgs) _args: MessagesArgs): StreamItem {
    return item;
  }

  @Partner()
  @Query(() => StreamItemConnection, {
    nullable: true,
    description:
      'What the subscription `messages` tells, by pages: for an app that was in the background. Scope: messages:read.',
  })
  @Scoped('messages:read')
  @Paged(['first'])
  async messageEvents(
    @Args(() => MessageEventsArgs) { channelIds, after, first }: MessageEventsArgs,
    @Ctx() context: Context,
  ): Promise<StreamItemConnection> {
    const filter = await channelFilter(context, channelIds);
    const page = await readStream(context, streamOf(context), {
      after,
      first: first ?? pageSize.default,
      ...filter,
    });
    return streamConnection(page, after, messageItem);
  }
}

const streamOf = ({ principal }: Context) =>
  ({ communityId: communityOf(principal), stream: 'messages' }) as const;

/**
 * What is told of channels: what the caller hears in them, as long as all of them are there for it. Word that one is closed
 * makes the stream look, and end.
 */
async function channelFilter(
  { sql, principal }: Context,
  channelIds: readonly string[],
): Promise<StreamFilter> {
  await audienceFor(sql, principal, channelIds);
  const wanted = new Set(channelIds);
  return {
    includes: ({ kind, channelId }) =>
      (kind in items || kind === channelClosed) && wanted.has(channelId ?? ''),
    async permitted() {
      try {
        const hears = await audienceFor(sql, principal, channelIds);
        return (event) => event.kind !== channelClosed && hears(event);
      } catch (error) {
        if (error instanceof Refusal && error.code === 'FORBIDDEN') return undefined;
        throw error;
      }
    },
  };
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

const items = { MessagePosted, MessageEdited, MessageDeleted, MessageReacted, MessagePinned };

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
    eventResolver(() => MessagePinned, 'Who did it; null: a key of the community.'),
  ],
  types: [...Object.values(items), ...controlItems],
};
