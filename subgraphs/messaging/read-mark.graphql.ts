import { Arg, Ctx, Field, FieldResolver, ID, InputType, Int, ObjectType, Resolver, Root } from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { Cost, type Feature, Scoped, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { Payload } from '../shared.graphql.ts';
import { Channel, Message, messageById, messageNamed } from './message.graphql.ts';
import { markRead, type ReadMark, readMarks } from './read-mark.ts';

@InputType({ description: 'How far somebody has read.' })
class MarkReadInput {
  @Field(() => ID, { description: 'The last message that was read, with all before it in its channel.' })
  messageId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `markRead`.' })
class MarkReadPayload extends Payload {
  @Field(() => Channel, { nullable: true, description: 'The channel; null when that was refused.' })
  channel: Channel | null = null;
}

const markOf = perRequest<string, ReadMark | null>((ids, { sql, principal }) =>
  readMarks(sql, principal, ids),
);

@Resolver(() => Channel)
class ReadMarkResolver {
  @Write(() => MarkReadPayload, {
    scope: 'messages:read',
    description:
      'Marks what the person has read in a channel. A mark moves forwards only, so repeating it changes nothing.',
  })
  async markRead(
    @Arg('input', () => MarkReadInput, { description: 'Up to which message.' }) { messageId }: MarkReadInput,
    @Ctx() context: Context,
  ): Promise<MarkReadPayload> {
    const message = await messageNamed(context, messageId);
    await markRead(context.sql, context.principal, message);
    return Object.assign(new MarkReadPayload(), { channel: { id: message.channelId } });
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      'What others said that the person who asks has not read, 0-99; 100 stands for more; null for a caller who is no person. Scope: messages:read.',
  })
  @Scoped('messages:read')
  @Cost(2)
  async unreadCount(@Root() { id }: Channel, @Ctx() context: Context): Promise<number | null> {
    return (await personal(context).load(id))?.unread ?? null;
  }

  @FieldResolver(() => Message, {
    nullable: true,
    description:
      'The last message that the person who asks has read; null: none was marked. Scope: messages:read.',
  })
  @Scoped('messages:read')
  async lastRead(@Root() { id }: Channel, @Ctx() context: Context): Promise<object | null> {
    const messageId = (await personal(context).load(id))?.messageId ?? null;
    return messageId === null ? null : messageById(context).load(messageId);
  }
}

function personal(context: Context) {
  const { ofPeople, userId } = context.principal;
  if (ofPeople && userId === undefined) throw new Refusal('NEEDS_USER', 'What was read is about one person.');
  return markOf(context);
}

export const readMark: Feature = { name: 'read-mark', resolvers: [ReadMarkResolver] };
