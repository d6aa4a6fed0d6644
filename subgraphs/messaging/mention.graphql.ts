import { Field, FieldResolver, ObjectType, Resolver, Root } from 'type-graphql';
import { type Feature, Partner, Scoped, Usually } from '../feature.ts';
import { Channel, Message, User } from './message.graphql.ts';

@ObjectType({ simpleResolvers: true, description: 'Whom and what a message names. Scope: messages:read.' })
@Scoped('messages:read')
@Partner()
class Mentions {
  @Field(() => [User], { description: 'The people, `<@usr_…>` in the text, in its order, each once.' })
  @Usually(3)
  users!: User[];

  @Field(() => [Channel], { description: 'The channels, `<#chn_…>` in the text, in its order, each once.' })
  @Usually(1)
  channels!: Channel[];
}

@Resolver(() => Message)
class MentionResolver {
  @FieldResolver(() => Mentions, {
    description: 'Whom and what the text names, 50 at most together; empty once deleted.',
  })
  mentions(@Root() { mentions }: Message): Mentions {
    const named = (prefix: string) => mentions.filter((id) => id.startsWith(prefix)).map((id) => ({ id }));
    return { users: named('usr_'), channels: named('chn_') };
  }
}

export const mention: Feature = { name: 'mention', resolvers: [MentionResolver] };
