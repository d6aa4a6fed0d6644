import { MapperKind, mapSchema, pruneSchema } from '@graphql-tools/utils';
import { type DirectiveNode, type GraphQLSchema, Kind, parse } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { View } from './engine/index.ts';

// The schema a caller sees: what its scopes don't cover is not in it, so it can be neither selected nor introspected,
// and no error names it.

/** Alternatives of scopes needed together, as `@requiresScopes` has them. */
type Needed = readonly (readonly string[])[];

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
  const mapped = mapSchema(schema, {
    [MapperKind.OBJECT_TYPE]: (type) => (hidden(type.name) ? null : undefined),
    [MapperKind.OBJECT_FIELD]: (_field, name, type) => (hidden(`${type}.${name}`) ? null : undefined),
  });
  return pruneSchema(mapped);
}

/** What each type (`User`) and field (`User.email`) of the supergraph needs. */
function scopeNeeds(supergraph: string): Map<string, Needed> {
  const needs = new Map<string, Needed>();
  for (const definition of parse(supergraph, { noLocation: true }).definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION) continue;
    const type = definition.name.value;
    const ofType = neededBy(definition.directives);
    if (ofType !== undefined) needs.set(type, ofType);
    for (const field of definition.fields ?? []) {
      const needed = neededBy(field.directives);
      if (needed !== undefined) needs.set(`${type}.${field.name.value}`, needed);
    }
  }
  return needs;
}

function neededBy(directives: readonly DirectiveNode[] = []): Needed | undefined {
  const directive = directives.find(({ name }) => name.value.replace(/^.*__/, '') === 'requiresScopes');
  const [scopes] = directive?.arguments ?? [];
  if (scopes?.value.kind !== Kind.LIST) return undefined;
  return scopes.value.values.map((together) =>
    together.kind === Kind.LIST
      ? together.values.map((scope) => (scope.kind === Kind.STRING ? scope.value : ''))
      : [],
  );
}
