import {
  type FetchNode,
  type FetchNodePathSegment,
  type FetchRewrite,
  type FlattenNodePathSegment,
  type PlanNode,
  QueryPlanner,
  type RequiresSelection,
} from '@graphql-hive/router-query-planner';
import { Kind, type OperationDefinitionNode, parse } from 'graphql';
import { LRUCache } from 'lru-cache';
import {
  prefixOf,
  type Requirement,
  type Rewrite,
  type RewriteSegment,
  representation,
  type Segment,
  type Types,
  walkTo,
} from './entity.ts';
import {
  type Batch,
  condition,
  type Fetch,
  fetchEntities,
  fetchRoot,
  parallel,
  type Step,
  sequence,
} from './execute.ts';

// Operation -> Plan, compiled to steps; the only import of the planner. Plans don't depend on who asks, so callers of
// different views share them.

export interface Plan {
  /** For a subscription: where its events come from. */
  readonly source: Fetch | undefined;
  /** All that is to be fetched; for a subscription: what each event still lacks. */
  readonly step: Step | undefined;
  /** Whether it is nothing but root fetches, one after the other. */
  readonly isSerial: boolean;
}

export interface PlannerOptions {
  /** The names of progressive `@override` labels that are on. */
  labels?: ReadonlySet<string>;
  cacheSize: number;
}

export class Planner {
  /** The SDL clients see, in the planner's words. */
  readonly consumerSdl: string;
  private readonly planner: QueryPlanner;
  private readonly labels: Set<string>;
  private readonly thresholds: readonly number[];
  private readonly plans: LRUCache<string, Plan>;
  hits = 0;
  misses = 0;

  constructor(supergraphSdl: string, { labels, cacheSize }: PlannerOptions) {
    this.planner = new QueryPlanner(supergraphSdl);
    this.consumerSdl = this.planner.consumerSchema;
    this.labels = new Set(labels);
    // Asking the planner itself is a call out of JavaScript, and an array made anew.
    this.thresholds = this.planner.overridePercentages;
    this.plans = new LRUCache({ max: cacheSize });
  }

  /**
   * Plans an operation.
   * @param text        one valid operation without introspection fields.
   * @param percentage  0 to 100: which side of `@override(label: "percent(x)")` this request is on.
   * @throws what the planner throws.
   */
  plan(text: string, percentage: number, types: Types): Plan {
    const side = this.thresholds.filter((threshold) => percentage >= threshold).length;
    const key = `${side} ${text}`;
    let plan = this.plans.get(key);
    if (plan) this.hits += 1;
    else {
      this.misses += 1;
      const { node } = this.planner.plan(text, undefined, this.labels, percentage);
      plan = compile(node, types);
      this.plans.set(key, plan);
    }
    return plan;
  }

  /** Whether `plan` depends on its percentage at all. */
  get isProgressive(): boolean {
    return this.thresholds.length > 0;
  }
}

function compile(node: PlanNode | undefined, types: Types): Plan {
  const [first, ...rest] = node?.kind === 'Sequence' ? node.nodes : node ? [node] : [];
  if (first?.kind === 'Subscription') {
    const step = rest.length > 0 ? sequence(rest.map((later) => stepOf(later, types))) : undefined;
    return { source: fetchOf(first.primary), step, isSerial: false };
  }
  const isSerial = [first, ...rest].every((one) => one?.kind === 'Fetch');
  return { source: undefined, step: node && stepOf(node, types), isSerial };
}

