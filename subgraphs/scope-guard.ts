import {
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  Kind,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { Refusal } from './errors.ts';
import { covers, type Principal } from './principal.ts';

// The gateway refuses what a caller's scopes don't cover; a subgraph that others can reach refuses it once more. What an
// operation needs is worked out once for its document, not at every field. An audience is the gateway's alone: it says what
// a key is shown, and not what it may know, and of what fields that are shown are made up (`@requires`) isn't shown.

/** Gives a check that throws FORBIDDEN for an operation that needs scopes its caller doesn't have. */
export function scopeGuard(schema: GraphQLSchema): (document: DocumentNode, principal: Principal) => void {
  const needs = new LRUCache<DocumentNode, Need[]>({ max: 1_000 });
  return (document, { kind, scopes }) => {
    let needed = needs.get(document);
    if (needed === undefined) {
      needed = needsOf(schema, document);
      needs.set(document, needed);
    }
    const missing = needed.find(({ alternatives }) =>
      alternatives === undefined ? kind === 'anonymous' : !covers(scopes, alternatives),
    );
    if (missing === undefined) return;
    if (missing.alternatives === undefined)
      throw new Refusal('FORBIDDEN', `${missing.coordinate} needs a credential.`);
    throw new Refusal(
      'FORBIDDEN',
      `${missing.coordinate} needs the scope ${missing.alternatives.join(' or ')}.`,
    );
  };
}

interface Need {
  coordinate: string;
  /** undefined: any credential. */
  alternatives: string[][] | undefined;
}

function needsOf(schema: GraphQLSchema, document: DocumentNode): Need[] {
  const needs: Need[] = [];
  const info = new TypeInfo(schema);
  const add = (coordinate: string, node: { directives?: readonly unknown[] } | null | undefined) => {
    const alternatives = scopesOf(node as Directed);
    if (alternatives !== undefined) needs.push({ coordinate, alternatives });
    if (directiveOf(node as Directed, 'authenticated') !== undefined)
      needs.push({ coordinate, alternatives: undefined });
  };
  // A fragment may narrow an interface or union to a type that no field names.
  const addType = () => {
    const type = getNamedType(info.getType());
    if (type != null) add(type.name, type.astNode);
  };
  visit(
    document,
    visitWithTypeInfo(info, {
      Field(node: FieldNode) {
        add(`${info.getParentType()?.name}.${node.name.value}`, info.getFieldDef()?.astNode);
        addType();
      },
      InlineFragment: addType,
      FragmentDefinition: addType,
    }),
  );
  return needs;
}

type Directed = {
  directives?: readonly { name: { value: string }; arguments?: readonly { value: unknown }[] }[];
} | null;

function scopesOf(node: Directed): string[][] | undefined {
  const value = directiveOf(node, 'requiresScopes')?.arguments?.[0]?.value as StringLists | undefined;
  if (value?.kind !== Kind.LIST) return undefined;
  return value.values.map(({ values }) => values.map((scope) => scope.value));
}

function directiveOf(node: Directed, named: string) {
  return node?.directives?.find(({ name }) => name.value === named);
}

interface StringLists {
  kind: string;
  values: { values: { value: string }[] }[];
}
