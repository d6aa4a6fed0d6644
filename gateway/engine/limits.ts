import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

// How large an operation may be. Fragments count at every place that spreads them, so that a short document can't unfold
// into a huge one; each fragment is measured once.

export interface Limits {
  /** Lexical tokens of the document. Default 5,000. */
  tokens: number;
  /** Fields inside fields; introspection doesn't count. Default 20. */
  depth: number;
  /**
   * Brackets inside brackets, selections inside selections, fragments unfolded, and lists and objects inside variables.
   * Default 48, all the planner reads.
   */
  nesting: number;
  /** Aliased fields, fragments unfolded. Default 100. */
  aliases: number;
  /** Fields of the operation's root, fragments unfolded. Default 30. */
  rootFields: number;
  /** Directives, fragments unfolded. Default 100. */
  directives: number;
  /** All fields, fragments unfolded. Default 5,000. */
  fields: number;
  /** Rows that pages inside pages can bring at most (`first`, `last`; 20 a page that doesn't say). Default 100,000. */
  rows: number;
}

/** Rows of a page whose size isn't said. */
export const unsaidPageSize = 20;

export const defaultLimits: Limits = {
  tokens: 5_000,
  depth: 20,
  nesting: 48,
  aliases: 100,
  rootFields: 30,
  directives: 100,
  fields: 5_000,
  rows: 100_000,
};

/**
 * Whether a text has brackets inside brackets beyond the limit. Asked before parsing: every parser, graphql-js's and the
 * planner's, descends by recursion, and a stack that overflows can end the process.
 */
export function nestingError(text: string, { nesting }: Limits): GraphQLError | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '{' || character === '[' || character === '(') {
      depth += 1;
      if (depth > nesting) return limitError(...nestingLimit(nesting));
    } else if (character === '}' || character === ']' || character === ')') {
      depth -= 1;
    } else if (character === '#') {
      while (at + 1 < text.length && text[at + 1] !== '\n' && text[at + 1] !== '\r') at += 1;
    } else if (character === '"') {
      at = endOfString(text, at);
    }
  }
  return undefined;
}

function nestingLimit(nesting: number): [string, string, number] {
  return ['NESTING_LIMIT_EXCEEDED', `The document nests more than the ${nesting} levels allowed.`, nesting];
}

/** The position of the last quote of the string, or block string, that begins at `start`. */
function endOfString(text: string, start: number): number {
  if (text.startsWith('"""', start)) {
    let end = text.indexOf('"""', start + 3);
    while (end > 0 && text[end - 1] === '\\') end = text.indexOf('"""', end + 3);
    return end < 0 ? text.length : end + 2;
  }
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"' || character === '\n' || character === '\r') return at;
    if (character === '\\') at += 1;
  }
  return text.length;
}

/** Whether variables have lists and objects inside each other beyond the limit: coercing and writing them is recursive too. */
export function variableNestingError(variables: object, { nesting }: Limits): GraphQLError | undefined {
  const isDeeper = (value: unknown, levels: number): boolean =>
    typeof value === 'object' &&
    value !== null &&
    (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)));
  if (!isDeeper(variables, nesting + 1)) return undefined;
  const message = `A variable nests more than the ${nesting} levels allowed.`;
  return limitError('NESTING_LIMIT_EXCEEDED', message, nesting);
}

/** Whether graphql-js stopped reading a document because of its `maxTokens`. */
export function isTokenLimit(error: GraphQLError): boolean {
  return error.message.includes('Document contains more');
}

export function tokenLimitError(limits: Limits): GraphQLError {
  return limitError(
    'TOKEN_LIMIT_EXCEEDED',
    `The document has more than ${limits.tokens} tokens.`,
    limits.tokens,
  );
}

/**
 * What of an operation is beyond its limits, one error each. Runs before validation, so on documents that may be invalid.
 */
