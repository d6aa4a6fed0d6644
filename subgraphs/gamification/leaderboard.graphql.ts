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
import { Refusal } from '../errors.ts';
import { type Feature, Key, Paged, Partner, Scoped, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Day } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  LocalizedText,
  LocalizedTextInput,
  localized,
  localizedTexts,
  PageArgs,
  Payload,
  ReplayablePayload,
  textsOf,
} from '../shared.graphql.ts';
import {
  countRanks,
  createLeaderboard,
  deleteLeaderboard,
  type LeaderboardSettings,
  leaderboardsPage,
  leaderboardsSeen,
  type Leaderboard as Row,
  updateLeaderboard,
} from './leaderboard.ts';
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

@InputType({ description: 'A column of a leaderboard.' })
class LeaderboardColumnInput {
  @Field(() => String, { description: 'What it shows, 1-100 characters.' })
  column!: string;

  @Field(() => Boolean, { defaultValue: true, description: 'It is shown.' })
  visible!: boolean;
}

const roleIds = z
  .array(z.string().regex(/^rol_\w{1,60}$/, 'The id of a role is `rol_…`.'))
  .max(20, 'At most 20 roles.');
const settingRules = {
  slug: z.string().regex(/^[a-z0-9-]{1,64}$/, 'A slug has 1-64 of the characters a-z, 0-9 and `-`.'),
  name: localizedTexts(100),
  windows: z
    .array(z.string())
    .min(1, 'A leaderboard has 1-8 windows, each once.')
    .refine(
      (windows) => new Set(windows).size === windows.length,
      'A leaderboard has 1-8 windows, each once.',
    ),
  columns: z
    .array(z.object({ column: z.string().min(1, '1-100 characters.').max(100, '1-100 characters.') }))
    .max(50, 'At most 50 columns.'),
  topLimit: z.number().min(1, '`topLimit` is 1-1,000.').max(1_000, '`topLimit` is 1-1,000.').nullish(),
  rankRoleIds: roleIds,
  viewRoleIds: roleIds,
};

@InputType({ description: 'A new leaderboard.' })
class CreateLeaderboardInput {
  static rules = z.object({ ...settingRules, idempotencyKey });

  @Field(() => String, {
    description: 'Unique in the community, 1-64 of the characters `a-z`, `0-9` and `-`.',
  })
  slug!: string;

  @Field(() => [LocalizedTextInput], {
    description: 'The name to show, 1-100 characters, in 1-20 languages.',
  })
  name!: LocalizedTextInput[];

  @Field(() => Unit, { description: 'What is ranked by.' })
  unit!: Unit;

  @Field(() => [RankWindow], {
    description: 'Which days can be asked for, 1-8; the first is the one shown by default.',
  })
  windows!: RankWindow[];

  @Field(() => Day, {
    nullable: true,
    description: "The first day that counts, in the community's time zone; from the beginning when absent.",
  })
  startsOn?: string | null;

  @Field(() => Day, { nullable: true, description: 'The last day that counts; without end when absent.' })
  endsOn?: string | null;

  @Field(() => [LeaderboardColumnInput], {
    defaultValue: [],
    description: 'The columns in their order, at most 50.',
  })
  columns!: LeaderboardColumnInput[];

  @Field(() => Int, {
    nullable: true,
    description: 'Ranks beyond it are not told, 1-1,000; all are when absent.',
  })
  topLimit?: number | null;

  @Field(() => Boolean, { defaultValue: true, description: 'Whoever has 0 or less is not ranked.' })
  onlyPositive!: boolean;

  @Field(() => Boolean, { defaultValue: true, description: 'Its ranks are kept.' })
  enabled!: boolean;

  @Field(() => [ID], {
    defaultValue: [],
    description: 'The roles whose people are ranked, at most 20; everybody when empty.',
  })
  rankRoleIds!: string[];

  @Field(() => [ID], {
    defaultValue: [],
    description: 'The roles whose people may view it, and administrators, at most 20; everybody when empty.',
  })
  viewRoleIds!: string[];

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each leaderboard: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

const { slug, name, windows, columns, topLimit, rankRoleIds, viewRoleIds } = settingRules;

@InputType({ description: 'Changes of a leaderboard; what is absent stays as it is.' })
class UpdateLeaderboardInput {
  static rules = z.object({
    slug: slug.nullish(),
    name: name.nullish(),
    windows: windows.nullish(),
    columns: columns.nullish(),
    topLimit,
    rankRoleIds: rankRoleIds.nullish(),
    viewRoleIds: viewRoleIds.nullish(),
  });

