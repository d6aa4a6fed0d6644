import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLEnumType,
  GraphQLError,
  type GraphQLInterfaceType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLScalarType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
} from 'graphql';
import { collectSubfields } from 'graphql/execution/collectFields.js';
import type { Data } from './entity.ts';
import type { FormattedError } from './error.ts';
import type { View } from './operation.ts';
import type { Path } from './path.ts';
import type { WireNames } from './wire.ts';

// Merged data -> the response's JSON, in the client's shape and order, in one pass. Every selection set becomes a function
// per runtime type, generated as source text on first use: constant keys and straight-line code are several times faster
// than walking the operation for each object.

/** One projection under way: the errors so far, and how to find out which missing values they explain. */
export class Projecting {
  readonly errors: FormattedError[];
  /** JSON of the introspection fields, by response key. */
  readonly introspection: ReadonlyMap<string, string> | undefined;
  /** The keys down to the object or list that is being written; what stands beyond it is left over from others. */
  readonly path: Path = [];
  private readonly failures: readonly Path[];
  private explained: Set<string> | undefined;
  private failed: Set<string> | undefined;

  constructor(
    errors: FormattedError[],
    failures: readonly Path[],
    introspection: ReadonlyMap<string, string> | undefined,
  ) {
    this.errors = errors;
    this.failures = failures;
    this.introspection = introspection;
  }

  /**
   * Notes that a non-null field has no value. It is an error unless one is known at or below its path, or a failure
   * above explains it.
   * @param depth  how many keys lead to its object or list.
   */
  missing(depth: number, key: string | number, coordinate: string): undefined {
    const path = this.pathTo(depth, key);
    if (this.isExplained(path)) return undefined;
    this.add({
      message: `Cannot return null for non-nullable field ${coordinate}.`,
      path,
      extensions: { code: 'NULL_FOR_NON_NULL' },
    });
    return undefined;
  }

  /** Notes a value that isn't one of its scalar. */
  invalid(depth: number, key: string | number, error: unknown): undefined {
    const message = error instanceof GraphQLError ? error.message : 'The value could not be written.';
    this.add({ message, path: this.pathTo(depth, key), extensions: { code: 'INVALID_VALUE' } });
    return undefined;
  }

  /** Notes a field that its caller may not have. */
  forbidden(depth: number, key: string | number, message: string): undefined {
    this.add({ message, path: this.pathTo(depth, key), extensions: { code: 'FORBIDDEN' } });
    return undefined;
  }

  private pathTo(depth: number, key: string | number): Path {
    return [...this.path.slice(0, depth), key];
  }

  private add(error: FormattedError): void {
    this.errors.push(error);
    if (this.explained && error.path) explain(this.explained, error.path);
  }

  private isExplained(path: Path): boolean {
    if (!this.explained) {
      this.explained = new Set();
      for (const error of this.errors) if (error.path) explain(this.explained, error.path);
    }
    if (this.explained.has(path.join('\0'))) return true;
    this.failed ??= new Set(this.failures.map((failure) => failure.join('\0')));
    for (let length = path.length; length >= 0; length -= 1) {
      if (this.failed.has(path.slice(0, length).join('\0'))) return true;
    }
    return false;
  }
}

function explain(explained: Set<string>, path: Path): void {
  for (let length = 1; length <= path.length; length += 1) explained.add(path.slice(0, length).join('\0'));
}

/** Writes one value as JSON; undefined stands for null, whose place its parent must decide. */
type Writer = (value: unknown, projecting: Projecting, key: string | number) => string | undefined;

/** @returns the JSON of "data". */
export type Projection = (data: Data | null, projecting: Projecting) => string;

export interface Projected {
  schema: GraphQLSchema;
  root: GraphQLObjectType;
  fields: ReadonlyMap<string, readonly FieldNode[]>;
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  conditions: Readonly<Record<string, unknown>>;
  wireNames: WireNames;
  /** The fields that are null wherever they stand; `forbids` tells those of an object's own type, and why. */
  forbidden: ReadonlySet<FieldNode>;
  forbids?: View['forbids'];
}

/** Compiles how the response to one variant of an operation is written. */
export function projectionOf(projected: Projected): Projection {
  const compiler = new Compiler(projected);
  const write = compiler.root();
  return (data, projecting) => (data && write(data, projecting)) ?? 'null';
}

class Compiler {
  private readonly projected: Projected;

  constructor(projected: Projected) {
    this.projected = projected;
  }

  root(): (data: Data, projecting: Projecting) => string | undefined {
    const { root, fields } = this.projected;
    const write = this.objectOf(root, fields, undefined);
    return (data, projecting) => write(data, projecting, '');
  }

