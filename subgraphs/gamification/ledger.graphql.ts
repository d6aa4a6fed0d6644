import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Cost, type Feature, Key, Paged, PagedByNumber, Partner, Scoped } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { NumberedPage, Page } from '../page.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, Json } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  Numbered,
  NumberedArgs,
  type NumberedOf,
  numberedOf,
  PageArgs,
  TimeRangeInput,
} from '../shared.graphql.ts';
import {
  balancesByUser,
  entriesByEvent,
  entriesById,
  entriesByUser,
  entriesOfCommunity,
  numberedEntriesByUser,
  type LedgerEntry as Row,
} from './ledger.ts';
import type { Balances } from './unit.ts';
import { User } from './user.graphql.ts';

export enum Unit {
  XP = 'XP',
  COINS = 'COINS',
  POINTS = 'POINTS',
  PREMIUM = 'PREMIUM',
}
registerEnumType(Unit, {
  name: 'Unit',
  description: 'What is counted.',
  valuesConfig: {
    XP: { description: 'Experience; it makes levels.' },
    COINS: { description: 'Coins of the community, its in-game currency.' },
    POINTS: { description: 'Points of GamifyHost and Lynes.' },
    PREMIUM: { description: 'The premium currency.' },
  },
});

export enum EventSource {
  LAUREL = 'LAUREL',
  RETURNING = 'RETURNING',
  GAMIFYHOST = 'GAMIFYHOST',
  LYNES = 'LYNES',
}
registerEnumType(EventSource, {
  name: 'EventSource',
  description: 'The system that something comes from.',
  valuesConfig: {
    LAUREL: { description: 'Laurel itself, or whoever says no other.' },
    RETURNING: { description: 'Returning.AI.' },
    GAMIFYHOST: { description: 'GamifyHost.' },
    LYNES: { description: 'Lynes Loyalty.' },
  },
});

enum LedgerSign {
  EARNED = 'EARNED',
  SPENT = 'SPENT',
}
registerEnumType(LedgerSign, {
  name: 'LedgerSign',
  description: 'The direction of an entry.',
  valuesConfig: { EARNED: { description: 'Above zero.' }, SPENT: { description: 'Below zero.' } },
});

@ObjectType({
  simpleResolvers: true,
  description: 'One change of what a person has. Never changed, never deleted. Scope: stats:read.',
})
@Key('id')
@Scoped('stats:read')
@Partner()
export class LedgerEntry {
  userId!: string;
  actorUserId!: string | null;
  reversalOf!: string | null;

  @Field(() => ID, { description: '`led_…`.' })
  id!: string;

  @Field(() => ID, { description: 'The event that made it, `evt_…`; its other entries name the same.' })
  eventId!: string;

  @Field(() => Unit, { description: 'What was counted.' })
  unit!: Unit;

  @Field(() => BigIntScalar, { description: 'How much; negative when spent.' })
  amount!: bigint;

  @Field(() => BigIntScalar, { description: 'What the person had of the unit after this entry.' })
  balanceAfter!: bigint;

  @Field(() => String, { description: 'The event type that caused it.' })
  eventType!: string;

  @Field(() => String, { nullable: true, description: 'The reference of the event, as its sender gave it.' })
  reference!: string | null;

  @Field(() => Json, { nullable: true, description: 'What the sender of the event added.' })
  metadata!: unknown;

  @Field(() => DateTime, { description: 'When it happened.' })
  occurredAt!: Date;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  recordedAt!: Date;

  @Field(() => EventSource, { description: 'The system that it comes from.' })
  source!: EventSource;

  @Field(() => ID, { nullable: true, description: 'The key it came through, `key_…`.' })
  keyId!: string | null;

  @Field(() => ID, { nullable: true, description: 'The rule that paid it, `rul_…`; null where none did.' })
  ruleId!: string | null;
}

const LedgerConnection = Connection(() => LedgerEntry, 'LedgerEntry', 'Ledger');
const LedgerPage = Numbered(() => LedgerEntry, 'LedgerEntry', 'Ledger');

@InputType({ description: 'Which entries to list; what is left out does not narrow.' })
class LedgerFilter {
  static rules = z.object({
    units: z.array(z.string()).max(20, 'Name each unit once.').nullish(),
    eventTypes: z.array(z.string().max(100)).max(50, 'Name at most 50 event types.').nullish(),
    reference: z.string().max(200, 'A reference has at most 200 characters.').nullish(),
    range: TimeRangeInput.rules.nullish(),
  });

  @Field(() => [Unit], { nullable: true, description: 'Entries in these units.' })
  units?: Unit[] | null;

  @Field(() => [String], { nullable: true, description: 'Entries of these event types; up to 50.' })
  eventTypes?: string[] | null;

  @Field(() => String, { nullable: true, description: 'Entries of events with this reference.' })
  reference?: string | null;

  @Field(() => LedgerSign, { nullable: true, description: 'Only what was earned, or only what was spent.' })
  sign?: LedgerSign | null;

  @Field(() => TimeRangeInput, { nullable: true, description: 'Entries of what happened then.' })
  range?: TimeRangeInput | null;
}

@ArgsType()
class LedgerArgs extends PageArgs {
  static rules = z.object({ filter: LedgerFilter.rules.nullish() });

  @Field(() => LedgerFilter, { nullable: true, description: 'Which entries.' })
  filter?: LedgerFilter | null;
}

