import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Key, Partner, Scoped, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, TimeZone } from '../scalars.ts';
import { LocalizedText, localized, Payload } from '../shared.graphql.ts';
import { communitiesById, type Community as Row, updateCommunity } from './community.ts';

@ObjectType('Community', { simpleResolvers: true, description: 'A community: its people, places and game.' })
@Key('id')
@Partner()
export class Community {
  @Field(() => ID, { description: '`com_…`.' })
  id!: string;

  @Field(() => String, { description: 'The name in addresses, `[a-z0-9-]`. Scope: community:read.' })
  @Scoped('community:read')
  slug!: string;

  @Field(() => TimeZone, { description: 'Where its days begin and end. Scope: community:read.' })
  @Scoped('community:read')
  timeZone!: string;

  @Field(() => DateTime, { description: 'When it was founded. Scope: community:read.' })
  @Scoped('community:read')
  createdAt!: Date;

  @Field(() => Boolean, {
    description:
      'An event of an e-mail address, user name or external id of nobody makes that person a member; false unless it is set. Scope: community:read.',
  })
  @Scoped('community:read')
  eventsAddMembers!: boolean;
}

@InputType({ description: 'What the community allows; what is left out stays.' })
class UpdateCommunityInput {
  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether an event of an e-mail address, user name or external id of nobody makes that person a member.',
  })
  eventsAddMembers?: boolean | null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `updateCommunity`.' })
class UpdateCommunityPayload extends Payload {
  @Field(() => Community, { nullable: true, description: 'The community; null when it was refused.' })
  community: object | null = null;
}

// A caller sees the community it is in, and no other.
export const communityById = perRequest<string, Row | null>((ids, { sql, principal }) => {
  const own = communityOf(principal);
  return communitiesById(
    sql,
    ids.map((id) => (id === own ? id : '')),
  );
});

@Resolver(() => Community)
class CommunityResolver {
  @Partner()
  @Query(() => Community, {
    nullable: true,
    description: 'The community of the request; null when the arguments name another. Scope: community:read.',
  })
  @Scoped('community:read')
  async community(
    @Ctx() context: Context,
    @Arg('id', () => ID, { nullable: true, description: '`com_…`.' }) id?: string,
    @Arg('slug', () => String, { nullable: true, description: 'The name in addresses.' }) slug?: string,
  ): Promise<object | null> {
    const found = await communityById(context).load(communityOf(context.principal));
    return found === null || (id ?? found.id) !== found.id || (slug ?? found.slug) !== found.slug
      ? null
      : found;
  }

  @Write(() => UpdateCommunityPayload, {
    scope: 'community:write',
    description: 'Sets what the community allows; a person needs ADMINISTRATOR.',
  })
  async updateCommunity(
    @Arg('input', () => UpdateCommunityInput, { description: 'What is to be another.' })
    { eventsAddMembers }: UpdateCommunityInput,
    @Ctx() context: Context,
  ): Promise<UpdateCommunityPayload> {
    const { sql, principal } = context;
    await updateCommunity(sql, principal, eventsAddMembers == null ? {} : { eventsAddMembers });
    const community = await communityById(context).load(communityOf(principal));
    return Object.assign(new UpdateCommunityPayload(), { community });
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show. Scope: community:read.' })
  @Scoped('community:read')
  name(@Root() { name }: Row): LocalizedText {
    return localized(name);
  }
}

export const community: Feature = {
  name: 'community',
  resolvers: [CommunityResolver],
  references: { Community: ({ id }: { id: string }, context) => communityById(context).load(id) },
};
