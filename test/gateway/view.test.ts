import {
  execute,
  type GraphQLNamedType,
  type GraphQLSchema,
  type GraphQLType,
  getIntrospectionQuery,
  getNamedType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  parse,
  validateSchema,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { createEngine } from '../../gateway/engine/index.ts';
import { laurelSupergraph } from '../../gateway/schema.ts';
import { authenticatedScope, viewsOf } from '../../gateway/view.ts';
import { allScopes } from '../../subgraphs/scopes.ts';
import { seeded } from '../kit/operations.ts';

const never = (): never => {
  throw new Error('A view calls no subgraph.');
};

/** What a set of scopes sees of a supergraph. */
function viewsIn(supergraph: string) {
  const { schema } = createEngine({ supergraph, subgraph: () => ({ execute: never, subscribe: never }) });
  const viewOf = viewsOf(schema, supergraph);
  return { schema, viewOf, seen: (...scopes: string[]) => viewOf(scopes).schema };
}

const laurel = viewsIn(laurelSupergraph());

/** Every single scope, none, all, and some hundred sets of them. */
const sets: readonly (readonly string[])[] = [
  [],
  ...allScopes.map((scope) => [scope]),
  ...Array.from({ length: 300 }, (_, seed) => {
    const random = seeded(seed);
    const share = random();
    return allScopes.filter(() => random() < share);
  }),
  allScopes,
].map((scopes) => [...scopes, authenticatedScope]);

/** The coordinates of a schema: types, fields, arguments, values and members, with the types they have. */
function coordinates(schema: GraphQLSchema): Set<string> {
  return new Set(
    typesOf(schema).flatMap((type) => [
      type.name,
      ...partsOf(type).map(({ name, type: of }) => `${type.name}.${name}: ${of}`),
      ...('getInterfaces' in type ? type.getInterfaces().map(({ name }) => `${type.name} is ${name}`) : []),
      ...(isUnionType(type) ? type.getTypes().map(({ name }) => `${type.name} = ${name}`) : []),
    ]),
  );
}

function typesOf(schema: GraphQLSchema): GraphQLNamedType[] {
  return Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
}

function partsOf(type: GraphQLNamedType) {
  return isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)
    ? Object.values(type.getFields())
    : [];
}

/** The types that introspection can be followed to from the roots. */
function reachable(schema: GraphQLSchema): Set<string> {
  const reached = new Set<string>();
  const visit = (type: GraphQLNamedType) => {
    if (reached.has(type.name)) return;
    reached.add(type.name);
    for (const part of partsOf(type)) {
      visit(getNamedType(part.type as GraphQLType));
      if ('args' in part) for (const arg of part.args) visit(getNamedType(arg.type as GraphQLType));
    }
    if (isUnionType(type)) type.getTypes().forEach(visit);
    if (isInterfaceType(type)) schema.getPossibleTypes(type).forEach(visit);
    if (isObjectType(type)) type.getInterfaces().forEach(visit);
  };
  for (const root of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    if (root) visit(root);
  }
  return reached;
}

describe('the view of any set of scopes', () => {
  const views = [
    ...new Map(sets.map((scopes) => [laurel.viewOf(scopes).key, laurel.viewOf(scopes)])).values(),
  ];

  it('is a valid schema', () => {
    for (const { schema, key } of views) expect(validateSchema(schema), key).toEqual([]);
  });

  it('has something in every type, and implementers of every interface', () => {
    for (const { schema, key } of views) {
      const empty = typesOf(schema).filter((type) =>
        isUnionType(type)
          ? type.getTypes().length === 0
          : isInterfaceType(type)
            ? schema.getPossibleTypes(type).length === 0
            : (isObjectType(type) || isInputObjectType(type)) && partsOf(type).length === 0,
      );
      expect(empty.map(String), key).toEqual([]);
    }
  });

  it('has nothing that can not be reached', () => {
    for (const { schema, key } of views) {
      const reached = reachable(schema);
      const stray = typesOf(schema).filter((type) => !isSpecifiedScalarType(type) && !reached.has(type.name));
      expect(stray.map(String), key).toEqual([]);
    }
  });

  it('is part of the whole, and shows the more the more there are', () => {
    const whole = coordinates(laurel.schema);
    const random = seeded(7);
    for (const scopes of sets) {
      const less = scopes.filter((scope) => scope === authenticatedScope || random() < 0.5);
      const [some, fewer] = [coordinates(laurel.seen(...scopes)), coordinates(laurel.seen(...less))];
      expect([...some].filter((one) => !whole.has(one))).toEqual([]);
      expect([...fewer].filter((one) => !some.has(one))).toEqual([]);
    }
  });

  it('can be introspected, and shows there what it has', async () => {
    const document = parse(getIntrospectionQuery());
    for (const { schema, key } of views) {
      const { data, errors } = await execute({ schema, document });
      expect(errors, key).toBeUndefined();
      const { types } = (data as { __schema: { types: { name: string }[] } }).__schema;
      const names = types.map(({ name }) => name).filter((name) => !name.startsWith('__'));
      expect(names.sort(), key).toEqual(
        typesOf(schema)
          .map(({ name }) => name)
          .sort(),
      );
    }
  });

  it('differs for every single scope from that of none', () => {
    const none = coordinates(laurel.seen(authenticatedScope)).size;
    for (const scope of allScopes)
      expect(coordinates(laurel.seen(scope, authenticatedScope)).size, scope).toBeGreaterThan(none);
  });

  it('is kept, and bounded in number', () => {
    expect(laurel.viewOf(['users:read', 'stats:read'])).toBe(laurel.viewOf(['stats:read', 'users:read']));
  });
});
