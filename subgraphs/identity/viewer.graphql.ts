import {
  Arg,
  Ctx,
  Directive,
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
import { type Feature, Key } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf, type Principal } from '../principal.ts';
import { DateTime, Json } from '../scalars.ts';
import { authenticate, type ApiKey as KeyRow, type ApiKeyKind as Kind, keysById } from './api-key.ts';
import { User, userById } from './user.graphql.ts';

// Who is calling, for the caller; and for the gateway, which turns credentials into principals by asking here.

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

@ObjectType({ simpleResolvers: true, description: 'A key, without its secret.' })
@Key('id')
class ApiKey {
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

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it ends; null: never.' })
  expiresAt!: Date | null;
}

@ObjectType({ simpleResolvers: true, description: 'A community: its people, places and game.' })
@Key('id', false)
class Community {
  @Field(() => ID, { description: '`com_…`.' })
  id!: string;
}

@ObjectType({ description: 'Whoever sent the credential of this request.' })
class Viewer {
  @Field(() => [String], { description: 'What the credential allows.' })
  scopes!: readonly string[];
}

const apiKeyById = perRequest<string, KeyRow | null>((ids, { sql, principal }) =>
  keysById(sql, communityOf(principal), ids),
);

@Resolver(() => Viewer)
class ViewerResolver {
  @Query(() => Viewer, { nullable: true, description: 'Who is calling; null without a credential. Public.' })
  viewer(@Ctx() { principal }: Context): Viewer | null {
    return principal.kind === 'anonymous' ? null : { scopes: principal.scopes };
  }

  @FieldResolver(() => User, { nullable: true, description: "The person, for a person's credential." })
  user(@Root() _viewer: Viewer, @Ctx() context: Context): Promise<object | null> | null {
    // A class of callers has no person, and a personal answer must not be shared among it.
    if (context.principal.kind === 'class')
      throw new Refusal('NEEDS_USER', '`viewer.user` is about one person.');
    const { userId } = context.principal;
    return userId === undefined ? null : userById(context).load(userId);
  }

  @FieldResolver(() => ApiKey, { nullable: true, description: 'The key that was sent.' })
  apiKey(@Root() _viewer: Viewer, @Ctx() context: Context): Promise<KeyRow | null> | null {
    if (context.principal.kind === 'class')
      throw new Refusal('NEEDS_USER', '`viewer.apiKey` is about one key.');
    const { keyId } = context.principal;
    return keyId === undefined ? null : apiKeyById(context).load(keyId);
  }

  @FieldResolver(() => Community, { nullable: true, description: 'The community that the request is in.' })
  community(@Root() _viewer: Viewer, @Ctx() { principal }: Context): Community | null {
    return principal.communityId === undefined ? null : { id: principal.communityId };
  }
}

@Resolver()
class AuthenticationResolver {
  @Query(() => Json, {
    nullable: true,
    description: 'The principal a secret belongs to; null when it is not valid. For the gateway alone.',
  })
  @Directive('@inaccessible')
  _authenticate(
    @Arg('secret', () => String, { description: 'The credential as it was sent.' }) secret: string,
    @Arg('community', () => String, {
      nullable: true,
      description: 'The id or slug that `x-community` named.',
    })
    community: string | undefined,
    @Ctx() { principal, sql }: Context,
  ): Promise<Principal | null> {
    if (principal.kind !== 'gateway')
      throw new Refusal('FORBIDDEN', 'Only the gateway asks who a secret belongs to.');
    return authenticate(sql, secret, community ?? null);
  }
}

export const viewer: Feature = {
  name: 'viewer',
  resolvers: [ViewerResolver, AuthenticationResolver],
  types: [Community],
  references: {
    // A key shows itself, to whoever has it.
    ApiKey: ({ id }: { id: string }, context) =>
      context.principal.keyId === id ? apiKeyById(context).load(id) : null,
  },
};
