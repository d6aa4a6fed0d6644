import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  valueFromAST,
} from 'graphql';
import type { Costs, ListSize } from './weights.ts';

// What an operation may cost at most, and how many rows it may bring, before it runs: pages inside pages multiply, and a
// short query can ask for millions. Worked out once to what the variables leave open.
// Source: GraphQL Cost Directives, https://ibm.github.io/graphql-specs/cost-spec.html, where type and field cost are one
// number, as in Apollo's demand control: a field's weight, else its type's, is paid for each value of the field.

type Values = Record<string, unknown>;

/** A number, or how it follows from the variables. */
export type Amount = number | ((values: Values) => number);

/** What an operation asks for at most. */
export interface Size {
  /** Points: 1 an object, 10 a root field of a mutation and one of introspection, 0 a leaf, unless `@cost` says it. */
  readonly cost: Amount;
  /** Rows of all pages. */
  readonly rows: Amount;
}

/** Rows of a page, and items of a list, whose size nothing says. */
export const unsaidPageSize = 20;

const weightOfObject = 1;
/** Each of a mutation's root fields, not all of them together: one document can hold many writes. */
const weightOfMutation = 10;
const weightOfIntrospection = 10;

/** The arguments that say how large a page is where no `@listSize` does. */
const usualSlicing = ['first', 'last'];

/** How many items the lists of a page have. */
interface Page {
  readonly size: Amount;
  /** The fields that hold the items; undefined: every list. */
  readonly sizedFields: readonly string[] | undefined;
}

/**
 * The size of an operation. A field that is written twice counts twice, and of fragments on different object types only
 * the dearest does. A page without its slicing argument has its `assumedSize`, whatever `requireOneSlicingArgument` says;
 * with several of them it has the largest.
 */
export function sizeOf(
  schema: GraphQLSchema,
  root: GraphQLCompositeType,
  selections: SelectionSetNode,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
  costs: Costs,
): Size {
  return sizeOfSelections(root, selections, undefined);

  function sizeOfSelections(
    type: GraphQLCompositeType,
    { selections }: SelectionSetNode,
    page: Page | undefined,
  ): Size {
    const common: Size[] = [];
    const byType = new Map<string, Size[]>();
    for (const selection of selections) {
      const times = timesOf(selection);
      if (selection.kind === Kind.FIELD) {
        common.push(multiplied(times, sizeOfField(type, selection, page)));
        continue;
      }
      const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
      if (fragment === undefined) continue;
      const named = fragment.typeCondition && schema.getType(fragment.typeCondition.name.value);
      const condition = isCompositeType(named) ? named : type;
      const size = multiplied(times, sizeOfSelections(condition, fragment.selectionSet, page));
      // An object has one type, so it pays for the fragments of one.
      if (!isObjectType(condition)) common.push(size);
      else byType.set(condition.name, [...(byType.get(condition.name) ?? []), size]);
    }
    const alternatives = [...byType.values()].map(added);
    return added([
      ...common,
      {
        cost: greatest(alternatives.map(({ cost }) => cost)),
        rows: greatest(alternatives.map(({ rows }) => rows)),
      },
    ]);
  }

  function sizeOfField(type: GraphQLCompositeType, node: FieldNode, page: Page | undefined): Size {
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
    if (field === undefined)
      return { cost: node.name.value === '__typename' ? 0 : weightOfIntrospection, rows: 0 };
    const isList = isListType(getNullableType(field.type));
    const result = getNamedType(field.type);
    const listSize = listSizeOf(type, field);
    const ownPage = listSize && {
      size: pageSizeOf(field, node, listSize),
      sizedFields: listSize.sizedFields,
    };
    const inner =
      isCompositeType(result) && node.selectionSet
        ? sizeOfSelections(result, node.selectionSet, isList ? undefined : ownPage)
        : { cost: 0, rows: 0 };
    const isSized = page !== undefined && (page.sizedFields?.includes(field.name) ?? true);
    const items = isList ? ((isSized ? page.size : ownPage?.size) ?? unsaidPageSize) : 1;
    const cost = product(items, sum([weightOf(type, field, result), inner.cost]));
    const isPage = ownPage !== undefined && listSize?.slicingArguments.length !== 0;
    return {
      cost: sum([cost, ...field.args.map((argument) => costOfArgument(type, field, argument, node))]),
      rows: isPage && isCompositeType(result) ? product(ownPage.size, sum([1, inner.rows])) : inner.rows,
    };
  }

  function weightOf(
    type: GraphQLCompositeType,
    { name }: GraphQLField<unknown, unknown>,
    result: GraphQLNamedType,
  ): number {
    const own = heaviest(namesOf(type).map((one) => `${one}.${name}`));
    if (own !== undefined) return own;
    if (type === schema.getMutationType()) return weightOfMutation;
    return heaviest(namesOf(result)) ?? (isCompositeType(result) ? weightOfObject : 0);
  }

  function listSizeOf(
    type: GraphQLCompositeType,
    { name, args }: GraphQLField<unknown, unknown>,
  ): ListSize | undefined {
    for (const one of namesOf(type)) {
      const said = costs.lists.get(`${one}.${name}`);
      if (said !== undefined) return said;
    }
    const slicingArguments = usualSlicing.filter((usual) => args.some((argument) => argument.name === usual));
    if (slicingArguments.length === 0) return undefined;
    return { assumedSize: undefined, slicingArguments, sizedFields: undefined };
  }

  /** The weight of the type or member itself if it has one, else the largest of those that stand behind it. */
  function heaviest([own, ...behind]: string[]): number | undefined {
    const said = own === undefined ? undefined : costs.weights.get(own);
    if (said !== undefined) return said;
    const weights = behind.map((one) => costs.weights.get(one)).filter((weight) => weight !== undefined);
    return weights.length === 0 ? undefined : Math.max(...weights);
  }

  /** The type's name, then those of the objects that it may be. */
  function namesOf(type: GraphQLNamedType): string[] {
    return isAbstractType(type)
      ? [type.name, ...schema.getPossibleTypes(type).map(({ name }) => name)]
      : [type.name];
  }

  function costOfArgument(
    type: GraphQLCompositeType,
    field: GraphQLField<unknown, unknown>,
    argument: GraphQLArgument,
    node: FieldNode,
  ): Amount {
    const given = node.arguments?.find(({ name }) => name.value === argument.name)?.value;
    if (given === undefined) return 0;
    const own = heaviest(namesOf(type).map((one) => `${one}.${field.name}(${argument.name}:)`)) ?? 0;
    if (!isWeighty(argument.type)) {
      const isOpen = given.kind === Kind.VARIABLE && own !== 0;
      return isOpen ? (values) => (values[given.name.value] === undefined ? 0 : own) : own;
    }
    return (values) => {
      const value: unknown = valueFromAST(given, argument.type, values);
      return value === undefined ? 0 : own + costOfInput(argument.type, value);
    };
  }

  /** What the input fields that a value sets cost. */
  function costOfInput(type: GraphQLInputType, value: unknown): number {
    if (value == null) return 0;
    if (Array.isArray(value)) return value.reduce((cost: number, item) => cost + costOfInput(type, item), 0);
    const named = getNamedType(type);
    if (!isInputObjectType(named)) return 0;
    return Object.entries(value).reduce((cost, [name, inner]) => {
      const field = named.getFields()[name];
      if (field === undefined || inner === undefined) return cost;
      return cost + (costs.weights.get(`${named.name}.${name}`) ?? 0) + costOfInput(field.type, inner);
    }, 0);
  }

  /** Whether values of the type may have input fields that cost something. */
  function isWeighty(type: GraphQLInputType, seen = new Set<GraphQLNamedType>()): boolean {
    const named = getNamedType(type);
    if (!isInputObjectType(named) || seen.has(named)) return false;
    seen.add(named);
    return Object.values(named.getFields()).some(
      (field) => costs.weights.has(`${named.name}.${field.name}`) || isWeighty(field.type, seen),
    );
  }
}

