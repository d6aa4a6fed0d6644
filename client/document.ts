import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  print,
  type SelectionNode,
  type VariableDefinitionNode,
} from 'graphql';

// What has to be known of each item of a stream, whatever the app selects: where the stream stands after it, and what it
// says about the stream. It is asked for under names of our own, and taken out again before the app sees the item.

/** An operation with the types of its data and variables, as graphql-codegen and gql.tada make them. */
export interface TypedDocument<Data, Variables> {
  __apiType?: ((variables: Variables) => Data) | undefined;
}

/** A subscription: its text, or its document, typed or not. */
export type Query<Data, Variables> = string | DocumentNode | TypedDocument<Data, Variables>;

/** What an item is to us. */
export interface Item {
  type: string;
  cursor: string;
  gap: { from: string; reason: string } | undefined;
  ending: { reason: string; reconnectAfterMs: number } | undefined;
}

/** A subscription that tells what we have to know. */
export interface StreamDocument {
  text: string;
  operationName: string | undefined;
  /** The variable that takes the cursor. */
  after: string;
  /** What it streams: the field with its arguments, but for the cursor. */
  about: string;
  /** Reads an item of the stream, and takes out of it what the app didn't ask for. */
  itemOf(data: Record<string, unknown>): Item;
  /** The query that reads the same from the log by page; undefined where there is none. */
  pull: PullDocument | undefined;
}

export interface PullDocument {
  text: string;
  after: string;
  /** How many events a page has at most. */
  first: number;
  /** The items of a page, each as the subscription's data; where the page ends, and whether there are more. */
  pageOf(data: Record<string, unknown>):
    | {
        items: Record<string, unknown>[];
        endCursor: string | undefined;
        hasNextPage: boolean;
      }
    | undefined;
}

const ours = 'laurel_';
const selected = parse(`{
  ${ours}type: __typename
  ${ours}cursor: cursor
  ... on StreamGap { ${ours}from: from ${ours}gap: reason }
  ... on StreamEnding { ${ours}ending: reason ${ours}reconnectAfterMs: reconnectAfterMs }
}`);
const pageSize = 100;
/** An argument of streams that tell how things stand after each gap, so that no gap has to be filled. */
const snapshot = 'snapshot';

/**
 * The document that is sent for a subscription: with the cursor as a variable, and the cursor of each item selected.
 * Whoever lets only known documents run (LAUREL_TRUSTED_DOCUMENTS) registers this text; it stays as it is when done twice.
 */
export function withCursor(query: Query<unknown, never>, operationName?: string): string {
  return streamDocument(query, {}, operationName).text;
}

/**
 * @param twins  by the name of a stream's field, the query that reads the same from the log.
 * @throws TypeError  the document is no subscription to one stream.
 */
export function streamDocument(
  query: Query<unknown, never>,
  twins: Readonly<Record<string, string>>,
  operationName?: string,
): StreamDocument {
  const document = isDocument(query) ? query : parse(String(query));
  const operation = operationOf(document, operationName);
  const field = fieldOf(operation);
  const { name: after, operation: known } = withAfter(operation, field);
  const others = document.definitions.filter((definition) => definition !== operation);
  const key = field.alias?.value ?? field.name.value;
  const argumentsLeft = withoutAfter(field.arguments);
  const asked: FieldNode = {
    ...field,
    arguments: [...argumentsLeft, argument('after', after)],
    selectionSet: { kind: Kind.SELECTION_SET, selections: withOurs(field) },
  };
  const definition = { ...known, selectionSet: { ...known.selectionSet, selections: [asked] } };
  const tellsState = argumentsLeft.some(({ name }) => name.value === snapshot);
  const twin = tellsState ? undefined : twins[field.name.value];
  return {
    text: print({ ...document, definitions: [definition, ...others] }),
    operationName: operation.name?.value,
    after,
    about: print({ kind: Kind.FIELD, name: field.name, arguments: argumentsLeft }),
    itemOf: (data) => takeItem(data[key]),
    pull: twin === undefined ? undefined : pullDocument(document, known, asked, key, twin, after),
  };
}

