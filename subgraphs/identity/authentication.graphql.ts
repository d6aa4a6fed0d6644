import { Arg, Ctx, Directive, Float, Query, Resolver } from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import type { Feature } from '../feature.ts';
import { communityOf, type Principal } from '../principal.ts';
import { Json } from '../scalars.ts';
import {
  authenticate,
  authenticateSession,
  type CredentialChanges,
  credentialChanges,
} from './authentication.ts';
import { keyUsesOf } from './key-use.ts';

// What the gateway, and nobody else, asks: who a credential belongs to.

@Resolver()
class AuthenticationResolver {
  @Query(() => Json, {
    nullable: true,
    description: 'The principal a secret belongs to; null when it is not valid. For the gateway alone.',
  })
  @Directive('@inaccessible')
  async _authenticate(
    @Arg('secret', () => String, { description: 'The credential as it was sent.' }) secret: string,
    @Arg('community', () => String, {
      nullable: true,
      description: 'The id or slug that `x-community` named.',
    })
    community: string | undefined,
    @Ctx() { principal, sql, tokens, now }: Context,
  ): Promise<Principal | null> {
    mustBeGateway(principal);
    const claims = await tokens.read(secret, now());
    if (claims !== null) return authenticateSession(sql, claims, community ?? null);
    const found = await authenticate(sql, secret, community ?? null);
    if (found?.keyId !== undefined)
      keyUsesOf(sql).note({ communityId: communityOf(found), keyId: found.keyId, at: now() });
    return found;
  }

  @Query(() => Json, {
    description: 'Keys, sessions and people whose credentials changed after a number. For the gateway alone.',
  })
  @Directive('@inaccessible')
  async _credentialChanges(
    @Arg('after', () => Float, {
      nullable: true,
      description: 'The `last` of the answer before; null: from now on.',
    })
    after: number | undefined,
    @Ctx() { principal, sql }: Context,
  ): Promise<CredentialChanges> {
    mustBeGateway(principal);
    return credentialChanges(sql, after ?? null);
  }
}

function mustBeGateway({ kind }: Principal): void {
  if (kind !== 'gateway') throw new Refusal('FORBIDDEN', 'Only the gateway asks who a secret belongs to.');
}

export const authentication: Feature = { name: 'authentication', resolvers: [AuthenticationResolver] };
