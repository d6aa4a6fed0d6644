import {
  Arg,
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
import { Refusal } from '../errors.ts';
import { type Feature, Key, Paged, Scoped, Write } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page } from '../page.ts';
import { DateTime } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  isVisible,
  PageArgs,
  Payload,
  ReplayablePayload,
} from '../shared.graphql.ts';
import { ApiKey, apiKeyById } from './api-key.graphql.ts';
import {
  applyPenalty,
  type PenaltyKind as Kind,
  penaltiesById,
  penaltiesByUser,
  penaltiesPage,
  type Penalty as Row,
  revokePenalty,
} from './penalty.ts';
import { User, userById } from './user.graphql.ts';

enum PenaltyKind {
  WARNING = 'WARNING',
  SUSPENSION = 'SUSPENSION',
  BAN = 'BAN',
}
registerEnumType(PenaltyKind, {
  name: 'PenaltyKind',
  description: 'What misconduct brings. Source: Returning.AI help, "Warn, suspend and ban".',
  valuesConfig: {
    WARNING: { description: 'A word with a reason; it keeps nobody out.' },
    SUSPENSION: { description: 'Keeps a person out until it ends by itself.' },
    BAN: { description: 'Keeps a person out until it is revoked.' },
  },
});

@ObjectType({
  simpleResolvers: true,
  description: 'What misconduct brought a person: a warning, a suspension or a ban. Scope: penalties:read.',
})
@Key('id')
@Scoped('penalties:read')
class Penalty {
  @Field(() => ID, { description: '`pen_…`.' })
  id!: string;

  @Field(() => PenaltyKind, { description: 'What it is.' })
  kind!: Kind;

  @Field(() => String, { description: 'Why; the person reads it too.' })
  reason!: string;

  @Field(() => DateTime, { nullable: true, description: 'When a suspension ends; null for others.' })
  endsAt!: Date | null;

  @Field(() => Boolean, { description: 'It was not revoked, and as a suspension it is not over.' })
  active!: boolean;

  @Field(() => DateTime, { description: 'When it was applied.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it was revoked; null: it was not.' })
  revokedAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'Why it was revoked, if that was said.' })
  revokeReason!: string | null;
}

const PenaltyConnection = Connection(() => Penalty, 'Penalty');

@InputType({ description: 'Which penalties to list; what is left out does not narrow.' })
class PenaltyFilter {
  static rules = z.object({ userIds: z.array(z.string().max(64)).max(100).nullish() });

  @Field(() => [ID], { nullable: true, description: 'Of these people; up to 100.' })
  userIds?: string[] | null;

  @Field(() => [PenaltyKind], { nullable: true, description: 'Of these kinds.' })
  kinds?: PenaltyKind[] | null;

  @Field(() => Boolean, { nullable: true, description: 'Those that are active, or those that are not.' })
  active?: boolean | null;
}

@ArgsType()
class PenaltiesArgs extends PageArgs {
  static rules = z.object({ filter: PenaltyFilter.rules.nullish() });

  @Field(() => PenaltyFilter, { nullable: true, description: 'Which penalties.' })
  filter?: PenaltyFilter | null;
}

@ArgsType()
class UserPenaltiesArgs extends PageArgs {
  @Field(() => [PenaltyKind], { nullable: true, description: 'Of these kinds; of every kind when absent.' })
  kinds?: PenaltyKind[] | null;

  @Field(() => Boolean, { nullable: true, description: 'Those that are active, or those that are not.' })
  active?: boolean | null;
}

const id = z.string().min(1).max(64, 'An id has at most 64 characters.');
const reason = z
  .string()
  .max(1_000, 'A reason has 1-1,000 characters.')
  .refine((text) => isVisible(text), 'A reason has 1-1,000 characters.');

@InputType({ description: 'A penalty for a person.' })
class ApplyPenaltyInput {
  static rules = z.object({ userId: id, reason, idempotencyKey });

  @Field(() => ID, { description: 'Whom it concerns.' })
  userId!: string;

  @Field(() => PenaltyKind, { description: 'What it is.' })
  kind!: PenaltyKind;

  @Field(() => String, { description: 'Why, 1-1,000 characters; the person reads it too.' })
  reason!: string;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When a SUSPENSION ends, at most 10 years ahead; left out for others.',
  })
  endsAt?: Date | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each penalty; kept for 30 days.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'A penalty to take back.' })
class RevokePenaltyInput {
  static rules = z.object({ id, reason: reason.nullish() });

