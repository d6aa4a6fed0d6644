import { buildSchema, type GraphQLSchema } from 'graphql';
import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  Int,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { type Feature, Partner } from '../../subgraphs/feature.ts';
import { perRequest } from '../../subgraphs/loader.ts';
import { DateTime, Day } from '../../subgraphs/scalars.ts';
import { contractOf, type Deprecation as Deprecated, deprecationsIn } from '../contract.ts';
import { type KnownUse, usesOf } from '../uses.ts';
import type { OwnContext } from './context.ts';
import { ApiKey } from './node.graphql.ts';

// What a key may rely on, and what will break for it: about the schema that it sees, and nothing beyond.

enum ChangeCriticality {
  BREAKING = 'BREAKING',
  DANGEROUS = 'DANGEROUS',
  NON_BREAKING = 'NON_BREAKING',
}
registerEnumType(ChangeCriticality, {
  name: 'ChangeCriticality',
  description: 'What a change does to clients.',
  valuesConfig: {
    BREAKING: { description: 'Operations that worked may fail.' },
    DANGEROUS: { description: 'Clients may be surprised: a new enum value, a changed default.' },
    NON_BREAKING: { description: 'Nothing that worked is different.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'Something that will go.' })
@Partner()
class Deprecation {
  @Field(() => String, { description: 'What: `User.nick`, `Query.users(order:)`, `Plan.FREE`.' })
  coordinate!: string;

  @Field(() => String, { description: 'Why, and what to use instead.' })
  reason!: string;

  @Field(() => Day, {
    nullable: true,
    description: 'The last day, in UTC, that it is there; null: not settled yet.',
  })
  removalDate!: string | null;
}

/** What identity knows of the asking key's uses, by coordinate. */
const useOf = perRequest<string, KnownUse | null, OwnContext>(async (coordinates, { caller, subgraphs }) => {
  const uses = new Map((await usesOf({ subgraphs }, caller)).map((use) => [use.coordinate, use]));
  return coordinates.map((coordinate) => uses.get(coordinate) ?? null);
});

@Resolver(() => Deprecation)
class DeprecationResolver {
  @FieldResolver(() => DateTime, {
    nullable: true,
    description: 'When this key last asked for it, told up to a minute late; null: not in the last 90 days.',
  })
  async lastUsedAt(@Root() { coordinate }: Deprecated, @Ctx() context: OwnContext): Promise<Date | null> {
    const use = await useOf(context).load(coordinate);
    return use && new Date(use.lastUsedAt);
  }

  @FieldResolver(() => Int, {
    description:
      'How many operations of this key named it in the last 30 days, counted since it is deprecated and told up to a minute late; 0 or more.',
  })
  async callsLast30Days(@Root() { coordinate }: Deprecated, @Ctx() context: OwnContext): Promise<number> {
    return (await useOf(context).load(coordinate))?.callsLast30Days ?? 0;
  }
}

@ObjectType({ simpleResolvers: true, description: 'A difference between two contracts.' })
@Partner()
class SchemaChange {
  @Field(() => String, { nullable: true, description: 'What it is about: `User.nick`, `Query.users.order`.' })
  coordinate!: string | null;

  @Field(() => ChangeCriticality, { description: 'What it does to clients.' })
  criticality!: ChangeCriticality;

  @Field(() => String, { description: 'The change in a sentence.' })
  message!: string;
}

@ObjectType({ description: 'The schema that a key sees: what it may rely on.' })
@Partner()
class SchemaContract {
  schema!: GraphQLSchema;

  @Field(() => String, { description: 'SHA-256 of the SDL, in hexadecimal: the version of the contract.' })
  sha256!: string;

  @Field(() => String, { description: 'The schema in SDL, as `GET /schema.graphql` gives it.' })
  sdl!: string;
}

@Resolver(() => ApiKey)
class ApiKeyContractResolver {
  @FieldResolver(() => SchemaContract, {
    nullable: true,
    description: 'What the key may rely on; null for another key than the one that was sent.',
  })
  contract(@Root() { id }: { id: string }, @Ctx() { caller }: OwnContext): SchemaContract | null {
    if (id !== caller.principal.keyId) return null;
    const { schema } = caller.view;
    return Object.assign(new SchemaContract(), { ...contractOf(schema), schema });
  }
}

@Resolver(() => SchemaContract)
class SchemaContractResolver {
  @FieldResolver(() => [Deprecation], { description: 'What of it will go, by coordinate.' })
  async deprecations(
    @Root() { schema }: SchemaContract,
    @Arg('usedByMe', () => Boolean, {
      nullable: true,
      description:
        'Only what this key named in the last 30 days, or only what it did not; all when left out.',
    })
    usedByMe: boolean | undefined,
    @Ctx() context: OwnContext,
  ): Promise<Deprecated[]> {
    const deprecations = deprecationsIn(schema);
    if (usedByMe == null) return deprecations;
    const uses = await Promise.all(deprecations.map(({ coordinate }) => useOf(context).load(coordinate)));
    return deprecations.filter((_, n) => (uses[n]?.callsLast30Days ?? 0) > 0 === usedByMe);
  }

  @FieldResolver(() => [SchemaChange], {
    nullable: true,
    description:
      'What changed since an earlier version, breaking changes first; null when that version is not known: the last 20 schemas that were served are, as the scopes of today see them.',
  })
  async changesSince(
    @Root() { sdl, sha256 }: SchemaContract,
    @Arg('version', () => String, { description: 'The `sha256` of then.' }) version: string,
    @Ctx() { past }: OwnContext,
  ): Promise<SchemaChange[] | null> {
    if (version === sha256) return [];
    for await (const earlier of past()) {
      const contract = contractOf(earlier);
      if (contract.sha256 === version) return changesBetween(contract.sdl, sdl);
    }
    return null;
  }
}

const worstFirst = Object.values(ChangeCriticality);

async function changesBetween(older: string, newer: string): Promise<SchemaChange[]> {
  // Loaded when it is first asked for: few gateways ever are.
  const { diff } = await import('@graphql-inspector/core');
  const changes = await diff(buildSchema(older), buildSchema(newer));
  return (
    changes
      // A deprecation is told as itself; that it is a directive too says nothing more.
      .filter(({ type, path }) => !(type.startsWith('DIRECTIVE_USAGE_') && path?.includes('.@deprecated')))
      .map(({ path, message, criticality }) => ({
        coordinate: path?.replace(/\.@.*/, '') ?? null,
        criticality: ChangeCriticality[criticality.level],
        message: `${message.replace(/\.$/, '')}.`,
      }))
      .sort((a, b) => worstFirst.indexOf(a.criticality) - worstFirst.indexOf(b.criticality))
  );
}

export const contract: Feature = {
  name: 'contract',
  resolvers: [ApiKeyContractResolver, SchemaContractResolver, DeprecationResolver],
};
