import { Args, Ctx, Field, ID, ObjectType, Query, Resolver } from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { communityOf } from '../principal.ts';
import { Connection, type ConnectionOf, connectionOf, PageArgs } from '../shared.graphql.ts';
import { memberIndex, membersPage } from './member.ts';

@ObjectType({ simpleResolvers: true, description: 'A person in a community.' })
@Key('id')
export class User {
  @Field(() => ID, { description: '`usr_…`.' })
  id!: string;
}

/** A page of people. */
export const UserConnection = Connection(() => User, 'User');

@Resolver()
class MemberResolver {
  @Partner()
  @Query(() => UserConnection, {
    description: 'The members of the community, in the order they joined. Scope: users:read.',
  })
  @Scoped('users:read')
  @Paged()
  async users(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<User>> {
    return connectionOf(await membersPage(sql, communityOf(principal), page), ({ userId }) => ({
      id: userId,
    }));
  }
}

export const member: Feature = {
  name: 'member',
  resolvers: [MemberResolver],
  references: { User: ({ id }: { id: string }) => ({ id }) },
  readers: () => [memberIndex],
};
