import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Partner, Scoped, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf, type Audience as Tag } from '../principal.ts';
import { DateTime } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  isVisible,
  PageArgs,
  Payload,
  ReplayablePayload,
} from '../shared.graphql.ts';
import { communityKeys, type ApiKeyKind as Kind, keysById, type ApiKey as Row } from './api-key.ts';
import { createKey, revokeKey, rotateKey, updateKey } from './api-key-change.ts';
import { pruneMade } from './made.ts';
import { mostChannels } from './right.ts';
import { User, userById } from './user.graphql.ts';

enum ApiKeyKind {
  SYSTEM = 'SYSTEM',
  INTEGRATION = 'INTEGRATION',
  PERSONAL = 'PERSONAL',
}
registerEnumType(ApiKeyKind, {
  name: 'ApiKeyKind',
  description: 'Whose a key is.',
  valuesConfig: {
    SYSTEM: { description: "The community's one key with all scopes." },
    INTEGRATION: { description: 'A named key of an integration.' },
    PERSONAL: { description: 'The key of a person.' },
  },
});

/** By the tag's name. */
enum Audience {
  PARTNER = 'partner',
}
registerEnumType(Audience, {
  name: 'Audience',
  description: 'Whom a key was made for, and with it the part of the schema that it is shown.',
  valuesConfig: {
    PARTNER: {
      description:
        'Another company that builds on the community: people and what they do, no administration.',
    },
  },
});

@ObjectType({ simpleResolvers: true, description: 'A key, without its secret.' })
@Key('id')
@Partner()
export class ApiKey {
  userId!: string | null;

  @Field(() => ID, { description: '`key_…`.' })
  id!: string;

  @Field(() => ApiKeyKind, { description: 'Whose it is.' })
  kind!: Kind;

  @Field(() => String, { description: 'The name it was given.' })
  name!: string;

  @Field(() => String, { description: 'The part of the secret that may be shown.' })
  prefix!: string;

  @Field(() => [String], { description: 'What it allows.' })
  scopes!: string[];

  @Field(() => [ID], { nullable: true, description: 'The channels it is limited to; null: not limited.' })
  channelIds!: string[] | null;

  @Field(() => Audience, {
    nullable: true,
    description: 'Whose part of the schema it is shown; null: all that its scopes allow.',
  })
  audience!: Tag | null;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it ends; null: never.' })
  expiresAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was last used, to the minute and told some seconds late; null: never.',
  })
  lastUsedAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was revoked; null: it was not.' })
  revokedAt!: Date | null;
}

/** A page of keys; the viewer's own come in one too. */
export const ApiKeyConnection = Connection(() => ApiKey, 'key', 'ApiKey');

@InputType({ description: 'Which keys to list; what is left out does not narrow.' })
class ApiKeyFilter {
  static rules = z.object({ userIds: z.array(z.string().max(64)).max(100).nullish() });

  @Field(() => [ApiKeyKind], { nullable: true, description: 'Keys of these kinds.' })
  kinds?: ApiKeyKind[] | null;

  @Field(() => [ID], { nullable: true, description: 'Personal keys of these people; up to 100.' })
  userIds?: string[] | null;

  @Field(() => Boolean, { nullable: true, description: 'Those that were revoked, or those that were not.' })
  revoked?: boolean | null;
}

@ArgsType()
class ApiKeysArgs extends PageArgs {
  static rules = z.object({ filter: ApiKeyFilter.rules.nullish() });

  @Field(() => ApiKeyFilter, { nullable: true, description: 'Which keys.' })
  filter?: ApiKeyFilter | null;
}

const id = z.string().min(1).max(64, 'An id has at most 64 characters.');
const name = z
  .string()
  .max(100, 'A name has 1-100 characters.')
  .refine((text) => isVisible(text), 'A name has 1-100 characters.');
const scopes = z.array(z.string().max(64)).max(100, 'Name each scope once, 100 at most.');
const channelIds = z
  .array(id)
  .min(1, `Name 1-${mostChannels} channels, or leave them out.`)
  .max(mostChannels, `Name 1-${mostChannels} channels, or leave them out.`);

@InputType({ description: 'A new key.' })
class CreateApiKeyInput {
  static rules = z.object({
    name,
    scopes: scopes.nullish(),
    userId: id.nullish(),
    channelIds: channelIds.nullish(),
    idempotencyKey,
  });

  @Field(() => ApiKeyKind, {
    description: 'PERSONAL for oneself; the others take the system key or an administrator.',
  })
  kind!: ApiKeyKind;

  @Field(() => String, { description: 'What to call it, 1-100 characters.' })
  name!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'What it is to allow, nothing the caller may not; none when left out, all for SYSTEM.',
  })
  scopes?: string[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Whose PERSONAL key it is; the system key names anybody, others make their own.',
  })
  userId?: string | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Limits it to 1-100 channels; when left out it is limited as the caller is.',
  })
  channelIds?: string[] | null;

  @Field(() => Audience, {
    nullable: true,
    description:
      "Shows it only this audience's part of the schema, not for SYSTEM; when left out it is shown what the caller is.",
  })
  audience?: Tag | null;

  @Field(() => DateTime, { nullable: true, description: 'When it ends, at most 10 years ahead; else never.' })
  expiresAt?: Date | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each key; kept for 30 days.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'Changes of a key; what is left out stays.' })
class UpdateApiKeyInput {
  static rules = z.object({
    id,
    name: name.nullish(),
    scopes: scopes.nullish(),
    channelIds: channelIds.nullish(),
  });

