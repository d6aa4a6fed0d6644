import {
  Arg,
  Args,
  ArgsType,
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
import { Refusal } from '../errors.ts';
import { type Feature, Key, Paged, Partner, Scoped, Usually } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Url } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  LocalizedText,
  localized,
  PageArgs,
} from '../shared.graphql.ts';
import { standingOf } from './access.ts';
import { channelsById, channelsPage, permissionsIn, type Channel as Row } from './channel.ts';
import { Community, communityById } from './community.graphql.ts';
import { User } from './member.graphql.ts';
import { Permission } from './permission.graphql.ts';
import { Role, roleById } from './role.graphql.ts';

export enum ChannelKind {
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

  @Field(() => Url, {
    nullable: true,
    description: 'Of an IFRAME channel the page it shows. Scope: community:read.',
  })
  @Scoped('community:read')
  iframeUrl!: string | null;

  @Field(() => Boolean, { description: 'There only for those who manage channels. Scope: community:read.' })
  @Scoped('community:read')
  hidden!: boolean;

  @Field(() => DateTime, { description: 'When it was opened. Scope: community:read.' })
  @Scoped('community:read')
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed. Scope: community:read.' })
  @Scoped('community:read')
  updatedAt!: Date;
}

const ChannelConnection = Connection(() => Channel, 'Channel');

@ArgsType()
class ChannelsArgs extends PageArgs {
  @Field(() => [ChannelKind], {
    nullable: true,
    description: 'Channels of these kinds; of every kind when absent.',
  })
  kinds?: ChannelKind[] | null;
}

const channelById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  channelsById(sql, principal, ids),
);

/** Whether the caller has a permission that concerns the whole community. */
const isHeld = perRequest<string, boolean>(async (permissions, { sql, principal }) => {
  const standing = await standingOf(sql, principal);
  return permissions.map((permission) => standing.permissions.includes(permission));
});

const permissionsOf = perArguments<string | null, string, string[]>(
  (channelIds, userId, { sql, principal }) =>
    permissionsIn(
      sql,
      communityOf(principal),
      channelIds.map((channelId) => ({ channelId, userId })),
    ),
);

@Resolver(() => Channel)
class ChannelResolver {
  @Partner()
  @Query(() => ChannelConnection, {
    description: 'The channels that are there for the caller, oldest first. Scope: community:read.',
  })
  @Scoped('community:read')
  @Paged()
  async channels(
    @Args(() => ChannelsArgs) { kinds, ...page }: ChannelsArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await channelsPage(sql, principal, kinds ?? undefined, page), (row) => row);
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

  @FieldResolver(() => [User], {
    nullable: true,
    description: 'Of a DIRECT channel its two people; null for others. Scope: community:read.',
  })
  @Scoped('community:read')
  @Usually(2)
  participants(@Root() { participantIds }: Row): User[] | null {
    return participantIds?.map((id) => ({ id })) ?? null;
  }

  @FieldResolver(() => [Role], {
    nullable: true,
    description:
      'The roles it is there for; null: every member, empty: administrators. Scope: community:read.',
  })
  @Scoped('community:read')
  @Usually(3)
  viewRoles(@Root() { viewRoleIds }: Row, @Ctx() context: Context): Promise<object[]> | null {
    return viewRoleIds === null ? null : rolesOf(viewRoleIds, context);
  }

  @FieldResolver(() => [Role], {
    nullable: true,
    description:
      'The roles that write in it; null: whoever it is there for, empty: administrators. Scope: community:read.',
  })
  @Scoped('community:read')
  @Usually(3)
  postRoles(@Root() { postRoleIds }: Row, @Ctx() context: Context): Promise<object[]> | null {
    return postRoleIds === null ? null : rolesOf(postRoleIds, context);
  }

  @FieldResolver(() => [Permission], {
    nullable: true,
    description:
      'What a person may do in it, of what concerns channels; empty where it is not there for the person. Scope: community:read.',
  })
  @Scoped('community:read')
  @Usually(8)
  async effectivePermissions(
    @Root() { id }: Row,
    @Arg('userId', () => ID, {
      nullable: true,
      description: 'Who; the caller when absent. Others than oneself take a role with MANAGE_ROLES.',
    })
    userId: string | undefined,
    @Ctx() context: Context,
  ): Promise<string[]> {
    const { principal } = context;
    if (principal.kind === 'class')
      throw new Refusal('NEEDS_USER', '`effectivePermissions` is about one person.');
    const who = userId ?? principal.userId ?? null;
    if (who !== (principal.userId ?? null) && !(await isHeld(context).load('MANAGE_ROLES')))
      throw new Refusal('FORBIDDEN', 'What others may do is told to those who manage roles.');
    return permissionsOf(context, who).load(id);
  }

  @FieldResolver(() => Community, { description: 'The community it belongs to. Scope: community:read.' })
  @Scoped('community:read')
  community(@Ctx() context: Context): Promise<object | null> {
    return communityById(context).load(communityOf(context.principal));
  }
}

/** Roles in the order of their ids; one that was deleted meanwhile is left out. */
async function rolesOf(ids: readonly string[], context: Context): Promise<object[]> {
  const roles = await Promise.all(ids.map((id) => roleById(context).load(id)));
  return roles.filter((one) => one !== null);
}

export const channel: Feature = {
  name: 'channel',
  resolvers: [ChannelResolver],
  references: { Channel: ({ id }: { id: string }, context) => channelById(context).load(id) },
};