  @Field(() => ID, { description: 'The penalty.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'Why, 1-1,000 characters.' })
  reason?: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `applyPenalty`.' })
class ApplyPenaltyPayload extends ReplayablePayload {
  @Field(() => Penalty, { nullable: true, description: 'The penalty; null when it was refused.' })
  penalty: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `revokePenalty`.' })
class RevokePenaltyPayload extends Payload {
  @Field(() => Penalty, { nullable: true, description: 'The penalty, revoked; null when it was refused.' })
  penalty: object | null = null;
}

const penaltyById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  penaltiesById(sql, principal, ids),
);

const penaltiesOf = perArguments<UserPenaltiesArgs, string, Page<Row>>(
  (ids, { kinds, active, ...page }, { sql, principal }) =>
    penaltiesByUser(sql, principal, ids, { kinds: kinds ?? null, active: active ?? null }, page),
);

@Resolver(() => Penalty)
class PenaltyResolver {
  @Write(() => ApplyPenaltyPayload, {
    scope: 'penalties:write',
    description:
      'Warns, suspends or bans; who is kept out is so within a second. A person needs the permission, and a role above.',
  })
  async applyPenalty(
    @Arg('input', () => ApplyPenaltyInput, { description: 'Whom, what and why.' })
    { userId, kind, reason, endsAt, idempotencyKey }: ApplyPenaltyInput,
    @Ctx() { sql, principal, tail, now }: Context,
  ): Promise<ApplyPenaltyPayload> {
    const wish = { userId, kind, reason, endsAt: endsAt ?? null, idempotencyKey };
    const applied = await applyPenalty(sql, principal, wish, now());
    tail.wake();
    return Object.assign(new ApplyPenaltyPayload(), applied);
  }

  @Write(() => RevokePenaltyPayload, {
    scope: 'penalties:write',
    description: 'Takes a penalty back, before its end or after; one that was taken back stays as it is.',
  })
  async revokePenalty(
    @Arg('input', () => RevokePenaltyInput, { description: 'Which penalty.' }) {
      id,
      reason,
    }: RevokePenaltyInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<RevokePenaltyPayload> {
    const penalty = await revokePenalty(sql, principal, { id, reason: reason ?? null });
    tail.wake();
    return Object.assign(new RevokePenaltyPayload(), { penalty });
  }

  @Query(() => PenaltyConnection, {
    description:
      'Penalties of the community, newest first; of people, for those who may warn, suspend or ban. Scope: penalties:read.',
  })
  @Scoped('penalties:read')
  @Paged()
  async penalties(
    @Args(() => PenaltiesArgs) { filter, ...page }: PenaltiesArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await penaltiesPage(sql, principal, filter ?? {}, page), (row) => row);
  }

  @FieldResolver(() => User, { nullable: true, description: 'Whom it concerns.' })
  user(@Root() { userId }: Row, @Ctx() context: Context): Promise<object | null> {
    return userById(context).load(userId);
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The person who decided, if it was one; the person it concerns is not told.',
  })
  issuer(@Root() { userId, issuerUserId }: Row, @Ctx() context: Context): Promise<object | null> | null {
    const isTold = issuerUserId !== null && context.principal.userId !== userId;
    return isTold ? userById(context).load(issuerUserId) : null;
  }

  @FieldResolver(() => ApiKey, { nullable: true, description: 'The key it was applied with, if it was one.' })
  issuerKey(@Root() { userId, issuerKeyId }: Row, @Ctx() context: Context): Promise<object | null> | null {
    const isTold = issuerKeyId !== null && context.principal.userId !== userId;
    return isTold ? apiKeyById(context).load(issuerKeyId) : null;
  }
}

@Resolver(() => User)
class UserPenaltyResolver {
  @FieldResolver(() => PenaltyConnection, {
    nullable: true,
    description:
      "The person's penalties, newest first: one's own, or anybody's for those who may warn, suspend or ban. Scope: penalties:read.",
  })
  @Scoped('penalties:read')
  @Paged()
  async penalties(
    @Root() { id }: User,
    @Args(() => UserPenaltiesArgs) args: UserPenaltiesArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    const { kind, ofPeople } = context.principal;
    if (kind === 'class' && ofPeople)
      throw new Refusal('NEEDS_USER', '`penalties` depends on who reads them.');
    return connectionOf(await penaltiesOf(context, args).load(id), (row) => row);
  }
}

export const penalty: Feature = {
  name: 'penalty',
  resolvers: [PenaltyResolver, UserPenaltyResolver],
  references: { Penalty: ({ id }: { id: string }, context) => penaltyById(context).load(id) },
};
