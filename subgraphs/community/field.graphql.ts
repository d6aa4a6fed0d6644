import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InterfaceType,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page } from '../page.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Day, Decimal } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  LocalizedText,
  localized,
  PageArgs,
} from '../shared.graphql.ts';
import {
  fieldByKey,
  fieldsById,
  fieldsPage,
  type Field as Row,
  type FieldValue as ValueRow,
  valuesByUser,
} from './field.ts';
import { User } from './member.graphql.ts';

enum FieldType {
  TEXT = 'TEXT',
  NUMBER = 'NUMBER',
  BOOLEAN = 'BOOLEAN',
  DATE = 'DATE',
  SELECT = 'SELECT',
}
registerEnumType(FieldType, {
  name: 'FieldType',
  description: 'What a custom field holds. Source: Returning.AI docs, "Create Custom User Field".',
  valuesConfig: {
    TEXT: { description: 'Text.' },
    NUMBER: { description: 'A decimal number, changed by `recordFieldChange`.' },
    BOOLEAN: { description: 'Yes or no.' },
    DATE: { description: 'A calendar day.' },
    SELECT: { description: 'One of the options of the field.' },
  },
});

@ObjectType('Field', { simpleResolvers: true, description: 'A custom field of members. Scope: fields:read.' })
@Key('id')
@Scoped('fields:read')
@Partner()
export class CustomField {
  @Field(() => ID, { description: '`fld_…`.' })
  id!: string;

  @Field(() => String, { description: 'The name in code and files, 1-50 characters.' })
  key!: string;

  @Field(() => FieldType, { description: 'What it holds.' })
  type!: FieldType;

  @Field(() => String, { nullable: true, description: 'What it means.' })
  description!: string | null;

  @Field(() => Boolean, { description: 'Every member must have a value.' })
  required!: boolean;

  @Field(() => [String], {
    nullable: true,
    description: 'What a SELECT field can hold; null for other types.',
  })
  options!: string[] | null;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: Date;
}

@InterfaceType({ autoRegisterImplementations: false, description: "A member's value of a field." })
abstract class FieldValue {
  fieldId!: string;

  @Field(() => CustomField, { description: 'The field.' })
  field(@Ctx() context: Context): Promise<Row> {
    return fieldById(context).load(this.fieldId) as Promise<Row>;
  }

  @Field(() => DateTime, { description: 'When the value was last changed.' })
  updatedAt!: Date;
}

@ObjectType({ implements: FieldValue, description: 'The value of a NUMBER field.' })
@Partner()
class NumberFieldValue extends FieldValue {
  @Field(() => Decimal, { nullable: true, description: 'The number.' })
  number!: string | null;
}

@ObjectType({ implements: FieldValue, description: 'The value of a TEXT field.' })
@Partner()
class TextFieldValue extends FieldValue {
  @Field(() => String, { nullable: true, description: 'The text.' })
  text!: string | null;
}

@ObjectType({ implements: FieldValue, description: 'The value of a BOOLEAN field.' })
@Partner()
class BooleanFieldValue extends FieldValue {
  @Field(() => Boolean, { nullable: true, description: 'Yes or no.' })
  boolean!: boolean | null;
}

@ObjectType({ implements: FieldValue, description: 'The value of a DATE field.' })
@Partner()
class DateFieldValue extends FieldValue {
  @Field(() => Day, { nullable: true, description: 'The day.' })
  date!: string | null;
}

@ObjectType({ implements: FieldValue, description: 'The value of a SELECT field.' })
@Partner()
class SelectFieldValue extends FieldValue {
  @Field(() => String, { nullable: true, description: 'One of the options of the field.' })
  option!: string | null;
}

const valueTypes = [NumberFieldValue, TextFieldValue, BooleanFieldValue, DateFieldValue, SelectFieldValue];

const FieldConnection = Connection(() => CustomField, 'Field');
const FieldValueConnection = Connection(() => FieldValue as never, 'FieldValue');

@ArgsType()
class FieldValuesArgs extends PageArgs {
  @Field(() => [String], { nullable: true, description: 'Only the fields with these keys; all when absent.' })
  keys?: string[] | null;
}

export const fieldById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  fieldsById(sql, communityOf(principal), ids),
);

const valuesOf = perArguments<FieldValuesArgs, string, Page<ValueRow>>(
  (userIds, { keys, ...page }, { sql, principal }) =>
    valuesByUser(sql, communityOf(principal), userIds, keys ?? null, page),
);

@Resolver(() => User)
class FieldResolvers {
  @Partner()
  @Query(() => FieldConnection, {
    description: 'The custom fields of the community, oldest first. Scope: fields:read.',
  })
  @Scoped('fields:read')
  @Paged()
  async fields(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await fieldsPage(sql, communityOf(principal), page), (row) => row);
  }

  @Partner()
  @Query(() => CustomField, {
    nullable: true,
    description: 'One field, by id or by key; null when there is none. Scope: fields:read.',
  })
  @Scoped('fields:read')
  field(
    @Ctx() context: Context,
    @Arg('id', () => ID, { nullable: true, description: '`fld_…`.' }) id?: string,
    @Arg('key', () => String, { nullable: true, description: 'The name in code.' }) key?: string,
  ): Promise<object | null> {
    if ((id == null) === (key == null)) {
      throw new Refusal('BAD_ARGUMENT', 'Name a field by its `id` or by its `key`: one of the two.');
    }
    if (id != null) return fieldById(context).load(id);
    return fieldByKey(context.sql, communityOf(context.principal), key ?? '');
  }

  @FieldResolver(() => FieldValueConnection, {
    name: 'fields',
    description: "The member's values of custom fields, in the order of the fields. Scope: fields:read.",
  })
  @Scoped('fields:read')
  @Paged()
  async valuesOfUser(
    @Root() { id }: User,
    @Args(() => FieldValuesArgs) args: FieldValuesArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await valuesOf(context, args).load(id), dressed);
  }
}

@Resolver(() => CustomField)
class FieldNameResolver {
  @FieldResolver(() => LocalizedText, { description: 'The name to show.' })
  name(@Root() { name }: Row): LocalizedText {
    return localized(name);
  }

  @FieldResolver(() => Boolean, { description: 'It is of type NUMBER, so that its changes add up.' })
  numeric(@Root() { type }: Row): boolean {
    return type === 'NUMBER';
  }
}

function dressed({ type, fieldId, updatedAt, number, text, boolean, date }: ValueRow): FieldValue {
  const common = { fieldId, updatedAt };
  switch (type) {
    case 'NUMBER':
      return Object.assign(new NumberFieldValue(), common, { number });
    case 'TEXT':
      return Object.assign(new TextFieldValue(), common, { text });
    case 'BOOLEAN':
      return Object.assign(new BooleanFieldValue(), common, { boolean });
    case 'DATE':
      return Object.assign(new DateFieldValue(), common, { date });
    case 'SELECT':
      return Object.assign(new SelectFieldValue(), common, { option: text });
  }
}

export const field: Feature = {
  name: 'field',
  resolvers: [FieldResolvers, FieldNameResolver],
  types: valueTypes,
  references: { Field: ({ id }: { id: string }, context) => fieldById(context).load(id) },
};
