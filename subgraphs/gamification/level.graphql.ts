import { Ctx, Field, FieldResolver, Int, ObjectType, Resolver, Root } from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Partner, Scoped } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar } from '../scalars.ts';
import { LocalizedText, localized } from '../shared.graphql.ts';
import { balancesOf } from './ledger.graphql.ts';
import { levelAt, levelsOf, type Level as Row } from './level.ts';
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
}

@Resolver(() => Level)
class LevelResolver {
  @FieldResolver(() => LocalizedText, { nullable: true, description: 'The name to show.' })
  name(@Root() { name }: Row): LocalizedText | null {
    return name === null ? null : localized(name);
  }
}

export const level: Feature = { name: 'level', resolvers: [UserLevelResolver, LevelResolver] };
