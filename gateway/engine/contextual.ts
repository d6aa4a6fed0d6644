import { type ASTVisitor, GraphQLError, isAbstractType, type ValidationContext } from 'graphql';

// `@fromContext` arguments are beyond the planner: it would call such a field without them, and the subgraph would compute
// from nothing. Better no answer than a wrong one.

/**
 * The validation rule that refuses them.
 * @param contextual  `Type.field` of every field with such an argument.
 */
export function noContextualField(
  contextual: ReadonlySet<string>,
): (context: ValidationContext) => ASTVisitor {
  return (context) => ({
    Field(node) {
      const parent = context.getParentType();
      if (!parent) return;
      const types = isAbstractType(parent) ? context.getSchema().getPossibleTypes(parent) : [];
      for (const { name } of [parent, ...types]) {
        const coordinate = `${name}.${node.name.value}`;
        if (!contextual.has(coordinate)) continue;
        const message = `Field "${coordinate}" takes an argument from its context, which can't be planned.`;
        context.reportError(
          new GraphQLError(message, { nodes: node, extensions: { code: 'PLANNING_FAILED' } }),
        );
        return;
      }
    },
  });
}
