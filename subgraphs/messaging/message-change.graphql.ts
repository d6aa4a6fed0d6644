import { Arg, Ctx, Field, ID, InputType, ObjectType, Resolver } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Partner, Write } from '../feature.ts';
import { Payload } from '../shared.graphql.ts';
import { Message, messageNamed } from './message.graphql.ts';
import { deleteMessage, editMessage } from './message-change.ts';
import { body, bodyDescription } from './sending.graphql.ts';

@InputType({ description: 'Another text for a message.' })
class EditMessageInput {
  static rules = z.object({ body });

  @Field(() => ID, { description: 'The message.' })
  messageId!: string;

  @Field(() => String, { description: bodyDescription })
  body!: string;
}

@InputType({ description: 'A message to delete.' })
class DeleteMessageInput {
  @Field(() => ID, { description: 'The message.' })
  messageId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `editMessage`.' })
@Partner()
class EditMessagePayload extends Payload {
  @Field(() => Message, {
    nullable: true,
    description: 'The message as it is now; null when that was refused.',
  })
  message: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `deleteMessage`.' })
@Partner()
class DeleteMessagePayload extends Payload {
  @Field(() => Message, {
    nullable: true,
    description: 'The message as it is now, without its text; null when that was refused.',
  })
  message: object | null = null;
}

@Resolver()
class MessageChangeResolver {
  @Partner()
  @Write(() => EditMessagePayload, {
    scope: 'messages:write',
    description:
      'Gives a message another text. People edit what they wrote, keys of the community any message.',
  })
  async editMessage(
    @Arg('input', () => EditMessageInput, { description: 'Which message, and its new text.' })
    input: EditMessageInput,
    @Ctx() context: Context,
  ): Promise<EditMessagePayload> {
    const message = await messageNamed(context, input.messageId);
    const edited = await editMessage(context.sql, context.principal, message, input.body);
    context.tail.wake();
    return Object.assign(new EditMessagePayload(), { message: edited });
  }

  @Partner()
  @Write(() => DeleteMessagePayload, {
    scope: 'messages:write',
    description:
      'Takes away the text of a message, which keeps its place. People delete what they wrote; administrators, roles that manage messages and keys of the community delete any. Repeating it changes nothing.',
  })
  async deleteMessage(
    @Arg('input', () => DeleteMessageInput, { description: 'Which message.' }) input: DeleteMessageInput,
    @Ctx() context: Context,
  ): Promise<DeleteMessagePayload> {
    const message = await messageNamed(context, input.messageId);
    const deleted = await deleteMessage(context.sql, context.principal, message);
    context.tail.wake();
    return Object.assign(new DeleteMessagePayload(), { message: deleted });
  }
}

export const messageChange: Feature = { name: 'message-change', resolvers: [MessageChangeResolver] };
