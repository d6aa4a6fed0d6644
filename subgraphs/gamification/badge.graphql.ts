import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped, Write } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page, PageArguments } from '../page.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Url } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  LocalizedText,
  localized,
  PageArgs,
  ReplayablePayload,
} from '../shared.graphql.ts';
import {
  type BadgeAward as AwardRow,
  awardBadge,
  awardsById,
  awardsByUser,
  badgesById,
  badgesPage,
  type Badge as Row,
} from './badge.ts';
import { User } from './user.graphql.ts';

enum ImageTheme {
  LIGHT = 'LIGHT',
  DARK = 'DARK',
}
registerEnumType(ImageTheme, {
  name: 'ImageTheme',
  description: 'What an image is shown on.',
  valuesConfig: { LIGHT: { description: 'A light page.' }, DARK: { description: 'A dark page.' } },
});

@ObjectType({ simpleResolvers: true, description: 'A distinction to award. Scope: stats:read.' })
@Key('id')
@Scoped('stats:read')
@Partner()
class Badge {
  @Field(() => ID, { description: '`bdg_…`.' })
  id!: string;

  @Field(() => Int, { nullable: true, description: 'How many can be awarded at most; null: no limit.' })
  quantity!: number | null;

  @Field(() => Int, { description: 'How many were awarded.' })
  awardCount!: number;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'A badge that a person holds. Scope: stats:read.' })
@Key('id')
@Scoped('stats:read')
@Partner()
class BadgeAward {
  badgeId!: string;
  userId!: string;

  @Field(() => ID, { description: '`awd_…`.' })
  id!: string;

  @Field(() => DateTime, { description: 'When it was awarded.' })
  awardedAt!: Date;
}

const BadgeConnection = Connection(() => Badge, 'Badge');
const BadgeAwardConnection = Connection(() => BadgeAward, 'BadgeAward');

@InputType({ description: 'A badge for a person.' })
class AwardBadgeInput {
  static rules = z.object({ idempotencyKey });

  @Field(() => ID, { description: 'The badge.' })
  badgeId!: string;

  @Field(() => ID, { description: 'The person.' })
  userId!: string;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each award: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `awardBadge`.' })
@Partner()
class AwardBadgePayload extends ReplayablePayload {
  @Field(() => BadgeAward, { nullable: true, description: 'The award; null when it was refused.' })
  award: object | null = null;
}

const badgeById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  badgesById(sql, communityOf(principal), ids),
);

const awardById = perRequest<string, AwardRow | null>((ids, { sql, principal }) =>
  awardsById(sql, communityOf(principal), ids),
);

const awardsOf = perArguments<PageArguments, string, Page<AwardRow>>((ids, page, { sql, principal }) =>
  awardsByUser(sql, communityOf(principal), ids, page),
);

@Resolver(() => Badge)
class BadgeResolver {
  @Partner()
  @Write(() => AwardBadgePayload, {
    scope: 'badges:write',
    description: 'Awards a badge to a person, who can hold it once.',
  })
  async awardBadge(
    @Arg('input', () => AwardBadgeInput, { description: 'Which badge, to whom.' }) input: AwardBadgeInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<AwardBadgePayload> {
    return Object.assign(new AwardBadgePayload(), await awardBadge(sql, communityOf(principal), input));
  }

  @Partner()
  @Query(() => BadgeConnection, {
    description: 'The badges of the community, oldest first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async badges(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await badgesPage(sql, communityOf(principal), page), (row) => row);
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show.' })
  title(@Root() { title }: Row): LocalizedText {
    return localized(title);
  }

  @FieldResolver(() => LocalizedText, { nullable: true, description: 'What it is awarded for.' })
  description(@Root() { description }: Row): LocalizedText | null {
    return description === null ? null : localized(description);
  }

  @FieldResolver(() => Url, {
    nullable: true,
    description: 'The picture; the light one where there is no dark one.',
  })
  image(
    @Root() { imageUrl, darkImageUrl }: Row,
    @Arg('theme', () => ImageTheme, { defaultValue: ImageTheme.LIGHT, description: 'What it is shown on.' })
    theme: ImageTheme,
  ): string | null {
    return theme === ImageTheme.DARK ? (darkImageUrl ?? imageUrl) : imageUrl;
  }
}

@Resolver(() => BadgeAward)
class BadgeAwardResolver {
  @FieldResolver(() => Badge, { nullable: true, description: 'The badge.' })
  badge(@Root() { badgeId }: BadgeAward, @Ctx() context: Context): Promise<object | null> {
    return badgeById(context).load(badgeId);
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who holds it.' })
  user(@Root() { userId }: BadgeAward): User {
    return { id: userId };
  }
}

@Resolver(() => User)
class UserBadgesResolver {
  @FieldResolver(() => BadgeAwardConnection, {
    nullable: true,
    description: 'The badges the person holds, newest first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async badges(
    @Root() { id }: User,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await awardsOf(context, page).load(id), (row) => row);
  }
}

export const badge: Feature = {
  name: 'badge',
  resolvers: [BadgeResolver, BadgeAwardResolver, UserBadgesResolver],
  references: {
    Badge: ({ id }: { id: string }, context) => badgeById(context).load(id),
    BadgeAward: ({ id }: { id: string }, context) => awardById(context).load(id),
  },
};
