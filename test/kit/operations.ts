import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from 'graphql';

// Random operations for a schema, the same ones for the same seed: aliases, fragments, arguments, variables and conditions
// in every mixture. Nearly all are valid: a response key means the same field with the same arguments everywhere.

export interface GeneratedOperation {
  text: string;
  variables: Record<string, unknown>;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * One query, or now and then a mutation if the schema has any.
 * @param values  what arguments of a scalar type may be, by type name.
 */
export function generateOperation(
  schema: GraphQLSchema,
  seed: number,
  values: Record<string, readonly unknown[]>,
): GeneratedOperation {
  return new Generator(schema, seeded(seed), values).operation();
}

/** Names of fields are the aliases that hurt. */
const aliases = ['a', 'b', 'c', 'id', 'name', 'key', 'xp', '_id', 'price', '__proto__', 'constructor'];

/** Introspection fields of the root, with their arguments and what is asked of them. */
const introspections = [
  { name: '__typename', args: '', inner: '' },
  { name: '__schema', args: '', inner: ' { queryType { name } directives { name args { name } } }' },
  {
    name: '__type',
    args: '(name: "User")',
    inner: ' { kind fields { name type { kind ofType { name } } } }',
  },
  { name: '__type', args: '(name: "Nobody")', inner: ' { name }' },
];

class Generator {
  private readonly schema: GraphQLSchema;
  private readonly random: () => number;
  private readonly values: Record<string, readonly unknown[]>;
  private readonly fragments: string[] = [];
  private readonly definitions: string[] = [];
  private readonly variables: Record<string, unknown> = {};
  /** Response key -> the field and arguments it stands for. */
  private readonly meanings = new Map<string, string>();
  private selections = 0;

  constructor(schema: GraphQLSchema, random: () => number, values: Record<string, readonly unknown[]>) {
    this.schema = schema;
    this.random = random;
    this.values = values;
  }

  operation(): GeneratedOperation {
    const mutation = this.chance(0.05) ? this.schema.getMutationType() : undefined;
    const body = this.selectionSet(mutation ?? this.schema.getQueryType()!, 0);
    const definitions = this.definitions.length > 0 ? `(${this.definitions.join(', ')}) ` : '';
    const head = mutation ? `mutation${definitions}` : definitions && `query${definitions}`;
    return { text: [head + body, ...this.fragments].join('\n'), variables: this.variables };
  }

  private chance(probability: number): boolean {
    return this.random() < probability;
  }

  private pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }

  private selectionSet(type: GraphQLCompositeType, depth: number): string {
    const selections: string[] = [];
    const count = 1 + Math.floor(this.random() * (depth === 0 ? 3 : 5));
    for (let n = 0; n < count; n += 1) selections.push(this.selection(type, depth));
    return `{ ${selections.join(' ')} }`;
  }

  private selection(type: GraphQLCompositeType, depth: number): string {
    const isAbstract = isAbstractType(type);
    this.selections += 1;
    const isFull = this.selections > 60;
    if (isFull && isUnionType(type)) return this.key('__typename', '');
    if (depth === 0 && this.chance(0.03)) return this.introspection();
    if (depth > 0 && this.chance(0.08)) return `${this.key('__typename', '')}${this.conditions()}`;
    if (isUnionType(type) || (!isFull && this.chance(isAbstract ? 0.5 : 0.12))) {
      const on = this.pick(this.related(type));
      const body = this.selectionSet(on, depth);
      if (this.chance(0.4)) {
        const name = `F${this.fragments.length}`;
        this.fragments.push(`fragment ${name} on ${on.name} ${body}`);
        return `...${name}${this.conditions()}`;
      }
      const condition = on === type && this.chance(0.3) ? '' : ` on ${on.name}`;
      return `...${condition}${this.conditions()} ${body}`;
    }
    const all = Object.values(type.getFields());
    const leaves = all.filter((field) => isLeafType(getNamedType(field.type)));
    const shallow = depth >= 5 || isFull;
    const field = this.pick(shallow && leaves.length > 0 ? leaves : all);
    const named = getNamedType(field.type);
    const inner = isCompositeType(named)
      ? ` ${shallow ? '{ __typename }' : this.selectionSet(named, depth + 1)}`
      : '';
    const args = this.arguments(field.args);
    // Objects of different types may give one name to different fields, if not every time.
    const isOwnName = isObjectType(type) && depth > 0 && this.chance(0.12);
    const key = isOwnName
      ? `${this.pick(['x', 'y', 'z'])}: ${field.name}${args}`
      : this.key(field.name, args);
    return `${key}${this.conditions()}${inner}`;
  }

