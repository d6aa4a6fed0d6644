import { Arg, Ctx, Field, ID, InputType, Int, ObjectType, Resolver } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Write } from '../feature.ts';
import { Decimal } from '../scalars.ts';
import {
  idempotencyKey,
  LocalizedTextInput,
  localizedTexts,
  Payload,
  ReplayablePayload,
  textsOf,
} from '../shared.graphql.ts';
import { ActivityType } from './activity.graphql.ts';
import type { EarnedType } from './activity.ts';
import { Unit } from './ledger.graphql.ts';
import { Rule, RuleOperator } from './rule.graphql.ts';
import { createRule, deleteRule, type RuleContent, updateRule } from './rule-change.ts';
import { imageRules, imagesOf, LocalizedImageInput } from './wording.graphql.ts';

// Making, changing and deleting rules.

@InputType({ description: 'What a rule pays of one unit.' })
class RuleAwardInput {
  static rules = z.object({
    amount: z
      .string()
      .refine((amount) => Math.abs(Number(amount)) <= 1e9, 'An award is at most 1,000,000,000.')
      .refine((amount) => Number(amount) !== 0, 'An award is more or less than 0.'),
  });

  @Field(() => Unit, { description: 'Of what.' })
  unit!: Unit;

  @Field(() => Decimal, { description: 'How much, not 0, at most 1,000,000,000; below zero it costs.' })
  amount!: string;

  @Field(() => Boolean, {
    defaultValue: false,
    description: "Once for each unit of the event's amount, instead of once an event.",
  })
  perUnit!: boolean;
}

@InputType({ description: 'What an event must be like for a rule to pay.' })
class RuleConditionInput {
  static rules = z
    .object({
      field: z
        .string()
        .max(200, 'A field has at most 200 characters.')
        .regex(
          /^(amount|metadata(\.[^.]+){1,8})$/,
          'A field is `amount` or a place in the metadata: `metadata.order.country`.',
        ),
      operator: z.string(),
      values: z
        .array(z.string().max(200, 'A value has at most 200 characters.'))
        .max(50, 'A condition has at most 50 values.'),
    })
    .refine(({ operator, values }) => isFitting(operator, values), {
      path: ['values'],
      message: 'EXISTS takes no value, EQUALS and NOT_EQUALS one or more, the others one number.',
    });

  @Field(() => String, { description: '`amount`, or a place in the metadata: `metadata.order.country`.' })
  field!: string;

  @Field(() => RuleOperator, { description: 'How it is compared.' })
  operator!: RuleOperator;

  @Field(() => [String], {
    defaultValue: [],
    description: 'With what, up to 50 values; one number for AT_LEAST, AT_MOST, MORE and LESS.',
  })
  values!: string[];
}

function isFitting(operator: string, values: readonly string[]): boolean {
  if (operator === RuleOperator.EXISTS) return values.length === 0;
  if (operator === RuleOperator.EQUALS || operator === RuleOperator.NOT_EQUALS) return values.length > 0;
  return values.length === 1 && /^-?\d{1,20}(\.\d{1,10})?$/.test(values[0] ?? '');
}

const cap = (most: number) =>
  z
    .number()
    .min(1, `It is 1 to ${most.toLocaleString('en')}.`)
    .max(most, `It is 1 to ${most.toLocaleString('en')}.`);
const content = {
  eventType: z
    .string()
    .min(1, 'An event type has 1-100 characters.')
    .max(100, 'An event type has 1-100 characters.'),
  title: localizedTexts(200),
  description: localizedTexts(2_000).nullish(),
  images: imageRules,
  awards: z.array(RuleAwardInput.rules).min(1, 'A rule has 1-8 awards.').max(8, 'A rule has 1-8 awards.'),
  conditions: z
    .array(RuleConditionInput.rules)
    .max(20, 'A rule has at most 20 conditions.')
    .refine((all) => all.flatMap(({ values }) => values).join('').length <= 20_000, {
      message: 'The values of its conditions have at most 20,000 characters together.',
    }),
  cooldownSeconds: cap(31_622_400).nullish(),
  dayCap: cap(1_000_000).nullish(),
  weekCap: cap(1_000_000).nullish(),
  lifetimeCap: cap(1_000_000).nullish(),
  activityType: z
    .string()
    .refine(
      (type) => type !== ActivityType.REDEMPTION,
      'What is redeemed is spent: a rule makes another type.',
    )
    .nullish(),
};

