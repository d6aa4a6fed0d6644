import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  Float,
  InputType,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Partner, Scoped, Usually, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar } from '../scalars.ts';
import {
  LocalizedText,
  LocalizedTextInput,
  localized,
  localizedTexts,
  Payload,
  textsOf,
} from '../shared.graphql.ts';
import { balancesOf } from './ledger.graphql.ts';
import { levelAt, levelsBy, levelsOf, type NewLevel, type Level as Row } from './level.ts';
import { levelCurve, setLevels } from './level-change.ts';
import { progressTo } from './tier.ts';
import { User } from './user.graphql.ts';

@ObjectType({ simpleResolvers: true, description: 'A step on the way up, reached by XP. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
export class Level {
  @Field(() => Int, { description: '1 for the first.' })
  number!: number;

  @Field(() => BigIntScalar, { description: 'The XP from which on a person has it.' })
  minXp!: bigint;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'The XP at which the next begins; null at the top.',
  })
  nextAt!: bigint | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'How far a person is from the next level. Scope: stats:read.',
})
@Scoped('stats:read')
@Partner()
class LevelProgress {
  @Field(() => Level, { description: 'The next level.' })
  level!: Level;

  @Field(() => BigIntScalar, { description: 'XP that are missing.' })
  xpRemaining!: bigint;

  @Field(() => Float, { description: 'How far from the level below, 0-100.' })
  percent!: number;
}

const furthestLevel = 10n ** 15n;

@InputType({ description: 'A level to set.' })
class LevelInput {
  static rules = z.object({
    minXp: z
      .bigint()
      .min(0n, 'A level begins at 0 XP or more.')
      .max(furthestLevel, 'A level begins at 10^15 XP at most.'),
    name: localizedTexts(100).nullish(),
  });

  @Field(() => BigIntScalar, { description: 'The XP from which on a person has it, 0 to 10^15.' })
  minXp!: bigint;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'The name to show, in 1-20 languages, at most 100 characters each.',
  })
  name?: LocalizedTextInput[] | null;
}

@InputType({
  description: 'A curve: the n-th level begins at `base` times (n - 1) to the power of `exponent` XP.',
})
class LevelFormulaInput {
  static rules = z.object({
    count: z.number().min(1, 'There are 1-1,000 levels.').max(1_000, 'There are 1-1,000 levels.'),
    base: z
      .bigint()
      .min(1n, 'The base is 1 to 1,000,000 XP.')
      .max(1_000_000n, 'The base is 1 to 1,000,000 XP.'),
    exponent: z.number().min(1, 'The exponent is 1 to 3.').max(3, 'The exponent is 1 to 3.'),
    name: localizedTexts(100).nullish(),
  });

  @Field(() => Int, { description: 'How many levels, 1-1,000.' })
  count!: number;

  @Field(() => BigIntScalar, { description: 'XP at which the second level begins, 1 to 1,000,000.' })
  base!: bigint;

  @Field(() => Float, { defaultValue: 2, description: 'How steep it is, 1-3.' })
  exponent!: number;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'The name of each, in 1-20 languages; `{n}` in it becomes the number.',
  })
  name?: LocalizedTextInput[] | null;
}

@InputType({ description: 'All levels of the community, as a table or by a formula.' })
class SetLevelsInput {
  static rules = z
    .object({
      table: z
        .array(LevelInput.rules)
        .max(1_000, 'There are at most 1,000 levels.')
        .refine(
          (levels) => levels.every(({ minXp }, at) => at === 0 || minXp > (levels[at - 1]?.minXp ?? 0n)),
          'Each level begins above the one before.',
        )
        .nullish(),
      formula: LevelFormulaInput.rules.nullish(),
    })
    .refine(({ table, formula }) => (table == null) !== (formula == null), 'Give a table or a formula.');

  @Field(() => [LevelInput], {
    nullable: true,
    description: 'The levels, lowest first, at most 1,000; the first is level 1.',
  })
  table?: LevelInput[] | null;

