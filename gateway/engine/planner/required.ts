import {
  type DefinitionNode,
  type DirectiveNode,
  type DocumentNode,
  type FieldDefinitionNode,
  type FieldNode,
  type InterfaceTypeDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  print,
  type SelectionSetNode,
  visit,
} from 'graphql';
import type { Requirement } from '../entity.ts';

// A field with arguments that some `@requires` asks for is told to the planner as a field of its own without arguments: it
// mixes up what is required with what the client asks for, and one requirement with another, by their names. Whoever
// fetches such a field asks for the real one under that name, and representations carry it under the real one's.

/** A field with arguments that is required. */
export interface RequiredField {
  readonly name: string;
  readonly arguments: FieldNode['arguments'];
  /** `Type.field`: a representation has room for one of each. */
  readonly coordinate: string;
}

export interface Required {
  /** The supergraph as the planner gets it. */
  readonly sdl: string;
  /** The planner's name of a required field -> the real one. */
  readonly fields: ReadonlyMap<string, RequiredField>;
  /** `Type.field` of every field that requires others -> those. */
  readonly uses: ReadonlyMap<string, Use>;
  /** Type -> the names of the fields in its keys. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What a field requires, in the planner's names. */
export interface Use {
  /** Of those with arguments. */
  readonly names: readonly string[];
  readonly requires: readonly Requirement[];
}

/**
 * Gives the fields with arguments that a supergraph's fields require names of their own.
 * @param withKeys  whether objects in keys get some too: the planner can't reach a field of an object by a key that has the
 *                  same object in it.
 */
export function requiredIn(sdl: string, withKeys = false): Required {
  const rewriting = new Rewriting(parse(sdl, { noLocation: true }), withKeys);
  const document = rewriting.document();
  const { fields, uses, keys } = rewriting;
  return { sdl: fields.size > 0 ? print(document) : sdl, fields, uses, keys };
}

type TypeWithFields = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode;

class Rewriting {
  readonly fields = new Map<string, RequiredField>();
  readonly uses = new Map<string, Use>();
  readonly keys = new Map<string, Set<string>>();
  private readonly original: DocumentNode;
  private readonly withKeys: boolean;
  private readonly types = new Map<string, TypeWithFields>();
  private readonly taken = new Set<string>();
  /** Coordinate and arguments -> the planner's name. */
  private readonly names = new Map<string, string>();
  /** Type name -> the fields it gets, by their names. */
  private readonly added = new Map<string, Map<string, FieldDefinitionNode>>();

  constructor(original: DocumentNode, withKeys: boolean) {
    this.original = original;
    this.withKeys = withKeys;
    for (const definition of original.definitions) {
      if (!hasFields(definition)) continue;
      this.types.set(definition.name.value, definition);
      for (const { name } of definition.fields ?? []) this.taken.add(name.value);
      this.keys.set(definition.name.value, keyNamesOf(definition));
    }
  }

  document(): DocumentNode {
    const definitions = this.original.definitions.map((definition) => {
      if (!hasFields(definition)) return definition;
      const fields = definition.fields?.map((field) => this.rewritten(definition, field));
      return { ...definition, directives: this.keysOf(definition), fields };
    });
    return {
      kind: Kind.DOCUMENT,
      definitions: definitions.map((definition) => {
        if (!hasFields(definition)) return definition;
        const added = this.added.get(definition.name.value)?.values() ?? [];
        return { ...definition, fields: [...(definition.fields ?? []), ...added] };
      }),
    };
  }

  /** The directives of a type with the objects in its keys replaced. */
  private keysOf(type: TypeWithFields): TypeWithFields['directives'] {
    if (!this.withKeys) return type.directives;
    return type.directives?.map((directive) => {
      if (directive.name.value !== 'join__type') return directive;
      const given = directive.arguments?.map((argument) => {
        if (argument.name.value !== 'key' || argument.value.kind !== Kind.STRING) return argument;
        const { selections } = selectionSetOf(argument.value.value);
        const names = selections.map((node) =>
          node.kind === Kind.FIELD && node.selectionSet
            ? { ...node, name: { ...node.name, value: this.nameFor(type, node) } }
            : node,
        );
        return { ...argument, value: { ...argument.value, value: names.map(print).join(' ') } };
      });
      return { ...directive, arguments: given };
    });
  }

  /** A field with the names in its `@join__field(requires:)` replaced. */
  private rewritten(type: TypeWithFields, field: FieldDefinitionNode): FieldDefinitionNode {
    const directives = field.directives?.map((directive): DirectiveNode => {
      if (directive.name.value !== 'join__field') return directive;
      const given = directive.arguments?.map((argument) => {
        if (argument.name.value !== 'requires' || argument.value.kind !== Kind.STRING) return argument;
        const names: string[] = [];
        const set = this.replaced(type, selectionSetOf(argument.value.value), names);
        const coordinate = `${type.name.value}.${field.name.value}`;
        this.uses.set(coordinate, { names, requires: this.requirements(set) });
        if (names.length === 0) return argument;
        return { ...argument, value: { ...argument.value, value: print(set).slice(1, -1) } };
      });
      return { ...directive, arguments: given };
    });
    return { ...field, directives } as FieldDefinitionNode;
  }

