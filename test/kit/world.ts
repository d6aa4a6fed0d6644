import {
  type ConstDirectiveNode,
  type ExecutionResult,
  execute,
  type FieldDefinitionNode,
  type GraphQLField,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import { linked, subgraphSchema, type TestSubgraph } from './federation.ts';

// A made-up world behind any federation: three objects of every type, each field a value that follows from the object, the
// field and its arguments. Subgraphs answer from it, find entities by their keys, and fail where a required field isn't what
// it is in the world; graphql-js answers from it what the whole should.

export interface World {
  subgraphs: Record<string, TestSubgraph>;
  /** What graphql-js answers by the schema that clients see. */
  answer(
    schema: GraphQLSchema,
    text: string,
    variables: Record<string, unknown>,
  ): ExecutionResult | Promise<ExecutionResult>;
}

interface Thing {
  __typename: string;
  number: number;
}

/** What a subgraph's resolvers pass on: a thing, and the representation that it was found by. */
interface Found {
  __typename: string;
  thing: Thing;
  sent?: Sent;
}

type Sent = Record<string, unknown>;
type Arguments = Record<string, unknown>;

export function worldOf(sdls: Record<string, string>): World {
  const parts = Object.entries(sdls).map(([name, sdl]) => new Part(name, sdl));
  const facts = new Facts(parts);
  return {
    subgraphs: Object.fromEntries(
      parts.map((part) => [part.name, { sdl: part.sdl, resolvers: resolversOf(part, facts) }]),
    ),
    answer: (schema, text, variables) =>
      execute({
        schema,
        document: parse(text),
        variableValues: variables,
        fieldResolver: (source: Thing | undefined, args: Arguments, _context, { parentType, fieldName }) =>
          facts.value(source ?? facts.thing(parentType.name, 0), fieldName, args),
        typeResolver: ({ __typename }: Thing) => __typename,
      }),
  };
}

/** One subgraph as its SDL has it. */
class Part {
  readonly schema: GraphQLSchema;
  readonly interfaceObjects = new Set<string>();
  readonly keys = new Map<string, SelectionSetNode[]>();
  private readonly fields = new Map<string, FieldDefinitionNode>();

  constructor(
    readonly name: string,
    readonly sdl: string,
  ) {
    this.schema = subgraphSchema({ sdl });
    for (const definition of parse(linked(sdl)).definitions) {
      if (!('fields' in definition) || !definition.name) continue;
      const type = definition.name.value;
      const directives = (definition.directives ?? []) as readonly ConstDirectiveNode[];
      if (directives.some(({ name }) => name.value === 'interfaceObject')) this.interfaceObjects.add(type);
      const keys = directives.flatMap((one) => (one.name.value === 'key' ? setOf(one) : []));
      if (keys.length > 0) this.keys.set(type, keys);
      for (const field of (definition.fields ?? []) as FieldDefinitionNode[])
        this.fields.set(`${type}.${field.name.value}`, field);
    }
  }

  directive(type: string, field: string, name: string): ConstDirectiveNode | undefined {
    return this.fields.get(`${type}.${field}`)?.directives?.find((one) => one.name.value === name);
  }

  field(type: string, name: string): GraphQLField<unknown, unknown> | undefined {
    const found = this.schema.getType(type);
    return isObjectType(found) || isInterfaceType(found) ? found.getFields()[name] : undefined;
  }
}

class Facts {
  private readonly parts: readonly Part[];
  private readonly things = new Map<string, Thing>();

  constructor(parts: readonly Part[]) {
    this.parts = parts;
  }

  thing(type: string, number: number): Thing {
    const id = `${type}-${number}`;
    const thing = this.things.get(id) ?? { __typename: type, number };
    this.things.set(id, thing);
    return thing;
  }

  /** The object types that are of a type, by all subgraphs together. */
  typesOf(name: string): string[] {
    const types = this.parts.flatMap(({ schema }) => {
      const type = schema.getType(name);
      return isInterfaceType(type) || isUnionType(type) ? schema.getPossibleTypes(type) : [];
    });
    return types.length > 0 ? [...new Set(types.map((type) => type.name))].sort() : [name];
  }

  value(thing: Thing, field: string, args: Arguments): unknown {
    const declaring = this.declaring(thing.__typename, field);
    const said = Object.keys(args)
      .sort()
      .map((name) => `${name}:${JSON.stringify(args[name])}`);
    const seed = `${thing.__typename}-${thing.number}.${field}(${said})`;
    return this.made(declaring[0]!.field.type, seed, !this.isKey(field), this.common(declaring));
  }

  /** What differs between a required field and what was sent of it; undefined if nothing does. */
  difference(set: SelectionSetNode, sent: unknown, thing: Thing): string | undefined {
    for (const node of set.selections) {
      if (node.kind === Kind.FRAGMENT_SPREAD) continue;
      if (node.kind === Kind.INLINE_FRAGMENT) {
        const on = node.typeCondition?.name.value ?? thing.__typename;
        const inner =
          this.typesOf(on).includes(thing.__typename) && this.difference(node.selectionSet, sent, thing);
        if (inner) return inner;
        continue;
      }
      const name = node.name.value;
      const { args } = this.declaring(thing.__typename, name)[0]!.field;
      const defaults = args.flatMap((one) =>
        one.defaultValue === undefined ? [] : [[one.name, one.defaultValue]],
      );
      const given = (node.arguments ?? []).map((one) => [one.name.value, valueFromASTUntyped(one.value)]);
      const value = this.value(thing, name, Object.fromEntries([...defaults, ...given]));
      const wrong = this.unlike(node.selectionSet, (sent as Sent | undefined)?.[name], value);
      if (wrong) return `${name}: ${wrong}`;
    }
    return undefined;
  }

  private unlike(set: SelectionSetNode | undefined, sent: unknown, value: unknown): string | undefined {
    if (Array.isArray(value)) {
      if (!Array.isArray(sent) || sent.length !== value.length)
        return `${sent} is no list of ${value.length}`;
      return value.map((item, index) => this.unlike(set, sent[index], item)).find(Boolean);
    }
    if (set && value) return sent ? this.difference(set, sent, value as Thing) : `${sent}`;
    return `${sent}` === `${value}`
      ? undefined
      : `${JSON.stringify(sent)} instead of ${JSON.stringify(value)}`;
  }

  /** A field wherever it is answered, of an interface object too. */
  private declaring(type: string, name: string) {
    return this.parts.flatMap((part) => {
      const owners = [type, ...part.interfaceObjects].filter((one) => this.typesOf(one).includes(type));
      return owners.flatMap((owner) => {
        const field = part.field(owner, name);
        return field ? [{ part, field, isExternal: !!part.directive(owner, name, 'external') }] : [];
      });
    });
  }

  /** The types that every subgraph knows of those that a field may have. */
  private common(declaring: ReturnType<Facts['declaring']>): string[] {
    const known = declaring
      .filter(({ isExternal }) => !isExternal)
      .map(({ part, field }) => {
        const type = getNamedType(field.type);
        if (isUnionType(type) || isInterfaceType(type))
          return part.schema.getPossibleTypes(type).map(({ name }) => name);
        return this.typesOf(type.name);
      });
    return (known[0] ?? []).filter((name) => known.every((names) => names.includes(name))).sort();
  }

  private isKey(field: string): boolean {
    return this.parts.some((part) =>
      [...part.keys.values()].flat().some((set) => new RegExp(`\\b${field}\\b`).test(JSON.stringify(set))),
    );
  }

  private made(type: GraphQLOutputType, seed: string, mayBeNull: boolean, types: readonly string[]): unknown {
    if (isNonNullType(type)) return this.made(type.ofType, seed, false, types);
    if (mayBeNull && hash(`${seed}?`) % 5 === 0) return null;
    if (isListType(type)) {
      const length = hash(`${seed}#`) % 4;
      return Array.from({ length }, (_, index) =>
        this.made(type.ofType, `${seed}[${index}]`, mayBeNull, types),
      );
    }
    if (isEnumType(type)) return type.getValues()[hash(seed) % type.getValues().length]!.name;
    if (isScalarType(type)) {
      if (type.name === 'Int') return hash(seed) % 1_000;
      return type.name === 'Boolean' ? hash(seed) % 2 === 0 : seed;
    }
    return types.length === 0 ? null : this.thing(types[hash(seed) % types.length]!, hash(`${seed}!`) % 3);
  }
}

function resolversOf(part: Part, facts: Facts): Record<string, Record<string, unknown>> {
  const resolvers: Record<string, Record<string, unknown>> = {};
  for (const type of Object.values(part.schema.getTypeMap())) {
    if (type.name.startsWith('_')) continue;
    if (isUnionType(type) || isInterfaceType(type)) {
      resolvers[type.name] = { __resolveType: ({ thing }: Found) => thing.__typename };
    } else if (isObjectType(type)) {
      const names = Object.keys(type.getFields()).filter((name) => !name.startsWith('_'));
      resolvers[type.name] = Object.fromEntries(
        names.map((name) => [name, resolverOf(part, facts, type.name, name)]),
      );
    } else continue;
    const keys = part.keys.get(type.name);
    if (keys) resolvers[type.name]!.__resolveReference = (sent: Sent) => find(facts, type.name, keys, sent);
  }
  return resolvers;
}

function resolverOf(part: Part, facts: Facts, type: string, name: string) {
  const requires = part.directive(type, name, 'requires');
  const required = requires && setOf(requires);
  return (found: Found | undefined, args: Arguments) => {
    const thing = found?.thing ?? facts.thing(type, 0);
    const wrong = required?.map((set) => facts.difference(set, found?.sent, thing)).find(Boolean);
    if (wrong) throw new Error(`${type}.${name} requires ${wrong}`);
    return told(facts.value(thing, name, args));
  };
}

function find(facts: Facts, type: string, keys: readonly SelectionSetNode[], sent: Sent): Found {
  const things = facts.typesOf(type).flatMap((name) => [0, 1, 2].map((number) => facts.thing(name, number)));
  const thing = things.find((one) => keys.some((key) => facts.difference(key, sent, one) === undefined));
  if (!thing) throw new Error(`Nothing is known by ${JSON.stringify(sent)}.`);
  return { __typename: thing.__typename, thing, sent };
}

function told(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(told);
  const thing = value as Thing | null;
  return typeof thing === 'object' && thing ? { __typename: thing.__typename, thing } : value;
}

function setOf(directive: ConstDirectiveNode): SelectionSetNode[] {
  const value = directive.arguments?.find(({ name }) => name.value === 'fields')?.value;
  if (value?.kind !== Kind.STRING) return [];
  return [
    (parse(`{${value.value}}`, { noLocation: true }).definitions[0] as OperationDefinitionNode).selectionSet,
  ];
}

/** A number that follows from a text (FNV-1a, mixed once more). */
function hash(text: string): number {
  let mixed = 2_166_136_261;
  for (const character of text) mixed = Math.imul(mixed ^ character.charCodeAt(0), 16_777_619);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x5bd1e995);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
