import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  InputType,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Scoped, Usually, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { Payload } from '../shared.graphql.ts';
import { memberPermissions } from './access.ts';
import { Community, communityById } from './community.graphql.ts';
import { setMemberPermissions } from './role-change.ts';

// What people may do, by name, and what every member may whatever the roles.

export enum Permission {
  ADMINISTRATOR = 'ADMINISTRATOR',
  ALLOW_DM = 'ALLOW_DM',
  CREATE_INVITE = 'CREATE_INVITE',
  WARN_MEMBERS = 'WARN_MEMBERS',
  SUSPEND_MEMBERS = 'SUSPEND_MEMBERS',
  KICK_MEMBERS = 'KICK_MEMBERS',
  BAN_MEMBERS = 'BAN_MEMBERS',
  MANAGE_ROLES = 'MANAGE_ROLES',
  MANAGE_CHANNELS = 'MANAGE_CHANNELS',
  BROADCAST_MESSAGES = 'BROADCAST_MESSAGES',
  OVERWRITE_LANGUAGE = 'OVERWRITE_LANGUAGE',
  VIEW_HISTORY = 'VIEW_HISTORY',
  POST_MESSAGES = 'POST_MESSAGES',
  POST_ANALYSIS = 'POST_ANALYSIS',
  ATTACH_FILES = 'ATTACH_FILES',
  ALLOW_MENTIONS = 'ALLOW_MENTIONS',
  MANAGE_MESSAGES = 'MANAGE_MESSAGES',
  DELETE_MESSAGES = 'DELETE_MESSAGES',
  PIN_MESSAGES = 'PIN_MESSAGES',
  SHARE_LINKS = 'SHARE_LINKS',
  SHARE_ATTACHMENTS = 'SHARE_ATTACHMENTS',
}
registerEnumType(Permission, {
  name: 'Permission',
  description: 'What a person may do. Source: Returning.AI docs, "Create Role".',
  valuesConfig: {
    ADMINISTRATOR: { description: 'Everything, and reading every channel that is not direct.' },
    ALLOW_DM: { description: 'Opening direct channels.' },
    CREATE_INVITE: { description: 'Inviting others.' },
    WARN_MEMBERS: { description: 'Warning people below the own highest role.' },
    SUSPEND_MEMBERS: { description: 'Suspending people below the own highest role.' },
    KICK_MEMBERS: { description: 'Removing people below the own highest role.' },
    BAN_MEMBERS: { description: 'Banning people below the own highest role.' },
    MANAGE_ROLES: { description: 'Making, changing and giving roles below the own highest one.' },
    MANAGE_CHANNELS: { description: 'Making and changing channels, and seeing hidden ones.' },
    BROADCAST_MESSAGES: { description: 'Speaking in announcement channels.' },
    OVERWRITE_LANGUAGE: { description: "Overruling others' language." },
    VIEW_HISTORY: { description: 'Reading what was said before.' },
    POST_MESSAGES: { description: 'Sending messages.' },
    POST_ANALYSIS: { description: 'Posting chart analyses.' },
    ATTACH_FILES: { description: 'Attaching files to messages.' },
    ALLOW_MENTIONS: { description: 'Mentioning others.' },
    MANAGE_MESSAGES: {
      description:
        "Deleting and pinning others' messages, setting slow mode, and reading all that is whispered.",
    },
    DELETE_MESSAGES: { description: "Deleting others' messages." },
    PIN_MESSAGES: { description: 'Pinning messages.' },
    SHARE_LINKS: { description: 'Sharing links.' },
    SHARE_ATTACHMENTS: { description: 'Sharing attachments.' },
  },
});

@InputType({ description: 'What every member may.' })
class SetMemberPermissionsInput {
  static rules = z.object({ permissions: z.array(z.string()).max(50, 'Name each permission once.') });

  @Field(() => [Permission], { description: 'What every member may, in place of what they could.' })
  permissions!: Permission[];
}

@ObjectType({ simpleResolvers: true, description: 'What came of `setMemberPermissions`.' })
class SetMemberPermissionsPayload extends Payload {
  @Field(() => Community, { nullable: true, description: 'The community; null when it was refused.' })
  community: object | null = null;
}

const permissionsOf = perRequest<string, string[]>((ids, { sql }) => memberPermissions(sql, ids));

@Resolver(() => Community)
class MemberPermissionResolver {
  @Write(() => SetMemberPermissionsPayload, {
    scope: 'roles:write',
    description: 'Sets what every member may, whatever the roles; a person needs ADMINISTRATOR.',
  })
  async setMemberPermissions(
    @Arg('input', () => SetMemberPermissionsInput, { description: 'What they may.' })
    { permissions }: SetMemberPermissionsInput,
    @Ctx() context: Context,
  ): Promise<SetMemberPermissionsPayload> {
    const { sql, principal, tail } = context;
    await setMemberPermissions(sql, principal, [...new Set(permissions)]);
    tail.wake();
    const community = await communityById(context).load(communityOf(principal));
    return Object.assign(new SetMemberPermissionsPayload(), { community });
  }

  @FieldResolver(() => [Permission], {
    nullable: true,
    description: 'What every member may, whatever the roles. Scope: community:read.',
  })
  @Scoped('community:read')
  @Usually(8)
  memberPermissions(@Root() { id }: Community, @Ctx() context: Context): Promise<string[]> {
    return permissionsOf(context).load(id);
  }
}

export const permission: Feature = { name: 'permission', resolvers: [MemberPermissionResolver] };
