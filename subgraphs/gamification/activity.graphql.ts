import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Cost, type Feature, Key, Paged, PagedByNumber, Partner, Scoped, Usually } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { NumberedArguments, NumberedPage, Page, PageArguments } from '../page.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, Url } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  LocalizedText,
  localized,
  Numbered,
  NumberedArgs,
  type NumberedOf,
  numberedOf,
  PageArgs,
  TimeRangeInput,
} from '../shared.graphql.ts';
import {
  activitiesById,
  activitiesByUser,
  type ActivityFilter as Filter,
  numberedActivitiesByUser,
  type Activity as Row,
} from './activity.ts';
import { entriesOfEvent, LedgerEntry } from './ledger.graphql.ts';
import { User } from './user.graphql.ts';
import { imageIn } from './wording.graphql.ts';

export enum ActivityType {
  EVENT = 'EVENT',
  REDEMPTION = 'REDEMPTION',
  CHALLENGE = 'CHALLENGE',
  STREAK_MILESTONE = 'STREAK_MILESTONE',
  STREAK_POINTS = 'STREAK_POINTS',
}
registerEnumType(ActivityType, {
  name: 'ActivityType',
  description: 'What kind of thing a person did.',
  valuesConfig: {
    EVENT: { description: 'An event that earned, or a badge that was awarded.' },
    REDEMPTION: { description: 'Something was spent.' },
    CHALLENGE: { description: 'A challenge was completed.' },
    STREAK_MILESTONE: { description: 'A streak reached a milestone.' },
    STREAK_POINTS: { description: 'A streak was kept up, and earned by it.' },
  },
});

const languageOfField = 'The language, BCP 47; that of the list when absent.';

/** What is shown where something was spent on nothing that was named. */
const spent = { title: { de: 'Einlösung', en: 'Redemption' }, description: null, images: null };

@ObjectType({
  simpleResolvers: true,
  description: 'Something that a person did, in the words of that time. Scope: stats:read.',
})
@Key('id')
@Scoped('stats:read')
@Partner()
export class Activity {
  @Field(() => ID, { description: '`act_…`.' })
  id!: string;

  @Field(() => ActivityType, { description: 'What kind of thing.' })
  type!: ActivityType;

  @Field(() => BigIntScalar, {
    description: 'POINTS that it brought, or cost when negative, and that stand; 0 where there were none.',
  })
  points!: bigint;

  @Field(() => ID, { description: 'The event that caused it, `evt_…`.' })
  eventId!: string;

  @Field(() => DateTime, { description: 'When it happened.' })
  occurredAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it was taken back; null: it stands.' })
  takenBackAt!: Date | null;
}

const ActivityConnection = Connection(() => Activity, 'Activity');
const ActivityPage = Numbered(() => Activity, 'Activity');

const filterRules = {
  types: z.array(z.string()).max(20, 'Name each type once.').nullish(),
  range: TimeRangeInput.rules.nullish(),
  lang: z.string().max(35, 'A language is a BCP 47 tag: `en`, `pt-BR`.'),
};

@ArgsType()
class ActivityArgs extends PageArgs {
  static rules = z.object(filterRules);

  @Field(() => [ActivityType], { nullable: true, description: 'Activities of these types; all when absent.' })
  types?: ActivityType[] | null;

  @Field(() => TimeRangeInput, { nullable: true, description: 'Activities that happened then.' })
  range?: TimeRangeInput | null;

  @Field(() => String, {
    defaultValue: 'en',
    description:
      'The language of titles, descriptions and images, BCP 47; English where there is none in it.',
  })
  lang!: string;

  @Field(() => Boolean, { defaultValue: false, description: 'With those that were taken back.' })
  takenBack!: boolean;
}

@ArgsType()
class ActivityPageArgs extends NumberedArgs {
  static rules = z.object(filterRules);

  @Field(() => [ActivityType], { nullable: true, description: 'Activities of these types; all when absent.' })
  types?: ActivityType[] | null;

