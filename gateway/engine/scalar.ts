import {
  GraphQLError,
  type GraphQLScalarType,
  type GraphQLSchema,
  isScalarType,
  valueFromASTUntyped,
} from 'graphql';

// A supergraph names its scalars and doesn't say what their values are. Whoever knows some has them checked where the
// client wrote them; a subgraph could only refuse them under names that the planner made.

/** Makes a schema refuse values that these scalars refuse. The values stay as they came, for the subgraphs to read. */
export function checkScalars(schema: GraphQLSchema, scalars: readonly GraphQLScalarType[]): void {
  for (const scalar of scalars) {
    const type = schema.getType(scalar.name);
    if (!isScalarType(type)) continue;
    type.parseValue = (value) => {
      scalar.parseValue(value);
      return value;
    };
    type.parseLiteral = (node, variables) => {
      try {
        scalar.parseLiteral(node, variables);
      } catch (error) {
        // A scalar need not say where its value stands.
        throw new GraphQLError((error as Error).message, { nodes: node });
      }
      return valueFromASTUntyped(node, variables);
    };
  }
}
