import { Arg, Ctx, Field, FieldResolver, ID, InputType, Int, ObjectType, Resolver, Root } from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Partner, Scoped, Usually, Write } from '../feature.ts';
import { collected, perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { Payload } from '../shared.graphql.ts';
import { Message, messageNamed } from './message.graphql.ts';
import type { Message as Row } from './message.ts';
import {
  type ReactionCount as Count,
  emojiOf,
  type NewReaction,
  react,
  reactionsByMessage,
  unreact,
} from './reaction.ts';
import { senderFor } from './right.ts';

@ObjectType({
  simpleResolvers: true,
  description: 'How often an emoji stands on a message. Scope: messages:read.',
})
@Scoped('messages:read')
@Partner()
class ReactionCount {
  reacted!: boolean;

  @Field(() => String, { description: 'The emoji, or a name for it: `:tada:`.' })
  emoji!: string;

  @Field(() => Int, { description: 'How many people reacted with it.' })
  count!: number;
}

const emojiDescription = 'One emoji, or a name for one between colons, up to 32 characters: `🎉`, `:tada:`.';

@InputType({ description: 'A reaction to a message.' })
class ReactInput {
  @Field(() => ID, { description: 'The message.' })
  messageId!: string;

  @Field(() => String, { description: emojiDescription })
  emoji!: string;

  @Field(() => ID, {
    nullable: true,
    description: "Who reacts. Needed with a key of the community; a person's key reacts as its person.",
  })
  senderId?: string | null;
}

@InputType({ description: 'A reaction to take back.' })
class UnreactInput {
  @Field(() => ID, { description: 'The message.' })
  messageId!: string;

  @Field(() => String, { description: emojiDescription })
  emoji!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      "Whose reaction. Needed with a key of the community; a person's key takes back its person's.",
  })
  senderId?: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `react`.' })
@Partner()
class ReactPayload extends Payload {
  @Field(() => Message, { nullable: true, description: 'The message; null when the reaction was refused.' })
  message: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `unreact`.' })
@Partner()
class UnreactPayload extends Payload {
  @Field(() => Message, { nullable: true, description: 'The message; null when that was refused.' })
  message: object | null = null;
}

const reactionsOf = perRequest<string, Count[]>((ids, { sql, principal }) =>
  reactionsByMessage(sql, communityOf(principal), ids, principal.userId ?? null),
);

const add = collected<NewReaction, boolean>(react);

@Resolver(() => Message)
class ReactionResolver {
  @Partner()
  @Write(() => ReactPayload, {
    scope: 'messages:write',
    description:
      'Puts an emoji of a person on a message, on which 20 different ones may stand. Once there, repeating it changes nothing.',
  })
  async react(
    @Arg('input', () => ReactInput, { description: 'Which emoji, on what.' }) input: ReactInput,
    @Ctx() context: Context,
  ): Promise<ReactPayload> {
    const { message, reaction } = await reactionNamed(context, input);
    await add(context.sql, communityOf(context.principal), reaction);
    context.tail.wake();
    return Object.assign(new ReactPayload(), { message });
  }

  @Partner()
  @Write(() => UnreactPayload, {
    scope: 'messages:write',
    description: "Takes a person's emoji off a message. Once gone, repeating it changes nothing.",
  })
  async unreact(
    @Arg('input', () => UnreactInput, { description: 'Which emoji, on what.' }) input: UnreactInput,
    @Ctx() context: Context,
  ): Promise<UnreactPayload> {
    const { message, reaction } = await reactionNamed(context, input);
    await unreact(context.sql, communityOf(context.principal), reaction);
    context.tail.wake();
    return Object.assign(new UnreactPayload(), { message });
  }

  @FieldResolver(() => [ReactionCount], {
    nullable: true,
    description: 'The reactions, the most frequent first.',
  })
  @Usually(5)
  reactions(@Root() { id }: Message, @Ctx() context: Context): Promise<Count[]> {
    return reactionsOf(context).load(id);
  }
}

@Resolver(() => ReactionCount)
class ReactionCountResolver {
  @FieldResolver(() => Boolean, {
    description: 'Whether the person who asks is among them; false for a key of the community.',
  })
  viewerReacted(@Root() { reacted }: ReactionCount, @Ctx() { principal }: Context): boolean {
    if (principal.ofPeople) throw new Refusal('NEEDS_USER', '`viewerReacted` is about one person.');
    return reacted;
  }
}

async function reactionNamed(
  context: Context,
  { messageId, emoji: given, senderId }: ReactInput,
): Promise<{ message: Row; reaction: NewReaction }> {
  const emoji = emojiOf(given);
  if (emoji === null) {
    const problem = 'A reaction is one emoji, or a name of 1-30 letters, digits, _, + and - between colons.';
    throw new Refusal('VALIDATION_FAILED', problem, {}, ['input', 'emoji']);
  }
  const message = await messageNamed(context, messageId);
  const userId = await senderFor(context.sql, context.principal, senderId ?? null);
  return { message, reaction: { messageId, channelId: message.channelId, userId, emoji } };
}

export const reaction: Feature = {
  name: 'reaction',
  resolvers: [ReactionResolver, ReactionCountResolver],
};
