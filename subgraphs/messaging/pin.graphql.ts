import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Paged, Scoped, Write } from '../feature.ts';
import { perArguments } from '../loader.ts';
import type { Page, PageArguments } from '../page.ts';
import { type ConnectionOf, connectionOf, PageArgs, Payload } from '../shared.graphql.ts';
import { Channel, Message, MessageConnection, messageNamed } from './message.graphql.ts';
import type { Message as Row } from './message.ts';
import { pinnedByChannel, setPinned } from './pin.ts';

@InputType({ description: 'A message to pin.' })
class PinMessageInput {
  @Field(() => ID, { description: 'The message.' })
  messageId!: string;
}

@InputType({ description: 'A message to take the pin off.' })
class UnpinMessageInput {
  @Field(() => ID, { description: 'The message.' })
  messageId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `pinMessage`.' })
class PinMessagePayload extends Payload {
  @Field(() => Message, { nullable: true, description: 'The message; null when that was refused.' })
  message: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `unpinMessage`.' })
class UnpinMessagePayload extends Payload {
  @Field(() => Message, { nullable: true, description: 'The message; null when that was refused.' })
  message: object | null = null;
}

const pinnedOf = perArguments<PageArguments, string, Page<Row>>((ids, page, { sql, principal }) =>
  pinnedByChannel(sql, principal, ids, page),
);

@Resolver(() => Channel)
class PinResolver {
  @Write(() => PinMessagePayload, {
    scope: 'messages:write',
    description:
      'Pins a message to its channel, which has 50 pinned ones at most. Administrators, roles that may pin or manage messages and keys of the community pin.',
  })
  async pinMessage(
    @Arg('input', () => PinMessageInput, { description: 'Which message.' }) { messageId }: PinMessageInput,
    @Ctx() context: Context,
  ): Promise<PinMessagePayload> {
    return Object.assign(new PinMessagePayload(), { message: await pinned(context, messageId, true) });
  }

  @Write(() => UnpinMessagePayload, {
    scope: 'messages:write',
    description: 'Takes the pin off a message. Whoever may pin it may do that.',
  })
  async unpinMessage(
    @Arg('input', () => UnpinMessageInput, { description: 'Which message.' }) {
      messageId,
    }: UnpinMessageInput,
    @Ctx() context: Context,
  ): Promise<UnpinMessagePayload> {
    return Object.assign(new UnpinMessagePayload(), { message: await pinned(context, messageId, false) });
  }

  @FieldResolver(() => MessageConnection, {
    nullable: true,
    description: 'The pinned messages, the latest pinned first. Scope: messages:read.',
  })
  @Scoped('messages:read')
  @Paged()
  async pinnedMessages(
    @Root() { id }: Channel,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await pinnedOf(context, page).load(id), (row) => row);
  }
}

async function pinned(context: Context, messageId: string, isPinned: boolean): Promise<Row> {
  const message = await messageNamed(context, messageId);
  const changed = await setPinned(context.sql, context.principal, message, isPinned);
  context.tail.wake();
  return changed;
}

export const pin: Feature = { name: 'pin', resolvers: [PinResolver] };
