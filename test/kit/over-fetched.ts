import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  Kind,
  print,
} from 'graphql';
import { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';

/**
 * Whether objects of one place are asked, by their types, for different things below a field of one name. The planner then
 * asks for all of it for all of them: for `{ best { maker { rank } ... on Film { maker { xp } } } }` it asks everybody's xp,
 * and what fails there is told, or costs the rank, though nobody wanted it.
 */
export function isOverFetched(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Record<string, unknown>,
): boolean {
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  }
  const definition = document.definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION)!;
  const root = schema.getRootType(definition.operation)!;

  const isFoundIn = (type: GraphQLObjectType, fields: ReadonlyMap<string, readonly FieldNode[]>): boolean =>
    [...fields.values()].some((nodes) => {
      const result = getNamedType(type.getFields()[nodes[0]!.name.value]?.type);
      if (!isCompositeType(result)) return false;
      const possible = isAbstractType(result) ? schema.getPossibleTypes(result) : [result];
      const below = new Map<string, string>();
      return possible.some((one) => {
        const inner = collectSubfields(schema, fragments, variables, one, nodes);
        for (const [key, same] of inner) {
          const text = same.map((node) => print(node)).join();
          if (same[0]!.selectionSet && (below.get(key) ?? text) !== text) return true;
          below.set(key, text);
        }
        return isFoundIn(one, inner);
      });
    });
  return isFoundIn(root, collectFields(schema, fragments, variables, root, definition.selectionSet));
}
