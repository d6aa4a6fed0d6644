import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  Float,
  ID,
  InputType,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Key, Partner, Scoped, Usually, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, Url } from '../scalars.ts';
import {
  LocalizedText,
  LocalizedTextInput,
  localized,
  localizedTexts,
  Payload,
  textsOf,
  webUrl,
} from '../shared.graphql.ts';
import { balancesOf } from './ledger.graphql.ts';
import { progressTo, type Tier as Row, setTiers, tierAt, tiersById, tiersOf } from './tier.ts';
import { User } from './user.graphql.ts';

@ObjectType({
  simpleResolvers: true,
  description: 'A broad rank by XP, and what it brings. Scope: stats:read.',
})
@Key('id')
@Scoped('stats:read')
@Partner()
class Tier {
  @Field(() => ID, { description: '`tir_…`.' })
  id!: string;

  @Field(() => BigIntScalar, { description: 'The XP from which on a person has it.' })
  minXp!: bigint;

  @Field(() => Url, { nullable: true, description: 'Its picture.' })
  imageUrl!: string | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'How far a person is from the next tier. Scope: stats:read.',
})
@Scoped('stats:read')
@Partner()
class TierProgress {
  @Field(() => Tier, { description: 'The next tier.' })
  tier!: Tier;

  @Field(() => BigIntScalar, { description: 'XP that are missing.' })
  xpRemaining!: bigint;

  @Field(() => Float, { description: 'How far from the tier below, 0-100.' })
  percent!: number;
}

@InputType({ description: 'Something that a tier brings.' })
class BenefitInput {
  @Field(() => [LocalizedTextInput], { description: 'What, in 1-20 languages, at most 500 characters each.' })
  texts!: LocalizedTextInput[];
}

@InputType({ description: 'A tier to set.' })
class TierInput {
  static rules = z.object({
    id: z.string().max(64).nullish(),
    name: localizedTexts(100),
    minXp: z
      .bigint()
      .min(0n, 'A tier begins at 0 XP or more.')
      .max(10n ** 15n, 'A tier begins at 10^15 XP at most.'),
    benefits: z.array(z.object({ texts: localizedTexts(500) })).max(20, 'A tier has at most 20 benefits.'),
    imageUrl: webUrl.nullish(),
  });

  @Field(() => ID, { nullable: true, description: 'The tier that it replaces; a new one when absent.' })
  id?: string | null;

  @Field(() => [LocalizedTextInput], {
    description: 'The name to show, in 1-20 languages, at most 100 characters each.',
  })
  name!: LocalizedTextInput[];

  @Field(() => BigIntScalar, { description: 'The XP from which on a person has it, 0 to 10^15.' })
  minXp!: bigint;

  @Field(() => [BenefitInput], { defaultValue: [], description: 'What it brings, at most 20.' })
  benefits!: BenefitInput[];

  @Field(() => Url, {
    nullable: true,
    description: 'Its picture, `https:` or `http:`, at most 2,000 characters.',
  })
  imageUrl?: string | null;
}

@InputType({ description: 'All tiers of the community.' })
class SetTiersInput {
  static rules = z.object({
    tiers: z
      .array(TierInput.rules)
      .max(50, 'A community has at most 50 tiers.')
      .refine(
        (tiers) => new Set(tiers.map(({ minXp }) => minXp)).size === tiers.length,
        'Each tier begins at other XP.',
      )
      .refine((tiers) => {
        const ids = tiers.flatMap(({ id }) => id ?? []);
        return new Set(ids).size === ids.length;
      }, 'Name each tier once.'),
  });

  @Field(() => [TierInput], {
    description: 'The tiers, 0-50; those of before that are not among them are removed.',
  })
  tiers!: TierInput[];
}

@ObjectType({ simpleResolvers: true, description: 'What came of `setTiers`.' })
class SetTiersPayload extends Payload {
  @Field(() => [Tier], { description: 'The tiers, lowest first; empty when they were refused.' })
  @Usually(5)
  tiers: object[] = [];
}

// One key a call: the tiers are a community's, not a person's.
const tiers = perRequest<string, Row[]>((communityIds, { sql }) =>
  Promise.all(communityIds.map((communityId) => tiersOf(sql, communityId))),
);

const tierById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  tiersById(sql, communityOf(principal), ids),
);

async function standingOf(context: Context, userId: string) {
  const [{ XP }, all] = await Promise.all([
    balancesOf(context).load(userId),
    tiers(context).load(communityOf(context.principal)),
  ]);
  return { xp: XP, ...tierAt(all, XP) };
}

@Resolver(() => User)
class UserTierResolver {
  @FieldResolver(() => Tier, {
    nullable: true,
    description: 'The tier that the XP reach; null below the first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async tier(@Root() { id }: User, @Ctx() context: Context): Promise<object | null> {
    return (await standingOf(context, id)).tier;
  }

  @FieldResolver(() => TierProgress, {
    nullable: true,
    description: 'How far it is to the next tier; null at the top. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async nextTier(@Root() { id }: User, @Ctx() context: Context): Promise<object | null> {
    const { xp, tier, next } = await standingOf(context, id);
    return next === null ? null : { tier: next, ...progressTo(xp, tier?.minXp ?? 0n, next.minXp) };
  }
}

@Resolver(() => Tier)
class TierResolver {
  @Partner()
  @Query(() => [Tier], { description: 'The tiers of the community, lowest first. Scope: stats:read.' })
  @Scoped('stats:read')
  @Usually(5)
  tiers(@Ctx() context: Context): Promise<object[]> {
    return tiers(context).load(communityOf(context.principal));
  }

  @Write(() => SetTiersPayload, { scope: 'rules:write', description: 'Sets all tiers of the community.' })
  async setTiers(
    @Arg('input', () => SetTiersInput, { description: 'The tiers.' }) input: SetTiersInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<SetTiersPayload> {
    const asked = input.tiers.map(({ id = null, name, minXp, benefits, imageUrl = null }) => ({
      ...{ id, minXp, name: textsOf(name) },
      benefits: benefits.map(({ texts }) => textsOf(texts)),
      imageUrl: imageUrl === null ? null : String(imageUrl),
    }));
    const tiers = await setTiers(sql, principal, asked);
    return Object.assign(new SetTiersPayload(), { tiers });
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show.' })
  name(@Root() { name }: Row): LocalizedText {
    return localized(name);
  }

  @FieldResolver(() => [LocalizedText], { description: 'What it brings.' })
  @Usually(5)
  benefits(@Root() { benefits }: Row): LocalizedText[] {
    return benefits.map((texts) => localized(texts));
  }
}

export const tier: Feature = {
  name: 'tier',
  resolvers: [UserTierResolver, TierResolver],
  references: { Tier: ({ id }: { id: string }, context) => tierById(context).load(id) },
};
