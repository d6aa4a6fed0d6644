import {
  type ConstDirectiveNode,
  type DefinitionNode,
  type FieldDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  type TypeNode,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { schemaFiles } from '../../gateway/schema.ts';
import { allScopes, personScopes, publicFields } from '../../subgraphs/scopes.ts';

// Who sees what is decided at every field: by a directive at it, at its type, or at what it returns; or by the one list
// of what is public.

const { definitions } = parse(schemaFiles()['supergraph.graphql'] ?? '');

type Directed = { readonly directives?: readonly ConstDirectiveNode[] };
type Composite = Extract<DefinitionNode, { fields?: readonly FieldDefinitionNode[] }>;

const types = new Map(
  definitions.flatMap((one) =>
    'name' in one && one.name !== undefined ? [[one.name.value, one] as const] : [],
  ),
);

const has = ({ directives = [] }: Directed, ...names: string[]) =>
  directives.some(({ name }) => names.includes(name.value));
const isDecided = (node: Directed | undefined) =>
  node !== undefined && has(node, 'requiresScopes', 'authenticated', 'inaccessible');
/** Composition sums up on an interface what its implementers ask for; each of those decides for itself. */
const isDecidedType = (name: string) => {
  const type = types.get(name);
  return type?.kind !== Kind.INTERFACE_TYPE_DEFINITION && isDecided(type as Directed | undefined);
};

function namedType(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedType(type.type);
}

/** The type itself and what may stand where it is named. */
function possible(name: string): string[] {
  const type = types.get(name);
  if (type?.kind === Kind.UNION_TYPE_DEFINITION)
    return (type.types ?? []).flatMap((member) => possible(member.name.value));
  const implementers = [...types.values()].filter(
    (one): one is ObjectTypeDefinitionNode =>
      one.kind === Kind.OBJECT_TYPE_DEFINITION &&
      (one.interfaces ?? []).some((implemented) => implemented.name.value === name),
  );
  return [name, ...implementers.map((one) => one.name.value)];
}

/** Types that are reached by nothing before them: the roots, and entities by `_entities`. */
const roots = [...types.values()]
  .filter(
    (one): one is ObjectTypeDefinitionNode =>
      one.kind === Kind.OBJECT_TYPE_DEFINITION &&
      (['Query', 'Mutation', 'Subscription'].includes(one.name.value) ||
        (one.directives ?? []).some(({ name, arguments: given = [] }) => {
          const isKey = given.some((argument) => argument.name.value === 'key');
          return name.value === 'join__type' && isKey;
        })),
  )
  .map(({ name }) => name.value);

/** Every `Type.field` that is reached over nothing decided. */
function undecided(): string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  const visit = (name: string) => {
    const type = types.get(name);
    if (type === undefined || seen.has(name) || isDecidedType(name)) return;
    seen.add(name);
    for (const field of (type as Composite).fields ?? []) {
      const returned = namedType(field.type);
      const isSummedUp = type.kind === Kind.INTERFACE_TYPE_DEFINITION;
      if ((!isSummedUp && isDecided(field)) || isDecidedType(returned)) continue;
      found.add(`${name}.${field.name.value}`);
      for (const one of possible(returned)) visit(one);
    }
  };
  for (const root of roots) for (const one of possible(root)) visit(one);
  return [...found].sort();
}

describe('scopes', () => {
  it('decide about every field but those that are public on purpose', () => {
    const listed = Object.entries(publicFields).flatMap(([type, fields]) =>
      fields.map((field) => `${type}.${field}`),
    );
    expect(undecided()).toEqual(listed.sort());
  });

  it('that fields ask for all exist, and each is asked for by some', () => {
    const text = schemaFiles()['supergraph.graphql'] ?? '';
    const asked = [...text.matchAll(/@requiresScopes\(scopes: (\[\[.*?\]\])\)/g)].flatMap(([, lists = '']) =>
      [...lists.matchAll(/"([^"]+)"/g)].map(([, scope]) => scope),
    );
    expect([...new Set(asked)].sort()).toEqual([...allScopes].sort());
  });

  it('of people are some of all', () => {
    expect(personScopes.filter((scope) => !allScopes.includes(scope))).toEqual([]);
    expect(personScopes.length).toBeLessThan(allScopes.length);
  });
});
