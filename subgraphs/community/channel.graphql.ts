import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  LocalizedText,
  localized,
  PageArgs,
} from '../shared.graphql.ts';
import { channelsById, channelsPage, type Channel as Row } from './channel.ts';
import { Community, communityById } from './community.graphql.ts';

enum ChannelKind {
  OPEN = 'OPEN',
  FORUM = 'FORUM',
  WHISPER = 'WHISPER',
  ANNOUNCEMENT = 'ANNOUNCEMENT',
  DIRECT = 'DIRECT',
  AUDIO = 'AUDIO',
  VIDEO = 'VIDEO',
  IFRAME = 'IFRAME',
}
registerEnumType(ChannelKind, {
  name: 'ChannelKind',
  description: 'How people talk in a channel. Source: Returning.AI help, "Channels".',
  valuesConfig: {
    OPEN: { description: 'Everybody reads and writes.' },
    FORUM: { description: 'Messages gather under topics.' },
    WHISPER: { description: "Members don't see each other." },
    ANNOUNCEMENT: { description: 'The community speaks, its members listen.' },
    DIRECT: { description: 'Between two people.' },
    AUDIO: { description: 'Spoken; no messages.' },
    VIDEO: { description: 'Seen and spoken; no messages.' },
    IFRAME: { description: 'Shows another page; no messages.' },
  },
});

@ObjectType('Channel', { simpleResolvers: true, description: 'A place to talk.' })
@Key('id')
@Partner()
export class Channel {
  @Field(() => ID, { description: '`chn_…`.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'What it is for. Scope: community:read.' })
  @Scoped('community:read')
  description!: string | null;

  @Field(() => ChannelKind, { description: 'How people talk in it. Scope: community:read.' })
  @Scoped('community:read')
  kind!: ChannelKind;

  @Field(() => String, { nullable: true, description: 'The heading it stands under. Scope: community:read.' })
  @Scoped('community:read')
  category!: string | null;

  @Field(() => DateTime, { description: 'When it was opened. Scope: community:read.' })
  @Scoped('community:read')
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed. Scope: community:read.' })
  @Scoped('community:read')
  updatedAt!: Date;
}

const ChannelConnection = Connection(() => Channel, 'Channel');

// A key that is limited to channels finds the others no more than channels that don't exist.
const channelById = perRequest<string, Row | null>(async (ids, { sql, principal }) => {
  const { channelIds } = principal;
  return channelsById(
    sql,
    communityOf(principal),
    ids.map((id) => (channelIds === undefined || channelIds.includes(id) ? id : '')),
  );
});

@Resolver(() => Channel)
class ChannelResolver {
  @Partner()
  @Query(() => ChannelConnection, {
    description: 'The channels of the community, oldest first. Scope: community:read.',
  })
  @Scoped('community:read')
  @Paged()
  async channels(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(
      await channelsPage(sql, communityOf(principal), principal.channelIds, page),
      (row) => row,
    );
  }

  @Partner()
  @Query(() => Channel, {
    nullable: true,
    description: 'One channel; null when there is none. Scope: community:read.',
  })
  @Scoped('community:read')
  channel(
    @Arg('id', () => ID, { description: '`chn_…`.' }) id: string,
    @Ctx() context: Context,
  ): Promise<object | null> {
    return channelById(context).load(id);
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show. Scope: community:read.' })
  @Scoped('community:read')
  topic(@Root() { topic }: Row): LocalizedText {
    return localized(topic);
  }

  @FieldResolver(() => Community, { description: 'The community it belongs to. Scope: community:read.' })
  @Scoped('community:read')
  community(@Ctx() context: Context): Promise<object | null> {
    return communityById(context).load(communityOf(context.principal));
  }
}

export const channel: Feature = {
  name: 'channel',
  resolvers: [ChannelResolver],
  references: { Channel: ({ id }: { id: string }, context) => channelById(context).load(id) },
};
