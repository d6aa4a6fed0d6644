import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

// Reading the selections of an operation, the planner's or a fetch's.

/** A field that is asked for. */
export interface Asked {
  readonly node: FieldNode;
  /** The type condition that it stands under, if any. */
  readonly of: string | undefined;
}

/** The fields of a selection set, those in fragments included. */
export function askedIn(
  set: SelectionSetNode | undefined,
  fragments: readonly FragmentDefinitionNode[] = [],
  of?: string,
): Asked[] {
  return (set?.selections ?? []).flatMap((node) => {
    if (node.kind === Kind.FIELD) return [{ node, of }];
    const fragment =
      node.kind === Kind.INLINE_FRAGMENT
        ? node
        : fragments.find(({ name }) => name.value === node.name.value);
    return askedIn(fragment?.selectionSet, fragments, fragment?.typeCondition?.name.value ?? of);
  });
}

export function keyOf({ alias, name }: FieldNode): string {
  return (alias ?? name).value;
}

export function operationIn({ definitions }: DocumentNode): OperationDefinitionNode {
  return definitions.find((one): one is OperationDefinitionNode => one.kind === Kind.OPERATION_DEFINITION)!;
}

export function fragmentsIn({ definitions }: DocumentNode): FragmentDefinitionNode[] {
  return definitions.filter((one): one is FragmentDefinitionNode => one.kind === Kind.FRAGMENT_DEFINITION);
}
