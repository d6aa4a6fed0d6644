import { Args, ArgsType, Ctx, Field, ID, Query, Resolver } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Cost, type Feature, Paged, Partner, Scoped } from '../feature.ts';
import { type ConnectionOf, connectionOf, PageArgs } from '../shared.graphql.ts';
import { MessageConnection } from './message.graphql.ts';
import { searchMessages } from './search.ts';

@ArgsType()
class SearchArgs extends PageArgs {
  static rules = z.object({
    query: z
      .string()
      .refine((text) => text.trim() !== '' && text.length <= 200, 'say in 1-200 characters what to look for'),
    channelIds: z
      .array(z.string().max(64))
      .min(1, 'name 1-100 channels')
      .max(100, 'name 1-100 channels')
      .nullish(),
  });

  @Field(() => String, {
    description:
      'What to look for, 1-200 characters: `two words`, `"a phrase"`, `one or another`, `with -without`.',
  })
  query!: string;

  @Field(() => [ID], {
    nullable: true,
    description: 'In these channels, 1-100; all that the caller reads when absent.',
  })
  channelIds?: string[] | null;

  @Field(() => ID, { nullable: true, description: 'Only what this person said.' })
  authorId?: string | null;
}

@Resolver()
class SearchResolver {
  @Partner()
  @Query(() => MessageConnection, {
    description:
      'Messages by their words, newest first: whole words, capital and small letters alike; none that are deleted or that the caller may not read. Scope: messages:read.',
  })
  @Scoped('messages:read')
  @Cost(20)
  @Paged()
  async searchMessages(
    @Args(() => SearchArgs) { query, channelIds = null, authorId = null, ...page }: SearchArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(
      await searchMessages(sql, principal, { query, channelIds, authorId }, page),
      (row) => row,
    );
  }
}

export const search: Feature = { name: 'search', resolvers: [SearchResolver] };