  private introspection(): string {
    const { name, args, inner } = this.pick(introspections);
    return `${this.key(name, args)}${this.conditions()}${inner}`;
  }

  private related(type: GraphQLCompositeType): GraphQLCompositeType[] {
    const types: GraphQLCompositeType[] = [type];
    const possible = isAbstractType(type) ? this.schema.getPossibleTypes(type) : [type];
    for (const candidate of Object.values(this.schema.getTypeMap()) as GraphQLNamedType[]) {
      if (candidate.name.startsWith('__') || candidate === type) continue;
      if (isObjectType(candidate) && possible.includes(candidate)) types.push(candidate, candidate);
      else if (isAbstractType(candidate)) {
        if (this.schema.getPossibleTypes(candidate).some((one) => possible.includes(one)))
          types.push(candidate);
      }
    }
    return types;
  }

  /** A field with its arguments, under an alias where it has to be, and now and then for fun. */
  private key(name: string, args: string): string {
    const meaning = name + args;
    let key = this.chance(0.15) ? this.pick(aliases) : name;
    if ((this.meanings.get(key) ?? meaning) !== meaning) key = `k${this.meanings.size}`;
    this.meanings.set(key, meaning);
    return key === name ? meaning : `${key}: ${meaning}`;
  }

  private conditions(): string {
    if (!this.chance(0.1)) return '';
    const value = this.chance(0.5);
    const text = this.chance(0.6) ? this.variable('Boolean!', value) : String(value);
    return ` @${this.pick(['skip', 'include'])}(if: ${text})`;
  }

  private arguments(args: readonly GraphQLArgument[]): string {
    const given = args.filter(({ type }) => isNonNullType(type) || this.chance(0.6));
    if (given.length === 0) return '';
    return `(${given.map((arg) => `${arg.name}: ${this.argument(arg.type)}`).join(', ')})`;
  }

  private argument(type: GraphQLInputType): string {
    const value = this.value(type);
    if (this.chance(0.5)) return literal(value, type);
    if (this.chance(0.7)) return this.variable(String(type), value);
    // What is left out, or null, or has a default: each means something else to the argument.
    const isNullable = !isNonNullType(type);
    const given = this.pick([undefined, isNullable ? null : undefined, this.value(type)]);
    if (isNullable && this.chance(0.5)) return this.variable(String(type), given);
    return this.variable(`${getNullableType(type)} = ${literal(value, type)}`, given);
  }

  private variable(type: string, value: unknown): string {
    const name = `v${this.definitions.length}`;
    this.definitions.push(`$${name}: ${type}`);
    if (value !== undefined) this.variables[name] = value;
    return `$${name}`;
  }

  private value(type: GraphQLInputType): unknown {
    if (isNonNullType(type)) return this.value(type.ofType);
    if (isListType(type)) return [this.value(type.ofType), this.value(type.ofType)];
    if (isEnumType(type)) return this.pick(type.getValues()).name;
    if (isInputObjectType(type)) {
      // Inputs inside themselves have to end.
      const fields = Object.values(type.getFields()).filter(
        (field) =>
          isNonNullType(field.type) || this.chance(isInputObjectType(getNamedType(field.type)) ? 0.2 : 0.5),
      );
      return Object.fromEntries(fields.map((field) => [field.name, this.value(field.type)]));
    }
    return this.pick(this.values[type.name] ?? [null]);
  }
}

function literal(value: unknown, type: GraphQLInputType): string {
  const nullable = getNullableType(type);
  if (Array.isArray(value)) {
    const item = isListType(nullable) ? nullable.ofType : type;
    return `[${value.map((one) => literal(one, item)).join(', ')}]`;
  }
  if (isEnumType(nullable)) return String(value);
  if (isInputObjectType(nullable) && typeof value === 'object' && value !== null) {
    const fields = nullable.getFields();
    return `{${Object.entries(value).map(([name, one]) => `${name}: ${literal(one, fields[name]!.type)}`)}}`;
  }
  return JSON.stringify(value);
}
