import { MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  type DirectiveNode,
  type GraphQLField,
  type GraphQLInterfaceType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  type GraphQLType,
  getNamedType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
  Kind,
  parse,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { View } from './engine/index.ts';

// The schema a caller sees: what its scopes don't cover, or isn't tagged for its audience, is not in it, so it can be
// neither selected nor introspected, and no error names it. Sessions have one schema, the whole, since an app has one for all
// its people: a field beyond a session's scopes is null, with an error.

type AnyField = GraphQLField<unknown, unknown>;

/** Alternatives of scopes needed together, as `@requiresScopes` has them. */
type Needed = readonly (readonly string[])[];

/** What `@authenticated` needs: every caller with a credential has it. */
export const authenticatedScope = '@authenticated';

/** What the supergraph says of who may see what, by coordinate: `User`, `User.email`. */
interface Marks {
  needs: ReadonlyMap<string, Needed>;
  /** The names of `@tag`. */
  tags: ReadonlyMap<string, readonly string[]>;
}

/** Who sees: the scopes that are held, and the audience that things have to be tagged for; undefined: none has to be. */
interface Seer {
  held: ReadonlySet<string>;
  audience: string | undefined;
}

export interface Views {
  /** The view of a set of scopes, for an audience or for none in particular; the same two give the same view. */
  (scopes: readonly string[], audience?: string): View;
  /** The view of a session with these scopes. */
  ofSession(scopes: readonly string[]): View;
}

export function viewsOf(schema: GraphQLSchema, supergraph: string): Views {
  const marks = marksIn(supergraph);
  const views = new LRUCache<string, View>({ max: 500 });
  const known = new Set([...marks.needs.values()].flat(2));
  // Only scopes that the schema asks for make a difference.
  const heldOf = (scopes: readonly string[]) => new Set(scopes.filter((scope) => known.has(scope)));
  const kept = (key: string, make: () => Omit<View, 'key'>): View => {
    let view = views.get(key);
    if (view === undefined) {
      view = { key, ...make() };
      views.set(key, view);
    }
    return view;
  };
  const viewOf = (scopes: readonly string[], audience?: string): View => {
    const held = heldOf(scopes);
    const key = [...(audience === undefined ? [] : [`@tag(${audience})`]), ...[...held].sort()].join(' ');
    const isWhole = audience === undefined && held.size === known.size;
    return kept(key, () => ({ schema: isWhole ? schema : visible(schema, marks, { held, audience }) }));
  };
  const ofSession = (scopes: readonly string[]): View => {
    const held = heldOf(scopes);
    return kept(`session ${[...held].sort().join(' ')}`, () => ({
      schema,
      forbids: beyond(schema, marks, held),
    }));
  };
  return Object.assign(viewOf, { ofSession });
}

/** Why fields are beyond the scopes that are held. */
function beyond(schema: GraphQLSchema, marks: Marks, held: ReadonlySet<string>): View['forbids'] {
  const { types, parts } = goneFrom(schema, marks, { held, audience: undefined });
  return (type, field) => {
    const coordinate = `${type}.${field}`;
    if (field.startsWith('__') || !(parts.has(coordinate) || types.has(type))) return undefined;
    const needed = marks.needs.get(coordinate) ?? marks.needs.get(type);
    return needed === undefined
      ? `${coordinate} needs a scope that this session doesn't have.`
      : `${coordinate} needs the scope ${needed.map((together) => together.join(' and ')).join(' or ')}.`;
  };
}

/** Those parts of a schema that can be seen and reached; a valid schema again. */
function visible(schema: GraphQLSchema, marks: Marks, seer: Seer): GraphQLSchema {
  const { types, parts } = goneFrom(schema, marks, seer);
  const part = (coordinate: string) => (parts.has(coordinate) ? null : undefined);
  return mapSchema(schema, {
    [MapperKind.TYPE]: ({ name }) => (types.has(name) ? null : undefined),
    [MapperKind.COMPOSITE_FIELD]: (_field, name, type) => part(`${type}.${name}`),
    [MapperKind.INPUT_OBJECT_FIELD]: (_field, name, type) => part(`${type}.${name}`),
    [MapperKind.ARGUMENT]: ({ type }) => (types.has(getNamedType(type).name) ? null : undefined),
  });
}

/** The types, fields and input fields to leave out, by coordinate. What goes may take more along, until nothing does. */
function goneFrom(schema: GraphQLSchema, { needs, tags }: Marks, { held, audience }: Seer) {
  const types = new Set<string>();
  const parts = new Set<string>();
  const all = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
  const isHidden = (coordinate: string) => {
    const needed = needs.get(coordinate);
    return needed !== undefined && !needed.some((together) => together.every((scope) => held.has(scope)));
  };
  /** Whether a field of an object isn't tagged for the audience, neither by itself nor with its whole type. */
  const isUntagged = (type: string, field: string) =>
    audience !== undefined &&
    ![type, `${type}.${field}`].some((coordinate) => tags.get(coordinate)?.includes(audience));
  const isGone = (type: GraphQLType) => types.has(getNamedType(type).name);
  const implementersOf = (type: GraphQLInterfaceType) => {
    const { objects, interfaces } = schema.getImplementations(type);
    return [...objects, ...interfaces];
  };
  /** Composition sums up on an interface what its implementers need; those it sums up are judged one by one. */
  const isSummedUp = (type: GraphQLInterfaceType, field = '') =>
    (needs.get(type.name + field) ?? []).flat().every((scope) =>
      implementersOf(type).some(({ name }) =>
        needs
          .get(name + field)
          ?.flat()
          .includes(scope),
      ),
    );

  const fieldGoes = (type: GraphQLObjectType | GraphQLInterfaceType, { name, type: of, args }: AnyField) =>
    isGone(of) ||
    args.some((arg) => isRequiredArgument(arg) && isGone(arg.type)) ||
    (isInterfaceType(type)
      ? (isHidden(`${type.name}.${name}`) && !isSummedUp(type, `.${name}`)) ||
        implementersOf(type).some((one) => !isGone(one) && parts.has(`${one.name}.${name}`))
      : isHidden(`${type.name}.${name}`) || isUntagged(type.name, name));

  const typeGoes = (type: GraphQLNamedType): boolean => {
    if (isHidden(type.name) && !(isInterfaceType(type) && isSummedUp(type))) return true;
    if (isObjectType(type) || isInterfaceType(type)) {
      const fields = Object.values(type.getFields());
      for (const field of fields) if (fieldGoes(type, field)) parts.add(`${type.name}.${field.name}`);
      if (fields.every(({ name }) => parts.has(`${type.name}.${name}`))) return true;
    }
    if (isInterfaceType(type)) return implementersOf(type).every(isGone);
    if (isUnionType(type)) return type.getTypes().every(isGone);
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields());
      const lost = fields.filter((field) => isGone(field.type));
      for (const { name } of lost) parts.add(`${type.name}.${name}`);
      return lost.length === fields.length || lost.some(isRequiredInputField);
    }
    return false;
  };

  for (let before = -1; before < types.size + parts.size; ) {
    before = types.size + parts.size;
    for (const type of all) if (typeGoes(type)) types.add(type.name);
    const { reached, named } = reachedIn(schema, types, parts);
    for (const type of all) {
      // What is only there as one kind of an interface's items, and can't be seen whole, belongs to what is hidden.
      const isRest =
        isObjectType(type) &&
        !named.has(type.name) &&
        fieldsLeft(type, parts).length < Object.keys(type.getFields()).length;
      if (!reached.has(type.name) || isRest) types.add(type.name);
    }
  }
  return { types, parts };
}

