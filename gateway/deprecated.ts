import {
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  separateOperations,
  TypeInfo,
  typeFromAST,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type { Operation, Values } from './engine/index.ts';

// What of an operation will go, by coordinate: `User.nick`, `Query.users(order:)`, `Plan.FREE`. Of values that may be
// answered nothing is known: whether a client looks at them is its own affair.

export interface DeprecatedUse {
  /** What the text names, whether or not `@skip` leaves it out. */
  readonly named: readonly string[];
  /** What variables name beside it; undefined where their types have nothing that will go. */
  readonly inVariables: ((variables: Values) => readonly string[]) | undefined;
}

const uses = new WeakMap<Operation, DeprecatedUse | undefined>();

/** What will go of what an operation asks for; undefined when nothing can. Worked out once for each operation. */
export function deprecatedUse(operation: Operation): DeprecatedUse | undefined {
  if (!uses.has(operation)) {
    const named = namedIn(operation);
    const inVariables = inVariablesOf(operation);
    uses.set(operation, named.length === 0 && inVariables === undefined ? undefined : { named, inVariables });
  }
  return uses.get(operation);
}

interface Deprecable {
  deprecationReason?: string | null;
}

function namedIn({ view: { schema }, document, definition }: Operation): string[] {
  const alone = separateOperations(document)[definition.name?.value ?? ''] ?? document;
  const named = new Set<string>();
  const note = (coordinate: string, what: Deprecable | null | undefined) => {
    if (what?.deprecationReason != null) named.add(coordinate);
  };
  const info = new TypeInfo(schema);
  visit(
    alone,
    visitWithTypeInfo(info, {
      Field({ name }) {
        note(`${info.getParentType()?.name}.${name.value}`, info.getFieldDef());
      },
      Argument({ name }) {
        if (info.getDirective() != null) return;
        note(`${info.getParentType()?.name}.${info.getFieldDef()?.name}(${name.value}:)`, info.getArgument());
      },
      ObjectField({ name }) {
        const type = getNamedType(info.getParentInputType());
        if (isInputObjectType(type)) note(`${type.name}.${name.value}`, type.getFields()[name.value]);
      },
      EnumValue({ value }) {
        note(`${getNamedType(info.getInputType())?.name}.${value}`, info.getEnumValue());
      },
    }),
  );
  return [...named];
}

function inVariablesOf({ view: { schema }, definition }: Operation): DeprecatedUse['inVariables'] {
  const known = new Map<GraphQLNamedType, boolean>();
  const dated = (definition.variableDefinitions ?? []).flatMap(({ variable, type: node }) => {
    const type = inputTypeOf(schema, node);
    return type !== undefined && reachesDeprecated(type, known) ? [{ name: variable.name.value, type }] : [];
  });
  if (dated.length === 0) return undefined;
  return (variables) => {
    const named = new Set<string>();
    for (const { name, type } of dated) noteValue(type, variables[name], named);
    return [...named];
  };
}

function inputTypeOf(
  schema: GraphQLSchema,
  node: Parameters<typeof typeFromAST>[1],
): GraphQLInputType | undefined {
  const type = typeFromAST(schema, node as never);
  return isInputType(type) ? type : undefined;
}

/** Whether a value of the type may name something that will go. */
function reachesDeprecated(of: GraphQLInputType, known: Map<GraphQLNamedType, boolean>): boolean {
  const type = getNamedType(of);
  const before = known.get(type);
  if (before !== undefined) return before;
  // A type that is inside itself adds nothing by that.
  known.set(type, false);
  const reaches = isEnumType(type)
    ? type.getValues().some(({ deprecationReason }) => deprecationReason != null)
    : isInputObjectType(type) &&
      Object.values(type.getFields()).some(
        (field) => field.deprecationReason != null || reachesDeprecated(field.type, known),
      );
  known.set(type, reaches);
  return reaches;
}

function noteValue(of: GraphQLInputType, value: unknown, named: Set<string>): void {
  const type = getNullableType(of);
  if (value == null) return;
  if (isListType(type)) {
    for (const item of Array.isArray(value) ? value : [value]) noteValue(type.ofType, item, named);
  } else if (isEnumType(type)) {
    if (type.getValue(String(value))?.deprecationReason != null) named.add(`${type.name}.${value}`);
  } else if (isInputObjectType(type)) {
    for (const [name, inner] of Object.entries(value)) {
      const field = type.getFields()[name];
      if (field === undefined) continue;
      if (field.deprecationReason != null) named.add(`${type.name}.${name}`);
      noteValue(field.type, inner, named);
    }
  }
}
