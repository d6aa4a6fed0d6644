import { Arg, Ctx, Field, ID, InputType, Int, ObjectType, Resolver } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Write } from '../feature.ts';
import { BigIntScalar, Url } from '../scalars.ts';
import {
  idempotencyKey,
  LocalizedTextInput,
  localizedTexts,
  Payload,
  ReplayablePayload,
  textsOf,
  webUrl,
} from '../shared.graphql.ts';
import { Badge, Measure } from './badge.graphql.ts';
import { type BadgeContent, createBadge, deleteBadge, updateBadge } from './badge-change.ts';

@InputType({ description: 'What awards a badge by itself.' })
class BadgeCriterionInput {
  static rules = z.object({
    measure: z.unknown(),
    atLeast: z.bigint().min(1n, '`atLeast` is 1 or more.'),
  });

  @Field(() => Measure, { description: 'What is looked at.' })
  measure!: Measure;

  @Field(() => BigIntScalar, { description: 'How much of it a person has to have, 1 or more.' })
  atLeast!: bigint;
}

const reward = z
  .bigint()
  .min(0n, 'A reward is 0 to 1,000,000,000.')
  .max(1_000_000_000n, 'A reward is 0 to 1,000,000,000.');
const rules = {
  title: localizedTexts(200),
  description: localizedTexts(2_000).nullish(),
  image: webUrl.nullish(),
  darkImage: webUrl.nullish(),
  quantity: z.number().min(1, 'A quantity is 1 or more; null: no limit.').nullish(),
  xpReward: reward.nullish(),
  coinsReward: reward.nullish(),
  criterion: BadgeCriterionInput.rules.nullish(),
};

@InputType({ description: 'A badge to make.' })
class CreateBadgeInput {
  static rules = z.object({ ...rules, idempotencyKey });

  @Field(() => [LocalizedTextInput], {
    description: 'The name to show, in 1-20 languages, at most 200 characters each.',
  })
  title!: LocalizedTextInput[];

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'What it is awarded for, in 1-20 languages, at most 2,000 characters each.',
  })
  description?: LocalizedTextInput[] | null;

  @Field(() => Url, {
    nullable: true,
    description: 'The picture for light pages, `https:` or `http:`, at most 2,000 characters.',
  })
  image?: URL | string | null;

  @Field(() => Url, {
    nullable: true,
    description: 'The picture for dark pages, `https:` or `http:`, at most 2,000 characters.',
  })
  darkImage?: URL | string | null;

  @Field(() => Int, { nullable: true, description: 'How many people can hold it; no limit when absent.' })
  quantity?: number | null;

  @Field(() => Boolean, { defaultValue: true, description: 'It is awarded from now on.' })
  enabled!: boolean;

  @Field(() => Boolean, { defaultValue: false, description: 'Awarding it by hand takes a proof.' })
  requiresAttachment!: boolean;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'XP that an award brings, 0-1,000,000,000; 0 when absent.',
  })
  xpReward?: bigint | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Coins that an award brings, 0-1,000,000,000; 0 when absent.',
  })
  coinsReward?: bigint | null;

  @Field(() => BadgeCriterionInput, {
    nullable: true,
    description:
      'What awards it by itself, once a person. Who has as much already is awarded it in the background. By hand only when absent.',
  })
  criterion?: BadgeCriterionInput | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each badge: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'What to change of a badge; what is left out stays as it is.' })
class UpdateBadgeInput {
  static rules = z.object({
    ...rules,
    id: z.string().max(64),
    title: rules.title.optional(),
    xpReward: reward.optional(),
    coinsReward: reward.optional(),
    enabled: z.boolean('`enabled` is true or false.').optional(),
    requiresAttachment: z.boolean('`requiresAttachment` is true or false.').optional(),
  });

  @Field(() => ID, { description: 'The badge.' })
  id!: string;

  @Field(() => Int, {
    nullable: true,
    description: 'The version that was seen: refused with `CONFLICT` when it was changed since.',
  })
  expectedVersion?: number | null;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'The name to show, in 1-20 languages, at most 200 characters each.',
  })
  title?: LocalizedTextInput[];

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'What it is awarded for, in 1-20 languages; null takes it away.',
  })
  description?: LocalizedTextInput[] | null;

  @Field(() => Url, {
    nullable: true,
    description:
      'The picture for light pages, `https:` or `http:`, at most 2,000 characters; null takes it away.',
  })
  image?: URL | string | null;

  @Field(() => Url, {
    nullable: true,
    description:
      'The picture for dark pages, `https:` or `http:`, at most 2,000 characters; null takes it away.',
  })
  darkImage?: URL | string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many people can hold it, no fewer than do; null: no limit.',
  })
  quantity?: number | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether it is awarded.' })
  enabled?: boolean;

  @Field(() => Boolean, { nullable: true, description: 'Whether awarding it by hand takes a proof.' })
  requiresAttachment?: boolean;

  @Field(() => BigIntScalar, { nullable: true, description: 'XP that an award brings from now on.' })
  xpReward?: bigint;

  @Field(() => BigIntScalar, { nullable: true, description: 'Coins that an award brings from now on.' })
  coinsReward?: bigint;

  @Field(() => BadgeCriterionInput, {
    nullable: true,
    description: 'What awards it by itself; null: it is awarded by hand from now on.',
  })
  criterion?: BadgeCriterionInput | null;
}

