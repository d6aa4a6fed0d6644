import {
  type ASTNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parseType,
  print,
  type SelectionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import { collectFields } from 'graphql/execution/collectFields.js';
import type { WireNames } from './wire.ts';

// An operation with its @skip and @include decided. Each combination that occurs is planned and projected by itself: plans
// without conditions call each subgraph once per level, and a projection never asks at run time.

export interface Variant {
  /** The root fields as the client asked for them: response key -> field nodes, in order. */
  readonly fields: ReadonlyMap<string, readonly FieldNode[]>;
  /** The operation to plan; undefined when no subgraph is needed. */
  readonly text: string | undefined;
  /** For a mutation of several root fields: each of them as an operation of its own, in order. */
  readonly parts: readonly string[];
  /** The variables that `text` declares. */
  readonly variables: readonly string[];
  /** The introspection part of the operation, answered from the caller's schema. */
  readonly introspection: DocumentNode | undefined;
  /** The conditions' values, for projecting. */
  readonly conditions: Readonly<Record<string, unknown>>;
}

/** What all variants of an operation share. */
export interface VariantSource {
  schema: GraphQLSchema;
  root: GraphQLObjectType;
  definition: OperationDefinitionNode;
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  wireNames: WireNames;
  /** For a resumable subscription: what its root field gets. */
  resume: Resume | undefined;
}

export interface Resume {
  /** The argument that resumes, the variable that feeds it and that variable's type. */
  argument: string;
  variable: string;
  type: string;
  /** The cursor field of the items, and its alias upstream. */
  cursor: string;
  cursorKey: string;
  /** The alias of the item's type. */
  typeKey: string;
  /** Types of the items that say the stream is live; undefined when it always is. */
  live: readonly string[] | undefined;
}

/** The names of all variables that decide an @skip or @include. */
export function conditionVariables(document: DocumentNode): string[] {
  const names = new Set<string>();
  visit(document, {
    Directive(node) {
      if (!isCondition(node.name.value)) return;
      for (const { value } of node.arguments ?? [])
        if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    },
  });
  return [...names];
}

/** Decides the conditions of an operation and writes what is left of it for the planner. */
export function variantOf(source: VariantSource, conditions: Readonly<Record<string, unknown>>): Variant {
  const { schema, root, definition, fragments, resume } = source;
  const fields = collectFields(schema, fragments, conditions, root, definition.selectionSet);
  const local: FieldNode[] = [];
  const remote: FieldNode[][] = [];
  const writer = new WireWriter(source, conditions);
  for (const nodes of fields.values()) {
    const name = nodes[0]!.name.value;
    if (name === '__schema' || name === '__type') local.push(...nodes);
    else if (name !== '__typename') remote.push(nodes.map((node) => writer.field(node)));
  }
  const planned = resume ? remote.flat().map((node) => resumed(node, resume)) : remote.flat();
  const document = planned.length > 0 ? writer.document(planned) : undefined;
  const isSerial = definition.operation === 'mutation' && remote.length > 1;
  return {
    fields,
    text: document && print(document),
    parts: isSerial ? remote.map((nodes) => print(writer.document(nodes))) : [],
    variables: document ? variablesOf(document) : [],
    introspection: local.length > 0 ? introspectionOf(local, source) : undefined,
    conditions,
  };
}

/** Rewrites selections for the planner: conditions decided, wire names, never an empty selection set. */
class WireWriter {
  private readonly source: VariantSource;
  private readonly conditions: Readonly<Record<string, unknown>>;
  private readonly fragments = new Map<string, FragmentDefinitionNode | undefined>();

  constructor(source: VariantSource, conditions: Readonly<Record<string, unknown>>) {
    this.source = source;
    this.conditions = conditions;
  }

  field(node: FieldNode): FieldNode {
    const name = this.source.wireNames.of(node);
    let selectionSet = node.selectionSet && this.selectionSet(node.selectionSet);
    // Fragments alone may fit no object; that there is one has to be known all the same.
    if (selectionSet?.selections.every(({ kind }) => kind !== Kind.FIELD)) {
      selectionSet = { ...selectionSet, selections: [typename, ...selectionSet.selections] };
    }
    return {
      ...node,
      alias: name === node.name.value ? undefined : { kind: Kind.NAME, value: name },
      directives: otherDirectives(node),
      selectionSet,
    };
  }

  /** An operation of some root fields, with the fragments and variables that they use. */
  document(selections: readonly FieldNode[]): DocumentNode {
    const { definition, resume } = this.source;
    const selectionSet: SelectionSetNode = { kind: Kind.SELECTION_SET, selections };
    const variables = new Set<string>();
    const fragments = new Set<FragmentDefinitionNode>();
    const use = (set: SelectionSetNode): void => {
      visit(set, {
        Variable: ({ name }) => void variables.add(name.value),
        FragmentSpread: ({ name }) => {
          const fragment = this.fragments.get(name.value);
          if (!fragment || fragments.has(fragment)) return;
          fragments.add(fragment);
          use(fragment.selectionSet);
        },
      });
    };
    use(selectionSet);
    const declared = [
      ...(definition.variableDefinitions ?? []),
      ...(resume ? [variableDefinition(resume)] : []),
    ];
    const operation: OperationDefinitionNode = {
      kind: Kind.OPERATION_DEFINITION,
      operation: definition.operation,
      variableDefinitions: declared.filter(({ variable }) => variables.has(variable.name.value)),
      selectionSet,
    };
    return { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] };
  }

  private selectionSet(set: SelectionSetNode): SelectionSetNode {
    const selections: SelectionNode[] = [];
    for (const node of set.selections) {
      if (!this.isIncluded(node)) continue;
      if (node.kind === Kind.FIELD) {
        selections.push(this.field(node));
      } else if (node.kind === Kind.INLINE_FRAGMENT) {
        const selectionSet = this.selectionSet(node.selectionSet);
        selections.push({ ...node, directives: otherDirectives(node), selectionSet });
      } else {
        this.fragment(node.name.value);
        selections.push({ ...node, directives: otherDirectives(node) });
      }
    }
    // A client may leave nothing of an object but whether it is there.
    return { kind: Kind.SELECTION_SET, selections: selections.length > 0 ? selections : [typename] };
  }

  private fragment(name: string): void {
    if (this.fragments.has(name)) return;
    const fragment = this.source.fragments[name]!;
    this.fragments.set(name, undefined);
    this.fragments.set(name, { ...fragment, selectionSet: this.selectionSet(fragment.selectionSet) });
  }

  private isIncluded(node: SelectionNode): boolean {
    for (const directive of node.directives ?? []) {
      if (!isCondition(directive.name.value)) continue;
      const value = directive.arguments?.[0]?.value;
      const met = value?.kind === Kind.VARIABLE ? this.conditions[value.name.value] === true : isTrue(value);
      if (met !== (directive.name.value === 'include')) return false;
    }
    return true;
  }
}