function stepOf(node: PlanNode, types: Types): Step {
  switch (node.kind) {
    case 'Sequence':
      return sequence(node.nodes.map((inner) => stepOf(inner, types)));
    case 'Parallel':
      return parallel(node.nodes.map((inner) => stepOf(inner, types)));
    case 'Condition':
      return condition(
        node.condition,
        node.ifClause && stepOf(node.ifClause, types),
        node.elseClause && stepOf(node.elseClause, types),
      );
    case 'Fetch':
      return fetchRoot(fetchOf(node), types);
    case 'Flatten':
      if (node.node.kind !== 'Fetch') throw new Error(`A plan flattens a ${node.node.kind}.`);
      return entitiesOf(node.path, node.node, types);
    case 'BatchFetch': {
      const batches = node.entityBatch.aliases.map((alias) =>
        batchOf(alias.alias, alias.representationsVariableName, alias.paths, alias, types),
      );
      const rewrites = node.entityBatch.aliases.flatMap((alias) => alias.outputRewrites ?? []);
      return fetchEntities(fetchOf({ ...node, outputRewrites: rewrites }), batches, types);
    }
    default:
      throw new Error(`A plan has a ${node.kind}.`);
  }
}

function entitiesOf(path: FlattenNodePathSegment[], node: FetchNode, types: Types): Step {
  const batch = batchOf('_entities', 'representations', [path], node, types);
  return fetchEntities(fetchOf(node), [batch], types);
}

function batchOf(
  key: string,
  variable: string,
  paths: FlattenNodePathSegment[][],
  node: Pick<FetchNode, 'requires' | 'inputRewrites' | 'outputRewrites'>,
  types: Types,
): Batch {
  return {
    key,
    variable,
    paths: paths.map((path) => {
      const segments = path.map(segmentOf);
      return { walk: walkTo(segments, types.isOf), prefix: prefixOf(segments) };
    }),
    representation: representation((node.requires ?? []).map(requirementOf), types),
    inputRewrites: (node.inputRewrites ?? []).map(rewriteOf),
    outputRewrites: (node.outputRewrites ?? []).map(rewriteOf),
  };
}

function fetchOf(node: Omit<FetchNode, 'kind' | 'requires' | 'inputRewrites'>): Fetch {
  const rewrites = (node.outputRewrites ?? []).map(rewriteOf);
  const renamed = new Map<string, string>();
  for (const { path, rename } of rewrites) {
    const last = path.at(-1);
    if (rename !== undefined && last?.key !== undefined) renamed.set(last.key, rename);
  }
  return {
    subgraph: node.serviceName,
    kind: node.operationKind ?? 'query',
    text: node.operation,
    variables: node.variableUsages ?? [],
    renamed,
    rewrites,
    rootKeys: rootKeysOf(node.operation),
  };
}

function rootKeysOf(text: string): string[] {
  const operation = parse(text, { noLocation: true }).definitions.find(
    (definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION,
  );
  const keys: string[] = [];
  for (const selection of operation?.selectionSet.selections ?? []) {
    if (selection.kind === Kind.FIELD) keys.push((selection.alias ?? selection.name).value);
  }
  return keys;
}

function segmentOf(segment: FlattenNodePathSegment): Segment {
  if (segment === '@') return 'items';
  if ('Field' in segment) return { field: segment.Field };
  return { types: segment.TypeCondition };
}

function requirementOf(selection: RequiresSelection): Requirement {
  switch (selection.kind) {
    case 'Field':
      return {
        name: selection.name,
        as: selection.alias ?? selection.name,
        inner: selection.selections?.map(requirementOf),
      };
    case 'InlineFragment':
      return { on: selection.typeCondition, inner: selection.selections.map(requirementOf) };
    default:
      throw new Error(`A plan requires a ${selection.kind}.`);
  }
}

function rewriteOf(change: FetchRewrite): Rewrite {
  if ('KeyRenamer' in change) {
    return { path: change.KeyRenamer.path.map(rewriteSegmentOf), rename: change.KeyRenamer.renameKeyTo };
  }
  const setter = 'ValueSetter' in change ? change.ValueSetter : change;
  return { path: setter.path.map(rewriteSegmentOf), set: setter.setValueTo };
}

function rewriteSegmentOf(segment: FetchNodePathSegment): RewriteSegment {
  return 'Key' in segment ? { key: segment.Key } : { types: segment.TypenameEquals };
}
