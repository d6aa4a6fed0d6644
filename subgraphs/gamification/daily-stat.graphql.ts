import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Cost, type Feature, Key, Partner, Scoped, Usually } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, Day, TimeZone } from '../scalars.ts';
import { DateRangeInput } from '../shared.graphql.ts';
import {
  type DaySums,
  daysByKey,
  type DailyStat as Row,
  type DailyStatSeries as Series,
  type SeriesRequest,
  seriesByUser,
  seriesOfMembers,
  todayByUser,
} from './daily-stat.ts';
import { User } from './user.graphql.ts';

@ObjectType({
  simpleResolvers: true,
  description: 'What a person earned and did on one day. Scope: stats:read.',
})
@Key('userId date')
@Scoped('stats:read')
@Partner()
class DailyStat {
  @Field(() => ID, { description: 'Whose, `usr_…`.' })
  userId!: string;

  @Field(() => Day, { description: 'The day.' })
  date!: string;

  @Field(() => TimeZone, { description: 'Where the day begins and ends.' })
  timeZone!: string;

  @Field(() => BigIntScalar, { description: 'XP of the day; 0 when there were none.' })
  xp!: bigint;

  @Field(() => BigIntScalar, { description: 'Coins of the day; 0 when there were none.' })
  coins!: bigint;

  @Field(() => Int, { description: 'Messages of the day, without replies.' })
  messages!: number;

  @Field(() => Int, { description: 'Replies of the day.' })
  replies!: number;

  @Field(() => Int, { description: 'Reactions that the person gave on the day.' })
  reactions!: number;

  @Field(() => Int, { description: 'Visits of the day.' })
  visits!: number;

  @Field(() => Int, { description: 'Referrals of the day.' })
  referrals!: number;

  @Field(() => Int, { description: 'Follows, likes, comments and shares of the day.' })
  socials!: number;

  @Field(() => Boolean, { description: 'The day has ended; only late events and reversals change it still.' })
  final!: boolean;

  @Field(() => DateTime, {
    nullable: true,
    description: "When something recorded after the day's end last changed it; null when nothing did.",
  })
  restatedAt!: Date | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'The days that a series covers, both ends included. Scope: stats:read.',
})
@Scoped('stats:read')
@Partner()
class ResolvedRange {
  @Field(() => Day, { description: 'The first day.' })
  from!: string;

  @Field(() => Day, { description: 'The last day.' })
  to!: string;

  @Field(() => TimeZone, { description: 'Where the days begin and end.' })
  timeZone!: string;
}

