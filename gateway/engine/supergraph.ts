import {
  buildASTSchema,
  type ConstDirectiveNode,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLSchema,
  Kind,
  type NamedTypeNode,
  parse,
  specifiedDirectives,
  specifiedScalarTypes,
} from 'graphql';
import type { Reserved } from './wire.ts';

// What a composed supergraph says besides its plans: where its subgraphs are, which types stand for which, and the schema
// that clients see. Hidden (`@inaccessible`) types count in type conditions, never in the clients' schema.

/** Where one `join__Graph` answers. */
export interface Graph {
  name: string;
  url: string | undefined;
}

/** `@resumable` of a subscription field: the items' cursor field and the argument that resumes after one. */
export interface Resumable {
  cursor: string;
  after: string;
  /** Types of the items that say the stream is live from here on; undefined when it always is. */
  live: readonly string[] | undefined;
  /** The type of the item that a server makes when it ends the stream; undefined: it has none. */
  ending: string | undefined;
}

export interface Supergraph extends Reserved {
  /** The schema clients see, nothing hidden in it, descriptions kept. */
  schema: GraphQLSchema;
  graphs: readonly Graph[];
  /** Subgraph name -> the names of the interfaces that it knows as objects. */
  interfaceObjects: ReadonlyMap<string, ReadonlySet<string>>;
  /** Every abstract type's name -> the names of all types that are one, hidden ones and interfaces included. */
  subtypes: ReadonlyMap<string, ReadonlySet<string>>;
  /** `Type.field` of every field with an argument `@fromContext`. */
  contextual: ReadonlySet<string>;
  /** Subscription field name -> its `@resumable`. */
  resumable: ReadonlyMap<string, Resumable>;
}

/** A supergraph as a planner has read it. */
export interface PlannedSupergraph {
  /** The composed supergraph. */
  readonly supergraphSdl: string;
  /** What clients see; it still holds introspection types and parts of `join`. */
  readonly consumerSdl: string;
  /** Fields that are the planner's alone, by their names. */
  readonly required: { readonly fields: ReadonlyMap<string, unknown> };
}

/** Reads a supergraph. */
export function readSupergraph({ supergraphSdl, consumerSdl, required }: PlannedSupergraph): Supergraph {
  const document = parse(supergraphSdl, { noLocation: true });
  return {
    schema: clientSchema(parse(consumerSdl, { noLocation: true }), required.fields),
    graphs: [...graphsIn(document).values()],
    interfaceObjects: interfaceObjectsIn(document),
    subtypes: subtypesIn(document),
    fieldNames: fieldNamesIn(document),
    contextual: contextualIn(document),
    resumable: resumableIn(document),
  };
}

const builtIn = new Set([
  ...specifiedScalarTypes.map((type) => type.name),
  ...specifiedDirectives.map((directive) => directive.name),
]);

const machinery = /^(__|(join|link|core|federation|inaccessible|tag)__)/;

function clientSchema(document: DocumentNode, hidden: ReadonlyMap<string, unknown>): GraphQLSchema {
  const names = new Set(
    document.definitions.map((definition) => ('name' in definition ? definition.name?.value : undefined)),
  );
  // The planner leaves hidden types out, but not out of the unions and types that name them.
  const isThere = ({ name }: NamedTypeNode) => names.has(name.value);
  const definitions: DefinitionNode[] = [];
  for (const definition of document.definitions) {
    const name = 'name' in definition ? definition.name?.value : undefined;
    if (name !== undefined && (builtIn.has(name) || machinery.test(name))) continue;
    if (definition.kind === Kind.UNION_TYPE_DEFINITION) {
      definitions.push({ ...definition, types: definition.types?.filter(isThere) });
    } else if (
      definition.kind === Kind.OBJECT_TYPE_DEFINITION ||
      definition.kind === Kind.INTERFACE_TYPE_DEFINITION
    ) {
      const fields = definition.fields?.filter(
        (field) => !field.name.value.startsWith('__') && !hidden.has(field.name.value),
      );
      definitions.push({ ...definition, fields, interfaces: definition.interfaces?.filter(isThere) });
    } else definitions.push(definition);
  }
  // Composition has checked it; what it let through is not for us to refuse.
  return buildASTSchema({ kind: Kind.DOCUMENT, definitions }, { assumeValid: true, assumeValidSDL: true });
}

