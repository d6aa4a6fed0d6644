import { Arg, Ctx, Field, Float, Int, ObjectType, Query, Resolver } from 'type-graphql';
import { Refusal } from '../../subgraphs/errors.ts';
import { Cost, type Feature, Partner } from '../../subgraphs/feature.ts';
import { DateTime, Json } from '../../subgraphs/scalars.ts';
import { type Charge, type OperationCost as Explained, explainCost } from '../charge.ts';
import type { Values } from '../engine/index.ts';
import type { OwnContext } from './context.ts';

// What the asking operation took of its caller's budget, and what another one would. Both are free, so they are answered
// when nothing else is: with the budget spent.

@ObjectType({
  simpleResolvers: true,
  description: "What this operation took of the caller's budget, in points, and what is left.",
})
@Partner()
class RateLimit {
  @Field(() => Int, { description: 'What this operation cost, known before it ran; 0 or more.' })
  cost!: number;

  @Field(() => Int, { description: 'What the budget holds.' })
  limit!: number;

  @Field(() => Int, { description: 'What is left after this operation; rounded down.' })
  remaining!: number;

  @Field(() => Float, { description: 'Points that come back a second.' })
  restorePerSecond!: number;

  @Field(() => DateTime, { description: 'When the budget is whole again if nothing more is spent.' })
  resetAt!: Date;
}

/** The largest number that `Int` has. */
const mostTold = 2_147_483_647;

@ObjectType({ simpleResolvers: true, description: 'What an operation would cost.' })
@Partner()
class OperationCost {
  @Field(() => Int, {
    description: 'Points at most, of a subscription for each event; 2,147,483,647 for all beyond.',
  })
  cost!: number;

  @Field(() => Int, {
    nullable: true,
    description:
      "Seconds until the caller's budget has room for it, beside this operation; 0: now; null: never, since it is more than a whole budget.",
  })
  waitSeconds!: number | null;
}

@Resolver()
class CostResolver {
  @Partner()
  @Query(() => RateLimit, {
    nullable: true,
    description:
      'The same as `extensions.cost` and the `RateLimit-*` headers of this answer; null for callers without bounds. Free. Public.',
  })
  @Cost(0)
  rateLimit(@Ctx() { caller }: OwnContext): Charge | null {
    return caller.charge ?? null;
  }

  @Partner()
  @Query(() => OperationCost, {
    nullable: true,
    description:
      'What an operation would cost the caller; nothing of it is executed. BAD_ARGUMENT says why one would be refused. Free. Public.',
  })
  @Cost(0)
  explainCost(
    @Arg('query', () => String, { description: 'The operation, as it would be sent.' }) query: string,
    @Arg('operationName', () => String, {
      nullable: true,
      description: 'Which one, where `query` holds several.',
    })
    operationName: string | undefined,
    @Arg('variables', () => Json, {
      nullable: true,
      description: 'Its variables, an object by name.',
    })
    variables: unknown,
    @Ctx() { prepare, caller }: OwnContext,
  ): Explained {
    const explained = explainCost({ prepare }, caller, query, operationName, valuesIn(variables));
    return { ...explained, cost: Math.min(explained.cost, mostTold) };
  }
}

function valuesIn(variables: unknown): Values | null {
  if (variables == null) return null;
  if (typeof variables === 'object' && !Array.isArray(variables)) return variables as Values;
  throw new Refusal('BAD_ARGUMENT', 'variables: an object with a value for each name.');
}

export const cost: Feature = { name: 'cost', resolvers: [CostResolver] };
