import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLSchema,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  specifiedRules,
  validate,
  valueFromAST,
  visit,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { noContextualField } from './contextual.ts';
import { resolved, type Size, sizeOf } from './cost.ts';
import { type FormattedError, formatted, type Refused, refused } from './error.ts';
import { forbiddenIn } from './forbidden.ts';
import {
  isTokenLimit,
  type Limits,
  limitErrors,
  nestingError,
  rowLimitError,
  tokenLimitError,
  variableNestingError,
} from './limits.ts';
import type { Supergraph } from './supergraph.ts';
import { coercion } from './variables.ts';
import { conditionVariables, type Resume, type Variant, variantOf } from './variant.ts';
import type { Costs } from './weights.ts';
import { WireNames } from './wire.ts';

// Text -> Operation: parsed, within limits, valid against the schema its caller sees. Nothing else reaches the planner,
// which trusts its input: a cyclic fragment would end the process.

/** The schema a caller sees. */
export interface View {
  /** Identifies the schema in caches. */
  readonly key: string;
  readonly schema: GraphQLSchema;
  /** Why a field of the schema is null for its callers, with an error; undefined when it isn't. Without it none is. */
  readonly forbids?: (type: string, field: string) => string | undefined;
}

export type Values = Record<string, unknown>;

/** One operation of one document, ready to run for all callers of one view. */
export class Operation {
  readonly view: View;
  readonly text: string;
  readonly document: DocumentNode;
  readonly definition: OperationDefinitionNode;
  readonly kind: 'query' | 'mutation' | 'subscription';
  readonly name: string | undefined;
  readonly root: GraphQLObjectType;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly wireNames: WireNames;
  /** The fields that are null, with an error each, whatever there is. */
  readonly forbidden: ReadonlySet<FieldNode>;
  readonly subtypes: Supergraph['subtypes'];
  /** How a `@resumable` subscription is resumed; undefined for every other operation. */
  readonly resumable: Resumable | undefined;
  private readonly limits: Limits;
  private readonly coerced: ReturnType<typeof coercion>;
  private readonly size: Size;
  private readonly conditions: readonly string[];
  private readonly variants = new LRUCache<string, Variant>({ max: 32 });
  /** The variables of the last request, as they came and coerced: its cost and its run both need them. */
  private last: { variables: Values; coerced: { values: Values } | Refused } | undefined;

  constructor(
    view: View,
    text: string,
    document: DocumentNode,
    definition: OperationDefinitionNode,
    { supergraph, limits, costs }: { supergraph: Supergraph; limits: Limits; costs: Costs },
  ) {
    this.view = view;
    this.limits = limits;
    this.text = text;
    this.document = document;
    this.definition = definition;
    this.kind = definition.operation;
    this.name = definition.name?.value;
    this.root = view.schema.getRootType(definition.operation)!;
    this.fragments = fragmentsOf(document);
    this.conditions = conditionVariables(document);
    this.wireNames = new WireNames(document, supergraph);
    this.forbidden = forbiddenIn(view, document);
    this.subtypes = supergraph.subtypes;
    this.resumable = resumableOf(this, supergraph);
    this.coerced = coercion(view.schema, definition.variableDefinitions ?? []);
    this.size = sizeOf(view.schema, this.root, definition.selectionSet, this.fragments, costs);
  }

  /**
   * Coerces a request's variables.
   * @returns the values, defaults filled in; or the errors to answer with.
   */
  coerce(variables: Values | null | undefined): { values: Values } | Refused {
    if (!variables) return this.coerceAnew(variables);
    if (this.last?.variables !== variables) this.last = { variables, coerced: this.coerceAnew(variables) };
    return this.last.coerced;
  }

  private coerceAnew(variables: Values | null | undefined): { values: Values } | Refused {
    const tooDeep = variables && variableNestingError(variables, this.limits);
    if (tooDeep) return refuse([tooDeep], 'LIMIT_EXCEEDED');
    const { coerced: values, errors } = this.coerced(variables ?? {});
    if (errors) return refused(formatted(errors, 'BAD_USER_INPUT'));
    const rows = resolved(this.size.rows, values);
    return rows > this.limits.rows
      ? refuse([rowLimitError(rows, this.limits)], 'LIMIT_EXCEEDED')
      : { values };
  }

