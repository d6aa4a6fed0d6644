import { MapperKind, mapSchema, pruneSchema } from '@graphql-tools/utils';
import {
  type DirectiveNode,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
  isUnionType,
  Kind,
  parse,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { View } from './engine/index.ts';

// The schema a caller sees: what its scopes don't cover is not in it, so it can be neither selected nor introspected,
// and no error names it.

/** Alternatives of scopes needed together, as `@requiresScopes` has them. */
type Needed = readonly (readonly string[])[];

/** What `@authenticated` needs: every caller with a credential has it. */
export const authenticatedScope = '@authenticated';

/** Gives the view of a set of scopes; the same set gives the same view. */
export function viewsOf(schema: GraphQLSchema, supergraph: string): (scopes: readonly string[]) => View {
  const needs = scopeNeeds(supergraph);
  const views = new LRUCache<string, View>({ max: 500 });
  const known = new Set([...needs.values()].flat(2));
  return (scopes) => {
    // Only scopes that the schema asks for make a difference.
    const held = new Set(scopes.filter((scope) => known.has(scope)));
    const key = [...held].sort().join(' ');
    let view = views.get(key);
    if (view === undefined) {
      view = { key, schema: held.size === known.size ? schema : visible(schema, needs, held) };
      views.set(key, view);
    }
    return view;
  };
}

function visible(
  schema: GraphQLSchema,
  needs: Map<string, Needed>,
  held: ReadonlySet<string>,
): GraphQLSchema {
  const hidden = (coordinate: string) => {
    const needed = needs.get(coordinate);
    return needed !== undefined && !needed.some((together) => together.every((scope) => held.has(scope)));
  };
  const lessened = new Set<string>();
  const mapped = mapSchema(schema, {
    [MapperKind.TYPE]: (type) => (hidden(type.name) ? null : undefined),
    [MapperKind.COMPOSITE_FIELD]: (field, name, type) => {
      const gone = hidden(`${type}.${name}`) || hidden(getNamedType(field.type).name);
      if (gone) lessened.add(type);
      return gone ? null : undefined;
    },
  });
  // What is only there as one kind of an interface's items, and can't be seen whole, belongs to what is hidden.
  const named = new Set(
    Object.values(mapped.getTypeMap()).flatMap((type) =>
      isObjectType(type) || isInterfaceType(type)
        ? Object.values(type.getFields()).map((field) => getNamedType(field.type).name)
        : isUnionType(type)
          ? type.getTypes().map(({ name }) => name)
          : [],
    ),
  );
  const roots = new Set(
    [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].map((type) => type?.name),
  );
  const whole = mapSchema(mapped, {
    [MapperKind.OBJECT_TYPE]: (type) =>
      lessened.has(type.name) && !named.has(type.name) && !roots.has(type.name) ? null : undefined,
  });
  return pruneSchema(whole);
}

/** What each type (`User`) and field (`User.email`) of the supergraph needs. @throws for `@policy`, which nothing here can judge */
function scopeNeeds(supergraph: string): Map<string, Needed> {
  const needs = new Map<string, Needed>();
  const note = (coordinate: string, directives: readonly DirectiveNode[] | undefined) => {
    const needed = neededBy(coordinate, directives);
    if (needed !== undefined) needs.set(coordinate, needed);
  };
  for (const definition of parse(supergraph, { noLocation: true }).definitions) {
    const { kind } = definition;
    if (kind === Kind.ENUM_TYPE_DEFINITION || kind === Kind.SCALAR_TYPE_DEFINITION) {
      note(definition.name.value, definition.directives);
    } else if (kind === Kind.OBJECT_TYPE_DEFINITION || kind === Kind.INTERFACE_TYPE_DEFINITION) {
      const type = definition.name.value;
      note(type, definition.directives);
      for (const { name, directives } of definition.fields ?? []) note(`${type}.${name.value}`, directives);
    }
  }
  return needs;
}

function neededBy(coordinate: string, directives: readonly DirectiveNode[] = []): Needed | undefined {
  const named = (name: string) => directives.find((one) => one.name.value.replace(/^.*__/, '') === name);
  if (named('policy') !== undefined) {
    throw new Error(
      `${coordinate} has @policy, which this gateway can't judge: use --auth none, or @requiresScopes.`,
    );
  }
  const signedIn: Needed | undefined = named('authenticated') && [[authenticatedScope]];
  const [scopes] = named('requiresScopes')?.arguments ?? [];
  if (scopes?.value.kind !== Kind.LIST) return signedIn;
  return scopes.value.values.map((together) => [
    ...(signedIn === undefined ? [] : [authenticatedScope]),
    ...(together.kind === Kind.LIST ? together.values : []).map((scope) =>
      scope.kind === Kind.STRING ? scope.value : '',
    ),
  ]);
}
