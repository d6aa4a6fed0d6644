import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { checked, type Feature, Scoped, Write } from '../feature.ts';
import { communityOf } from '../principal.ts';
import { DateTime } from '../scalars.ts';
import { Payload } from '../shared.graphql.ts';
import { audienceFor } from './audience.ts';
import { Channel, User } from './message.graphql.ts';
import { senderFor } from './right.ts';
import { followSignals, type Signal } from './signal.ts';
import { pruneTyping, startTyping, typingSeconds } from './typing.ts';

@ObjectType({ simpleResolvers: true, description: 'Somebody writes in a channel. Scope: messages:read.' })
@Scoped('messages:read')
class Typing {
  userId!: string;
  channelId!: string;

  @Field(() => DateTime, {
    description: 'When to take it for over, unless it is told again: 6 seconds later.',
  })
  until!: Date;
}

@InputType({ description: 'Who writes where.' })
class StartTypingInput {
  @Field(() => ID, { description: 'The channel.' })
  channelId!: string;

  @Field(() => ID, {
    nullable: true,
    description: "Who writes. Needed with a key of the community; a person's key tells of its person.",
  })
  senderId?: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `startTyping`.' })
class StartTypingPayload extends Payload {
  @Field(() => Boolean, { description: 'Others were told; false when they were less than 3 seconds ago.' })
  told = false;
}

@ArgsType()
class TypingArgs {
  static rules = z.object({
    channelIds: z.array(z.string().max(64)).min(1, 'name 1-100 channels').max(100, 'name 1-100 channels'),
  });

  @Field(() => [ID], { description: 'The channels, 1-100.' })
  channelIds!: string[];
}

@Resolver(() => Typing)
class TypingResolver {
  @Write(() => StartTypingPayload, {
    scope: 'messages:write',
    description:
      'Tells those who follow `typing` that somebody writes. Stands in no log; told once in 3 seconds at most.',
  })
  async startTyping(
    @Arg('input', () => StartTypingInput, { description: 'Who, and where.' }) {
      channelId,
      senderId,
    }: StartTypingInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<StartTypingPayload> {
    const userId = await senderFor(sql, principal, senderId ?? null);
    const told = await startTyping(sql, principal, channelId, userId);
    return Object.assign(new StartTypingPayload(), { told });
  }

  @Subscription(() => Typing, {
    description:
      'Who writes in channels, from now on. Can’t be resumed: what was missed is over. Of whisper channels nothing is told. Scope: messages:read.',
    subscribe: async ({ args, context }: { args: TypingArgs; context: Context }) => {
      const { channelIds } = checked(TypingArgs, args);
      const { sql, principal } = context;
      const communityId = communityOf(principal);
      await audienceFor(sql, principal, channelIds);
      const wanted = new Set(channelIds);
      return followSignals(
        sql,
        (signal) =>
          signal.kind === 'typing' &&
          signal.communityId === communityId &&
          wanted.has(signal.channelId ?? ''),
      );
    },
  })
  @Scoped('messages:read')
  async typing(
    @Root() { userId, channelId = '', at }: Signal,
    @Args(() => TypingArgs) { channelIds }: TypingArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<Typing> {
    // A channel that isn't there for them any more ends the stream, before they are told of anybody in it.
    await audienceFor(sql, principal, channelIds);
    return Object.assign(new Typing(), { userId, channelId, until: new Date(at + typingSeconds * 1_000) });
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who.' })
  user(@Root() { userId }: Typing): User {
    return { id: userId };
  }

  @FieldResolver(() => Channel, { description: 'Where.' })
  channel(@Root() { channelId }: Typing): Channel {
    return { id: channelId };
  }
}

export const typing: Feature = { name: 'typing', resolvers: [TypingResolver], prune: pruneTyping };