  /**
   * What it costs at most to run it with these variables, or for a subscription one event; known before anything runs.
   * @returns undefined when the variables are wrong, or ask for more rows than is allowed.
   */
  cost(variables?: Values | null): number | undefined {
    const coerced = this.coerce(variables);
    return 'errors' in coerced ? undefined : resolved(this.size.cost, coerced.values);
  }

  /** The refusal of an operation that has a forbidden field at its root and so comes to nothing, whatever is asked for. */
  refusal({ fields }: Variant): Refused | undefined {
    const errors = [...fields].flatMap(([key, nodes]): FormattedError[] => {
      const name = nodes[0]?.name.value ?? '';
      const message =
        nodes.some((node) => this.forbidden.has(node)) && this.view.forbids?.(this.root.name, name);
      const isLost = this.kind === 'subscription' || isNonNullType(this.root.getFields()[name]?.type);
      return message && isLost ? [{ message, path: [key], extensions: { code: 'FORBIDDEN' } }] : [];
    });
    return errors.length > 0 ? refused(errors) : undefined;
  }

  /** The operation with its conditions decided by `values`. */
  variant(values: Values): Variant {
    let key = '';
    for (const name of this.conditions) key += values[name] === true ? '1' : '0';
    let variant = this.variants.get(key);
    if (!variant) {
      const conditions = Object.fromEntries(this.conditions.map((name) => [name, values[name]]));
      variant = variantOf({ ...this, schema: this.view.schema, resume: this.resumable?.resume }, conditions);
      this.variants.set(key, variant);
    }
    return variant;
  }

  /**
   * What identical subscriptions share: the operation and its variables without the one to resume after.
   * @returns undefined when it isn't a subscription, or the variables are wrong.
   */
  streamKey(variables?: Values | null): string | undefined {
    if (this.kind !== 'subscription') return undefined;
    const coerced = this.coerce(variables);
    if ('errors' in coerced) return undefined;
    const { values } = coerced;
    const used = this.variant(values).variables;
    const shared = Object.fromEntries(
      [...used, ...this.conditions]
        .filter((name) => Object.hasOwn(values, name))
        .map((name) => [name, values[name]]),
    );
    return JSON.stringify([this.view.key, this.name, this.resumable?.shape ?? this.text, shared]);
  }
}

export interface Resumable {
  /** The value of the argument that resumes, for coerced variables; undefined to begin live. */
  after(values: Values): unknown;
  /** The document without that argument. */
  readonly shape: string;
  /** The type of the item that says that the stream ends, and its field for the cursor; undefined: there is none. */
  readonly ending: { readonly type: string; readonly cursor: string } | undefined;
  readonly resume: Resume;
}

export interface OperationsOptions {
  supergraph: Supergraph;
  limits: Limits;
  costs: Costs;
  cacheSize: number;
}

/** Prepares operations and keeps the most used ones, refused ones too. */
export class Operations {
  private readonly options: OperationsOptions;
  private readonly cache: LRUCache<string, Operation | Refused>;
  hits = 0;
  misses = 0;

  constructor(options: OperationsOptions) {
    this.options = options;
    // By count and by characters: an operation weighs a multiple of its text.
    this.cache = new LRUCache({ max: options.cacheSize, maxSize: options.cacheSize * 4_000 });
  }

  prepare(view: View, text: string, name: string | null | undefined): Operation | Refused {
    const key = `${view.key}\0${name ?? ''}\0${text}`;
    const known = this.cache.get(key);
    if (known) {
      this.hits += 1;
      return known;
    }
    this.misses += 1;
    const prepared = this.read(view, text, name);
    this.cache.set(key, prepared, { size: key.length });
    return prepared;
  }