  @Field(() => LevelFormulaInput, { nullable: true, description: 'How to count them.' })
  formula?: LevelFormulaInput | null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `setLevels`.' })
class SetLevelsPayload extends Payload {
  @Field(() => [Level], { description: 'The levels, lowest first; empty when they were refused.' })
  @Usually(30)
  levels: object[] = [];
}

// One key a call: the levels are a community's, not a person's.
const levels = perRequest<string, Row[]>((communityIds, { sql }) =>
  Promise.all(communityIds.map((communityId) => levelsOf(sql, communityId))),
);

/** The level of this much XP in the caller's community. */
export async function levelOf(context: Context, xp: bigint): Promise<Row | null> {
  return levelAt(await levels(context).load(communityOf(context.principal)), xp);
}

/** The level of this number in the caller's community. */
export async function levelNumbered(context: Context, number: number): Promise<Row | null> {
  const all = await levels(context).load(communityOf(context.principal));
  return all.find((one) => one.number === number) ?? null;
}

@Resolver(() => User)
class UserLevelResolver {
  @FieldResolver(() => Level, {
    nullable: true,
    description: 'Where the XP stand; null below the first level. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async level(@Root() { id }: User, @Ctx() context: Context): Promise<object | null> {
    const [{ XP }] = await Promise.all([
      balancesOf(context).load(id),
      levels(context).load(communityOf(context.principal)),
    ]);
    return levelOf(context, XP);
  }

  @FieldResolver(() => LevelProgress, {
    nullable: true,
    description: 'How far it is to the next level; null at the top. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async nextLevel(@Root() { id }: User, @Ctx() context: Context): Promise<object | null> {
    const [{ XP }, all] = await Promise.all([
      balancesOf(context).load(id),
      levels(context).load(communityOf(context.principal)),
    ]);
    const level = levelAt(all, XP);
    const next = all[level === null ? 0 : all.indexOf(level) + 1];
    return next === undefined ? null : { level: next, ...progressTo(XP, level?.minXp ?? 0n, next.minXp) };
  }
}

@Resolver(() => Level)
class LevelResolver {
  @Partner()
  @Query(() => [Level], { description: 'The levels of the community, lowest first. Scope: stats:read.' })
  @Scoped('stats:read')
  @Usually(30)
  levels(@Ctx() context: Context): Promise<object[]> {
    return levels(context).load(communityOf(context.principal));
  }

  @Write(() => SetLevelsPayload, {
    scope: 'rules:write',
    description:
      "Sets all levels of the community. Everybody's level follows, in a large community within a minute; the XP stream tells of each that changed.",
  })
  async setLevels(
    @Arg('input', () => SetLevelsInput, { description: 'The levels.' }) { table, formula }: SetLevelsInput,
    @Ctx() { sql, tail, principal }: Context,
  ): Promise<SetLevelsPayload> {
    const communityId = communityOf(principal);
    const asked = formula == null ? levelsIn(table ?? []) : levelsOfFormula(formula);
    await setLevels(sql, communityId, asked, { onlyThese: true, by: principal });
    tail.wake();
    return Object.assign(new SetLevelsPayload(), { levels: await levelsOf(sql, communityId) });
  }

  @FieldResolver(() => LocalizedText, { nullable: true, description: 'The name to show.' })
  name(@Root() { name }: Row): LocalizedText | null {
    return name === null ? null : localized(name);
  }
}

function levelsIn(table: readonly LevelInput[]): NewLevel[] {
  return table.map(({ minXp, name }, n) => ({
    number: n + 1,
    minXp,
    name: name == null ? null : textsOf(name),
  }));
}

function levelsOfFormula({ name, ...formula }: LevelFormulaInput): NewLevel[] {
  const named = (number: number) =>
    name == null
      ? null
      : textsOf(name.map(({ lang, text }) => ({ lang, text: text.replaceAll('{n}', String(number)) })));
  return levelsBy(formula).map((level) => ({ ...level, name: named(level.number) }));
}

export const level: Feature = {
  name: 'level',
  resolvers: [UserLevelResolver, LevelResolver],
  readers: () => [levelCurve],
};
