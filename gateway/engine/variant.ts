import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parseType,
  print,
  type SelectionSetNode,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import { collectFields } from 'graphql/execution/collectFields.js';
import { isCondition, mergedField, type SelectionSource } from './selection.ts';
import type { WireNames } from './wire.ts';

// An operation with its @skip and @include decided. Each combination that occurs is planned and projected by itself: plans
// without conditions call each subgraph once per level, and a projection never asks at run time.

export interface Variant {
  /** The root fields as the client asked for them: response key -> field nodes, in order. */
  readonly fields: ReadonlyMap<string, readonly FieldNode[]>;
  /** The operation to plan, in wire names and without fragments but inline ones; undefined when no subgraph is needed. */
  readonly document: DocumentNode | undefined;
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
  forbidden: ReadonlySet<FieldNode>;
  subtypes: SelectionSource['subtypes'];
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
  const remote: FieldNode[] = [];
  for (const nodes of fields.values()) {
    const name = nodes[0]!.name.value;
    if (name === '__schema' || name === '__type') local.push(...nodes);
    else if (name !== '__typename' && !nodes.some((node) => source.forbidden.has(node)))
      remote.push(mergedField({ ...source, conditions }, root, nodes));
  }
  const planned = resume ? remote.map((node) => resumed(node, resume)) : remote;
  const document = planned.length > 0 ? documentOf(source, planned) : undefined;
  const isSerial = definition.operation === 'mutation' && remote.length > 1;
  return {
    fields,
    document,
    text: document && print(document),
    parts: isSerial ? remote.map((node) => print(documentOf(source, [node]))) : [],
    variables: document ? variablesOf(document) : [],
    introspection: local.length > 0 ? introspectionOf(local, source) : undefined,
    conditions,
  };
}

/** An operation of some root fields, with the variables that they use. */
function documentOf({ definition, resume }: VariantSource, selections: readonly FieldNode[]): DocumentNode {
  const selectionSet: SelectionSetNode = { kind: Kind.SELECTION_SET, selections };
  const variables = new Set<string>();
  visit(selectionSet, { Variable: ({ name }) => void variables.add(name.value) });
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
  return { kind: Kind.DOCUMENT, definitions: [operation] };
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