/** What a client can come to from the roots, and what of it a field or union names. */
function reachedIn(schema: GraphQLSchema, types: ReadonlySet<string>, parts: ReadonlySet<string>) {
  const reached = new Set<string>();
  const named = new Set<string>();
  const name = (of: GraphQLType) => {
    const type = getNamedType(of);
    named.add(type.name);
    reach(type);
  };
  const reach = (type: GraphQLNamedType): void => {
    if (reached.has(type.name) || types.has(type.name)) return;
    reached.add(type.name);
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of fieldsLeft(type, parts)) {
        name(field.type);
        for (const arg of field.args) name(arg.type);
      }
      type.getInterfaces().forEach(reach);
    }
    if (isInterfaceType(type)) schema.getPossibleTypes(type).forEach(reach);
    if (isUnionType(type)) type.getTypes().forEach(name);
    if (isInputObjectType(type)) for (const field of Object.values(type.getFields())) name(field.type);
  };
  for (const root of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    if (root) name(root);
  }
  for (const { args } of schema.getDirectives()) for (const arg of args) name(arg.type);
  return { reached, named };
}

function fieldsLeft(type: GraphQLObjectType | GraphQLInterfaceType, parts: ReadonlySet<string>): AnyField[] {
  return Object.values(type.getFields()).filter((field) => !parts.has(`${type.name}.${field.name}`));
}

/** What the supergraph says of its types and fields. @throws for `@policy`, which nothing here can judge */
function marksIn(supergraph: string): Marks {
  const needs = new Map<string, Needed>();
  const tags = new Map<string, readonly string[]>();
  const note = (coordinate: string, directives: readonly DirectiveNode[] | undefined) => {
    const needed = neededBy(coordinate, directives);
    if (needed !== undefined) needs.set(coordinate, needed);
    const named = tagsAmong(directives);
    if (named.length > 0) tags.set(coordinate, named);
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
  return { needs, tags };
}

function tagsAmong(directives: readonly DirectiveNode[] = []): string[] {
  return directives.flatMap((directive) => {
    if (plainName(directive) !== 'tag') return [];
    const value = directive.arguments?.find(({ name }) => name.value === 'name')?.value;
    return value?.kind === Kind.STRING ? [value.value] : [];
  });
}

/** The name of a directive without the namespace that composition may have given it. */
function plainName({ name }: DirectiveNode): string {
  return name.value.replace(/^.*__/, '');
}

function neededBy(coordinate: string, directives: readonly DirectiveNode[] = []): Needed | undefined {
  const named = (name: string) => directives.find((one) => plainName(one) === name);
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