  @Field(() => ID, { description: 'The key.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'What to call it, 1-100 characters.' })
  name?: string | null;

  @Field(() => [String], { nullable: true, description: 'What it is to allow, in place of what it did.' })
  scopes?: string[] | null;

  @Field(() => [ID], { nullable: true, description: 'Limits it to 1-100 channels; null ends the limit.' })
  channelIds?: string[] | null;

  @Field(() => Audience, {
    nullable: true,
    description: "Shows it only this audience's part of the schema; null: all that its scopes allow.",
  })
  audience?: Tag | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it ends, at most 10 years ahead; null: never.',
  })
  expiresAt?: Date | null;
}

@InputType({ description: 'A new secret for a key.' })
class RotateApiKeyInput {
  static rules = z.object({
    id,
    overlapSeconds: z
      .number()
      .min(0, 'An overlap lasts 0-604,800 seconds.')
      .max(604_800, 'An overlap lasts 0-604,800 seconds.'),
    idempotencyKey,
  });

  @Field(() => ID, { description: 'The key.' })
  id!: string;

  @Field(() => Int, {
    defaultValue: 3_600,
    description: 'How long secrets of before work on, in seconds, 0-604,800; 0 ends them at once.',
  })
  overlapSeconds!: number;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each rotation; kept for 30 days.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'A key to revoke.' })
class DeleteApiKeyInput {
  static rules = z.object({ id });

  @Field(() => ID, { description: 'The key.' })
  id!: string;
}

const secretDescription =
  'What to send as the credential, shown this once; null in a repeat: rotate the key if it was lost.';

@ObjectType({ simpleResolvers: true, description: 'What came of `createApiKey`.' })
class CreateApiKeyPayload extends ReplayablePayload {
  @Field(() => ApiKey, { nullable: true, description: 'The key; null when it was refused.' })
  apiKey: object | null = null;

  @Field(() => String, { nullable: true, description: secretDescription })
  secret: string | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `updateApiKey`.' })
class UpdateApiKeyPayload extends Payload {
  @Field(() => ApiKey, { nullable: true, description: 'The key; null when it was refused.' })
  apiKey: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `rotateApiKey`.' })
class RotateApiKeyPayload extends ReplayablePayload {
  @Field(() => ApiKey, { nullable: true, description: 'The key; null when it was refused.' })
  apiKey: object | null = null;

  @Field(() => String, { nullable: true, description: secretDescription })
  secret: string | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `deleteApiKey`.' })
class DeleteApiKeyPayload extends Payload {
  @Field(() => ApiKey, { nullable: true, description: 'The key, revoked; null when it was refused.' })
  apiKey: object | null = null;
}

export const apiKeyById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  keysById(sql, communityOf(principal), ids),
);

@Resolver(() => ApiKey)
class ApiKeyResolver {
  @Write(() => CreateApiKeyPayload, {
    scope: 'keys:write',
    description: 'Makes a key and shows its secret, once.',
  })
  async createApiKey(
    @Arg('input', () => CreateApiKeyInput, { description: 'The key.' }) input: CreateApiKeyInput,
    @Ctx() { sql, principal, now }: Context,
  ): Promise<CreateApiKeyPayload> {
    return Object.assign(new CreateApiKeyPayload(), await createKey(sql, principal, input, now()));
  }

  @Write(() => UpdateApiKeyPayload, {
    scope: 'keys:write',
    description: 'Changes what a key is called or allows, within a second.',
  })
  async updateApiKey(
    @Arg('input', () => UpdateApiKeyInput, { description: 'What is to be another.' })
    { id, name, scopes, channelIds, audience, expiresAt }: UpdateApiKeyInput,
    @Ctx() { sql, principal, now }: Context,
  ): Promise<UpdateApiKeyPayload> {
    const change = {
      id,
      ...(name == null ? {} : { name }),
      ...(scopes == null ? {} : { scopes }),
      ...(channelIds === undefined ? {} : { channelIds }),
      ...(audience === undefined ? {} : { audience }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    const apiKey = await updateKey(sql, principal, change, now());
    return Object.assign(new UpdateApiKeyPayload(), { apiKey });
  }

  @Write(() => RotateApiKeyPayload, {
    scope: 'keys:write',
    description: 'Gives a key a new secret, shown once; those of before work on for a while.',
  })
  async rotateApiKey(
    @Arg('input', () => RotateApiKeyInput, { description: 'Which key, and for how long both work.' })
    input: RotateApiKeyInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<RotateApiKeyPayload> {
    return Object.assign(new RotateApiKeyPayload(), await rotateKey(sql, principal, input));
  }

  @Write(() => DeleteApiKeyPayload, {
    scope: 'keys:write',
    description: 'Revokes a key for good; it stops working within a second.',
  })
  async deleteApiKey(
    @Arg('input', () => DeleteApiKeyInput, { description: 'Which key.' }) { id }: DeleteApiKeyInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<DeleteApiKeyPayload> {
    return Object.assign(new DeleteApiKeyPayload(), { apiKey: await revokeKey(sql, principal, id) });
  }

  @Query(() => ApiKeyConnection, {
    description:
      'All keys of the community, oldest first, for the system key and administrators. Scope: keys:read.',
  })
  @Scoped('keys:read')
  @Paged()
  async apiKeys(
    @Args(() => ApiKeysArgs) { filter, ...page }: ApiKeysArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await communityKeys(sql, principal, filter ?? {}, page), (row) => row);
  }

  @FieldResolver(() => User, { nullable: true, description: "A personal key's person." })
  user(@Root() { userId }: Row, @Ctx() context: Context): Promise<object | null> | null {
    return userId === null ? null : userById(context).load(userId);
  }
}

export const apiKey: Feature = {
  name: 'api-key',
  resolvers: [ApiKeyResolver],
  references: {
    // A key shows itself, to whoever has it.
    ApiKey: ({ id }: { id: string }, context) =>
      context.principal.keyId === id ? apiKeyById(context).load(id) : null,
  },
  prune: pruneMade,
};
