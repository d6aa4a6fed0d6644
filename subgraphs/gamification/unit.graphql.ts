import { Arg, Ctx, Field, FieldResolver, InputType, ObjectType, Query, Resolver, Root } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Partner, Scoped, Usually, Write } from '../feature.ts';
import { communityOf } from '../principal.ts';
import {
  LocalizedText,
  LocalizedTextInput,
  localized,
  localizedTexts,
  Payload,
  textsOf,
} from '../shared.graphql.ts';
import { Unit } from './ledger.graphql.ts';
import { type UnitSettings as Row, setUnit, unitsOf } from './unit.ts';

@ObjectType({ simpleResolvers: true, description: 'What the community makes of a unit. Scope: stats:read.' })
@Scoped('stats:read')
@Partner()
class UnitSettings {
  @Field(() => Unit, { description: 'Of which.' })
  unit!: Unit;

  @Field(() => Boolean, { description: 'More of it can be spent than there is.' })
  mayGoBelowZero!: boolean;
}

@InputType({ description: 'What the community makes of a unit.' })
class SetUnitInput {
  static rules = z.object({ name: localizedTexts(50).nullish() });

  @Field(() => Unit, { description: 'Of which.' })
  unit!: Unit;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description:
      'What the community calls it, in 1-20 languages, at most 50 characters each; its own name when absent.',
  })
  name?: LocalizedTextInput[] | null;

  @Field(() => Boolean, { defaultValue: false, description: 'More of it can be spent than there is.' })
  mayGoBelowZero!: boolean;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `setUnit`.' })
class SetUnitPayload extends Payload {
  @Field(() => UnitSettings, { nullable: true, description: 'The settings; null when they were refused.' })
  unit: object | null = null;
}

@Resolver(() => UnitSettings)
class UnitResolver {
  @Partner()
  @Query(() => [UnitSettings], {
    description: 'What the community makes of each unit, XP first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Usually(4)
  units(@Ctx() { sql, principal }: Context): Promise<object[]> {
    return unitsOf(sql, communityOf(principal));
  }

  @Write(() => SetUnitPayload, {
    scope: 'rules:write',
    description: 'Names a unit, and says whether it may go below zero, from the next spending on.',
  })
  async setUnit(
    @Arg('input', () => SetUnitInput, { description: 'The settings.' }) input: SetUnitInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<SetUnitPayload> {
    const { unit, mayGoBelowZero, name } = input;
    const settings = { unit, mayGoBelowZero, name: name == null ? null : textsOf(name) };
    await setUnit(sql, principal, settings);
    return Object.assign(new SetUnitPayload(), { unit: settings });
  }

  @FieldResolver(() => LocalizedText, { description: 'What the community calls it.' })
  name(@Root() { name, unit }: Row): LocalizedText {
    return localized(name ?? { en: unit });
  }
}

export const unit: Feature = { name: 'unit', resolvers: [UnitResolver] };