@InputType({ description: 'A badge to delete.' })
class DeleteBadgeInput {
  static rules = z.object({ id: z.string().max(64) });

  @Field(() => ID, { description: 'The badge.' })
  id!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `createBadge`.' })
class CreateBadgePayload extends ReplayablePayload {
  @Field(() => Badge, { nullable: true, description: 'The badge; null when it was refused.' })
  badge: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `updateBadge`.' })
class UpdateBadgePayload extends Payload {
  @Field(() => Badge, { nullable: true, description: 'The badge as it is now; null when it was refused.' })
  badge: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `deleteBadge`.' })
class DeleteBadgePayload extends Payload {
  @Field(() => ID, { nullable: true, description: 'The badge that is no more; null when it was refused.' })
  deletedId: string | null = null;
}

@Resolver()
class BadgeChangeResolver {
  @Write(() => CreateBadgePayload, { scope: 'badges:write', description: 'Makes a badge.' })
  async createBadge(
    @Arg('input', () => CreateBadgeInput, { description: 'The badge.' }) input: CreateBadgeInput,
    @Ctx() { sql, tail, principal }: Context,
  ): Promise<CreateBadgePayload> {
    const { title, enabled, requiresAttachment, idempotencyKey } = input;
    const { xpReward = null, coinsReward = null } = input;
    const { description = null, image = null, darkImage = null, quantity = null, criterion = null } = input;
    const content = contentOf({ description, image, darkImage, quantity, criterion });
    const made = await createBadge(sql, principal, {
      ...nothing,
      ...content,
      ...{ title: textsOf(title), enabled, requiresAttachment, idempotencyKey },
      ...{ xpReward: xpReward ?? 0n, coinsReward: coinsReward ?? 0n },
    });
    tail.wake();
    return Object.assign(new CreateBadgePayload(), made);
  }

  @Write(() => UpdateBadgePayload, { scope: 'badges:write', description: 'Changes a badge.' })
  async updateBadge(
    @Arg('input', () => UpdateBadgeInput, { description: 'The changes.' }) input: UpdateBadgeInput,
    @Ctx() { sql, tail, principal }: Context,
  ): Promise<UpdateBadgePayload> {
    const { id, expectedVersion = null, title, enabled, requiresAttachment, xpReward, coinsReward } = input;
    const badge = await updateBadge(sql, principal, {
      ...contentOf(input),
      ...(title === undefined ? {} : { title: textsOf(title) }),
      ...given({ enabled, requiresAttachment, xpReward, coinsReward }),
      ...{ id, expectedVersion },
    });
    tail.wake();
    return Object.assign(new UpdateBadgePayload(), { badge });
  }

  @Write(() => DeleteBadgePayload, {
    scope: 'badges:write',
    description: 'Deletes a badge: it is awarded no more and listed no more; who holds it keeps it.',
  })
  async deleteBadge(
    @Arg('input', () => DeleteBadgeInput, { description: 'The badge.' }) { id }: DeleteBadgeInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<DeleteBadgePayload> {
    await deleteBadge(sql, principal, id);
    return Object.assign(new DeleteBadgePayload(), { deletedId: id });
  }
}

const nothing = {
  description: null,
  imageUrl: null,
  darkImageUrl: null,
  quantity: null,
  measure: null,
  atLeast: null,
};

/** What of the nullable values is given, null too. */
function contentOf({
  description,
  image,
  darkImage,
  quantity,
  criterion,
}: Pick<
  UpdateBadgeInput,
  'description' | 'image' | 'darkImage' | 'quantity' | 'criterion'
>): Partial<BadgeContent> {
  return given({
    description: description && textsOf(description),
    imageUrl: image && String(image),
    darkImageUrl: darkImage && String(darkImage),
    quantity,
    measure: criterion === null ? null : criterion?.measure,
    atLeast: criterion === null ? null : criterion?.atLeast,
  });
}

/** The values that are there. */
function given<Values extends object>(
  values: Values,
): { [Name in keyof Values]?: Exclude<Values[Name], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

export const badgeChange: Feature = { name: 'badge-change', resolvers: [BadgeChangeResolver] };