  private read(view: View, text: string, name: string | null | undefined): Operation | Refused {
    const { limits } = this.options;
    const tooDeep = nestingError(text, limits);
    if (tooDeep) return refuse([tooDeep], 'LIMIT_EXCEEDED');
    let document: DocumentNode;
    try {
      document = parse(text, { maxTokens: limits.tokens });
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      return refuse([isTokenLimit(error) ? tokenLimitError(limits) : error], 'GRAPHQL_PARSE_FAILED');
    }
    const definition = operationIn(document, name);
    if (definition instanceof GraphQLError) return refuse([definition], 'OPERATION_RESOLUTION_FAILURE');
    const tooLarge = limitErrors(document, definition, limits);
    if (tooLarge.length > 0) return refuse(tooLarge, 'LIMIT_EXCEEDED');
    const root = view.schema.getRootType(definition.operation);
    // graphql-js checks no field of a root that the schema doesn't have.
    if (!root)
      return refuse(
        [new GraphQLError(`The schema that you see has no ${definition.operation}.`)],
        'GRAPHQL_VALIDATION_FAILED',
      );
    const rules = [...specifiedRules, noContextualField(this.options.supergraph.contextual)];
    const invalid = validate(view.schema, document, rules, { maxErrors: 20 });
    if (invalid.length > 0) return refuse(invalid, 'GRAPHQL_VALIDATION_FAILED');
    return new Operation(view, text, document, definition, this.options);
  }
}

function refuse(errors: readonly GraphQLError[], code: string): Refused {
  return refused(formatted(errors, code) satisfies FormattedError[]);
}

function operationIn(
  document: DocumentNode,
  name: string | null | undefined,
): OperationDefinitionNode | GraphQLError {
  const operations = document.definitions.filter(
    (definition) => definition.kind === Kind.OPERATION_DEFINITION,
  );
  if (name !== undefined && name !== null && name !== '') {
    const named = operations.find((operation) => operation.name?.value === name);
    return named ?? new GraphQLError(`The document has no operation named "${name}".`);
  }
  if (operations.length > 1) {
    return new GraphQLError(
      'The document has several operations: "operationName" must say which one to run.',
    );
  }
  return operations[0] ?? new GraphQLError('The document has no operation.');
}

function fragmentsOf(document: DocumentNode): Record<string, FragmentDefinitionNode> {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null);
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  }
  return fragments;
}

/** Finds the root field of a subscription, if it is resumable, and names what its upstream operation gets. */
function resumableOf(operation: Operation, supergraph: Supergraph): Resumable | undefined {
  if (operation.kind !== 'subscription') return undefined;
  const nodes = rootFieldsOf(operation);
  const name = nodes[0]?.name.value;
  const marks = name === undefined ? undefined : supergraph.resumable.get(name);
  const field = name === undefined ? undefined : supergraph.schema.getSubscriptionType()?.getFields()[name];
  const argument = marks && field?.args.find((candidate) => candidate.name === marks.after);
  if (!marks || !argument) return undefined;
  const given = nodes[0]!.arguments?.find((candidate) => candidate.name.value === marks.after);
  return {
    after: (values) => (given ? valueFromAST(given.value, argument.type, values) : undefined),
    shape: print(withoutArgument(operation.document, nodes, marks.after)),
    ending: marks.ending === undefined ? undefined : { type: marks.ending, cursor: marks.cursor },
    resume: {
      argument: marks.after,
      variable: unusedName('resume_after', operation.text),
      type: String(argument.type),
      cursor: marks.cursor,
      cursorKey: unusedName('resume_cursor', operation.text),
      typeKey: unusedName('resume_type', operation.text),
      live: marks.live,
    },
  };
}

/** The fields of the root, through its fragments, whatever their conditions. */
function rootFieldsOf(operation: Operation): FieldNode[] {
  const nodes: FieldNode[] = [];
  const pending = [operation.definition.selectionSet];
  for (let set = pending.pop(); set; set = pending.pop()) {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) nodes.push(selection);
      else if (selection.kind === Kind.INLINE_FRAGMENT) pending.push(selection.selectionSet);
      else pending.push(operation.fragments[selection.name.value]!.selectionSet);
    }
  }
  return nodes;
}

function withoutArgument(document: DocumentNode, nodes: readonly FieldNode[], name: string): DocumentNode {
  return visit(document, {
    Field(node) {
      if (!nodes.includes(node)) return;
      return { ...node, arguments: node.arguments?.filter((argument) => argument.name.value !== name) };
    },
  });
}

function unusedName(name: string, text: string): string {
  let unused = name;
  while (text.includes(unused)) unused += '_';
  return unused;
}
