import {
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
import type { AuditAction as Action } from '../audit.ts';
import type { Context } from '../context.ts';
import { type Feature, Paged, Scoped } from '../feature.ts';
import { DateTime, Json } from '../scalars.ts';
import { Connection, type ConnectionOf, connectionOf, PageArgs } from '../shared.graphql.ts';
import { ApiKey, apiKeyById } from './api-key.graphql.ts';
import { auditPage, pruneAudit, type AuditEntry as Row } from './audit.ts';
import { User, userById } from './user.graphql.ts';

enum AuditAction {
  KEY_CREATED = 'KEY_CREATED',
  KEY_UPDATED = 'KEY_UPDATED',
  KEY_ROTATED = 'KEY_ROTATED',
  KEY_REVOKED = 'KEY_REVOKED',
  SESSION_BEGUN = 'SESSION_BEGUN',
  SESSION_ENDED = 'SESSION_ENDED',
  PENALTY_APPLIED = 'PENALTY_APPLIED',
  PENALTY_REVOKED = 'PENALTY_REVOKED',
  COMMUNITY_UPDATED = 'COMMUNITY_UPDATED',
  MEMBER_PERMISSIONS_SET = 'MEMBER_PERMISSIONS_SET',
  ROLE_CREATED = 'ROLE_CREATED',
  ROLE_UPDATED = 'ROLE_UPDATED',
  ROLE_DELETED = 'ROLE_DELETED',
  ROLE_ASSIGNED = 'ROLE_ASSIGNED',
  ROLE_UNASSIGNED = 'ROLE_UNASSIGNED',
  CHANNEL_CREATED = 'CHANNEL_CREATED',
  CHANNEL_UPDATED = 'CHANNEL_UPDATED',
  CHANNEL_DELETED = 'CHANNEL_DELETED',
  RULE_CREATED = 'RULE_CREATED',
  RULE_UPDATED = 'RULE_UPDATED',
  RULE_DELETED = 'RULE_DELETED',
  LEVELS_SET = 'LEVELS_SET',
  TIERS_SET = 'TIERS_SET',
  UNIT_SET = 'UNIT_SET',
  BADGE_CREATED = 'BADGE_CREATED',
  BADGE_UPDATED = 'BADGE_UPDATED',
  BADGE_DELETED = 'BADGE_DELETED',
  BADGE_REVOKED = 'BADGE_REVOKED',
  LEADERBOARD_CREATED = 'LEADERBOARD_CREATED',
  LEADERBOARD_UPDATED = 'LEADERBOARD_UPDATED',
  LEADERBOARD_DELETED = 'LEADERBOARD_DELETED',
  MESSAGE_EDITED = 'MESSAGE_EDITED',
  MESSAGE_DELETED = 'MESSAGE_DELETED',
  MESSAGE_PINNED = 'MESSAGE_PINNED',
  MESSAGE_UNPINNED = 'MESSAGE_UNPINNED',
}
registerEnumType(AuditAction, {
  name: 'AuditAction',
  description: 'What was done.',
  valuesConfig: {
    KEY_CREATED: { description: 'A key was made.' },
    KEY_UPDATED: { description: 'The name or the rights of a key were changed.' },
    KEY_ROTATED: { description: 'A key got a new secret.' },
    KEY_REVOKED: { description: 'A key was revoked.' },
    SESSION_BEGUN: { description: 'A person was let in.' },
    SESSION_ENDED: { description: 'A session was ended before its time.' },
    PENALTY_APPLIED: { description: 'A person was warned, suspended or banned.' },
    PENALTY_REVOKED: { description: 'A penalty was taken back.' },
    COMMUNITY_UPDATED: { description: 'What the community allows was changed.' },
    MEMBER_PERMISSIONS_SET: { description: 'What every member may do was changed.' },
    ROLE_CREATED: { description: 'A role was made.' },
    ROLE_UPDATED: { description: 'A role was changed.' },
    ROLE_DELETED: { description: 'A role was deleted.' },
    ROLE_ASSIGNED: { description: 'A person got a role.' },
    ROLE_UNASSIGNED: { description: 'A role was taken from a person.' },
    CHANNEL_CREATED: { description: 'A channel was opened.' },
    CHANNEL_UPDATED: { description: 'A channel, or its slow mode, was changed.' },
    CHANNEL_DELETED: { description: 'A channel was closed.' },
    RULE_CREATED: { description: 'A rule was made.' },
    RULE_UPDATED: { description: 'A rule was changed.' },
    RULE_DELETED: { description: 'A rule was deleted.' },
    LEVELS_SET: { description: 'The levels were changed.' },
    TIERS_SET: { description: 'The tiers were changed.' },
    UNIT_SET: { description: 'The name of a unit, or whether it may go below zero, was changed.' },
    BADGE_CREATED: { description: 'A badge was made.' },
    BADGE_UPDATED: { description: 'A badge was changed.' },
    BADGE_DELETED: { description: 'A badge was deleted.' },
    BADGE_REVOKED: { description: 'A badge was taken from a person.' },
    LEADERBOARD_CREATED: { description: 'A leaderboard was made.' },
    LEADERBOARD_UPDATED: { description: 'A leaderboard was changed.' },
    LEADERBOARD_DELETED: { description: 'A leaderboard was deleted.' },
    MESSAGE_EDITED: { description: "Another's message was edited." },
    MESSAGE_DELETED: { description: "Another's message was deleted." },
    MESSAGE_PINNED: { description: 'A message was pinned.' },
    MESSAGE_UNPINNED: { description: 'The pin was taken off a message.' },
  },
});

enum CredentialKind {
  SYSTEM = 'SYSTEM',
  INTEGRATION = 'INTEGRATION',
  PERSONAL = 'PERSONAL',
  SESSION = 'SESSION',
  ANONYMOUS = 'ANONYMOUS',
  OPERATOR = 'OPERATOR',
}
registerEnumType(CredentialKind, {
  name: 'CredentialKind',
  description: 'What somebody came with.',
  valuesConfig: {
    SYSTEM: { description: "The community's system key." },
    INTEGRATION: { description: 'The key of an integration.' },
    PERSONAL: { description: "A person's key." },
    SESSION: { description: "A person's session." },
    ANONYMOUS: { description: 'No credential, but maybe a refresh token.' },
    OPERATOR: { description: 'The command line of whoever runs Laurel.' },
  },
});

@ObjectType({
  simpleResolvers: true,
  description:
    'What somebody did with a key, a session, a person or what is administered; kept for 400 days. Scope: audit:read.',
})
@Scoped('audit:read')
class AuditEntry {
  @Field(() => ID, { description: '`aud_…`.' })
  id!: string;

  @Field(() => DateTime, { description: 'When it was done.' })
  at!: Date;

  @Field(() => AuditAction, { description: 'What was done.' })
  action!: Action;

  @Field(() => CredentialKind, { description: 'What whoever did it came with.' })
  actorKind!: Row['actorKind'];

  @Field(() => ID, { nullable: true, description: 'The session it was done to: `ses_…`.' })
  sessionId!: string | null;

  @Field(() => Json, {
    description:
      'Names, rights, settings, times, and the `id` of what it was done to where no other field names it; of a change what was before and after. Never a secret, nor what a message says.',
  })
  details!: Record<string, unknown>;
}

const AuditConnection = Connection(() => AuditEntry, 'record', 'AuditEntry');

@InputType({ description: 'Which entries to list; what is left out does not narrow.' })
class AuditFilter {
  static rules = z.object({
    actorIds: z.array(z.string().max(64)).max(100).nullish(),
    userIds: z.array(z.string().max(64)).max(100).nullish(),
    keyIds: z.array(z.string().max(64)).max(100).nullish(),
  });

  @Field(() => [AuditAction], { nullable: true, description: 'Entries of one of these.' })
  actions?: AuditAction[] | null;

  @Field(() => [ID], { nullable: true, description: 'Done by these people or keys; up to 100.' })
  actorIds?: string[] | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Done to these people, or to their keys and sessions; up to 100.',
  })
  userIds?: string[] | null;

  @Field(() => [ID], { nullable: true, description: 'Done to these keys; up to 100.' })
  keyIds?: string[] | null;

  @Field(() => DateTime, { nullable: true, description: 'Not before this moment.' })
  since?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Before this moment.' })
  until?: Date | null;
}

