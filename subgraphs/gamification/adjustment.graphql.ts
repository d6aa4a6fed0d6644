import { Arg, Ctx, Field, ID, InputType, ObjectType, Resolver, registerEnumType } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Partner, Usually, Write } from '../feature.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, Json } from '../scalars.ts';
import {
  idempotencyKey,
  LocalizedTextInput,
  localizedTexts,
  ReplayablePayload,
  textsOf,
  UserIdentifierInput,
} from '../shared.graphql.ts';
import type { Wording } from './activity.ts';
import { adjustBalance, reverseEntry, reverseEvent, spendBalance } from './adjustment.ts';
import { metadataRules, notInFuture } from './event.graphql.ts';
import { EventSource, LedgerEntry, Unit } from './ledger.graphql.ts';
import { originOf } from './origin.ts';
import { memberNamed } from './person.ts';
import type { Posted } from './posting.ts';
import { User } from './user.graphql.ts';
import { imageRules, imagesOf, LocalizedImageInput } from './wording.graphql.ts';

enum BalanceAction {
  INCREASE = 'INCREASE',
  DECREASE = 'DECREASE',
  OVERWRITE = 'OVERWRITE',
}
registerEnumType(BalanceAction, {
  name: 'BalanceAction',
  description: 'How an amount changes a balance.',
  valuesConfig: {
    INCREASE: { description: 'It is added.' },
    DECREASE: { description: 'It is taken off.' },
    OVERWRITE: { description: 'It becomes the balance.' },
  },
});

const most = 1_000_000_000_000_000n;
const amountRules = (least: bigint) =>
  z.bigint().min(least, `An amount is ${least} to ${most}.`).max(most, `An amount is ${least} to ${most}.`);
const reason = z.string().max(500, 'A reason has at most 500 characters.').nullish();

@InputType({ description: 'A change of what a person has that no rule makes.' })
class AdjustBalanceInput {
  static rules = z.object({
    user: UserIdentifierInput.rules,
    amount: amountRules(0n),
    reason,
    metadata: metadataRules,
    idempotencyKey,
  });

  @Field(() => UserIdentifierInput, { description: 'Whose balance.' })
  user!: UserIdentifierInput;

  @Field(() => Unit, { description: 'Of what.' })
  unit!: Unit;

  @Field(() => BalanceAction, { description: 'How the amount changes it.' })
  action!: BalanceAction;

  @Field(() => BigIntScalar, { description: 'How much, 0 to 1,000,000,000,000,000.' })
  amount!: bigint;

  @Field(() => String, {
    nullable: true,
    description: 'Why, for whoever reads the ledger; at most 500 characters.',
  })
  reason?: string | null;

  @Field(() => Json, {
    nullable: true,
    description: 'A JSON object to keep with the entry, at most 8,192 characters.',
  })
  metadata?: Record<string, unknown> | null;

  @Field(() => DateTime, {
    nullable: true,
    description: "When; now when absent. At most 5 minutes ahead of Laurel's clock.",
  })
  occurredAt?: Date | null;

  @Field(() => EventSource, { defaultValue: EventSource.LAUREL, description: 'The system that asks for it.' })
  source!: EventSource;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each adjustment: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'What something is spent on, as the activities of the person show it.' })
class SpentItemInput {
  static rules = z.object({
    title: localizedTexts(200),
    description: localizedTexts(2_000).nullish(),
    images: imageRules,
  });

  @Field(() => [LocalizedTextInput], {
    description: 'What it is called, in 1-20 languages, at most 200 characters each.',
  })
  title!: LocalizedTextInput[];

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'What it is, in 1-20 languages, at most 2,000 characters each.',
  })
  description?: LocalizedTextInput[] | null;

  @Field(() => [LocalizedImageInput], {
    nullable: true,
    description: 'A picture for each of 1-20 languages.',
  })
  images?: LocalizedImageInput[] | null;
}

@InputType({ description: 'What a person spends.' })
class SpendBalanceInput {
  static rules = z.object({
    user: UserIdentifierInput.rules,
    amount: amountRules(1n),
    item: SpentItemInput.rules.nullish(),
    reason,
    metadata: metadataRules,
    idempotencyKey,
  });

  @Field(() => UserIdentifierInput, { description: 'Who spends.' })
  user!: UserIdentifierInput;

  @Field(() => Unit, { description: 'Of what.' })
  unit!: Unit;

  @Field(() => BigIntScalar, { description: 'How much, 1 to 1,000,000,000,000,000.' })
  amount!: bigint;

  @Field(() => SpentItemInput, {
    nullable: true,
    description: "What it is spent on; without it, the person's activity names nothing.",
  })
  item?: SpentItemInput | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why, for whoever reads the ledger; at most 500 characters.',
  })
  reason?: string | null;

  @Field(() => Json, {
    nullable: true,
    description: 'A JSON object to keep with the entry, at most 8,192 characters.',
  })
  metadata?: Record<string, unknown> | null;

  @Field(() => DateTime, {
    nullable: true,
    description: "When; now when absent. At most 5 minutes ahead of Laurel's clock.",
  })
  occurredAt?: Date | null;

  @Field(() => EventSource, { defaultValue: EventSource.LAUREL, description: 'The system that asks for it.' })
  source!: EventSource;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each spending: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'An entry to take back.' })
class ReverseLedgerEntryInput {
  static rules = z.object({ entryId: z.string().max(64), reason, idempotencyKey });

  @Field(() => ID, { description: 'The entry.' })
  entryId!: string;

  @Field(() => String, { nullable: true, description: 'Why; at most 500 characters.' })
  reason?: string | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each reversal: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'An event to take back, with all it earned.' })
class ReverseEventInput {
  static rules = z.object({ eventId: z.string().max(64), reason, idempotencyKey });

