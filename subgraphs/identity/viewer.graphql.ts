import { Args, Ctx, Field, FieldResolver, ID, ObjectType, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { communityOf } from '../principal.ts';
import { type ConnectionOf, connectionOf, PageArgs } from '../shared.graphql.ts';
import { ApiKey, ApiKeyConnection, apiKeyById } from './api-key.graphql.ts';
import { keysPage } from './api-key.ts';
import { User, userById } from './user.graphql.ts';

// Who is calling, for the caller.

@ObjectType({ simpleResolvers: true, description: 'A community: its people, places and game.' })
@Key('id', false)
class Community {
  @Field(() => ID, { description: '`com_…`.' })
  id!: string;
}

@ObjectType({ description: 'Whoever sent the credential of this request.' })
export class Viewer {
  @Field(() => [String], { description: 'What the credential allows.' })
  @Partner()
  scopes!: readonly string[];
}

@Resolver(() => Viewer)
class ViewerResolver {
  @Partner()
  @Query(() => Viewer, { nullable: true, description: 'Who is calling; null without a credential. Public.' })
  viewer(@Ctx() { principal }: Context): Viewer | null {
    return principal.kind === 'anonymous' ? null : { scopes: principal.scopes };
  }

  @Partner()
  @FieldResolver(() => User, { nullable: true, description: "The person, for a person's credential." })
  user(@Root() _viewer: Viewer, @Ctx() context: Context): Promise<object | null> | null {
    // A class of callers has no person, and a personal answer must not be shared among it.
    if (context.principal.kind === 'class')
      throw new Refusal('NEEDS_USER', '`viewer.user` is about one person.');
    const { userId } = context.principal;
    return userId === undefined ? null : userById(context).load(userId);
  }

  @Partner()
  @FieldResolver(() => ApiKey, { nullable: true, description: 'The key that was sent.' })
  apiKey(@Root() _viewer: Viewer, @Ctx() context: Context): Promise<object | null> | null {
    if (context.principal.kind === 'class')
      throw new Refusal('NEEDS_USER', '`viewer.apiKey` is about one key.');
    const { keyId } = context.principal;
    return keyId === undefined ? null : apiKeyById(context).load(keyId);
  }

  @FieldResolver(() => ApiKeyConnection, {
    nullable: true,
    description:
      "The person's own keys that aren't revoked, oldest first; null for no person. Scope: keys:read.",
  })
  @Scoped('keys:read')
  @Paged()
  async apiKeys(
    @Root() _viewer: Viewer,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object> | null> {
    if (principal.kind === 'class') throw new Refusal('NEEDS_USER', '`viewer.apiKeys` is about one person.');
    const { userId } = principal;
    if (userId === undefined) return null;
    const own = await keysPage(sql, communityOf(principal), { userIds: [userId], revoked: false }, page);
    return connectionOf(own, (row) => row);
  }

  @Partner()
  @FieldResolver(() => Community, { nullable: true, description: 'The community that the request is in.' })
  community(@Root() _viewer: Viewer, @Ctx() { principal }: Context): Community | null {
    return principal.communityId === undefined ? null : { id: principal.communityId };
  }
}

export const viewer: Feature = {
  name: 'viewer',
  resolvers: [ViewerResolver],
  types: [Community],
};
