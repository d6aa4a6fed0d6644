import { type DocumentNode, type FieldNode, TypeInfo, visit, visitWithTypeInfo } from 'graphql';
import type { View } from './operation.ts';

// Fields that a caller may name and not have: its schema shows them, no subgraph is asked for them, and each is null with an
// error at its path.

/** Those fields of a valid document. Nothing below them counts. */
export function forbiddenIn({ schema, forbids }: View, document: DocumentNode): ReadonlySet<FieldNode> {
  const forbidden = new Set<FieldNode>();
  if (forbids === undefined) return forbidden;
  const info = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(info, {
      Field(node) {
        const parent = info.getParentType();
        if (parent && forbids(parent.name, node.name.value) !== undefined) forbidden.add(node);
      },
    }),
  );
  return forbidden;
}