@InputType({ description: 'A rule to make.' })
class CreateRuleInput {
  static rules = z.object({ ...content, idempotencyKey });

  @Field(() => String, { description: 'The type of the events that it pays, 1-100 characters: `purchase`.' })
  eventType!: string;

  @Field(() => [LocalizedTextInput], {
    description: 'The name to show, in 1-20 languages, at most 200 characters each.',
  })
  title!: LocalizedTextInput[];

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'What it is for, in 1-20 languages, at most 2,000 characters each.',
  })
  description?: LocalizedTextInput[] | null;

  @Field(() => [LocalizedImageInput], {
    nullable: true,
    description: 'A picture for each of 1-20 languages.',
  })
  images?: LocalizedImageInput[] | null;

  @Field(() => [RuleAwardInput], { description: 'What it pays, 1-8 amounts.' })
  awards!: RuleAwardInput[];

  @Field(() => [RuleConditionInput], {
    defaultValue: [],
    description: 'What all must hold for it to pay: at most 20, with 20,000 characters of values together.',
  })
  conditions!: RuleConditionInput[];

  @Field(() => Int, {
    nullable: true,
    description: 'Seconds between two events of a person that it pays, 1-31,622,400; none when absent.',
  })
  cooldownSeconds?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Events that it pays a person at most in a day, 1-1,000,000.',
  })
  dayCap?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Events that it pays a person at most in a week, 1-1,000,000.',
  })
  weekCap?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Events that it pays a person at most ever, 1-1,000,000.',
  })
  lifetimeCap?: number | null;

  @Field(() => ActivityType, {
    nullable: true,
    defaultValue: ActivityType.EVENT,
    description:
      'What the activities are that it makes, any but REDEMPTION; null: none, for what happens all the time.',
  })
  activityType!: EarnedType | null;

  @Field(() => Boolean, { defaultValue: true, description: 'It pays from now on.' })
  enabled!: boolean;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each rule: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'What to change of a rule; what is left out stays as it is.' })
class UpdateRuleInput {
  static rules = z.object({
    ...content,
    id: z.string().max(64),
    eventType: content.eventType.optional(),
    title: content.title.optional(),
    awards: content.awards.optional(),
    conditions: content.conditions.optional(),
    enabled: z.boolean('`enabled` is true or false.').optional(),
  });

  @Field(() => ID, { description: 'The rule.' })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'The type of the events that it pays, 1-100 characters: refused with `LIMIT_EXCEEDED` when it has 20 rules already.',
  })
  eventType?: string;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'The name to show, in 1-20 languages, at most 200 characters each.',
  })
  title?: LocalizedTextInput[];

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'What it is for, in 1-20 languages, at most 2,000 characters each; null takes it away.',
  })
  description?: LocalizedTextInput[] | null;

  @Field(() => [LocalizedImageInput], {
    nullable: true,
    description: 'A picture for each of 1-20 languages; null takes them away.',
  })
  images?: LocalizedImageInput[] | null;

  @Field(() => [RuleAwardInput], { nullable: true, description: 'What it pays, 1-8 amounts.' })
  awards?: RuleAwardInput[];

  @Field(() => [RuleConditionInput], {
    nullable: true,
    description: 'What all must hold for it to pay: at most 20, with 20,000 characters of values together.',
  })
  conditions?: RuleConditionInput[];

  @Field(() => Int, { nullable: true, description: 'Seconds between two events that it pays; null: none.' })
  cooldownSeconds?: number | null;

  @Field(() => Int, { nullable: true, description: 'Events that it pays a person in a day; null: no limit.' })
  dayCap?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Events that it pays a person in a week; null: no limit.',
  })
  weekCap?: number | null;

  @Field(() => Int, { nullable: true, description: 'Events that it pays a person ever; null: no limit.' })
  lifetimeCap?: number | null;

  @Field(() => ActivityType, {
    nullable: true,
    description: 'What the activities are that it makes from now on, any but REDEMPTION; null: none.',
  })
  activityType?: EarnedType | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether it pays.' })
  enabled?: boolean;
}