  /** @param depth  how many keys lead to the object or list that the value stands in. */
  private writerOf(type: GraphQLOutputType, field: Field, depth: number): Writer {
    if (isNonNullType(type)) return this.writerOf(type.ofType, field, depth);
    if (isListType(type)) {
      const item = this.writerOf(type.ofType, field, depth + 1);
      return listOf(item, isNonNullType(type.ofType), field.coordinate, depth);
    }
    if (isScalarType(type)) return scalarOf(type, depth);
    if (isEnumType(type)) return enumOf(type);
    return isAbstractType(type)
      ? this.abstractOf(type, field.nodes, depth)
      : this.selectionOf(type, field.nodes, depth);
  }

  /** Why a field is forbidden to the caller: by itself, or where it is selected. */
  private refusalOf(
    { name }: GraphQLNamedType,
    nodes: readonly FieldNode[],
    field: string,
  ): string | undefined {
    const { forbidden, forbids } = this.projected;
    const refusal = forbids?.(name, field);
    if (refusal !== undefined || !nodes.some((node) => forbidden.has(node))) return refusal;
    return `${name}.${field} is not for you, as it is selected here.`;
  }

  /** An object whose `__typename` says what it is; each type is compiled when its first object comes along. */
  private abstractOf(
    declared: GraphQLNamedType & GraphQLOutputType,
    nodes: readonly FieldNode[],
    depth: number,
  ): Writer {
    const { schema } = this.projected;
    const writers = new Map<unknown, Writer | undefined>();
    const compile = (name: unknown): Writer | undefined => {
      const type = typeof name === 'string' ? schema.getType(name) : undefined;
      if (isObjectType(type) && isAbstractType(declared) && schema.isSubType(declared, type)) {
        return this.selectionOf(type, nodes, depth);
      }
      // A type that the caller's schema doesn't know is null.
      // Interface objects go by their interface's name, or none: then only what the interface declares is known.
      const unnamed = name === undefined || name === null || isInterfaceType(type);
      return unnamed && isInterfaceType(declared) ? this.selectionOf(declared, nodes, depth) : undefined;
    };
    return (value, projecting, key) => {
      if (typeof value !== 'object' || value === null) return undefined;
      const name = (value as Data).__typename;
      let write = writers.get(name);
      if (write === undefined) {
        if (writers.has(name)) return undefined;
        write = compile(name);
        // What subgraphs name is theirs: don't let it grow the map without bound.
        if (write || writers.size < 1_000) writers.set(name, write);
        if (!write) return undefined;
      }
      return write(value, projecting, key);
    };
  }

  private selectionOf(
    type: GraphQLObjectType | GraphQLInterfaceType,
    nodes: readonly FieldNode[],
    depth: number,
  ): Writer {
    const { schema, fragments, conditions } = this.projected;
    const seen = isInterfaceType(type) ? seenFrom(type, schema) : schema;
    // graphql-js asks for an object type, and treats an interface just as well.
    const fields = collectSubfields(seen, fragments, conditions, type as GraphQLObjectType, nodes);
    return this.objectOf(type, fields, depth);
  }

  /**
   * Generates the writer of one selection set on one type. For `{ id name }` it is, in essence:
   *     if ((t = w0(o.id, …)) === undefined) return missing;
   *     s += '{"id":' + t + ',"name":' + (w1(o.name, …) ?? 'null');
   * @param depth  as for `writerOf`; undefined for the root.
   */
  private objectOf(
    type: GraphQLObjectType | GraphQLInterfaceType,
    fields: ReadonlyMap<string, readonly FieldNode[]>,
    depth: number | undefined,
  ): Writer {
    const isRoot = depth === undefined;
    const inner = isRoot ? 0 : depth + 1;
    const writers: Writer[] = [];
    const statements: string[] = [];
    let separator = '{';
    for (const [responseKey, nodes] of fields) {
      const name = nodes[0]!.name.value;
      const json = JSON.stringify(responseKey);
      const label = `${separator}${json}:`;
      const definition = type.getFields()[name];
      if (name === '__typename') {
        statements.push(`s += ${JSON.stringify(label + JSON.stringify(type.name))};`);
      } else if (isRoot && (name === '__schema' || name === '__type')) {
        statements.push(`s += ${JSON.stringify(label)} + (c.introspection.get(${json}) ?? 'null');`);
      } else if (definition) {
        const field = { nodes, coordinate: `${type.name}.${name}` };
        const wire = JSON.stringify(this.projected.wireNames.of(nodes[0]!));
        const call = `w${writers.length}(o[${wire}], c, ${json})`;
        const refusal = this.refusalOf(type, nodes, definition.name);
        writers.push(
          refusal === undefined
            ? this.writerOf(definition.type, field, inner)
            : (_value, projecting, key) => projecting.forbidden(inner, key, refusal),
        );
        if (isNonNullType(definition.type)) {
          const coordinate = JSON.stringify(field.coordinate);
          statements.push(
            `if ((t = ${call}) === undefined) return c.missing(${inner}, ${json}, ${coordinate});`,
          );
          statements.push(`s += ${JSON.stringify(label)} + t;`);
        } else {
          statements.push(`s += ${JSON.stringify(label)} + (${call} ?? 'null');`);
        }
      } else {
        continue;
      }
      separator = ',';
    }
    const end = separator === '{' ? '{}' : '}';
    const locals = writers.map((_, index) => `w${index} = w[${index}]`);
    // The text holds nothing but numbers and names that graphql-js has parsed, each as a JSON string.
    const generate = new Function(
      'w',
      `${locals.length > 0 ? `const ${locals.join(', ')};` : ''}
return function write(o, c, k) {
  if (typeof o !== 'object' || o === null) return undefined;
  ${isRoot ? '' : `c.path[${depth}] = k;`}
  let t, s = '';
${statements.join('\n')}
  return s + ${JSON.stringify(end)};
};`,
    ) as (writers: readonly Writer[]) => Writer;
    return generate(writers);
  }
}