export function limitErrors(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  limits: Limits,
): GraphQLError[] {
  const size = measure(document, operation);
  const errors: GraphQLError[] = [];
  for (const [name, code, what] of rules) {
    if (size[name] <= limits[name]) continue;
    const value = size[name] === Number.POSITIVE_INFINITY ? 'far more' : size[name];
    errors.push(limitError(code, `The operation has ${what(value, limits[name])}.`, limits[name]));
  }
  return errors;
}

const rules: readonly [keyof Size, string, (value: number | string, limit: number) => string][] = [
  ['depth', 'DEPTH_LIMIT_EXCEEDED', (value, limit) => `a depth of ${value}, more than the ${limit} allowed`],
  [
    'nesting',
    'NESTING_LIMIT_EXCEEDED',
    (value, limit) => `selections nested ${value} levels deep, more than the ${limit} allowed`,
  ],
  ['aliases', 'ALIAS_LIMIT_EXCEEDED', (value, limit) => `${value} aliases, more than the ${limit} allowed`],
  [
    'rootFields',
    'ROOT_FIELD_LIMIT_EXCEEDED',
    (value, limit) => `${value} root fields, more than the ${limit} allowed`,
  ],
  [
    'directives',
    'DIRECTIVE_LIMIT_EXCEEDED',
    (value, limit) => `${value} directives, more than the ${limit} allowed`,
  ],
  ['fields', 'FIELD_LIMIT_EXCEEDED', (value, limit) => `${value} fields, more than the ${limit} allowed`],
];

/** The error of an operation that asks for too many rows with its variables. */
export function rowLimitError(rows: number, { rows: limit }: Limits): GraphQLError {
  const message = `The operation can bring ${rows} rows, more than the ${limit} allowed: ask for smaller pages inside pages.`;
  return limitError('ROW_LIMIT_EXCEEDED', message, limit);
}

function limitError(code: string, message: string, limit: number): GraphQLError {
  return new GraphQLError(message, { extensions: { code, limit } });
}

interface Size {
  depth: number;
  nesting: number;
  aliases: number;
  rootFields: number;
  directives: number;
  fields: number;
}

function measure(document: DocumentNode, operation: OperationDefinitionNode): Size {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measured = new Map<string, Size>();

  const measureFragment = (name: string): Size => {
    const known = measured.get(name);
    if (known) return known;
    // A fragment inside itself counts as nothing: validation refuses it.
    measured.set(name, nothing);
    const fragment = fragments.get(name);
    const size = fragment ? measureSelections(fragment.selectionSet) : nothing;
    measured.set(name, size);
    return size;
  };

  const measureSelections = (set: SelectionSetNode): Size => {
    const size = { ...nothing };
    for (const selection of set.selections) {
      size.directives += selection.directives?.length ?? 0;
      if (selection.kind === Kind.FIELD) {
        const inner = selection.selectionSet ? measureSelections(selection.selectionSet) : nothing;
        size.nesting = Math.max(size.nesting, 1 + inner.nesting);
        size.fields += 1 + inner.fields;
        size.rootFields += 1;
        size.aliases += (selection.alias ? 1 : 0) + inner.aliases;
        size.directives += inner.directives;
        if (!selection.name.value.startsWith('__')) size.depth = Math.max(size.depth, 1 + inner.depth);
        continue;
      }
      const inner =
        selection.kind === Kind.INLINE_FRAGMENT
          ? measureSelections(selection.selectionSet)
          : measureFragment(selection.name.value);
      size.nesting = Math.max(size.nesting, 1 + inner.nesting);
      size.fields += inner.fields;
      size.rootFields += inner.rootFields;
      size.aliases += inner.aliases;
      size.directives += inner.directives;
      size.depth = Math.max(size.depth, inner.depth);
    }
    return size;
  };

  return measureSelections(operation.selectionSet);
}

const nothing: Size = { depth: 0, nesting: 0, aliases: 0, rootFields: 0, directives: 0, fields: 0 };
