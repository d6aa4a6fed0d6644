import { Field, ID, ObjectType } from 'type-graphql';
import { Key } from '../feature.ts';

// The person that gamification's features add to; who it is, identity knows.

@ObjectType({ simpleResolvers: true, description: 'A person in a community.' })
@Key('id')
export class User {
  @Field(() => ID, { description: '`usr_…`.' })
  id!: string;
}
