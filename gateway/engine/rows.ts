import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';

// How many rows an operation may ask for at most: pages inside pages multiply, and a short query can ask for millions.

/** A field that is a page, by `first` or `last`, and the pages inside it. */
interface PagedField {
  /** Rows a page: a number, or the variable that says it. */
  size: number | string;
  inner: PagedField[];
}

/** The arguments that say how large a page is. */
const sizeArguments = ['first', 'last'];

/**
 * Gives the upper bound of rows for an operation's variables.
 * @param pageSize  rows of a page whose size isn't said.
 */
export function rowCounter(
  schema: GraphQLSchema,
  root: GraphQLCompositeType,
  selections: SelectionSetNode,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
  pageSize: number,
): (values: Record<string, unknown>) => number {
  const pages = pagesIn(root, selections);
  const count = (paged: readonly PagedField[], values: Record<string, unknown>): number => {
    let rows = 0;
    for (const { size, inner } of paged) {
      const given = typeof size === 'string' ? values[size] : size;
      const own = typeof given === 'number' && given > 0 ? given : pageSize;
      rows += own * (1 + count(inner, values));
    }
    return rows;
  };
  const constant = hasVariable(pages) ? undefined : count(pages, {});
  return (values) => constant ?? count(pages, values);

  function pagesIn(type: GraphQLCompositeType, { selections }: SelectionSetNode): PagedField[] {
    return selections.flatMap((selection) => {
      if (selection.kind === Kind.FIELD) return pagesOf(type, selection);
      const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
      const condition = fragment?.typeCondition && schema.getType(fragment.typeCondition.name.value);
      return fragment ? pagesIn(isCompositeType(condition) ? condition : type, fragment.selectionSet) : [];
    });
  }

  function pagesOf(type: GraphQLCompositeType, node: FieldNode): PagedField[] {
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
    const result = getNamedType(field?.type);
    if (field === undefined || !isCompositeType(result) || node.selectionSet === undefined) return [];
    const inner = pagesIn(result, node.selectionSet);
    if (!field.args.some(({ name }) => sizeArguments.includes(name))) return inner;
    const said = node.arguments?.find(({ name }) => sizeArguments.includes(name.value))?.value;
    const size =
      said?.kind === Kind.INT
        ? Number(said.value)
        : said?.kind === Kind.VARIABLE
          ? said.name.value
          : pageSize;
    return [{ size, inner }];
  }
}

function hasVariable(pages: readonly PagedField[]): boolean {
  return pages.some(({ size, inner }) => typeof size === 'string' || hasVariable(inner));
}
