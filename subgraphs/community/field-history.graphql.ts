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
import { type Feature, Key, Paged, Partner, Scoped, Write } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page } from '../page.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Decimal } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  PageArgs,
  ReplayablePayload,
} from '../shared.graphql.ts';
import { CustomField, fieldById } from './field.graphql.ts';
import {
  changesByField,
  changesById,
  changesByUser,
  changesPage,
  type FieldChange,
  recordChange,
} from './field-history.ts';
import { User } from './member.graphql.ts';

enum FieldAction {
  INCREASE = 'INCREASE',
  DECREASE = 'DECREASE',
  OVERWRITE = 'OVERWRITE',
}
registerEnumType(FieldAction, {
  name: 'FieldAction',
  description: 'What a change does to the sum. Source: Returning.AI docs, "Create user field history".',
  valuesConfig: {
    INCREASE: { description: 'Adds the value.' },
    DECREASE: { description: 'Subtracts the value.' },
    OVERWRITE: { description: 'Replaces the sum by the value.' },
  },
});

@ObjectType({ simpleResolvers: true, description: "One change of a member's field. Scope: fields:read." })
@Key('id')
@Scoped('fields:read')
@Partner()
class FieldHistory {
  fieldId!: string;
  userId!: string;

  @Field(() => ID, { description: '`fhs_…`.' })
  id!: string;

  @Field(() => FieldAction, { description: 'What the change did.' })
  action!: FieldAction;

  @Field(() => Decimal, { description: 'The value that was given.' })
  value!: string;

  @Field(() => Decimal, { description: "The field's value after the change." })
  resultingSum!: string;

  @Field(() => String, { description: 'The key that made the change once.' })
  idempotencyKey!: string;

  @Field(() => DateTime, { description: 'When it was recorded.' })
  createdAt!: Date;
}

const FieldHistoryConnection = Connection(() => FieldHistory, 'FieldHistory');

@InputType({ description: 'Which changes to list; what is left out does not narrow.' })
class FieldHistoryFilter {
  static rules = z.object({
    fieldIds: z.array(z.string()).max(100).nullish(),
    userIds: z.array(z.string()).max(500).nullish(),
  });

  @Field(() => [ID], { nullable: true, description: 'Changes of these fields; up to 100.' })
  fieldIds?: string[] | null;

  @Field(() => [ID], { nullable: true, description: 'Changes of these members; up to 500.' })
  userIds?: string[] | null;

  @Field(() => [FieldAction], { nullable: true, description: 'Changes that did one of these.' })
  actions?: FieldAction[] | null;
}

@ArgsType()
class FieldHistoriesArgs extends PageArgs {
  static rules = z.object({ filter: FieldHistoryFilter.rules.nullish() });

  @Field(() => FieldHistoryFilter, { nullable: true, description: 'Which changes.' })
  filter?: FieldHistoryFilter | null;
}

@InputType({ description: "A change of a member's field." })
class RecordFieldChangeInput {
  static rules = z.object({ idempotencyKey });

  @Field(() => ID, { description: 'The member.' })
  userId!: string;

  @Field(() => ID, { description: 'A NUMBER field.' })
  fieldId!: string;

  @Field(() => Decimal, { description: 'What to add, to subtract, or to set.' })
  value!: string;

  @Field(() => FieldAction, { defaultValue: FieldAction.INCREASE, description: 'What the change does.' })
  action!: FieldAction;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each change: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `recordFieldChange`.' })
@Partner()
class RecordFieldChangePayload extends ReplayablePayload {
  @Field(() => FieldHistory, { nullable: true, description: 'The change; null when it was refused.' })
  history: object | null = null;
}

const changeById = perRequest<string, FieldChange | null>((ids, { sql, principal }) =>
  changesById(sql, communityOf(principal), ids),
);

const historiesOfUser = perArguments<FieldHistoriesArgs, string, Page<FieldChange>>(
  (ids, { filter, ...page }, { sql, principal }) =>
    changesByUser(sql, communityOf(principal), ids, filter ?? {}, page),
);

const historiesOfField = perArguments<FieldHistoriesArgs, string, Page<FieldChange>>(
  (ids, { filter, ...page }, { sql, principal }) =>
    changesByField(sql, communityOf(principal), ids, filter ?? {}, page),
);

@Resolver(() => FieldHistory)
class FieldHistoryResolver {
  @Partner()
  @Write(() => RecordFieldChangePayload, {
    scope: 'fields:write',
    description: "Changes a member's NUMBER field and remembers how.",
  })
  async recordFieldChange(
    @Arg('input', () => RecordFieldChangeInput, { description: 'The change.' }) input: RecordFieldChangeInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<RecordFieldChangePayload> {
    const { change, replayed } = await recordChange(sql, communityOf(principal), input);
    return Object.assign(new RecordFieldChangePayload(), { history: change, replayed });
  }

  @Partner()
  @Query(() => FieldHistoryConnection, {
    description:
      'Changes of fields, newest first: of a field, of a member, or of both by `filter`. Scope: fields:read.',
  })
  @Scoped('fields:read')
  @Paged()
  async fieldHistories(
    @Args(() => FieldHistoriesArgs) { filter, ...page }: FieldHistoriesArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await changesPage(sql, communityOf(principal), filter ?? {}, page), (row) => row);
  }

  @FieldResolver(() => CustomField, { nullable: true, description: 'The field.' })
  field(@Root() { fieldId }: FieldHistory, @Ctx() context: Context): Promise<object | null> {
    return fieldById(context).load(fieldId);
  }

  @FieldResolver(() => User, { nullable: true, description: 'The member.' })
  user(@Root() { userId }: FieldHistory): User {
    return { id: userId };
  }
}

@Resolver(() => User)
class UserFieldHistoryResolver {
  @FieldResolver(() => FieldHistoryConnection, {
    description: "The changes of the member's fields, newest first. Scope: fields:read.",
  })
  @Scoped('fields:read')
  @Paged()
  async fieldHistories(
    @Root() { id }: User,
    @Args(() => FieldHistoriesArgs) args: FieldHistoriesArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await historiesOfUser(context, args).load(id), (row) => row);
  }
}

@Resolver(() => CustomField)
class FieldHistoriesResolver {
  @FieldResolver(() => FieldHistoryConnection, { description: 'The changes of the field, newest first.' })
  @Paged()
  async histories(
    @Root() { id }: CustomField,
    @Args(() => FieldHistoriesArgs) args: FieldHistoriesArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await historiesOfField(context, args).load(id), (row) => row);
  }
}

export const fieldHistory: Feature = {
  name: 'field-history',
  resolvers: [FieldHistoryResolver, UserFieldHistoryResolver, FieldHistoriesResolver],
  references: { FieldHistory: ({ id }: { id: string }, context) => changeById(context).load(id) },
};