function pullDocument(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  asked: FieldNode,
  key: string,
  twin: string,
  after: string,
): PullDocument {
  const first = `${ours}first`;
  const page = `${ours}page`;
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  const text = print({
    ...document,
    definitions: [
      {
        kind: Kind.OPERATION_DEFINITION,
        operation: OperationTypeNode.QUERY,
        variableDefinitions: [...(operation.variableDefinitions ?? []), variable(first, 'Int')],
        selectionSet: {
          kind: Kind.SELECTION_SET,
          selections: [
            {
              ...asked,
              alias: { kind: Kind.NAME, value: page },
              name: { kind: Kind.NAME, value: twin },
              arguments: [...(asked.arguments ?? []), argument('first', first)],
              selectionSet: {
                kind: Kind.SELECTION_SET,
                selections: [
                  selection('nodes', asked.selectionSet?.selections ?? []),
                  selection('pageInfo', [selection('endCursor'), selection('hasNextPage')]),
                ],
              },
            },
          ],
        },
      },
      ...fragments,
    ],
  });
  return {
    text,
    after,
    first: pageSize,
    pageOf(data) {
      const { nodes, pageInfo } = (data[page] ?? {}) as {
        nodes?: unknown[];
        pageInfo?: { endCursor: string | null; hasNextPage: boolean };
      };
      if (nodes === undefined || pageInfo === undefined) return undefined;
      return {
        items: nodes.map((node) => ({ [key]: node })),
        endCursor: pageInfo.endCursor ?? undefined,
        hasNextPage: pageInfo.hasNextPage,
      };
    },
  };
}

function isDocument(query: Query<unknown, never>): query is DocumentNode {
  return typeof query === 'object' && (query as { kind?: unknown }).kind === Kind.DOCUMENT;
}

function operationOf(document: DocumentNode, name: string | undefined): OperationDefinitionNode {
  const operations = document.definitions.filter(
    (definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION,
  );
  const named = name === undefined ? operations : operations.filter((one) => one.name?.value === name);
  const [operation] = named;
  if (operation === undefined || named.length > 1) {
    throw new TypeError(
      `Expected one operation${name === undefined ? '' : ` "${name}"`}, got ${named.length}.`,
    );
  }
  if (operation.operation !== 'subscription') {
    throw new TypeError(`Expected a subscription, got a ${operation.operation}.`);
  }
  return operation;
}

function fieldOf({ selectionSet }: OperationDefinitionNode): FieldNode {
  const [field] = selectionSet.selections;
  if (field?.kind !== Kind.FIELD || field.selectionSet === undefined || selectionSet.selections.length > 1) {
    throw new TypeError('Expected the subscription to select one stream, as a field and not by a fragment.');
  }
  return field;
}

/** The operation with a variable for the cursor, and its name. */
function withAfter(
  operation: OperationDefinitionNode,
  { arguments: given = [] }: FieldNode,
): { name: string; operation: OperationDefinitionNode } {
  const value = given.find(({ name }) => name.value === 'after')?.value;
  if (value?.kind === Kind.VARIABLE) return { name: value.name.value, operation };
  if (value !== undefined) {
    throw new TypeError('Expected the argument `after` as a variable, or not at all.');
  }
  const name = `${ours}after`;
  const definitions = [...(operation.variableDefinitions ?? []), variable(name, 'EventCursor')];
  return { name, operation: { ...operation, variableDefinitions: definitions } };
}

function withoutAfter(given: readonly ArgumentNode[] = []): readonly ArgumentNode[] {
  return given.filter(({ name }) => name.value !== 'after');
}

/** What the app selects of an item, and what we do. */
function withOurs({ selectionSet }: FieldNode): readonly SelectionNode[] {
  const theirs = selectionSet?.selections ?? [];
  const isThere = theirs.some((one) => one.kind === Kind.FIELD && one.alias?.value === `${ours}cursor`);
  return isThere ? theirs : [...theirs, ...oursToSelect];
}

const [query] = selected.definitions;
const oursToSelect = (query as OperationDefinitionNode).selectionSet.selections;

function takeItem(value: unknown): Item {
  const item = (value ?? {}) as Record<string, unknown>;
  const taken: Record<string, unknown> = {};
  for (const name of Object.keys(item)) {
    if (!name.startsWith(ours)) continue;
    taken[name.slice(ours.length)] = item[name];
    delete item[name];
  }
  const { type, cursor, from, gap, ending, reconnectAfterMs } = taken;
  return {
    type: String(type),
    cursor: String(cursor),
    gap: gap === undefined ? undefined : { from: String(from), reason: String(gap) },
    ending:
      ending === undefined
        ? undefined
        : { reason: String(ending), reconnectAfterMs: Number(reconnectAfterMs) },
  };
}

function selection(name: string, selections: readonly SelectionNode[] = []): FieldNode {
  return {
    kind: Kind.FIELD,
    name: { kind: Kind.NAME, value: name },
    ...(selections.length === 0 ? {} : { selectionSet: { kind: Kind.SELECTION_SET, selections } }),
  };
}

function variable(name: string, type: string): VariableDefinitionNode {
  return {
    kind: Kind.VARIABLE_DEFINITION,
    variable: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: name } },
    type: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: type } },
  };
}

function argument(name: string, from: string): ArgumentNode {
  return {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: name },
    value: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: from } },
  };
}