@ArgsType()
class AuditArgs extends PageArgs {
  static rules = z.object({ filter: AuditFilter.rules.nullish() });

  @Field(() => AuditFilter, { nullable: true, description: 'Which entries.' })
  filter?: AuditFilter | null;
}

@Resolver(() => AuditEntry)
class AuditResolver {
  @Query(() => AuditConnection, {
    description:
      'What was done with keys, sessions, people and all that is administered, newest first; to people, for administrators. Scope: audit:read.',
  })
  @Scoped('audit:read')
  @Paged()
  async auditEntries(
    @Args(() => AuditArgs) { filter, ...page }: AuditArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await auditPage(sql, principal, filter ?? {}, page), (row) => row);
  }

  @FieldResolver(() => User, { nullable: true, description: 'The person who did it, if it was one.' })
  actor(@Root() { actorUserId }: Row, @Ctx() context: Context): Promise<object | null> | null {
    return actorUserId === null ? null : userById(context).load(actorUserId);
  }

  @FieldResolver(() => ApiKey, { nullable: true, description: 'The key it was done with, if it was one.' })
  actorKey(@Root() { actorKeyId }: Row, @Ctx() context: Context): Promise<object | null> | null {
    return actorKeyId === null ? null : apiKeyById(context).load(actorKeyId);
  }

  @FieldResolver(() => ApiKey, { nullable: true, description: 'The key it was done to.' })
  apiKey(@Root() { keyId }: Row, @Ctx() context: Context): Promise<object | null> | null {
    return keyId === null ? null : apiKeyById(context).load(keyId);
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'To whom, or to whose key or session, it was done.',
  })
  user(@Root() { userId }: Row, @Ctx() context: Context): Promise<object | null> | null {
    return userId === null ? null : userById(context).load(userId);
  }
}

export const audit: Feature = { name: 'audit', resolvers: [AuditResolver], prune: pruneAudit };
