import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { DateTime, Day } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  LocalizedText,
  localized,
  PageArgs,
} from '../shared.graphql.ts';
import { countRanks, leaderboardsPage, leaderboardsSeen, type Leaderboard as Row } from './leaderboard.ts';
import { Unit } from './ledger.graphql.ts';
import { rankRoles } from './rank-roles.ts';

export enum RankWindow {
  ALL_TIME = 'ALL_TIME',
  DAILY = 'DAILY',
  WEEKLY = 'WEEKLY',
  MONTHLY = 'MONTHLY',
  YEARLY = 'YEARLY',
  ROLLING_7D = 'ROLLING_7D',
  ROLLING_30D = 'ROLLING_30D',
  ROLLING_365D = 'ROLLING_365D',
}
registerEnumType(RankWindow, {
  name: 'RankWindow',
  description: "The days that a ranking counts, in the community's time zone.",
  valuesConfig: {
    ALL_TIME: { description: 'All days.' },
    DAILY: { description: 'One day; 7 past ones are kept.' },
    WEEKLY: { description: 'A week from Monday to Sunday; 8 past ones are kept.' },
    MONTHLY: { description: 'A calendar month; 12 past ones are kept.' },
    YEARLY: { description: 'A calendar year; 2 past ones are kept.' },
    ROLLING_7D: { description: 'Today and the 6 days before; the one of the day before is kept.' },
    ROLLING_30D: { description: 'Today and the 29 days before; the one of the day before is kept.' },
    ROLLING_365D: { description: 'Today and the 364 days before; the one of the day before is kept.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'A column that a leaderboard shows. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
class LeaderboardColumn {
  @Field(() => String, { description: 'What it shows, as the app that draws it names it: `displayName`.' })
  column!: string;

  @Field(() => Boolean, { description: 'It is shown.' })
  visible!: boolean;
}

@ObjectType({
  simpleResolvers: true,
  description: 'Who leads: people ranked by what they gained. Scope: stats:read.',
})
@Key('id')
@Scoped('stats:read')
@Partner()
export class Leaderboard {
  @Field(() => ID, { description: '`ldb_…`.' })
  id!: string;

  @Field(() => String, { description: 'A name for addresses, unique in the community.' })
  slug!: string;

  @Field(() => Unit, { description: 'What is ranked by: the sum of the entries in this unit.' })
  unit!: Unit;

  @Field(() => [RankWindow], {
    description: 'Which days can be asked for; the first is the one shown by default.',
  })
  windows!: RankWindow[];

  @Field(() => Day, {
    nullable: true,
    description: "The first day that counts, in the community's time zone; null: from the beginning.",
  })
  startsOn!: string | null;

  @Field(() => Day, { nullable: true, description: 'The last day that counts; null: without end.' })
  endsOn!: string | null;

  @Field(() => [LeaderboardColumn], { description: 'The columns, in the order to show them.' })
  columns!: LeaderboardColumn[];

  @Field(() => Int, { nullable: true, description: 'Ranks beyond it are not told; null: all are.' })
  topLimit!: number | null;

  @Field(() => Boolean, { description: 'Whoever has 0 or less is not ranked.' })
  onlyPositive!: boolean;

  @Field(() => Boolean, { description: 'Its ranks are kept.' })
  enabled!: boolean;

  @Field(() => [ID], {
    description:
      'The roles whose people are ranked, in past periods too; who gets or loses one enters or leaves the ranks about a second later. Empty: everybody.',
  })
  rankRoleIds!: string[];

  @Field(() => [ID], {
    description:
      'The roles whose people may view it, as may administrators and keys of the community; for others it is not there. Empty: everybody.',
  })
  viewRoleIds!: string[];

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: Date;
}

const LeaderboardConnection = Connection(() => Leaderboard, 'Leaderboard');

/** The leaderboard of an id; null where there is none, or none for the caller. */
export const boardById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  leaderboardsSeen(sql, principal, 'id', ids),
);

export const boardBySlug = perRequest<string, Row | null>((slugs, { sql, principal }) =>
  leaderboardsSeen(sql, principal, 'slug', slugs),
);

/** The leaderboard of an id or a slug. @throws BAD_ARGUMENT  both or neither are given. */
export function boardNamed(
  context: Context,
  id: string | null | undefined,
  slug: string | null | undefined,
): Promise<Row | null> {
  if (id != null && slug == null) return boardById(context).load(id);
  if (slug != null && id == null) return boardBySlug(context).load(slug);
  throw new Refusal('BAD_ARGUMENT', 'Name a leaderboard by its id or by its slug, in one way.');
}

@Resolver(() => Leaderboard)
class LeaderboardResolver {
  @Partner()
  @Query(() => Leaderboard, {
    nullable: true,
    description:
      'A leaderboard by its id or its slug; null when there is none for the caller. Scope: stats:read.',
  })
  @Scoped('stats:read')
  leaderboard(
    @Arg('id', () => ID, { nullable: true, description: 'By id; this or `slug`.' }) id:
      | string
      | null
      | undefined,
    @Arg('slug', () => String, { nullable: true, description: 'By slug, at most 64 characters.' })
    slug: string | null | undefined,
    @Ctx() context: Context,
  ): Promise<object | null> {
    return boardNamed(context, id, slug);
  }

  @Partner()
  @Query(() => LeaderboardConnection, {
    description: 'The leaderboards that the caller may view, oldest first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async leaderboards(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await leaderboardsPage(sql, principal, page), (row) => row);
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show.' })
  name(@Root() { name }: Row): LocalizedText {
    return localized(name);
  }
}

export const leaderboard: Feature = {
  name: 'leaderboard',
  resolvers: [LeaderboardResolver],
  readers: () => [rankRoles],
  chores: [countRanks],
  references: { Leaderboard: ({ id }: { id: string }, context) => boardById(context).load(id) },
};
