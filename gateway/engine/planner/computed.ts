import {
  type ConstDirectiveNode,
  type DefinitionNode,
  type EnumValueDefinitionNode,
  type FieldDefinitionNode,
  type InterfaceTypeDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  print,
} from 'graphql';

// A supergraph for what the planner can't plan otherwise: each subgraph's fields with `@requires` stand in a subgraph of their
// own, which knows besides only keys and the types without any. The planner fails where such a field is asked of an entity
// inside an entity of the same type from the same subgraph; apart, it has nothing to mix up.

export interface Apart {
  readonly sdl: string;
  /** Name of a subgraph that was made up -> the one that answers for it. */
  readonly realNames: ReadonlyMap<string, string>;
}

/** Takes the fields with `@requires` of a supergraph apart. */
export function withComputedApart(sdl: string): Apart {
  const document = parse(sdl, { noLocation: true });
  const realNames = new Map<string, string>();
  const graphs = graphsWithRequires(document.definitions);
  const definitions = document.definitions.map((definition): DefinitionNode => {
    if (definition.kind === Kind.ENUM_TYPE_DEFINITION) {
      const values = definition.values ?? [];
      if (definition.name.value !== 'join__Graph') {
        return { ...doubled(definition, graphs), values: values.map((value) => doubled(value, graphs)) };
      }
      const made = values.filter((value) => graphs.has(value.name.value));
      return { ...definition, values: [...values, ...made.map((value) => madeUp(value, realNames))] };
    }
    if (hasFields(definition)) return typeApart(definition, graphs);
    if (
      definition.kind === Kind.UNION_TYPE_DEFINITION ||
      definition.kind === Kind.SCALAR_TYPE_DEFINITION ||
      definition.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION
    )
      return doubled(definition, graphs);
    return definition;
  });
  return { sdl: print({ kind: Kind.DOCUMENT, definitions }), realNames };
}

type TypeWithFields = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode;

function graphsWithRequires(definitions: readonly DefinitionNode[]): Set<string> {
  const graphs = new Set<string>();
  for (const definition of definitions) {
    for (const field of (hasFields(definition) && definition.fields) || []) {
      for (const directive of field.directives ?? []) {
        const graph = graphOf(directive);
        if (graph !== undefined && textOf(directive, 'requires') !== undefined) graphs.add(graph);
      }
    }
  }
  return graphs;
}

/** A type in both subgraphs: with all fields where it has no key, else with its keys and what is computed. */
function typeApart(type: TypeWithFields, graphs: ReadonlySet<string>): TypeWithFields {
  const types = type.directives?.filter(({ name }) => name.value === 'join__type') ?? [];
  const own = [...new Set(types.map(graphOf))].filter((graph) => graph !== undefined);
  if (!own.some((graph) => graphs.has(graph))) return type;
  const isWhole = (graph: string) =>
    !rootNames.has(type.name.value) &&
    types.every((one) => graphOf(one) !== graph || textOf(one, 'key') === undefined);
  const isKey = (graph: string, name: string) =>
    types.some((one) => graphOf(one) === graph && topNames(textOf(one, 'key')).includes(name));
  const fields = type.fields?.map((field): FieldDefinitionNode => {
    const given = field.directives?.filter(({ name }) => name.value === 'join__field') ?? [];
    const others = field.directives?.filter(({ name }) => name.value !== 'join__field') ?? [];
    // A field that says nothing is in every subgraph of its type.
    const said = given.length > 0 ? given : own.map(joinField);
    const directives = said.flatMap((directive) => {
      const graph = graphOf(directive);
      if (graph === undefined || !graphs.has(graph)) return [directive];
      const apart = withGraph(directive, nameApart(graph));
      if (textOf(directive, 'requires') !== undefined) return [apart];
      const isKnown = isWhole(graph) || isKey(graph, field.name.value) || isExternal(directive);
      return isKnown ? [directive, apart] : [directive];
    });
    return { ...field, directives: [...others, ...directives] };
  });
  return { ...doubled(type, graphs), fields };
}

const rootNames = new Set(['Query', 'Mutation', 'Subscription']);

/** A node that is in the subgraphs made up wherever it is in their real ones. */
function doubled<Node extends { directives?: readonly ConstDirectiveNode[] }>(
  node: Node,
  graphs: ReadonlySet<string>,
): Node {
  const made = node.directives?.flatMap((directive) => {
    const graph = graphOf(directive);
    return graph !== undefined && graphs.has(graph) ? [withGraph(directive, nameApart(graph))] : [];
  });
  return { ...node, directives: [...(node.directives ?? []), ...(made ?? [])] };
}

/** The value of `join__Graph` for the subgraph that is made up beside a real one. */
function madeUp(value: EnumValueDefinitionNode, realNames: Map<string, string>): EnumValueDefinitionNode {
  const directives = value.directives?.map((directive) => ({
    ...directive,
    arguments: directive.arguments?.map((argument) => {
      if (argument.name.value !== 'name' || argument.value.kind !== Kind.STRING) return argument;
      const name = nameApart(argument.value.value);
      realNames.set(name, argument.value.value);
      return { ...argument, value: { ...argument.value, value: name } };
    }),
  }));
  return { ...value, name: { kind: Kind.NAME, value: nameApart(value.name.value) }, directives };
}

function nameApart(name: string): string {
  return `${name}__computed`;
}

function joinField(graph: string): ConstDirectiveNode {
  return {
    kind: Kind.DIRECTIVE,
    name: { kind: Kind.NAME, value: 'join__field' },
    arguments: [
      {
        kind: Kind.ARGUMENT,
        name: { kind: Kind.NAME, value: 'graph' },
        value: { kind: Kind.ENUM, value: graph },
      },
    ],
  };
}

function withGraph(directive: ConstDirectiveNode, graph: string): ConstDirectiveNode {
  const given = directive.arguments?.map((argument) =>
    argument.name.value === 'graph'
      ? { ...argument, value: { kind: Kind.ENUM as const, value: graph } }
      : argument,
  );
  return { ...directive, arguments: given };
}

function graphOf(directive: ConstDirectiveNode): string | undefined {
  const value = directive.arguments?.find(({ name }) => name.value === 'graph')?.value;
  return value?.kind === Kind.ENUM && directive.name.value.startsWith('join__') ? value.value : undefined;
}

function textOf(directive: ConstDirectiveNode, name: string): string | undefined {
  const value = directive.arguments?.find((argument) => argument.name.value === name)?.value;
  return value?.kind === Kind.STRING ? value.value : undefined;
}

function isExternal(directive: ConstDirectiveNode): boolean {
  const value = directive.arguments?.find(({ name }) => name.value === 'external')?.value;
  return value?.kind === Kind.BOOLEAN && value.value;
}

/** The names of a field set, those of nested sets left out. */
function topNames(fields: string | undefined): string[] {
  let flat = fields ?? '';
  for (let before = ''; before !== flat; ) {
    before = flat;
    flat = flat.replace(/\{[^{}]*\}/g, ' ');
  }
  return flat.match(/\w+/g) ?? [];
}

function hasFields(definition: DefinitionNode): definition is TypeWithFields {
  return (
    definition.kind === Kind.OBJECT_TYPE_DEFINITION || definition.kind === Kind.INTERFACE_TYPE_DEFINITION
  );
}
