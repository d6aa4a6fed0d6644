import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { checked, type Feature, Paged, Partner, Resumable, Scoped, Usually } from '../feature.ts';
import type { LogEvent } from '../log.ts';
import { pageSize } from '../page.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, EventCursor } from '../scalars.ts';
import {
  controlItems,
  StreamItem,
  StreamItemConnection,
  StreamPageArgs,
  streamConnection,
  streamItems,
} from '../stream.graphql.ts';
import { openStream, readStream, type StreamFilter } from '../stream.ts';
import { awardById, BadgeAward } from './badge-award.graphql.ts';
import { balancesOf, entryById, LedgerEntry } from './ledger.graphql.ts';
import { Level, levelNumbered, levelOf } from './level.graphql.ts';
import { User } from './user.graphql.ts';
import { type BalancesAt, balancesNow } from './xp-stream.ts';

// XP as they change: the log's stream `xp`, dressed.

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'A person has more or less XP.' })
@Partner()
class XpChanged extends StreamItem {
  userId!: string;
  entryId!: string;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;

  @Field(() => BigIntScalar, { description: 'The XP the person has after it.' })
  total!: bigint;
}

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'A person has another level, higher or lower.',
})
@Partner()
class LevelChanged extends StreamItem {
  userId!: string;
  fromNumber!: number;
  toNumber!: number;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'A person was awarded a badge.' })
@Partner()
class BadgeAwarded extends StreamItem {
  userId!: string;
  awardId!: string;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'How things stood when the stream began: all events up to `cursor` count in it, and no other.',
})
@Partner()
class XpSnapshot extends StreamItem {
  @Field(() => [User], {
    description: 'Those who were named and are members; their `xp`, `level` and balances are of that moment.',
  })
  // It comes once a stream, so it adds nothing to what an event costs.
  @Usually(1)
  users!: User[];
}

const userIdsRule = z
  .array(z.string().max(64))
  .min(1, 'name 1-500 people, or leave it out for all')
  .max(500, 'name 1-500 people')
  .nullish();

@ArgsType()
class XpEventsArgs extends StreamPageArgs {
  static rules = z.object({ userIds: userIdsRule, ...StreamPageArgs.pageRules });

  @Field(() => [ID], {
    nullable: true,
    description: 'Whose XP, 1-500 people; everybody of the community when absent.',
  })
  userIds?: string[] | null;
}

@ArgsType()
class XpArgs {
  static rules = z
    .object({ userIds: userIdsRule, snapshot: z.boolean().nullish() })
    .refine(({ userIds, snapshot }) => userIds != null || snapshot !== true, {
      path: ['snapshot'],
      message: 'name in `userIds` whose XP are to come first',
    });

  @Field(() => [ID], {
    nullable: true,
    description: 'Whose XP, 1-500 people; everybody of the community when absent.',
  })
  userIds?: string[] | null;

  @Field(() => EventCursor, {
    nullable: true,
    description: 'Go on after this cursor: what was missed comes first.',
  })
  after?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Begin with an XpSnapshot of those in `userIds`, unless the stream is resumed without a gap. Default: false.',
  })
  snapshot?: boolean | null;
}

const streamOf = ({ principal }: Context) => ({ communityId: communityOf(principal), stream: 'xp' }) as const;

/** What is told of people, or of everybody. */
function peopleFilter(userIds: readonly string[] | null | undefined): StreamFilter {
  const wanted = userIds == null ? undefined : new Set(userIds);
  return { includes: ({ userId }) => wanted === undefined || wanted.has(userId ?? '') };
}