  private replaced(
    type: TypeWithFields | undefined,
    set: SelectionSetNode,
    names: string[],
  ): SelectionSetNode {
    const selections = set.selections.map((node) => {
      if (node.kind === Kind.FRAGMENT_SPREAD) return node;
      if (node.kind === Kind.INLINE_FRAGMENT) {
        const inner = node.typeCondition ? this.types.get(node.typeCondition.name.value) : type;
        return { ...node, selectionSet: this.replaced(inner, node.selectionSet, names) };
      }
      const field = fieldOf(type, node.name.value);
      const inner = field && this.types.get(namedTypeOf(field));
      const selectionSet = node.selectionSet && this.replaced(inner, node.selectionSet, names);
      if (!type || !field?.arguments?.length) return { ...node, selectionSet };
      const name = this.nameFor(type, node);
      names.push(name);
      return { kind: Kind.FIELD as const, name: { kind: Kind.NAME as const, value: name }, selectionSet };
    });
    return { ...set, selections };
  }

  private requirements({ selections }: SelectionSetNode): Requirement[] {
    return selections.flatMap((node): Requirement[] => {
      if (node.kind === Kind.FRAGMENT_SPREAD) return [];
      const inner = node.selectionSet && this.requirements(node.selectionSet);
      if (node.kind === Kind.FIELD)
        return [requirement(node.name.value, node.name.value, inner, this.fields)];
      return node.typeCondition && inner ? [{ on: node.typeCondition.name.value, inner }] : (inner ?? []);
    });
  }

  /** The planner's name for a field with these arguments, which its type gets, and whoever implements it. */
  private nameFor(type: TypeWithFields, { name: { value: name }, arguments: given }: FieldNode): string {
    const coordinate = `${type.name.value}.${name}`;
    const key = `${coordinate}(${(given ?? []).map(print).sort()})`;
    const known = this.names.get(key);
    if (known) return known;
    let made = `${name}_required_${this.names.size}`;
    while (this.taken.has(made)) made += '_';
    this.names.set(key, made);
    this.fields.set(made, { name, arguments: given, coordinate });
    for (const candidate of this.types.values()) {
      const isIt =
        candidate === type || candidate.interfaces?.some((one) => one.name.value === type.name.value);
      const field = isIt ? fieldOf(candidate, name) : undefined;
      if (!field) continue;
      const added = this.added.get(candidate.name.value) ?? new Map<string, FieldDefinitionNode>();
      this.added.set(candidate.name.value, added);
      const copy = { ...field, name: { kind: Kind.NAME as const, value: made }, arguments: [] };
      // It may require others itself.
      added.set(made, this.rewritten(candidate, copy));
    }
    return made;
  }
}

/** A required field; representations carry one with arguments under its real name. */
export function requirement(
  name: string,
  as: string,
  inner: readonly Requirement[] | undefined,
  fields: Required['fields'],
): Requirement {
  // Whoever gets fields of some types has to know which type it is.
  const isAbstract = inner?.some(({ on }) => on !== undefined);
  return { name, as: fields.get(as)?.name ?? as, inner: isAbstract ? [typename, ...inner!] : inner };
}

const typename: Requirement = { name: '__typename', as: '__typename', inner: undefined };

function keyNamesOf({ directives = [] }: TypeWithFields): Set<string> {
  const names = directives.flatMap(({ name, arguments: given }) => {
    const key = given?.find((argument) => argument.name.value === 'key')?.value;
    if (name.value !== 'join__type' || key?.kind !== Kind.STRING) return [];
    return selectionSetOf(key.value).selections.flatMap((node) =>
      node.kind === Kind.FIELD ? node.name.value : [],
    );
  });
  return new Set(names);
}

function hasFields(definition: DefinitionNode): definition is TypeWithFields {
  return (
    definition.kind === Kind.OBJECT_TYPE_DEFINITION || definition.kind === Kind.INTERFACE_TYPE_DEFINITION
  );
}

function fieldOf(type: TypeWithFields | undefined, name: string): FieldDefinitionNode | undefined {
  return type?.fields?.find((field) => field.name.value === name);
}

function namedTypeOf({ type }: FieldDefinitionNode): string {
  let named = type;
  while (named.kind !== Kind.NAMED_TYPE) named = named.type;
  return named.name.value;
}

function selectionSetOf(fields: string): SelectionSetNode {
  const [operation] = parse(`{${fields}}`, { noLocation: true }).definitions;
  return (operation as { selectionSet: SelectionSetNode }).selectionSet;
}

/** A fetch's operation with the real fields in it. */
export function withRealFields(document: DocumentNode, { fields }: Required): DocumentNode {
  return visit(document, {
    Field(node) {
      const real = fields.get(node.name.value);
      if (!real) return undefined;
      return {
        ...node,
        alias: node.alias ?? node.name,
        name: { kind: Kind.NAME, value: real.name },
        arguments: real.arguments,
      };
    },
  });
}