@ArgsType()
class LedgerPageArgs extends NumberedArgs {
  static rules = z.object({ filter: LedgerFilter.rules.nullish() });

  @Field(() => LedgerFilter, { nullable: true, description: 'Which entries.' })
  filter?: LedgerFilter | null;
}

@ArgsType()
class CommunityLedgerArgs extends LedgerArgs {
  static override rules = z.object({
    filter: LedgerFilter.rules.nullish(),
    userIds: z
      .array(z.string().max(64))
      .min(1, 'Name 1-100 people.')
      .max(100, 'Name 1-100 people.')
      .nullish(),
  });

  @Field(() => [ID], { nullable: true, description: "These people's, 1-100; everybody's when absent." })
  userIds?: string[] | null;
}

export const balancesOf = perRequest<string, Balances>((ids, { sql, principal }) =>
  balancesByUser(sql, communityOf(principal), ids),
);

export const entryById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  entriesById(sql, communityOf(principal), ids),
);

export const entriesOfEvent = perRequest<string, Row[]>((ids, { sql, principal }) =>
  entriesByEvent(sql, communityOf(principal), ids),
);

const ledgerOf = perArguments<LedgerArgs, string, Page<Row>>((ids, { filter, ...page }, { sql, principal }) =>
  entriesByUser(sql, communityOf(principal), ids, filter ?? {}, page),
);

const numberedLedgerOf = perArguments<LedgerPageArgs, string, NumberedPage<Row>>(
  (ids, { filter, ...page }, { sql, principal }) =>
    numberedEntriesByUser(sql, communityOf(principal), ids, filter ?? {}, page),
);

@Resolver(() => User)
class LedgerResolver {
  @Query(() => LedgerConnection, {
    name: 'ledger',
    description:
      'The ledger of the community, or of some of its people, newest first by when it happened. A filter by `reference` names `eventTypes` too. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async ledgerOfCommunity(
    @Args(() => CommunityLedgerArgs) { filter, userIds = null, ...page }: CommunityLedgerArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    const found = await entriesOfCommunity(sql, communityOf(principal), userIds, filter ?? {}, page);
    return connectionOf(found, (row) => row);
  }

  @FieldResolver(() => BigIntScalar, { nullable: true, description: 'All XP earned. Scope: stats:read.' })
  @Scoped('stats:read')
  async xp(@Root() { id }: User, @Ctx() context: Context): Promise<bigint> {
    return (await balancesOf(context).load(id)).XP;
  }

  @FieldResolver(() => BigIntScalar, {
    nullable: true,
    description: 'The coins the person has. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async coins(@Root() { id }: User, @Ctx() context: Context): Promise<bigint> {
    return (await balancesOf(context).load(id)).COINS;
  }

  @FieldResolver(() => BigIntScalar, {
    nullable: true,
    description: 'The points the person has. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async points(@Root() { id }: User, @Ctx() context: Context): Promise<bigint> {
    return (await balancesOf(context).load(id)).POINTS;
  }

  @FieldResolver(() => BigIntScalar, {
    nullable: true,
    description: 'The premium currency the person has. Scope: stats:read.',
  })
  @Scoped('stats:read')
  async premium(@Root() { id }: User, @Ctx() context: Context): Promise<bigint> {
    return (await balancesOf(context).load(id)).PREMIUM;
  }

  @FieldResolver(() => LedgerConnection, {
    nullable: true,
    description: "The person's ledger, newest first by when it happened. Scope: stats:read.",
  })
  @Scoped('stats:read')
  @Paged()
  async ledger(
    @Root() { id }: User,
    @Args(() => LedgerArgs) args: LedgerArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await ledgerOf(context, args).load(id), (row) => row);
  }

  @FieldResolver(() => LedgerPage, {
    nullable: true,
    description:
      'The same by number, with an exact total, for callers that page so: it costs more than `ledger`. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @PagedByNumber()
  @Cost(20)
  async ledgerPage(
    @Root() { id }: User,
    @Args(() => LedgerPageArgs) args: LedgerPageArgs,
    @Ctx() context: Context,
  ): Promise<NumberedOf<object>> {
    return numberedOf(await numberedLedgerOf(context, args).load(id));
  }
}

@Resolver(() => LedgerEntry)
class LedgerEntryResolver {
  @FieldResolver(() => User, { nullable: true, description: 'Whose it is.' })
  user(@Root() { userId }: LedgerEntry): User {
    return { id: userId };
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The person who asked for it; null where a key of the community did, or Laurel itself.',
  })
  actor(@Root() { actorUserId }: LedgerEntry): User | null {
    return actorUserId === null ? null : { id: actorUserId };
  }

  @FieldResolver(() => LedgerEntry, {
    name: 'reversalOf',
    nullable: true,
    description: 'The entry that this one takes back.',
  })
  reversed(@Root() { reversalOf }: LedgerEntry, @Ctx() context: Context): Promise<object | null> | null {
    return reversalOf === null ? null : entryById(context).load(reversalOf);
  }
}

export const ledger: Feature = {
  name: 'ledger',
  resolvers: [LedgerResolver, LedgerEntryResolver],
  references: {
    User: ({ id }: { id: string }) => ({ id }),
    LedgerEntry: ({ id }: { id: string }, context) => entryById(context).load(id),
  },
};
