import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Partner, Usually, Write } from '../feature.ts';
import { collected } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Decimal, Json } from '../scalars.ts';
import { Payload, ReplayablePayload, type UserError, UserIdentifierInput } from '../shared.graphql.ts';
import { awardById, BadgeAward } from './badge-award.graphql.ts';
import { type NewEvent, type Tracked, trackEvents } from './event.ts';
import { EventSource, LedgerEntry } from './ledger.graphql.ts';
import { messageEvents } from './message-event.ts';
import { originOf } from './origin.ts';
import { User } from './user.graphql.ts';

/** How far the clock of a sender may be ahead. */
const clockSkewMs = 300_000;

/** The bounds of the metadata of anything that is posted. */
export const metadataRules = z
  .record(z.string(), z.unknown(), 'Metadata is a JSON object.')
  .refine((value) => JSON.stringify(value).length <= 8_192, 'Metadata has at most 8,192 characters of JSON.')
  .nullish();

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
    metadata: metadataRules,
  });

  @Field(() => UserIdentifierInput, {
    description:
      'To whom. Where `Community.eventsAddMembers` is set, an e-mail address, user name or external id of nobody makes them a member.',
  })
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

  @Field(() => DateTime, {
    nullable: true,
    description: "When; now when absent. At most 5 minutes ahead of Laurel's clock.",
  })
  occurredAt?: Date | null;

  @Field(() => String, {
    nullable: true,
    description:
      'What a repeat is recognised by, 1-200 characters, unique per event type. A repeat gives the first answer.',
  })
  reference?: string | null;

  @Field(() => EventSource, { defaultValue: EventSource.LAUREL, description: 'The system it comes from.' })
  source!: EventSource;
}

@InputType({ description: 'Events to track together.' })
class TrackEventsInput {
  static answersItems = true;

  static rules = z.object({
    events: z
      .array(z.unknown())
      .min(1, 'Track 1-1,000 events at a time.')
      .max(1_000, 'Track 1-1,000 events at a time.'),
  });

  @Field(() => [TrackEventInput], { description: 'The events, 1-1,000, in the order they count.' })
  events!: TrackEventInput[];
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
@Partner()
class TrackEventPayload extends ReplayablePayload {
  @Field(() => EventOutcome, {
    nullable: true,
    description: 'Whether it earned, or why not; null when it was refused.',
  })
  outcome: string | null = null;

  @Field(() => [LedgerEntry], { description: 'What it earned; empty where `outcome` says why it did not.' })
  @Usually(2)
  ledger: object[] = [];

  @Field(() => Boolean, { description: 'The person reached a higher level by it.' })
  leveledUp = false;

  @Field(() => ID, { nullable: true, description: 'The event, `evt_…`; null when it was refused.' })
  eventId: string | null = null;

  @Field(() => User, { nullable: true, description: 'To whom; null when it was refused.' })
  user: object | null = null;

  @Field(() => Boolean, {
    description:
      'The person was unknown and was made a member for this event, as `Community.eventsAddMembers` allows; false in repeats.',
  })
  userCreated = false;

  awardIds: string[] = [];
}

@Resolver(() => TrackEventPayload)
class TrackEventPayloadResolver {
  @FieldResolver(() => [BadgeAward], {
    description: 'The badges it brought; what they brought is in `ledger`.',
  })
  @Usually(1)
  async badges(@Root() { awardIds }: TrackEventPayload, @Ctx() context: Context): Promise<object[]> {
    const awards = await Promise.all(awardIds.map((id) => awardById(context).load(id)));
    return awards.filter((award) => award !== null);
  }
}

@ObjectType({ simpleResolvers: true, description: 'What came of `trackEvents`.' })
@Partner()
class TrackEventsPayload extends Payload {
  @Field(() => [TrackEventPayload], {
    description: 'One answer per event, in their order; `userErrors` in each tells why that one was refused.',
  })
  @Usually(100)
  results: TrackEventPayload[] = [];
}

const track = collected<NewEvent, Tracked>((sql, communityId, events) =>
  trackEvents(sql, communityId, events),
);

@Resolver()
class EventResolver {
  @Partner()
  @Write(() => TrackEventPayload, {
    scope: 'events:write',
    description: 'Tracks an event and books what it earns by the rules of the community.',
  })
  async trackEvent(
    @Arg('input', () => TrackEventInput, { description: 'The event.' }) input: TrackEventInput,
    @Ctx() context: Context,
  ): Promise<TrackEventPayload> {
    const { sql, tail, principal } = context;
    const posted = await track(sql, communityOf(principal), eventOf(input, context));
    tail.wake();
    return payloadOf(posted);
  }

