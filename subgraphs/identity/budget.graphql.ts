import { Arg, Ctx, Directive, Float, Mutation, Resolver } from 'type-graphql';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import type { Feature } from '../feature.ts';
import { settleSpendings } from './budget.ts';

// Gateways have no database; here they tell each other what callers have spent.

@Resolver()
class BudgetResolver {
  @Mutation(() => [Float], {
    description:
      'Takes what callers spent of their budgets and tells what each has spent by now, in points. For the gateway alone.',
  })
  @Directive('@inaccessible')
  _settleBudgets(
    @Arg('communities', () => [String], { description: 'The community of each caller.' })
    communities: string[],
    @Arg('holders', () => [String], { description: 'The person, else the key, of each caller.' })
    holders: string[],
    @Arg('points', () => [Float], { description: 'What each has spent since the last time.' })
    points: number[],
    @Arg('restored', () => [Float], { description: 'Points that each gets back a second.' })
    restored: number[],
    @Ctx() { principal, sql }: Context,
  ): Promise<number[]> {
    if (principal.kind !== 'gateway') throw new Refusal('FORBIDDEN', 'Only the gateway settles budgets.');
    const spendings = holders.map((holder, n) => ({
      communityId: communities[n] ?? '',
      holder,
      points: points[n] ?? 0,
      restored: restored[n] ?? 0,
    }));
    return settleSpendings(sql, spendings);
  }
}

export const budget: Feature = { name: 'budget', resolvers: [BudgetResolver] };
