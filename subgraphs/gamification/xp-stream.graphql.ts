import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { checked, type Feature, Partner, Resumable, Scoped } from '../feature.ts';
import type { LogEvent } from '../log.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, EventCursor } from '../scalars.ts';
import { controlItems, StreamItem, streamItems } from '../stream.graphql.ts';
import { openStream } from '../stream.ts';
import { awardById, BadgeAward } from './badge-award.graphql.ts';
import { entryById, LedgerEntry } from './ledger.graphql.ts';
import { Level, levelNumbered, levelOf } from './level.graphql.ts';
import { User } from './user.graphql.ts';

// XP as they change: the log's stream `xp`, dressed.

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'A person has more or less XP.' })
@Partner()
class XpChanged extends StreamItem {
  userId!: string;
  entryId!: string;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;

  @Field(() => BigIntScalar, { description: 'The XP the person has after it.' })
  total!: bigint;
}

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'A person has another level, higher or lower.',
})
class LevelChanged extends StreamItem {
  userId!: string;
  fromNumber!: number;
  toNumber!: number;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ObjectType({ implements: StreamItem, simpleResolvers: true, description: 'A person was awarded a badge.' })
@Partner()
class BadgeAwarded extends StreamItem {
  userId!: string;
  awardId!: string;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  occurredAt!: Date;
}

@ArgsType()
class XpArgs {
  static rules = z.object({
    userIds: z
      .array(z.string().max(64))
      .min(1, 'name 1-500 people, or leave it out for all')
      .max(500, 'name 1-500 people')
      .nullish(),
  });

  @Field(() => [ID], {
    nullable: true,
    description: 'Whose XP, 1-500 people; everybody of the community when absent.',
  })
  userIds?: string[] | null;

  @Field(() => EventCursor, {
    nullable: true,
    description: 'Go on after this cursor: what was missed comes first.',
  })
  after?: string | null;
}

@Resolver()
class XpStreamResolver {
  @Partner()
  @Subscription(() => StreamItem, {
    description:
      'XP as they change: StreamReady or, with `after`, what was missed and StreamResumed; then XpChanged, LevelChanged and BadgeAwarded. Scope: stats:read.',
    subscribe: async ({ args, context }: { args: XpArgs; context: Context }) => {
      const { userIds, after } = checked(XpArgs, args);
      const wanted = userIds == null ? undefined : new Set(userIds);
      const id = { communityId: communityOf(context.principal), stream: 'xp' } as const;
      const includes = ({ userId }: LogEvent) => wanted === undefined || wanted.has(userId ?? '');
      return streamItems(context, await openStream(context, id, { after, includes }), xpItem);
    },
  })
  @Scoped('stats:read')
  @Resumable()
  xp(@Root() item: StreamItem, @Args(() => XpArgs) _args: XpArgs): StreamItem {
    return item;
  }
}

@Resolver(() => XpChanged)
class XpChangedResolver {
  @FieldResolver(() => User, { description: 'Whose.' })
  user(@Root() { userId }: XpChanged): User {
    return { id: userId };
  }

  @FieldResolver(() => LedgerEntry, { nullable: true, description: 'The entry that changed them.' })
  entry(@Root() { entryId }: XpChanged, @Ctx() context: Context): Promise<object | null> {
    return entryById(context).load(entryId);
  }

  @FieldResolver(() => Level, { nullable: true, description: 'The level of that many XP.' })
  level(@Root() { total }: XpChanged, @Ctx() context: Context): Promise<object | null> {
    return levelOf(context, total);
  }
}

@Resolver(() => LevelChanged)
class LevelChangedResolver {
  @FieldResolver(() => User, { description: 'Whose.' })
  user(@Root() { userId }: LevelChanged): User {
    return { id: userId };
  }

  @FieldResolver(() => Level, {
    nullable: true,
    description: 'The level before; null below the first, or where it is no more.',
  })
  from(@Root() { fromNumber }: LevelChanged, @Ctx() context: Context): Promise<object | null> {
    return levelNumbered(context, fromNumber);
  }

  @FieldResolver(() => Level, {
    nullable: true,
    description: 'The level after; null below the first, or where it is no more.',
  })
  to(@Root() { toNumber }: LevelChanged, @Ctx() context: Context): Promise<object | null> {
    return levelNumbered(context, toNumber);
  }
}

@Resolver(() => BadgeAwarded)
class BadgeAwardedResolver {
  @FieldResolver(() => User, { description: 'Who.' })
  user(@Root() { userId }: BadgeAwarded): User {
    return { id: userId };
  }

  @FieldResolver(() => BadgeAward, { nullable: true, description: 'The award, with its badge.' })
  award(@Root() { awardId }: BadgeAwarded, @Ctx() context: Context): Promise<object | null> {
    return awardById(context).load(awardId);
  }
}

function xpItem({ kind, userId, payload }: LogEvent): StreamItem {
  if (kind === 'LevelChanged') {
    const { from: fromNumber, to: toNumber } = payload as { from: number; to: number };
    return Object.assign(new LevelChanged(), { userId: userId ?? '', fromNumber, toNumber });
  }
  if (kind === 'BadgeAwarded') {
    const { awardId } = payload as { awardId: string };
    return Object.assign(new BadgeAwarded(), { userId: userId ?? '', awardId });
  }
  const { entryId, total } = payload as { entryId: string; total: string };
  return Object.assign(new XpChanged(), { userId: userId ?? '', entryId, total: BigInt(total) });
}

export const xpStream: Feature = {
  name: 'xp-stream',
  resolvers: [XpStreamResolver, XpChangedResolver, LevelChangedResolver, BadgeAwardedResolver],
  types: [XpChanged, LevelChanged, BadgeAwarded, ...controlItems],
};