/** The values of `join__Graph` and what they stand for. */
function graphsIn(document: DocumentNode): Map<string, Graph> {
  const graphs = new Map<string, Graph>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.ENUM_TYPE_DEFINITION || definition.name.value !== 'join__Graph') continue;
    for (const value of definition.values ?? []) {
      const graph = value.directives?.find((directive) => directive.name.value === 'join__graph');
      const name = (graph && stringArgument(graph, 'name')) ?? value.name.value;
      graphs.set(value.name.value, { name, url: (graph && stringArgument(graph, 'url')) || undefined });
    }
  }
  return graphs;
}

function interfaceObjectsIn(document: DocumentNode): Map<string, Set<string>> {
  const graphs = graphsIn(document);
  const objects = new Map<string, Set<string>>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    for (const directive of definition.directives ?? []) {
      const argument = (name: string) => directive.arguments?.find((one) => one.name.value === name)?.value;
      const graph = argument('graph');
      const mark = argument('isInterfaceObject');
      if (graph?.kind !== Kind.ENUM || mark?.kind !== Kind.BOOLEAN || !mark.value) continue;
      const { name } = graphs.get(graph.value)!;
      objects.set(name, (objects.get(name) ?? new Set()).add(definition.name.value));
    }
  }
  return objects;
}

function subtypesIn(document: DocumentNode): Map<string, Set<string>> {
  const subtypes = new Map<string, Set<string>>();
  const add = (abstract: string, name: string) => {
    const names = subtypes.get(abstract);
    if (names) names.add(name);
    else subtypes.set(abstract, new Set([name]));
  };
  for (const definition of document.definitions) {
    if (
      definition.kind === Kind.OBJECT_TYPE_DEFINITION ||
      definition.kind === Kind.INTERFACE_TYPE_DEFINITION
    ) {
      if (definition.kind === Kind.INTERFACE_TYPE_DEFINITION)
        add(definition.name.value, definition.name.value);
      for (const parent of definition.interfaces ?? []) add(parent.name.value, definition.name.value);
    } else if (definition.kind === Kind.UNION_TYPE_DEFINITION) {
      for (const member of definition.types ?? []) add(definition.name.value, member.name.value);
    }
  }
  return subtypes;
}

function fieldNamesIn(document: DocumentNode): Set<string> {
  const names = new Set<string>();
  for (const definition of document.definitions) {
    if ('fields' in definition) for (const field of definition.fields ?? []) names.add(field.name.value);
  }
  return names;
}

function contextualIn(document: DocumentNode): Set<string> {
  const coordinates = new Set<string>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION) continue;
    for (const { name, directives = [] } of definition.fields ?? []) {
      const isContextual = directives.some((directive) =>
        directive.arguments?.some((argument) => argument.name.value === 'contextArguments'),
      );
      if (isContextual) coordinates.add(`${definition.name.value}.${name.value}`);
    }
  }
  return coordinates;
}

function resumableIn(document: DocumentNode): Map<string, Resumable> {
  const resumable = new Map<string, Resumable>();
  const root = rootName(document, 'subscription') ?? 'Subscription';
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION || definition.name.value !== root) continue;
    for (const field of definition.fields ?? []) {
      const directive = field.directives?.find(({ name }) => /^(.+__)?resumable$/.test(name.value));
      if (!directive) continue;
      resumable.set(field.name.value, {
        cursor: stringArgument(directive, 'cursor') ?? 'cursor',
        after: stringArgument(directive, 'after') ?? 'after',
        live: listArgument(directive, 'live'),
        ending: stringArgument(directive, 'ending'),
      });
    }
  }
  return resumable;
}

function rootName(document: DocumentNode, operation: string): string | undefined {
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.SCHEMA_DEFINITION) continue;
    return definition.operationTypes.find((root) => root.operation === operation)?.type.name.value;
  }
  return undefined;
}

function stringArgument(directive: ConstDirectiveNode, name: string): string | undefined {
  const value = directive.arguments?.find((argument) => argument.name.value === name)?.value;
  return value?.kind === Kind.STRING ? value.value : undefined;
}

function listArgument(directive: ConstDirectiveNode, name: string): string[] | undefined {
  const value = directive.arguments?.find((argument) => argument.name.value === name)?.value;
  if (value?.kind !== Kind.LIST) return undefined;
  return value.values.flatMap((item) => (item.kind === Kind.STRING ? [item.value] : []));
}