  @Field(() => ID, { description: 'The event, as the answer to it and its entries name it: `evt_…`.' })
  eventId!: string;

  @Field(() => String, { nullable: true, description: 'Why; at most 500 characters.' })
  reason?: string | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each reversal: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `adjustBalance`.' })
@Partner()
class AdjustBalancePayload extends ReplayablePayload {
  @Field(() => LedgerEntry, {
    nullable: true,
    description: 'The entry; null when it was refused, or when the balance was that already.',
  })
  entry: object | null = null;

  @Field(() => User, { nullable: true, description: 'Whose balance; null when it was refused.' })
  user: User | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `spendBalance`.' })
@Partner()
class SpendBalancePayload extends ReplayablePayload {
  @Field(() => LedgerEntry, { nullable: true, description: 'The entry; null when it was refused.' })
  entry: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `reverseLedgerEntry`.' })
@Partner()
class ReverseLedgerEntryPayload extends ReplayablePayload {
  @Field(() => LedgerEntry, {
    nullable: true,
    description: 'The entry that takes the other back; null when it was refused.',
  })
  entry: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `reverseEvent`.' })
@Partner()
class ReverseEventPayload extends ReplayablePayload {
  @Field(() => [LedgerEntry], {
    description: 'The entries that take back what it earned; empty when it earned nothing, or was refused.',
  })
  @Usually(2)
  ledger: object[] = [];
}

@Resolver()
class AdjustmentResolver {
  @Partner()
  @Write(() => AdjustBalancePayload, {
    scope: 'ledger:write',
    description: 'Increases, decreases or overwrites what a person has, by an entry in their ledger.',
  })
  async adjustBalance(
    @Arg('input', () => AdjustBalanceInput, { description: 'The adjustment.' }) input: AdjustBalanceInput,
    @Ctx() context: Context,
  ): Promise<AdjustBalancePayload> {
    const { user, unit, action, amount } = input;
    const userId = await memberNamed(context.sql, communityOf(context.principal), { ...user });
    const adjustment = { userId, unit, action, amount, ...saidOf(input, context) };
    const posted = await told(
      context,
      adjustBalance(context.sql, communityOf(context.principal), adjustment),
    );
    return Object.assign(new AdjustBalancePayload(), { ...entryOf(posted), user: { id: userId } });
  }

  @Partner()
  @Write(() => SpendBalancePayload, {
    scope: 'ledger:write',
    description: 'Spends of what a person has: never more than there is, unless the unit may go below zero.',
  })
  async spendBalance(
    @Arg('input', () => SpendBalanceInput, { description: 'What is spent.' }) input: SpendBalanceInput,
    @Ctx() context: Context,
  ): Promise<SpendBalancePayload> {
    const { user, unit, amount } = input;
    const spending = {
      userId: await memberNamed(context.sql, communityOf(context.principal), { ...user }),
      unit,
      amount,
      item: itemOf(input.item ?? null),
      ...saidOf(input, context),
    };
    const posted = await told(context, spendBalance(context.sql, communityOf(context.principal), spending));
    return Object.assign(new SpendBalancePayload(), entryOf(posted));
  }

  @Partner()
  @Write(() => ReverseLedgerEntryPayload, {
    scope: 'ledger:write',
    description: 'Takes an entry back, once, by an entry of the opposite amount at the same moment.',
  })
  async reverseLedgerEntry(
    @Arg('input', () => ReverseLedgerEntryInput, { description: 'The entry.' })
    input: ReverseLedgerEntryInput,
    @Ctx() context: Context,
  ): Promise<ReverseLedgerEntryPayload> {
    const { entryId, reason = null, idempotencyKey: reference } = input;
    const said = { entryId, reason, metadata: null, reference, origin: originOf(context.principal) };
    const posted = await told(context, reverseEntry(context.sql, communityOf(context.principal), said));
    return Object.assign(new ReverseLedgerEntryPayload(), entryOf(posted));
  }

  @Partner()
  @Write(() => ReverseEventPayload, {
    scope: 'ledger:write',
    description:
      'Takes an event back, once: what it earned, its counting, and its use of rules with limits. A badge that goes with it is not awarded by itself again.',
  })
  async reverseEvent(
    @Arg('input', () => ReverseEventInput, { description: 'The event.' }) input: ReverseEventInput,
    @Ctx() context: Context,
  ): Promise<ReverseEventPayload> {
    const { eventId, reason = null, idempotencyKey: reference } = input;
    const said = { eventId, reason, metadata: null, reference, origin: originOf(context.principal) };
    const { entries, replayed } = await told(
      context,
      reverseEvent(context.sql, communityOf(context.principal), said),
    );
    return Object.assign(new ReverseEventPayload(), { ledger: entries, replayed });
  }
}

/** Wakes who follows the log, once it is written. */
async function told({ tail }: Context, posting: Promise<Posted>): Promise<Posted> {
  const posted = await posting;
  tail.wake();
  return posted;
}

function saidOf(
  {
    reason = null,
    metadata = null,
    occurredAt = null,
    source,
    ...input
  }: AdjustBalanceInput | SpendBalanceInput,
  { principal, now }: Context,
) {
  notInFuture(occurredAt, now());
  const origin = originOf(principal, source);
  return { reason, metadata, occurredAt, reference: input.idempotencyKey, origin };
}

function itemOf(item: SpentItemInput | null): Wording | null {
  if (item === null) return null;
  const { title, description = null, images = null } = item;
  return {
    title: textsOf(title),
    description: description === null ? null : textsOf(description),
    images: imagesOf(images),
  };
}

function entryOf({ entries, replayed }: Posted) {
  return { entry: entries[0] ?? null, replayed };
}

export const adjustment: Feature = { name: 'adjustment', resolvers: [AdjustmentResolver] };
