import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped, Usually, Write } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page, PageArguments } from '../page.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Url } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  PageArgs,
  Payload,
  ReplayablePayload,
  webUrl,
} from '../shared.graphql.ts';
import { Badge, badgeById } from './badge.graphql.ts';
import type { Badge as BadgeRow } from './badge.ts';
import {
  awardBadge,
  awardsByBadge,
  awardsById,
  awardsByUser,
  type BadgeAward as Row,
  revokeBadge,
} from './badge-award.ts';
import { entriesOfEvent, LedgerEntry } from './ledger.graphql.ts';
import { originOf } from './origin.ts';
import { User } from './user.graphql.ts';

@ObjectType({ simpleResolvers: true, description: 'A badge that a person holds. Scope: stats:read.' })
@Key('id')
@Scoped('stats:read')
@Partner()
export class BadgeAward {
  badgeId!: string;
  userId!: string;
  eventId!: string;
  actorUserId!: string | null;

  @Field(() => ID, { description: '`awd_…`.' })
  id!: string;

  @Field(() => Url, { nullable: true, description: 'The proof that it was awarded for.' })
  attachmentUrl!: string | null;

  @Field(() => DateTime, { description: 'When it was awarded.' })
  awardedAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was taken back; null: the person holds it.',
  })
  revokedAt!: Date | null;
}

const BadgeAwardConnection = Connection(() => BadgeAward, 'BadgeAward');

@InputType({ description: 'A badge for a person.' })
class AwardBadgeInput {
  static rules = z.object({
    badgeId: z.string().max(64),
    userId: z.string().max(64),
    attachmentUrl: webUrl.nullish(),
    idempotencyKey,
  });

  @Field(() => ID, { description: 'The badge.' })
  badgeId!: string;

  @Field(() => ID, { description: 'The person.' })
  userId!: string;

  @Field(() => Url, {
    nullable: true,
    description:
      'The proof, `https:` or `http:`, at most 2,000 characters; needed where the badge `requiresAttachment`.',
  })
  attachmentUrl?: URL | string | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each award: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'An award to take back.' })
class RevokeBadgeInput {
  static rules = z.object({ awardId: z.string().max(64) });

  @Field(() => ID, { description: 'The award: `awd_…`.' })
  awardId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `awardBadge`.' })
@Partner()
class AwardBadgePayload extends ReplayablePayload {
  @Field(() => BadgeAward, { nullable: true, description: 'The award; null when it was refused.' })
  award: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `revokeBadge`.' })
class RevokeBadgePayload extends Payload {
  @Field(() => BadgeAward, {
    nullable: true,
    description: 'The award, `revokedAt` set; null when it was refused.',
  })
  award: object | null = null;
}

export const awardById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  awardsById(sql, communityOf(principal), ids),
);

const awardsOf = perArguments<PageArguments, string, Page<Row>>((ids, page, { sql, principal }) =>
  awardsByUser(sql, communityOf(principal), ids, page),
);

const holdersOf = perArguments<PageArguments, string, Page<Row>>((ids, page, { sql, principal }) =>
  awardsByBadge(sql, communityOf(principal), ids, page),
);

@Resolver(() => BadgeAward)
class BadgeAwardResolver {
  @Partner()
  @Write(() => AwardBadgePayload, {
    scope: 'badges:write',
    description: 'Awards a badge to a person, who can hold it once, and books what it brings.',
  })
  async awardBadge(
    @Arg('input', () => AwardBadgeInput, { description: 'Which badge, to whom.' }) input: AwardBadgeInput,
    @Ctx() { sql, tail, principal }: Context,
  ): Promise<AwardBadgePayload> {
    const { attachmentUrl, ...award } = input;
    const proof = attachmentUrl == null ? null : String(attachmentUrl);
    const origin = originOf(principal);
    const awarded = await awardBadge(sql, communityOf(principal), { ...award, attachmentUrl: proof, origin });
    tail.wake();
    return Object.assign(new AwardBadgePayload(), awarded);
  }

  @Write(() => RevokeBadgePayload, {
    scope: 'badges:write',
    description:
      'Takes a badge back and reverses what it brought; repeated, it gives the same answer. It is not awarded by itself again.',
  })
  async revokeBadge(
    @Arg('input', () => RevokeBadgeInput, { description: 'Which award.' }) { awardId }: RevokeBadgeInput,
    @Ctx() { sql, tail, principal }: Context,
  ): Promise<RevokeBadgePayload> {
    const award = await revokeBadge(sql, principal, awardId);
    tail.wake();
    return Object.assign(new RevokeBadgePayload(), { award });
  }

  @FieldResolver(() => Badge, { nullable: true, description: 'The badge.' })
  badge(@Root() { badgeId }: BadgeAward, @Ctx() context: Context): Promise<object | null> {
    return badgeById(context).load(badgeId);
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who holds it.' })
  user(@Root() { userId }: BadgeAward): User {
    return { id: userId };
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The person who awarded it; null: nobody, or a key of the community.',
  })
  awardedBy(@Root() { actorUserId, eventId: _ }: BadgeAward): User | null {
    return actorUserId === null ? null : { id: actorUserId };
  }

  @FieldResolver(() => [LedgerEntry], { nullable: true, description: 'What it brought.' })
  @Usually(2)
  async rewards(@Root() { id, eventId }: BadgeAward, @Ctx() context: Context): Promise<object[]> {
    const entries = await entriesOfEvent(context).load(eventId);
    return entries.filter(({ eventType, reference }) => eventType === 'badge' && reference === id);
  }
}

@Resolver(() => Badge)
class BadgeHoldersResolver {
  @FieldResolver(() => BadgeAwardConnection, {
    nullable: true,
    description: 'Who holds it: their awards, newest first.',
  })
  @Paged()
  async holders(
    @Root() { id }: BadgeRow,
    @Args(() => PageArgs) page: PageArguments,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await holdersOf(context, page).load(id), (row) => row);
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
    @Args(() => PageArgs) page: PageArguments,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await awardsOf(context, page).load(id), (row) => row);
  }
}

export const badgeAward: Feature = {
  name: 'badge-award',
  resolvers: [BadgeAwardResolver, BadgeHoldersResolver, UserBadgesResolver],
  references: { BadgeAward: ({ id }: { id: string }, context) => awardById(context).load(id) },
};
