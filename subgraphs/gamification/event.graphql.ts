import { Arg, Ctx, Field, InputType, ObjectType, Resolver, registerEnumType } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Usually, Write } from '../feature.ts';
import { collected } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Decimal, Json } from '../scalars.ts';
import { ReplayablePayload, UserIdentifierInput } from '../shared.graphql.ts';
import { type NewEvent, trackEvents } from './event.ts';
import { LedgerEntry } from './ledger.graphql.ts';
import { originOf } from './origin.ts';
import type { Posted } from './posting.ts';

/** How far the clock of a sender may be ahead. */
const clockSkewMs = 300_000;

@InputType({ description: 'Something that happened and may earn.' })
class TrackEventInput {
  static rules = z.object({
    user: UserIdentifierInput.rules,
    eventType: z
      .string()
      .min(1, 'An event type has 1-100 characters.')
      .max(100, 'An event type has 1-100 characters.'),
    reference: z
      .string()
      .min(1, 'A reference has 1-200 characters.')
      .max(200, 'A reference has 1-200 characters.')
      .nullish(),
    amount: z.string().regex(/^[^-]/, 'An amount is zero or more.').nullish(),
    metadata: z
      .record(z.string(), z.unknown(), 'Metadata is a JSON object.')
      .refine(
        (value) => JSON.stringify(value).length <= 8_192,
        'Metadata has at most 8,192 characters of JSON.',
      )
      .nullish(),
  });

  @Field(() => UserIdentifierInput, { description: 'To whom.' })
  user!: UserIdentifierInput;

  @Field(() => String, {
    description: 'What, as a rule of the community names it, 1-100 characters: `purchase`.',
  })
  eventType!: string;

  @Field(() => Decimal, {
    nullable: true,
    description: 'How many, zero or more, for rules that look at it; one when absent.',
  })
  amount?: string | null;

  @Field(() => Json, {
    nullable: true,
    description: 'A JSON object to keep with the entries, at most 8,192 characters.',
  })
  metadata?: Record<string, unknown> | null;

  @Field(() => DateTime, { nullable: true, description: 'When; now when absent. Not in the future.' })
  occurredAt?: Date | null;

  @Field(() => String, {
    nullable: true,
    description:
      'What a repeat is recognised by, 1-200 characters, unique per event type. A repeat gives the first answer.',
  })
  reference?: string | null;
}

enum EventOutcome {
  EARNED = 'EARNED',
  COUNTED = 'COUNTED',
  CONDITION = 'CONDITION',
  COOLDOWN = 'COOLDOWN',
  ONCE = 'ONCE',
  DAY_CAP = 'DAY_CAP',
  WEEK_CAP = 'WEEK_CAP',
  LIFETIME_CAP = 'LIFETIME_CAP',
  TOO_LITTLE = 'TOO_LITTLE',
}
registerEnumType(EventOutcome, {
  name: 'EventOutcome',
  description: 'What came of an event, or why it earned nothing.',
  valuesConfig: {
    EARNED: { description: 'It earned, or cost.' },
    COUNTED: { description: 'It was counted; no rule rewards it.' },
    CONDITION: { description: 'It does not meet the conditions of its rule.' },
    COOLDOWN: { description: 'It came too soon after, or before, one that earned.' },
    ONCE: { description: 'Its rule pays a person once, and had.' },
    DAY_CAP: { description: 'Its rule had paid the person as often as it does in a day.' },
    WEEK_CAP: {
      description: 'Its rule had paid the person as often as it does in a week, Monday to Sunday.',
    },
    LIFETIME_CAP: { description: 'Its rule had paid the person as often as it ever does.' },
    TOO_LITTLE: { description: 'Its amount comes to less than one of any unit.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'What came of `trackEvent`.' })
class TrackEventPayload extends ReplayablePayload {
  @Field(() => EventOutcome, {
    nullable: true,
    description: 'Whether it earned, or why not; null when it was refused.',
  })
  outcome: string | null = null;

  @Field(() => [LedgerEntry], { description: 'What it earned; empty where `outcome` says why it did not.' })
  @Usually(2)
  ledger: object[] = [];

  @Field(() => Boolean, { description: 'The person reached a new level by it.' })
  leveledUp = false;
}

const track = collected<NewEvent, Posted>((sql, communityId, events) =>
  trackEvents(sql, communityId, events),
);

@Resolver()
class EventResolver {
  @Write(() => TrackEventPayload, {
    scope: 'events:write',
    description: 'Tracks an event and books what it earns by the rules of the community.',
  })
  async trackEvent(
    @Arg('input', () => TrackEventInput, { description: 'The event.' }) input: TrackEventInput,
    @Ctx() { sql, tail, principal, now }: Context,
  ): Promise<TrackEventPayload> {
    const { user, eventType, amount = null, metadata = null, occurredAt = null, reference = null } = input;
    if (occurredAt !== null && occurredAt.getTime() > now().getTime() + clockSkewMs) {
      throw new Refusal('VALIDATION_FAILED', 'An event does not happen in the future.', {}, [
        'input',
        'occurredAt',
      ]);
    }
    const origin = originOf(principal);
    const event = { user: { ...user }, eventType, amount, metadata, occurredAt, reference, origin };
    const posted = await track(sql, communityOf(principal), event);
    tail.wake();
    return payloadOf(posted);
  }
}

function payloadOf({ entries, outcome, level, replayed }: Posted): TrackEventPayload {
  const leveledUp = level !== null && level.after > level.before;
  return Object.assign(new TrackEventPayload(), { outcome, ledger: entries, leveledUp, replayed });
}

export const event: Feature = {
  name: 'event',
  resolvers: [EventResolver],
};
