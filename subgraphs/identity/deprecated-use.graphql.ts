import { Arg, Ctx, Directive, Mutation, Query, Resolver } from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import type { Feature } from '../feature.ts';
import { Json } from '../scalars.ts';
import { type CountedUse, type DeprecatedUse, noteUses, pruneUses, usesOfKey } from './deprecated-use.ts';

// Gateways have no database; here they keep how often keys asked for what will go.

@Resolver()
class DeprecatedUseResolver {
  @Mutation(() => Boolean, {
    description: 'Adds how often keys asked for what will go: `CountedUse`s. For the gateway alone.',
  })
  @Directive('@inaccessible')
  async _noteDeprecatedUses(
    @Arg('uses', () => Json, { description: 'One for each key and coordinate.' }) uses: CountedUse[],
    @Ctx() { principal, sql }: Context,
  ): Promise<true> {
    if (principal.kind !== 'gateway') throw new Refusal('FORBIDDEN', 'Only the gateway counts uses.');
    await noteUses(sql, uses);
    return true;
  }

  @Query(() => Json, {
    description: "What of the caller's own key is known to be used of what will go. For the gateway alone.",
  })
  @Directive('@inaccessible')
  _deprecatedUses(@Ctx() { principal, sql }: Context): Promise<DeprecatedUse[]> {
    return usesOfKey(sql, principal);
  }
}

export const deprecatedUse: Feature = {
  name: 'deprecated-use',
  resolvers: [DeprecatedUseResolver],
  prune: pruneUses,
};