  @Partner()
  @Write(() => TrackEventsPayload, {
    scope: 'events:write',
    description: 'Tracks up to 1,000 events together; one that is refused costs itself.',
  })
  async trackEvents(
    @Arg('input', () => TrackEventsInput, { description: 'The events.' }) { events }: TrackEventsInput,
    @Ctx() context: Context,
  ): Promise<TrackEventsPayload> {
    const { sql, tail, principal } = context;
    const checked = events.map((input) => checkedEvent(input, context));
    const right = checked.filter((one): one is NewEvent => !Array.isArray(one));
    const answers = (await trackEvents(sql, communityOf(principal), right)).values();
    tail.wake();
    const results = checked.map((one, at) => {
      const answer = Array.isArray(one) ? one : (answers.next().value as Tracked | Refusal);
      if (!Array.isArray(answer) && !(answer instanceof Refusal)) return payloadOf(answer);
      const userErrors = Array.isArray(answer) ? answer : [errorOf(answer)];
      return Object.assign(new TrackEventPayload(), {
        userErrors: userErrors.map(({ path, ...error }) => ({ ...error, path: pathIn(path ?? [], at) })),
      });
    });
    return Object.assign(new TrackEventsPayload(), { results });
  }
}

/** An event as the domain takes it. @throws VALIDATION_FAILED */
function eventOf(
  {
    user,
    eventType,
    amount = null,
    metadata = null,
    occurredAt = null,
    reference = null,
    source,
  }: TrackEventInput,
  { principal, now }: Context,
): NewEvent {
  notInFuture(occurredAt, now());
  const origin = originOf(principal, source);
  return { user: { ...user }, eventType, amount, metadata, occurredAt, reference, origin };
}

/** An event of many, or what is wrong with it. */
function checkedEvent(input: TrackEventInput, context: Context): NewEvent | UserError[] {
  const { error } = TrackEventInput.rules.safeParse(input);
  if (error !== undefined) {
    return error.issues.map(({ message, path }) => ({
      code: 'VALIDATION_FAILED',
      message,
      path: ['input', ...path.map(String)],
    }));
  }
  try {
    return eventOf(input, context);
  } catch (refusal) {
    if (refusal instanceof Refusal) return [errorOf(refusal)];
    throw refusal;
  }
}

/** @throws VALIDATION_FAILED  a moment beyond what a clock may be ahead. */
export function notInFuture(occurredAt: Date | null, now: Date): void {
  if (occurredAt === null || occurredAt.getTime() <= now.getTime() + clockSkewMs) return;
  const path = ['input', 'occurredAt'];
  throw new Refusal(
    'VALIDATION_FAILED',
    "`occurredAt` is at most 5 minutes ahead of Laurel's clock.",
    {},
    path,
  );
}

function errorOf({ code, message, path }: Refusal): UserError {
  return { code, message, path: path === undefined ? null : [...path] };
}

/** `["input", "user"]` of the n-th event is `["input", "events", "3", "user"]`. */
function pathIn([input = 'input', ...rest]: readonly string[], at: number): string[] {
  return [input, 'events', String(at), ...rest];
}

function payloadOf({ entries, level, userId, userMade, ...tracked }: Tracked): TrackEventPayload {
  const { eventId, outcome, awardIds, replayed } = tracked;
  const leveledUp = level !== null && level.after > level.before;
  const about = { user: { id: userId }, userCreated: userMade };
  const said = { eventId, outcome, ledger: entries, leveledUp, awardIds, replayed, ...about };
  return Object.assign(new TrackEventPayload(), said);
}

export const event: Feature = {
  name: 'event',
  readers: () => [messageEvents],
  resolvers: [EventResolver, TrackEventPayloadResolver],
};