@ObjectType({ simpleResolvers: true, description: 'The sums of the days of a series. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
class DailyStatTotals {
  @Field(() => BigIntScalar, { description: 'XP of all days.' })
  xp!: bigint;

  @Field(() => BigIntScalar, { description: 'Coins of all days.' })
  coins!: bigint;

  @Field(() => Int, { description: 'Messages of all days, without replies.' })
  messages!: number;

  @Field(() => Int, { description: 'Replies of all days.' })
  replies!: number;

  @Field(() => Int, { description: 'Reactions of all days.' })
  reactions!: number;

  @Field(() => Int, { description: 'Visits of all days.' })
  visits!: number;

  @Field(() => Int, { description: 'Referrals of all days.' })
  referrals!: number;

  @Field(() => Int, { description: 'Follows, likes, comments and shares of all days.' })
  socials!: number;
}

@ObjectType({
  simpleResolvers: true,
  description: 'What a person earned and did day by day. Scope: stats:read.',
})
@Scoped('stats:read')
@Partner()
class DailyStatSeries {
  @Field(() => ResolvedRange, { description: 'The days it covers.' })
  range!: ResolvedRange;

  @Field(() => DailyStatTotals, { description: 'Their sums.' })
  totals!: DailyStatTotals;

  @Field(() => [DailyStat], { description: 'Each day of the range, newest first, also those with nothing.' })
  @Usually(30)
  days!: DailyStat[];

  @Field(() => DateTime, { description: 'When it was counted.' })
  asOf!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'A person and their days. Scope: stats:read.' })
@Scoped('stats:read')
class UserDailyStats {
  userId!: string;

  @Field(() => DailyStatSeries, { description: 'The days.' })
  series!: DailyStatSeries;
}

@ArgsType()
class DailyStatsArgs {
  static rules = z.object({
    userIds: z
      .array(z.string().max(64))
      .min(1, 'name 1-100 people')
      .max(100, 'name 1-100 people')
      .refine((ids) => new Set(ids).size === ids.length, 'name each person once'),
  });

  @Field(() => [ID], { description: 'Whose days, 1-100 people, each once.' })
  userIds!: string[];

  @Field(() => DateRangeInput, {
    nullable: true,
    description: 'The days, at most 366; the last 30 when absent.',
  })
  range?: DateRangeInput | null;
}

const seriesOf = perArguments<SeriesRequest, string, Series>((ids, request, { sql, principal, now }) =>
  seriesByUser(sql, communityOf(principal), ids, request, now()),
);

const todayOf = perRequest<string, Pick<DaySums, 'xp' | 'coins'>>((ids, { sql, principal, now }) =>
  todayByUser(sql, communityOf(principal), ids, now()),
);

/** By `user day`, so that equal keys are one. */
const dayOf = perRequest<string, Row>((keys, { sql, principal, now }) => {
  const asked = keys.map((key) => {
    const [userId = '', date = ''] = key.split(' ');
    return { userId, date };
  });
  return daysByKey(sql, communityOf(principal), asked, now());
});

function requestOf(last: number | null, range: DateRangeInput | null): SeriesRequest {
  return {
    last,
    range: range === null ? null : { from: range.from, to: range.to, timeZone: range.timeZone ?? null },
  };
}

@Resolver(() => User)
class UserDailyStatsFieldsResolver {
  @FieldResolver(() => DailyStatSeries, {
    nullable: true,
    description: 'Day by day: the last days up to today, or the days of a range. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Cost(5)
  dailyStats(
    @Root() { id }: User,
    @Ctx() context: Context,
    @Arg('last', () => Int, {
      nullable: true,
      description: 'How many days up to today, 1-366, 30 when absent; not beside `range`.',
    })
    last?: number | null,
    @Arg('range', () => DateRangeInput, { nullable: true, description: 'The days; at most 366.' })
    range?: DateRangeInput | null,
  ): Promise<Series> {
    return seriesOf(context, requestOf(last ?? null, range ?? null)).load(id);
  }

  @FieldResolver(() => BigIntScalar, {
    nullable: true,
    description: "XP of the day it is in the community's time zone. Scope: stats:read.",
  })
  @Scoped('stats:read')
  async xpToday(@Root() { id }: User, @Ctx() context: Context): Promise<bigint> {
    return (await todayOf(context).load(id)).xp;
  }

  @FieldResolver(() => BigIntScalar, {
    nullable: true,
    description: "Coins of the day it is in the community's time zone. Scope: stats:read.",
  })
  @Scoped('stats:read')
  async coinsToday(@Root() { id }: User, @Ctx() context: Context): Promise<bigint> {
    return (await todayOf(context).load(id)).coins;
  }
}

@Resolver(() => DailyStat)
class DailyStatResolver {
  @FieldResolver(() => User, { nullable: true, description: 'Whose.' })
  user(@Root() { userId }: DailyStat): User {
    return { id: userId };
  }
}

@Resolver(() => UserDailyStats)
class UserDailyStatsResolver {
  @Query(() => [UserDailyStats], {
    description:
      'The days of many people, in the order they are named; who is no member is left out. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Usually(50)
  @Cost(5)
  async dailyStats(
    @Args(() => DailyStatsArgs) { userIds, range }: DailyStatsArgs,
    @Ctx() { sql, principal, now }: Context,
  ): Promise<object[]> {
    return seriesOfMembers(sql, communityOf(principal), userIds, requestOf(null, range ?? null), now());
  }

  @FieldResolver(() => User, { nullable: true, description: 'Whose.' })
  user(@Root() { userId }: UserDailyStats): User {
    return { id: userId };
  }
}

export const dailyStat: Feature = {
  name: 'daily-stat',
  resolvers: [UserDailyStatsFieldsResolver, DailyStatResolver, UserDailyStatsResolver],
  references: {
    DailyStat: ({ userId, date }: { userId: string; date: string }, context) =>
      dayOf(context).load(`${userId} ${date}`),
  },
};
