import { Arg, Ctx, Directive, Query, Resolver } from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import type { Feature } from '../feature.ts';
import type { Principal } from '../principal.ts';
import { Json } from '../scalars.ts';
import { authenticate, authenticateSession } from './authentication.ts';

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
    if (principal.kind !== 'gateway')
      throw new Refusal('FORBIDDEN', 'Only the gateway asks who a secret belongs to.');
    const claims = await tokens.read(secret, now());
    return claims === null
      ? authenticate(sql, secret, community ?? null)
      : authenticateSession(sql, claims, community ?? null);
  }
}

export const authentication: Feature = { name: 'authentication', resolvers: [AuthenticationResolver] };