@InputType({ description: 'A rule to delete.' })
class DeleteRuleInput {
  static rules = z.object({ id: z.string().max(64) });

  @Field(() => ID, { description: 'The rule.' })
  id!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `createRule`.' })
class CreateRulePayload extends ReplayablePayload {
  @Field(() => Rule, { nullable: true, description: 'The rule; null when it was refused.' })
  rule: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `updateRule`.' })
class UpdateRulePayload extends Payload {
  @Field(() => Rule, { nullable: true, description: 'The rule as it is now; null when it was refused.' })
  rule: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `deleteRule`.' })
class DeleteRulePayload extends Payload {
  @Field(() => ID, { nullable: true, description: 'The rule that is no more; null when it was refused.' })
  deletedId: string | null = null;
}

@Resolver()
class RuleChangeResolver {
  @Write(() => CreateRulePayload, {
    scope: 'rules:write',
    description:
      'Makes a rule; each rule of an event type pays for itself. Refused with `LIMIT_EXCEEDED` when the event type has 20, or the community 1,000.',
  })
  async createRule(
    @Arg('input', () => CreateRuleInput, { description: 'The rule.' }) input: CreateRuleInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<CreateRulePayload> {
    const { eventType, title, awards, conditions, activityType, enabled, idempotencyKey } = input;
    const { cooldownSeconds = null, dayCap = null, weekCap = null, lifetimeCap = null } = input;
    const rule = {
      ...{ eventType, awards: plain(awards), conditions: plain(conditions), enabled, idempotencyKey },
      ...{ cooldownSeconds, dayCap, weekCap, lifetimeCap, activityType },
      title: textsOf(title),
      description: input.description == null ? null : textsOf(input.description),
      images: imagesOf(input.images ?? null),
    };
    return Object.assign(new CreateRulePayload(), await createRule(sql, principal, rule));
  }

  @Write(() => UpdateRulePayload, {
    scope: 'rules:write',
    description: 'Changes a rule, from the next event on.',
  })
  async updateRule(
    @Arg('input', () => UpdateRuleInput, { description: 'The changes.' }) input: UpdateRuleInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<UpdateRulePayload> {
    const rule = await updateRule(sql, principal, input.id, changesOf(input));
    return Object.assign(new UpdateRulePayload(), { rule });
  }

  @Write(() => DeleteRulePayload, {
    scope: 'rules:write',
    description: 'Deletes a rule; what it paid stays.',
  })
  async deleteRule(
    @Arg('input', () => DeleteRuleInput, { description: 'The rule.' }) { id }: DeleteRuleInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<DeleteRulePayload> {
    await deleteRule(sql, principal, id);
    return Object.assign(new DeleteRulePayload(), { deletedId: id });
  }
}

/** What is given of an update; null clears what can be empty. */
function changesOf({
  id: _,
  title,
  description,
  images,
  awards,
  conditions,
  ...others
}: UpdateRuleInput): Partial<RuleContent> {
  const changes: Partial<RuleContent> = Object.fromEntries(
    Object.entries(others).filter(([, value]) => value !== undefined),
  );
  if (title != null) changes.title = textsOf(title);
  if (description !== undefined) changes.description = description === null ? null : textsOf(description);
  if (images !== undefined) changes.images = imagesOf(images);
  if (awards != null) changes.awards = plain(awards);
  if (conditions != null) changes.conditions = plain(conditions);
  return changes;
}

/** Inputs without their classes. */
function plain<Input extends object>(inputs: readonly Input[]): Input[] {
  return inputs.map((input) => ({ ...input }));
}

export const ruleChange: Feature = { name: 'rule-change', resolvers: [RuleChangeResolver] };
