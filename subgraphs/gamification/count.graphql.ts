import { Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Scoped } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { type Counts, countsByUser } from './count.ts';
import { User } from './user.graphql.ts';

const countsOf = perRequest<string, Counts>((ids, { sql, principal }) =>
  countsByUser(sql, communityOf(principal), ids),
);

@Resolver(() => User)
class UserCountsResolver {
  @FieldResolver(() => Int, {
    nullable: true,
    description: 'Messages the person wrote, without replies. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async messageCount(@Root() { id }: User, @Ctx() context: Context): Promise<number> {
    return (await countsOf(context).load(id)).messages;
  }

  @FieldResolver(() => Int, { nullable: true, description: 'Replies the person wrote. Scope: stats:read.' })
  @Scoped('stats:read')
  async replyCount(@Root() { id }: User, @Ctx() context: Context): Promise<number> {
    return (await countsOf(context).load(id)).replies;
  }

  @FieldResolver(() => Int, { nullable: true, description: 'Reactions the person gave. Scope: stats:read.' })
  @Scoped('stats:read')
  async reactionCount(@Root() { id }: User, @Ctx() context: Context): Promise<number> {
    return (await countsOf(context).load(id)).reactions;
  }

  @FieldResolver(() => Int, { nullable: true, description: 'Visits of the person. Scope: stats:read.' })
  @Scoped('stats:read')
  async visitCount(@Root() { id }: User, @Ctx() context: Context): Promise<number> {
    return (await countsOf(context).load(id)).visits;
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description: 'People whom the person referred. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async referralCount(@Root() { id }: User, @Ctx() context: Context): Promise<number> {
    return (await countsOf(context).load(id)).referrals;
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description: 'Follows, likes, comments and shares of the person. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async socialCount(@Root() { id }: User, @Ctx() context: Context): Promise<number> {
    return (await countsOf(context).load(id)).socials;
  }
}

export const count: Feature = {
  name: 'count',
  resolvers: [UserCountsResolver],
};
