import { Arg, Ctx, Field, FieldResolver, Int, ObjectType, Resolver, Root } from 'type-graphql';
import type { Context } from '../context.ts';
import { Cost, type Feature, Partner, Scoped } from '../feature.ts';
import { perArguments } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, Day, TimeZone } from '../scalars.ts';
import { DateRangeInput } from '../shared.graphql.ts';
import { type DailyStatSeries as Series, type SeriesRequest, seriesByUser } from './daily-stat.ts';
import { User } from './user.graphql.ts';

@ObjectType({ simpleResolvers: true, description: 'What a person earned on one day. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
class DailyStat {
  @Field(() => Day, { description: 'The day.' })
  date!: string;

  @Field(() => TimeZone, { description: 'Where the day begins and ends.' })
  timeZone!: string;

  @Field(() => BigIntScalar, { description: 'XP of the day; 0 when there were none.' })
  xp!: bigint;

  @Field(() => BigIntScalar, { description: 'Coins of the day; 0 when there were none.' })
  coins!: bigint;
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
}

@ObjectType({ simpleResolvers: true, description: 'What a person earned day by day. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
class DailyStatSeries {
  @Field(() => ResolvedRange, { description: 'The days it covers.' })
  range!: ResolvedRange;

  @Field(() => DailyStatTotals, { description: 'Their sums.' })
  totals!: DailyStatTotals;

  @Field(() => [DailyStat], { description: 'Each day of the range, newest first, also those with nothing.' })
  days!: DailyStat[];
}

const seriesOf = perArguments<SeriesRequest, string, Series>((ids, request, { sql, principal, now }) =>
  seriesByUser(sql, communityOf(principal), ids, request, now()),
);

@Resolver(() => User)
class DailyStatResolver {
  @FieldResolver(() => DailyStatSeries, {
    nullable: true,
    description:
      'XP and coins day by day: the last days up to today, or the days of a range. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Cost(5)
  dailyStats(
    @Root() { id }: User,
    @Ctx() context: Context,
    @Arg('last', () => Int, {
      defaultValue: 30,
      description: 'How many days up to today, 1-366; ignored with `range`.',
    })
    last: number,
    @Arg('range', () => DateRangeInput, { nullable: true, description: 'The days; at most 366.' })
    range?: DateRangeInput | null,
  ): Promise<Series> {
    const days = range == null ? null : { from: range.from, to: range.to, timeZone: range.timeZone ?? null };
    return seriesOf(context, { last: days === null ? last : 0, range: days }).load(id);
  }
}

export const dailyStat: Feature = { name: 'daily-stat', resolvers: [DailyStatResolver] };