@Resolver()
class XpStreamResolver {
  @Partner()
  @Subscription(() => StreamItem, {
    description:
      'XP as they change: StreamReady or, with `after`, what was missed and StreamResumed; then XpChanged, LevelChanged and BadgeAwarded. Scope: stats:read.',
    subscribe: async ({ args, context }: { args: XpArgs; context: Context }) => {
      const { userIds, after, snapshot } = checked(XpArgs, args);
      const { sql, principal } = context;
      const ids = [...new Set(userIds)];
      const steps = await openStream(context, streamOf(context), {
        after,
        ...peopleFilter(userIds),
        ...(snapshot === true && {
          async snapshot() {
            const { at, balances } = await balancesNow(sql, communityOf(principal), ids);
            return { at, state: balances };
          },
        }),
      });
      return streamItems(context, steps, xpItem, (balances: BalancesAt) => {
        // What is selected of these people is what counts in this item, whatever has happened since.
        const known = balancesOf(context);
        for (const [id, own] of balances) known.prime(id, own);
        return Object.assign(new XpSnapshot(), { users: [...balances.keys()].map((id) => ({ id })) });
      });
    },
  })
  @Scoped('stats:read')
  @Resumable()
  xp(@Root() item: StreamItem, @Args(() => XpArgs) _args: XpArgs): StreamItem {
    return item;
  }

  @Partner()
  @Query(() => StreamItemConnection, {
    nullable: true,
    description:
      'What the subscription `xp` tells, by pages: for an app that was in the background. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged(['first'])
  async xpEvents(
    @Args(() => XpEventsArgs) { userIds, after, first }: XpEventsArgs,
    @Ctx() context: Context,
  ): Promise<StreamItemConnection> {
    const page = await readStream(context, streamOf(context), {
      after,
      first: first ?? pageSize.default,
      ...peopleFilter(userIds),
    });
    return streamConnection(page, after, xpItem);
  }
}

@Resolver(() => XpChanged)
class XpChangedResolver {
  @FieldResolver(() => User, { description: 'Whose.' })
  user(@Root() { userId }: XpChanged): User {
    return { id: userId };
  }

  @FieldResolver(() => LedgerEntry, { nullable: true, description: 'The entry that changed them.' })
  entry(@Root() { entryId }: XpChanged, @Ctx() context: Context): Promise<object | null> {
    return entryById(context).load(entryId);
  }

  @FieldResolver(() => Level, { nullable: true, description: 'The level of that many XP.' })
  level(@Root() { total }: XpChanged, @Ctx() context: Context): Promise<object | null> {
    return levelOf(context, total);
  }
}

@Resolver(() => LevelChanged)
class LevelChangedResolver {
  @FieldResolver(() => User, { description: 'Whose.' })
  user(@Root() { userId }: LevelChanged): User {
    return { id: userId };
  }

  @FieldResolver(() => Level, {
    nullable: true,
    description: 'The level before; null below the first, or where it is no more.',
  })
  from(@Root() { fromNumber }: LevelChanged, @Ctx() context: Context): Promise<object | null> {
    return levelNumbered(context, fromNumber);
  }

  @FieldResolver(() => Level, {
    nullable: true,
    description: 'The level after; null below the first, or where it is no more.',
  })
  to(@Root() { toNumber }: LevelChanged, @Ctx() context: Context): Promise<object | null> {
    return levelNumbered(context, toNumber);
  }
}

@Resolver(() => BadgeAwarded)
class BadgeAwardedResolver {
  @FieldResolver(() => User, { description: 'Who.' })
  user(@Root() { userId }: BadgeAwarded): User {
    return { id: userId };
  }

  @FieldResolver(() => BadgeAward, { nullable: true, description: 'The award, with its badge.' })
  award(@Root() { awardId }: BadgeAwarded, @Ctx() context: Context): Promise<object | null> {
    return awardById(context).load(awardId);
  }
}

function xpItem({ kind, userId, payload }: LogEvent): StreamItem {
  if (kind === 'LevelChanged') {
    const { from: fromNumber, to: toNumber } = payload as { from: number; to: number };
    return Object.assign(new LevelChanged(), { userId: userId ?? '', fromNumber, toNumber });
  }
  if (kind === 'BadgeAwarded') {
    const { awardId } = payload as { awardId: string };
    return Object.assign(new BadgeAwarded(), { userId: userId ?? '', awardId });
  }
  const { entryId, total } = payload as { entryId: string; total: string };
  return Object.assign(new XpChanged(), { userId: userId ?? '', entryId, total: BigInt(total) });
}

export const xpStream: Feature = {
  name: 'xp-stream',
  resolvers: [XpStreamResolver, XpChangedResolver, LevelChangedResolver, BadgeAwardedResolver],
  types: [XpChanged, LevelChanged, BadgeAwarded, XpSnapshot, ...controlItems],
};
