import { Arg, Ctx, Field, ID, InputType, Int, ObjectType, Resolver } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Write } from '../feature.ts';
import { Day } from '../scalars.ts';
import {
  idempotencyKey,
  LocalizedTextInput,
  localizedTexts,
  Payload,
  ReplayablePayload,
  textsOf,
} from '../shared.graphql.ts';
import { Leaderboard, RankWindow } from './leaderboard.graphql.ts';
import type { LeaderboardSettings } from './leaderboard.ts';
import { createLeaderboard, deleteLeaderboard, updateLeaderboard } from './leaderboard-change.ts';
import { Unit } from './ledger.graphql.ts';

// Making, changing and deleting leaderboards.

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

@Resolver()
class LeaderboardChangeResolver {
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
    const made = await createLeaderboard(sql, principal, settings, idempotencyKey, now());
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

export const leaderboardChange: Feature = {
  name: 'leaderboard-change',
  resolvers: [LeaderboardChangeResolver],
};