/** The schema in which an interface meets a type condition that all its types meet, since its objects are one of them. */
function seenFrom(type: GraphQLInterfaceType, schema: GraphQLSchema): GraphQLSchema {
  const types = schema.getPossibleTypes(type);
  const isSubType: GraphQLSchema['isSubType'] = (condition, one) =>
    schema.isSubType(condition, one) ||
    (one === type && types.every((possible) => schema.isSubType(condition, possible)));
  return Object.assign(Object.create(schema), { isSubType });
}

interface Field {
  readonly nodes: readonly FieldNode[];
  readonly coordinate: string;
}

/** Generated like objects, so that each list calls a writer of its own that can be inlined. */
function listOf(item: Writer, isItemNonNull: boolean, coordinate: string, depth: number): Writer {
  const generate = new Function(
    'item',
    `return function writeList(v, c, k) {
  if (!Array.isArray(v)) return undefined;
  c.path[${depth}] = k;
  let s = '[';
  for (let i = 0; i < v.length; i += 1) {
    const t = item(v[i], c, i);
    if (i > 0) s += ',';
    ${
      isItemNonNull
        ? `if (t === undefined) return c.missing(${depth + 1}, i, ${JSON.stringify(coordinate)});
    s += t;`
        : "s += t ?? 'null';"
    }
  }
  return s + ']';
};`,
  ) as (item: Writer) => Writer;
  return generate(item);
}

function enumOf(type: GraphQLEnumType): Writer {
  const texts = new Map(type.getValues().map(({ name }) => [name, JSON.stringify(name)]));
  // A value that the caller's schema doesn't have is null.
  return (value) => texts.get(value as string);
}

function scalarOf(type: GraphQLScalarType, depth: number): Writer {
  switch (type.name) {
    case 'String':
    case 'ID':
      return (value, projecting, key) =>
        typeof value === 'string' ? quoted(value) : coerced(type, value, projecting, depth, key);
    case 'Int':
      return (value, projecting, key) =>
        // Exactly the 32-bit integers are equal to themselves as one.
        typeof value === 'number' && (value | 0) === value
          ? `${value}`
          : coerced(type, value, projecting, depth, key);
    case 'Float':
      return (value, projecting, key) =>
        typeof value === 'number' && Number.isFinite(value)
          ? `${value}`
          : coerced(type, value, projecting, depth, key);
    case 'Boolean':
      return (value, projecting, key) =>
        typeof value === 'boolean' ? `${value}` : coerced(type, value, projecting, depth, key);
    default:
      return (value, projecting, key) =>
        typeof value === 'string' ? quoted(value) : written(value, projecting, depth, key);
  }
}

/** A value in another form than its scalar's: what graphql-js makes of it. */
function coerced(
  type: GraphQLScalarType,
  value: unknown,
  projecting: Projecting,
  depth: number,
  key: string | number,
): string | undefined {
  if (value === undefined || value === null) return undefined;
  try {
    return JSON.stringify(type.serialize(value));
  } catch (error) {
    return projecting.invalid(depth, key, error);
  }
}

/** The value of a custom scalar, whatever it is. */
function written(
  value: unknown,
  projecting: Projecting,
  depth: number,
  key: string | number,
): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'bigint') return `${value}`;
  try {
    const json = JSON.stringify(value);
    return json === 'null' ? undefined : json;
  } catch (error) {
    return projecting.invalid(depth, key, error);
  }
}

/** A string as JSON. Most need no escapes: looking is cheaper than calling JSON.stringify. */
function quoted(text: string): string {
  return needsEscape.test(text) ? JSON.stringify(text) : `"${text}"`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON escapes.
const needsEscape = /[\u0000-\u001f"\\\ud800-\udfff]/;
