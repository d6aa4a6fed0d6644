import { Arg, Ctx, Field, FieldResolver, ID, InputType, Int, ObjectType, Resolver, Root } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Scoped, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { Payload } from '../shared.graphql.ts';
import { Channel } from './message.graphql.ts';
import { prunePace, setSlowMode, slowestSeconds, slowModes } from './pace.ts';

@InputType({ description: 'How slow a channel shall be.' })
class SetSlowModeInput {
  static rules = z.object({
    seconds: z
      .number()
      .min(0, 'A slow mode is 0-21,600 seconds; 0 ends it.')
      .max(slowestSeconds, 'A slow mode is 0-21,600 seconds; 0 ends it.'),
  });

  @Field(() => ID, { description: 'The channel.' })
  channelId!: string;

  @Field(() => Int, {
    description: 'Seconds between two messages of one person, 1-21,600; 0 ends the slow mode.',
  })
  seconds!: number;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `setSlowMode`.' })
class SetSlowModePayload extends Payload {
  @Field(() => Channel, { nullable: true, description: 'The channel; null when that was refused.' })
  channel: Channel | null = null;
}

const slowModeOf = perRequest<string, number>((ids, { sql, principal }) =>
  slowModes(sql, communityOf(principal), ids),
);

@Resolver(() => Channel)
class PaceResolver {
  @Write(() => SetSlowModePayload, {
    scope: 'messages:write',
    description:
      'Lets people write in a channel but once in a while. Takes the permission MANAGE_CHANNELS or MANAGE_MESSAGES, or a key of the community.',
  })
  async setSlowMode(
    @Arg('input', () => SetSlowModeInput, { description: 'Which channel, and how slow.' }) {
      channelId,
      seconds,
    }: SetSlowModeInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<SetSlowModePayload> {
    await setSlowMode(sql, principal, channelId, seconds);
    return Object.assign(new SetSlowModePayload(), { channel: { id: channelId } });
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      'Seconds that a person has to wait between two messages, 0-21,600; 0: ten at once and one a second after that. Scope: messages:read.',
  })
  @Scoped('messages:read')
  slowModeSeconds(@Root() { id }: Channel, @Ctx() context: Context): Promise<number> {
    return slowModeOf(context).load(id);
  }
}

export const pace: Feature = { name: 'pace', resolvers: [PaceResolver], prune: prunePace };
