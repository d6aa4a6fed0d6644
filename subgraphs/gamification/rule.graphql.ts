import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped, Usually } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Decimal, Url } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  LocalizedText,
  localized,
  PageArgs,
} from '../shared.graphql.ts';
import { ActivityType } from './activity.graphql.ts';
import { Unit } from './ledger.graphql.ts';
import { type KeptRule, rulesById, rulesPage } from './rule.ts';
import { pruneUses } from './rule-use.ts';
import { imageIn } from './wording.graphql.ts';

export enum RuleOperator {
  EQUALS = 'EQUALS',
  NOT_EQUALS = 'NOT_EQUALS',
  AT_LEAST = 'AT_LEAST',
  AT_MOST = 'AT_MOST',
  MORE = 'MORE',
  LESS = 'LESS',
  EXISTS = 'EXISTS',
}
registerEnumType(RuleOperator, {
  name: 'RuleOperator',
  description: 'How a condition compares a value of an event. Numbers are the same however they are written.',
  valuesConfig: {
    EQUALS: { description: 'It is one of the values.' },
    NOT_EQUALS: { description: 'It is none of the values, or is not there.' },
    AT_LEAST: { description: 'It is a number, the value or more.' },
    AT_MOST: { description: 'It is a number, the value or less.' },
    MORE: { description: 'It is a number, more than the value.' },
    LESS: { description: 'It is a number, less than the value.' },
    EXISTS: { description: 'It is there and not null; takes no values.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'What a rule pays of one unit. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
class RuleAward {
  @Field(() => Unit, { description: 'Of what.' })
  unit!: Unit;

  @Field(() => Decimal, {
    description: 'How much; below zero it costs. What is less than one in the end is dropped.',
  })
  amount!: string;

  @Field(() => Boolean, {
    description: "Once for each unit of the event's amount, instead of once an event.",
  })
  perUnit!: boolean;
}

@ObjectType({
  simpleResolvers: true,
  description: 'What an event must be like for a rule to pay. Scope: stats:read.',
})
@Scoped('stats:read')
@Partner()
class RuleCondition {
  @Field(() => String, { description: '`amount`, or a place in the metadata: `metadata.order.country`.' })
  field!: string;

  @Field(() => RuleOperator, { description: 'How it is compared.' })
  operator!: RuleOperator;

  @Field(() => [String], { description: 'With what.' })
  @Usually(2)
  values!: string[];
}

@ObjectType({
  simpleResolvers: true,
  description: 'What an event of one type earns, and how often. Scope: stats:read.',
})
@Key('id')
@Scoped('stats:read')
@Partner()
export class Rule {
  @Field(() => ID, { description: '`rul_…`.' })
  id!: string;

  @Field(() => String, { description: 'The type of the events that it pays.' })
  eventType!: string;

  @Field(() => [RuleAward], { description: 'What it pays.' })
  @Usually(2)
  awards!: RuleAward[];

  @Field(() => [RuleCondition], { description: 'What all must hold for it to pay; empty: it always does.' })
  @Usually(1)
  conditions!: RuleCondition[];

  @Field(() => Int, {
    nullable: true,
    description: 'Seconds between two events of a person that it pays, by when they happened; null: none.',
  })
  cooldownSeconds!: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      "Events that it pays a person at most in a day of the community's time zone; null: no limit.",
  })
  dayCap!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Events that it pays a person at most in a week from Monday to Sunday; null: no limit.',
  })
  weekCap!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Events that it pays a person at most ever; null: no limit.',
  })
  lifetimeCap!: number | null;

  @Field(() => ActivityType, {
    nullable: true,
    description: 'What the activities are that it makes for those whom it pays; null: it makes none.',
  })
  activityType!: string | null;

  @Field(() => Boolean, { description: 'It pays at all.' })
  enabled!: boolean;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: Date;
}

const RuleConnection = Connection(() => Rule, 'Rule');

@ArgsType()
class RulesArgs extends PageArgs {
  static rules = z.object({ eventTypes: z.array(z.string().max(100)).max(50).nullish() });

  @Field(() => [String], {
    nullable: true,
    description: 'Rules of these event types, up to 50; all when absent.',
  })
  eventTypes?: string[] | null;
}

export const ruleById = perRequest<string, KeptRule | null>((ids, { sql, principal }) =>
  rulesById(sql, communityOf(principal), ids),
);

@Resolver(() => Rule)
class RuleResolver {
  @Partner()
  @Query(() => RuleConnection, {
    description: 'The rules of the community, oldest first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async rules(
    @Args(() => RulesArgs) { eventTypes = null, ...page }: RulesArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await rulesPage(sql, communityOf(principal), eventTypes, page), (row) => row);
  }

  @Partner()
  @Query(() => Rule, {
    nullable: true,
    description: 'One rule; null where there is none. Scope: stats:read.',
  })
  @Scoped('stats:read')
  rule(
    @Arg('id', () => ID, { description: 'Its id.' }) id: string,
    @Ctx() context: Context,
  ): Promise<object | null> {
    return ruleById(context).load(id);
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show.' })
  title(@Root() { title }: KeptRule): LocalizedText {
    return localized(title);
  }

  @FieldResolver(() => LocalizedText, { nullable: true, description: 'What it is for.' })
  description(@Root() { description }: KeptRule): LocalizedText | null {
    return description === null ? null : localized(description);
  }

  @FieldResolver(() => Url, {
    nullable: true,
    description: 'The picture for a language; the English one, or any, where that language has none.',
  })
  image(
    @Root() { images }: KeptRule,
    @Arg('lang', () => String, { defaultValue: 'en', description: 'The language, BCP 47.' }) lang: string,
  ): string | null {
    return imageIn(images, lang);
  }
}

export const rule: Feature = {
  name: 'rule',
  prune: pruneUses,
  resolvers: [RuleResolver],
  references: { Rule: ({ id }: { id: string }, context) => ruleById(context).load(id) },
};