/** The number that an amount comes to. */
export function resolved(amount: Amount, values: Values): number {
  return typeof amount === 'number' ? amount : amount(values);
}

/** How often a selection is there: once, never, or as its variables say. */
function timesOf({ directives = [] }: SelectionNode): Amount {
  return directives.reduce<Amount>((times, { name, arguments: given }) => {
    if (name.value !== 'skip' && name.value !== 'include') return times;
    const wanted = name.value === 'include';
    const condition = given?.[0]?.value;
    if (condition?.kind === Kind.BOOLEAN) return condition.value === wanted ? times : 0;
    if (condition?.kind !== Kind.VARIABLE) return times;
    return product(times, (values) => (values[condition.name.value] === wanted ? 1 : 0));
  }, 1);
}

function pageSizeOf(
  { args }: GraphQLField<unknown, unknown>,
  { arguments: given }: FieldNode,
  { assumedSize = unsaidPageSize, slicingArguments }: ListSize,
): Amount {
  const slices = slicingArguments.map((name): Amount => {
    const node = given?.find((argument) => argument.name.value === name)?.value;
    const fallback = numberOf(args.find((argument) => argument.name === name)?.defaultValue);
    if (node === undefined) return fallback;
    if (node.kind !== Kind.VARIABLE) return node.kind === Kind.INT ? Number(node.value) : 0;
    const { value: variable } = node.name;
    return (values) => (values[variable] === undefined ? fallback : numberOf(values[variable]));
  });
  const largest = greatest(slices);
  if (typeof largest === 'number') return largest || assumedSize;
  return (values) => largest(values) || assumedSize;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function multiplied(times: Amount, { cost, rows }: Size): Size {
  return { cost: product(times, cost), rows: product(times, rows) };
}

function added(sizes: readonly Size[]): Size {
  return { cost: sum(sizes.map(({ cost }) => cost)), rows: sum(sizes.map(({ rows }) => rows)) };
}

// Sums, products and maxima of amounts; what no variable changes is worked out at once.

function sum(amounts: readonly Amount[]): Amount {
  const open = amounts.filter((amount) => typeof amount === 'function');
  const known = amounts.reduce<number>(
    (total, amount) => total + (typeof amount === 'number' ? amount : 0),
    0,
  );
  if (open.length === 0) return known;
  return (values) => {
    let total = known;
    for (const amount of open) total += amount(values);
    return total;
  };
}

function product(one: Amount, other: Amount): Amount {
  if (one === 0 || other === 0) return 0;
  if (typeof one === 'number' && typeof other === 'number') return one * other;
  return (values) => {
    const factor = resolved(one, values);
    return factor === 0 ? 0 : factor * resolved(other, values);
  };
}

function greatest(amounts: readonly Amount[]): Amount {
  if (amounts.every((amount) => typeof amount === 'number')) return Math.max(0, ...amounts);
  return (values) => Math.max(0, ...amounts.map((amount) => resolved(amount, values)));
}
