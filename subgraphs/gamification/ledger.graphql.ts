import {
  Args,
  ArgsType,
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
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page } from '../page.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, Json } from '../scalars.ts';
import { Connection, type ConnectionOf, connectionOf, PageArgs } from '../shared.graphql.ts';
import {
  balancesByUser,
  entriesByEvent,
  entriesById,
  entriesByUser,
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

@InputType({ description: 'Which entries to list; what is left out does not narrow.' })
class LedgerFilter {
  static rules = z.object({ eventTypes: z.array(z.string().max(100)).max(50).nullish() });

  @Field(() => [Unit], { nullable: true, description: 'Entries in these units.' })
  units?: Unit[] | null;

  @Field(() => [String], { nullable: true, description: 'Entries of these event types; up to 50.' })
  eventTypes?: string[] | null;

  @Field(() => String, { nullable: true, description: 'Entries of events with this reference.' })
  reference?: string | null;

  @Field(() => LedgerSign, { nullable: true, description: 'Only what was earned, or only what was spent.' })
  sign?: LedgerSign | null;
}

@ArgsType()
class LedgerArgs extends PageArgs {
  static rules = z.object({ filter: LedgerFilter.rules.nullish() });

  @Field(() => LedgerFilter, { nullable: true, description: 'Which entries.' })
  filter?: LedgerFilter | null;
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

@Resolver(() => User)
class LedgerResolver {
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