  @Field(() => ID, { description: 'The leaderboard.' })
  leaderboardId!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Unique in the community, 1-64 of `a-z`, `0-9` and `-`.',
  })
  slug?: string | null;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'The name, 1-100 characters, in 1-20 languages.',
  })
  name?: LocalizedTextInput[] | null;

  @Field(() => Unit, { nullable: true, description: 'What is ranked by.' })
  unit?: Unit | null;

  @Field(() => [RankWindow], { nullable: true, description: 'Which days can be asked for, 1-8.' })
  windows?: RankWindow[] | null;

  @Field(() => Day, { nullable: true, description: 'The first day that counts; null: from the beginning.' })
  startsOn?: string | null;

  @Field(() => Day, { nullable: true, description: 'The last day that counts; null: without end.' })
  endsOn?: string | null;

  @Field(() => [LeaderboardColumnInput], {
    nullable: true,
    description: 'The columns in their order, at most 50.',
  })
  columns?: LeaderboardColumnInput[] | null;

  @Field(() => Int, { nullable: true, description: 'Ranks beyond it are not told, 1-1,000; null: all are.' })
  topLimit?: number | null;

  @Field(() => Boolean, { nullable: true, description: 'Whoever has 0 or less is not ranked.' })
  onlyPositive?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Its ranks are kept.' })
  enabled?: boolean | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'The roles whose people are ranked, at most 20; empty: everybody.',
  })
  rankRoleIds?: string[] | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'The roles whose people may view it, and administrators, at most 20; empty: everybody.',
  })
  viewRoleIds?: string[] | null;
}

@InputType({ description: 'Which leaderboard to delete.' })
class DeleteLeaderboardInput {
  @Field(() => ID, { description: 'The leaderboard.' })
  leaderboardId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `createLeaderboard`.' })
class CreateLeaderboardPayload extends ReplayablePayload {
  @Field(() => Leaderboard, { nullable: true, description: 'The leaderboard; null when it was refused.' })
  leaderboard: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `updateLeaderboard`.' })
class UpdateLeaderboardPayload extends Payload {
  @Field(() => Leaderboard, {
    nullable: true,
    description: 'The leaderboard as it is now; null when it was refused.',
  })
  leaderboard: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `deleteLeaderboard`.' })
class DeleteLeaderboardPayload extends Payload {
  @Field(() => ID, { nullable: true, description: 'The id of what was deleted; null when it was refused.' })
  deletedId: string | null = null;
}

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

  @Write(() => CreateLeaderboardPayload, {
    scope: 'leaderboards:write',
    description: 'Makes a leaderboard and counts what it ranks, in a large community in the background.',
  })
  async createLeaderboard(
    @Arg('input', () => CreateLeaderboardInput, { description: 'The leaderboard.' })
    input: CreateLeaderboardInput,
    @Ctx() { sql, principal, now }: Context,
  ): Promise<CreateLeaderboardPayload> {
    const { idempotencyKey, name, startsOn = null, endsOn = null, topLimit = null, ...rest } = input;
    const settings: LeaderboardSettings = {
      ...rest,
      name: textsOf(name),
      columns: columnsOf(input.columns),
      startsOn,
      endsOn,
      topLimit,
    };
    const made = await createLeaderboard(sql, communityOf(principal), settings, idempotencyKey, now());
    return Object.assign(new CreateLeaderboardPayload(), made);
  }

  @Write(() => UpdateLeaderboardPayload, {
    scope: 'leaderboards:write',
    description: 'Changes a leaderboard; where it ranks otherwise than before, that is counted anew.',
  })
  async updateLeaderboard(
    @Arg('input', () => UpdateLeaderboardInput, { description: 'What changes.' })
    input: UpdateLeaderboardInput,
    @Ctx() { sql, principal, now }: Context,
  ): Promise<UpdateLeaderboardPayload> {
    const leaderboard = await updateLeaderboard(sql, principal, input.leaderboardId, changesOf(input), now());
    return Object.assign(new UpdateLeaderboardPayload(), { leaderboard });
  }

  @Write(() => DeleteLeaderboardPayload, {
    scope: 'leaderboards:write',
    description: 'Deletes a leaderboard and the ranks that were kept for it.',
  })
  async deleteLeaderboard(
    @Arg('input', () => DeleteLeaderboardInput, { description: 'Which.' }) {
      leaderboardId,
    }: DeleteLeaderboardInput,
    @Ctx() { sql, principal, now }: Context,
  ): Promise<DeleteLeaderboardPayload> {
    await deleteLeaderboard(sql, principal, leaderboardId, now());
    return Object.assign(new DeleteLeaderboardPayload(), { deletedId: leaderboardId });
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show.' })
  name(@Root() { name }: Row): LocalizedText {
    return localized(name);
  }
}

function changesOf({
  leaderboardId: _,
  name,
  columns,
  ...rest
}: UpdateLeaderboardInput): Partial<LeaderboardSettings> {
  // Days and the limit can be taken away by null; of everything else null is as good as absent.
  const cleared = ['startsOn', 'endsOn', 'topLimit'];
  const given = Object.entries(rest).filter(
    ([key, value]) => value !== undefined && (value !== null || cleared.includes(key)),
  );
  return {
    ...Object.fromEntries(given),
    ...(name == null ? {} : { name: textsOf(name) }),
    ...(columns == null ? {} : { columns: columnsOf(columns) }),
  };
}

function columnsOf(columns: readonly LeaderboardColumnInput[]) {
  return columns.map(({ column, visible }) => ({ column, visible }));
}

export const leaderboard: Feature = {
  name: 'leaderboard',
  resolvers: [LeaderboardResolver],
  readers: () => [rankRoles],
  chores: [countRanks],
  references: { Leaderboard: ({ id }: { id: string }, context) => boardById(context).load(id) },
};