const typename: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

function isCondition(name: string): boolean {
  return name === 'skip' || name === 'include';
}

function isTrue(value: ASTNode | undefined): boolean {
  return value?.kind === Kind.BOOLEAN && value.value;
}

function otherDirectives(node: SelectionNode) {
  return node.directives?.filter((directive) => !isCondition(directive.name.value));
}

/** The subscription's field with each item's cursor and type asked for, and resumed by a variable of the engine's own. */
function resumed(node: FieldNode, resume: Resume): FieldNode {
  const others = node.arguments?.filter(({ name }) => name.value !== resume.argument) ?? [];
  const aliased = (key: string, name: string): FieldNode => ({
    kind: Kind.FIELD,
    name: { kind: Kind.NAME, value: name },
    alias: { kind: Kind.NAME, value: key },
  });
  return {
    ...node,
    arguments: [
      ...others,
      {
        kind: Kind.ARGUMENT,
        name: { kind: Kind.NAME, value: resume.argument },
        value: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: resume.variable } },
      },
    ],
    selectionSet: {
      kind: Kind.SELECTION_SET,
      selections: [
        ...(node.selectionSet?.selections ?? []),
        aliased(resume.cursorKey, resume.cursor),
        aliased(resume.typeKey, '__typename'),
      ],
    },
  };
}

function variableDefinition(resume: Resume): VariableDefinitionNode {
  return {
    kind: Kind.VARIABLE_DEFINITION,
    variable: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: resume.variable } },
    type: parseType(resume.type),
  };
}

function introspectionOf(fields: readonly FieldNode[], source: VariantSource): DocumentNode {
  const selectionSet: SelectionSetNode = { kind: Kind.SELECTION_SET, selections: fields };
  return {
    kind: Kind.DOCUMENT,
    definitions: [{ ...source.definition, selectionSet }, ...Object.values(source.fragments)],
  };
}

function variablesOf(document: DocumentNode): string[] {
  const operation = document.definitions[0] as OperationDefinitionNode;
  return operation.variableDefinitions?.map(({ variable }) => variable.name.value) ?? [];
}