  @Field(() => TimeRangeInput, { nullable: true, description: 'Activities that happened then.' })
  range?: TimeRangeInput | null;

  @Field(() => String, {
    defaultValue: 'en',
    description:
      'The language of titles, descriptions and images, BCP 47; English where there is none in it.',
  })
  lang!: string;
}

const activityById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  activitiesById(sql, communityOf(principal), ids),
);

const activityOf = perArguments<{ filter: Filter; page: PageArguments }, string, Page<Row>>(
  (ids, { filter, page }, { sql, principal }) =>
    activitiesByUser(sql, communityOf(principal), ids, filter, page),
);

const numberedActivityOf = perArguments<
  { filter: Filter; page: NumberedArguments },
  string,
  NumberedPage<Row>
>((ids, { filter, page }, { sql, principal }) =>
  numberedActivitiesByUser(sql, communityOf(principal), ids, filter, page),
);

/** An activity as a list in a language gives it. */
type Listed = Row & { lang?: string };

@Resolver(() => User)
class UserActivityResolver {
  @FieldResolver(() => ActivityConnection, {
    nullable: true,
    description: 'What the person did, newest first; what was taken back is left out. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async activity(
    @Root() { id }: User,
    @Args(() => ActivityArgs) { types, range, lang, takenBack, ...page }: ActivityArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object>> {
    const filter = { types, range, takenBack };
    const found = await activityOf(context, { filter, page }).load(id);
    return connectionOf(found, (row): Listed => ({ ...row, lang }));
  }

  @FieldResolver(() => ActivityPage, {
    nullable: true,
    description:
      'The same by number, with an exact total, for callers that page so: it costs more than `activity`. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @PagedByNumber()
  @Cost(20)
  async activityPage(
    @Root() { id }: User,
    @Args(() => ActivityPageArgs) { types, range, lang, ...page }: ActivityPageArgs,
    @Ctx() context: Context,
  ): Promise<NumberedOf<object>> {
    const found = await numberedActivityOf(context, { filter: { types, range }, page }).load(id);
    return numberedOf({ ...found, rows: found.rows.map((row): Listed => ({ ...row, lang })) });
  }
}

@Resolver(() => Activity)
class ActivityResolver {
  @FieldResolver(() => LocalizedText, { description: 'What it is called.' })
  title(
    @Root() { wording, lang }: Listed,
    @Arg('lang', () => String, { nullable: true, description: languageOfField })
    wanted?: string | null,
  ): LocalizedText {
    return localized((wording ?? spent).title, wanted ?? lang);
  }

  @FieldResolver(() => LocalizedText, {
    nullable: true,
    description: 'What it is about; null where nothing is said.',
  })
  description(
    @Root() { wording, lang }: Listed,
    @Arg('lang', () => String, { nullable: true, description: languageOfField })
    wanted?: string | null,
  ): LocalizedText | null {
    const { description } = wording ?? spent;
    return description === null ? null : localized(description, wanted ?? lang);
  }

  @FieldResolver(() => Url, { nullable: true, description: 'A picture of it.' })
  image(
    @Root() { wording, lang }: Listed,
    @Arg('lang', () => String, { nullable: true, description: languageOfField })
    wanted?: string | null,
  ): string | null {
    return imageIn((wording ?? spent).images, wanted ?? lang ?? 'en');
  }

  @FieldResolver(() => [LedgerEntry], {
    nullable: true,
    description: 'All that its event earned or cost, in every unit.',
  })
  @Usually(2)
  ledger(@Root() { eventId }: Row, @Ctx() context: Context): Promise<object[]> {
    return entriesOfEvent(context).load(eventId);
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who did it.' })
  user(@Root() { userId }: Row): User {
    return { id: userId };
  }
}

export const activity: Feature = {
  name: 'activity',
  resolvers: [UserActivityResolver, ActivityResolver],
  references: { Activity: ({ id }: { id: string }, context) => activityById(context).load(id) },
};
