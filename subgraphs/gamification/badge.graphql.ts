import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  Float,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { perRequest } from '../loader.ts';
import type { PageArguments } from '../page.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, Url } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  LocalizedText,
  localized,
  PageArgs,
} from '../shared.graphql.ts';
import { badgesById, badgesPage, peopleCounted, type Badge as Row } from './badge.ts';
import { badgeReached } from './badge-reached.ts';

enum ImageTheme {
  LIGHT = 'LIGHT',
  DARK = 'DARK',
}
registerEnumType(ImageTheme, {
  name: 'ImageTheme',
  description: 'What an image is shown on.',
  valuesConfig: { LIGHT: { description: 'A light page.' }, DARK: { description: 'A dark page.' } },
});

export enum Measure {
  XP = 'XP',
  COINS = 'COINS',
  POINTS = 'POINTS',
  PREMIUM = 'PREMIUM',
  LEVEL = 'LEVEL',
  MESSAGES = 'MESSAGES',
  REPLIES = 'REPLIES',
  REACTIONS = 'REACTIONS',
  VISITS = 'VISITS',
  REFERRALS = 'REFERRALS',
  SOCIALS = 'SOCIALS',
  BADGES = 'BADGES',
}
registerEnumType(Measure, {
  name: 'Measure',
  description: 'What a person can have much of.',
  valuesConfig: {
    XP: { description: 'XP earned.' },
    COINS: { description: 'Coins held.' },
    POINTS: { description: 'Points held.' },
    PREMIUM: { description: 'Premium currency held.' },
    LEVEL: { description: 'The number of the level.' },
    MESSAGES: { description: 'Messages written.' },
    REPLIES: { description: 'Replies written.' },
    REACTIONS: { description: 'Reactions given.' },
    VISITS: { description: 'Visits.' },
    REFERRALS: { description: 'People referred.' },
    SOCIALS: { description: 'Follows, likes, comments and shares.' },
    BADGES: { description: 'Badges held.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'What awards a badge by itself. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
class BadgeCriterion {
  @Field(() => Measure, { description: 'What is looked at.' })
  measure!: Measure;

  @Field(() => BigIntScalar, { description: 'How much of it a person has to have, 1 or more.' })
  atLeast!: bigint;
}

@ObjectType({ simpleResolvers: true, description: 'A distinction to award. Scope: stats:read.' })
@Key('id')
@Scoped('stats:read')
@Partner()
export class Badge {
  @Field(() => ID, { description: '`bdg_…`.' })
  id!: string;

  @Field(() => Int, { nullable: true, description: 'How many people can hold it at most; null: no limit.' })
  quantity!: number | null;

  @Field(() => Int, { description: 'How many people hold it.' })
  awardCount!: number;

  @Field(() => Boolean, { description: 'It is awarded now.' })
  enabled!: boolean;

  @Field(() => Boolean, { description: 'Awarding it by hand takes a proof, `attachmentUrl`.' })
  requiresAttachment!: boolean;

  @Field(() => BigIntScalar, { description: 'XP that an award brings; 0: none.' })
  xpReward!: bigint;

  @Field(() => BigIntScalar, { description: 'Coins that an award brings; 0: none.' })
  coinsReward!: bigint;

  @Field(() => Int, { description: 'One more with each change, from 1.' })
  version!: number;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: Date;
}

const BadgeConnection = Connection(() => Badge, 'Badge');

export const badgeById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  badgesById(sql, communityOf(principal), ids),
);

/** How long a count of a community's people is good enough for a rarity. */
const countedForMs = 60_000;
const counted = new WeakMap<object, Map<string, { at: number; people: Promise<number> }>>();

/** Counted once a minute at most, since it takes as long as there are people. */
function peopleIn({ sql, principal, now }: Context): Promise<number> {
  const communityId = communityOf(principal);
  const ofPool = counted.get(sql) ?? new Map();
  counted.set(sql, ofPool);
  const known = ofPool.get(communityId);
  if (known !== undefined && known.at > now().getTime() - countedForMs) return known.people;
  const people = peopleCounted(sql, communityId);
  ofPool.set(communityId, { at: now().getTime(), people });
  people.catch(() => ofPool.delete(communityId));
  return people;
}

@Resolver(() => Badge)
class BadgeResolver {
  @Partner()
  @Query(() => BadgeConnection, {
    description: 'The badges of the community, oldest first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async badges(
    @Args(() => PageArgs) page: PageArguments,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await badgesPage(sql, communityOf(principal), page), (row) => row);
  }

  @Partner()
  @Query(() => Badge, {
    nullable: true,
    description: 'One badge, also one that was deleted; null where there is none. Scope: stats:read.',
  })
  @Scoped('stats:read')
  badge(
    @Arg('id', () => ID, { description: 'Its id.' }) id: string,
    @Ctx() context: Context,
  ): Promise<object | null> {
    return badgeById(context).load(id);
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

  @FieldResolver(() => BadgeCriterion, {
    nullable: true,
    description: 'What awards it by itself, once a person; null: it is awarded by hand.',
  })
  criterion(@Root() { measure, atLeast }: Row): object | null {
    return measure === null || atLeast === null ? null : { measure, atLeast };
  }

  @FieldResolver(() => Float, {
    nullable: true,
    description:
      'The share of people who hold it, 0 to 1, of all who have anything; they are counted once a minute. Null: nobody has.',
  })
  async rarity(@Root() { awardCount }: Row, @Ctx() context: Context): Promise<number | null> {
    const people = await peopleIn(context);
    return people === 0 ? null : Math.min(1, awardCount / people);
  }
}

export const badge: Feature = {
  name: 'badge',
  resolvers: [BadgeResolver],
  references: { Badge: ({ id }: { id: string }, context) => badgeById(context).load(id) },
  readers: () => [badgeReached],
};
