import { Arg, Ctx, Field, FieldResolver, ID, InputType, Int, ObjectType, Resolver, Root } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Partner, Scoped, Usually, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { Payload } from '../shared.graphql.ts';
import { Message, messageById } from './message.graphql.ts';
import { senderFor } from './message.ts';
import { addReactions, type ReactionCount as Count, reactionsByMessage } from './reaction.ts';

@ObjectType({
  simpleResolvers: true,
  description: 'How often an emoji stands on a message. Scope: messages:read.',
})
@Scoped('messages:read')
@Partner()
class ReactionCount {
  @Field(() => String, { description: 'The emoji, or a name for it: `:tada:`.' })
  emoji!: string;

  @Field(() => Int, { description: 'How many people reacted with it.' })
  count!: number;
}

@InputType({ description: 'A reaction to a message.' })
class ReactInput {
  static rules = z.object({
    emoji: z.string().regex(/^\S{1,32}$/u, 'An emoji is 1-32 characters without blanks.'),
  });

  @Field(() => ID, { description: 'The message.' })
  messageId!: string;

  @Field(() => String, { description: 'The emoji, or a name for it, 1-32 characters: `🎉`, `:tada:`.' })
  emoji!: string;

  @Field(() => ID, {
    nullable: true,
    description: "Who reacts. Needed with a key of the community; a person's key reacts as its person.",
  })
  senderId?: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `react`.' })
@Partner()
class ReactPayload extends Payload {
  @Field(() => Message, { nullable: true, description: 'The message; null when the reaction was refused.' })
  message: object | null = null;
}

const reactionsOf = perRequest<string, Count[]>((ids, { sql, principal }) =>
  reactionsByMessage(sql, communityOf(principal), ids),
);

@Resolver(() => Message)
class ReactionResolver {
  @Partner()
  @Write(() => ReactPayload, {
    scope: 'messages:write',
    description: 'Puts an emoji of a person on a message. Once there, repeating it changes nothing.',
  })
  async react(
    @Arg('input', () => ReactInput, { description: 'Which emoji, on what.' }) {
      messageId,
      emoji,
      senderId,
    }: ReactInput,
    @Ctx() context: Context,
  ): Promise<ReactPayload> {
    const { sql, tail, principal } = context;
    const message = await messageById(context).load(messageId);
    if (message === null) {
      throw new Refusal('NOT_FOUND', `No message has the id "${messageId}".`, {}, ['input', 'messageId']);
    }
    const userId = await senderFor(sql, principal, senderId ?? null);
    await addReactions(sql, communityOf(principal), [
      { messageId, channelId: message.channelId, userId, emoji },
    ]);
    tail.wake();
    return Object.assign(new ReactPayload(), { message });
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

export const reaction: Feature = {
  name: 'reaction',
  resolvers: [ReactionResolver],
};
